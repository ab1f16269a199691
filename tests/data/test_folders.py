from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image, features

from knownot.data import folders, read_folder, read_images


def save(path, pixels, mode: str | None = None, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(pixels, dtype=np.uint8))
    (image.convert(mode) if mode else image).save(path, **options)


@pytest.fixture
def pets(tmp_path):
    """Two classes, three images each, all pixels of an image of one colour."""
    for c, name in enumerate(("cat", "dog")):
        for i in range(3):
            save(tmp_path / "pets" / name / f"{i}.png", np.full((6, 8, 3), (100 * c + 10 * i, 50, 200)))
    return tmp_path / "pets"


def test_read_folder_labels_are_the_names_of_the_folders(pets):
    data = read_folder(pets)
    assert data.x.shape == (6, 6, 8, 3)
    assert data.x.dtype == np.uint8
    assert data.y.tolist() == ["cat"] * 3 + ["dog"] * 3
    assert data.x[:, 0, 0, 0].tolist() == [0, 10, 20, 100, 110, 120]
    assert data.paths is not None
    for path, label, image in zip(data.paths, data.y, data.x, strict=True):
        assert f"/{label}/" in path
        assert (np.asarray(Image.open(path)) == image).all()
    assert data.name == str(pets)
    assert data.note == ""


@pytest.mark.parametrize(
    ("ending", "lossless"), [("png", True), ("bmp", True), ("webp", True), ("tif", True), ("gif", True), ("jpg", False)]
)
def test_read_folder_reads_the_formats_of_pillow(tmp_path, ending, lossless):
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:, 8:] = (250, 120, 20)
    save(tmp_path / "a" / f"x.{ending}", pixels, **({"lossless": True} if ending == "webp" else {}))
    image = read_folder(tmp_path).x[0]
    assert np.abs(image.astype(int) - pixels).max() <= (0 if lossless else 90)
    assert image.shape == (16, 16, 3)


def test_read_folder_reads_deep_files_and_skips_hidden_and_foreign_ones(pets):
    save(pets / "cat" / "more" / "deep.PNG", np.zeros((6, 8, 3)))
    save(pets / "cat" / ".hidden" / "x.png", np.zeros((6, 8, 3)))
    save(pets / "cat" / "._0.png", np.zeros((6, 8, 3)))
    save(pets / "__MACOSX" / "x.png", np.zeros((6, 8, 3)))
    (pets / "cat" / "notes.txt").write_text("soft")
    (pets / "Thumbs.db").write_text("x")
    data = read_folder(pets)
    assert data.y.tolist() == ["cat"] * 4 + ["dog"] * 3
    assert sum("deep.PNG" in path for path in data.paths) == 1


def test_read_folder_keeps_one_channel_only_where_all_are_grey(tmp_path):
    ramp = np.arange(48, dtype=np.uint8).reshape(6, 8)
    save(tmp_path / "a" / "0.png", ramp)
    save(tmp_path / "b" / "1.png", ramp, mode="1")
    data = read_folder(tmp_path)
    assert data.x.shape == (2, 6, 8, 1)
    assert (data.x[0, ..., 0] == ramp).all()
    save(tmp_path / "b" / "2.png", np.stack([ramp, ramp, ramp + 1], -1))
    data = read_folder(tmp_path)
    assert data.x.shape == (3, 6, 8, 3)
    assert (data.x[0] == ramp[..., None]).all()
    assert read_folder(tmp_path, channels=1).x.shape == (3, 6, 8, 1)
    assert read_images(tmp_path / "a", channels=3).x.shape == (1, 6, 8, 3)


def test_read_folder_scales_sixteen_bits(tmp_path):
    (tmp_path / "a").mkdir()
    values = np.array([[0, 257, 25700, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a" / "0.png")
    assert read_folder(tmp_path).x[0, ..., 0].tolist() == [[0, 1, 100, 255]]


def test_read_folder_turns_images_as_their_orientation_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[:, 4:] = 255
    (tmp_path / "a").mkdir()
    Image.fromarray(pixels).save(tmp_path / "a" / "0.png", exif=exif)
    image = read_folder(tmp_path).x[0]
    assert image.shape == (8, 4, 3)
    assert (image == np.rot90(pixels, -1)).all()


def test_read_folder_resizes_to_the_most_common_size(pets):
    save(pets / "dog" / "large.png", np.full((40, 40, 3), 77))
    data = read_folder(pets)
    assert data.x.shape == (7, 6, 8, 3)
    assert (data.x[-1] == 77).all()
    assert read_folder(pets, image_size=5).x.shape == (7, 5, 5, 3)
    assert read_folder(pets, image_size=(3, 4)).x.shape == (7, 3, 4, 3)
    assert read_folder(pets, image_size=np.int64(5)).x.shape == (7, 5, 5, 3)
    assert read_folder(pets).note == ""
    for i in range(6):
        save(pets / "dog" / f"large{i}.png", np.full((40, 40, 3), 77))
    assert read_folder(pets).x.shape[1:3] == (40, 40)


def test_read_folder_takes_the_larger_of_equally_common_sizes(tmp_path):
    save(tmp_path / "a" / "0.png", np.zeros((4, 4)))
    save(tmp_path / "a" / "1.png", np.zeros((9, 9)))
    assert read_folder(tmp_path).x.shape == (2, 9, 9, 1)


def test_read_folder_averages_when_it_shrinks(tmp_path):
    """A fine chequerboard becomes grey; picking every n-th pixel would give black or white."""
    save(tmp_path / "a" / "0.png", 255 * (np.indices((64, 64)).sum(0) % 2))
    small = read_folder(tmp_path, image_size=8).x
    assert np.abs(small.astype(int) - 127).max() <= 2


def broken(pets) -> None:
    whole = (pets / "cat" / "0.png").read_bytes()
    (pets / "cat" / "cut.png").write_bytes(whole[: len(whole) - 30])
    (pets / "dog" / "text.jpg").write_text("this is no image")
    (pets / "dog" / "empty.png").write_bytes(b"")


def test_read_folder_names_all_unreadable_images(pets):
    broken(pets)
    with pytest.raises(ValueError, match=r"3 of 9 images cannot be read.*unreadable='skip'") as caught:
        read_folder(pets)
    for name in ("cut.png", "text.jpg", "empty.png"):
        assert name in str(caught.value)
    assert "0.png" not in str(caught.value)


def test_read_folder_skips_unreadable_images_with_a_warning(pets):
    broken(pets)
    with pytest.warns(UserWarning, match="3 of 9 images cannot be read and were skipped"):
        data = read_folder(pets, unreadable="skip")
    assert data.y.tolist() == ["cat"] * 3 + ["dog"] * 3
    assert data.x[:, 0, 0, 0].tolist() == [0, 10, 20, 100, 110, 120]
    assert "cut.png" in data.note
    assert len(data.paths) == 6


def test_read_folder_counts_many_unreadable_images(tmp_path):
    (tmp_path / "a").mkdir()
    for i in range(8):
        (tmp_path / "a" / f"{i}.png").write_text("x")
    with pytest.raises(ValueError, match=r"8 of 8 images cannot be read.* and 3 more"):
        read_folder(tmp_path)
    with pytest.raises(ValueError, match=r"none of 8 images can be read.*Are they images\?"):
        read_folder(tmp_path, unreadable="skip")


def test_read_folder_refuses_floating_point_images(tmp_path):
    (tmp_path / "a").mkdir()
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "a" / "0.tif")
    with pytest.raises(ValueError, match="floating-point pixels have no agreed range"):
        read_folder(tmp_path)


def test_read_folder_refuses_what_are_no_class_folders(tmp_path, pets):
    with pytest.raises(ValueError, match="absent does not exist: give a folder of images"):
        read_folder(tmp_path / "absent")
    with pytest.raises(ValueError, match=r"0.png is a file: give a folder"):
        read_folder(pets / "cat" / "0.png")
    with pytest.raises(ValueError, match=r"holds 3 images but no class folders.*read_images"):
        read_folder(pets / "cat")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty holds no class folders with images: make one folder for each class"):
        read_folder(tmp_path / "empty")
    (pets / "elk").mkdir()
    with pytest.raises(ValueError, match="class folder without images, 'elk'"):
        read_folder(pets)
    (pets / "elk").rmdir()
    save(pets / "stray.png", np.zeros((6, 8, 3)))
    with pytest.raises(ValueError, match=r"mixes 1 images, first stray.png, with 2 class folders"):
        read_folder(pets)


def test_read_folder_refuses_unknown_options(pets):
    with pytest.raises(ValueError, match="unreadable is 'ignore'"):
        read_folder(pets, unreadable="ignore")
    with pytest.raises(ValueError, match="channels is 2"):
        read_folder(pets, channels=2)
    for size in (0, (4,), (4, -1), 3.5, (4, 2.0), "44"):
        with pytest.raises(ValueError, match="image_size is"):
            read_folder(pets, image_size=size)


def test_read_images_gives_no_labels(pets, tmp_path):
    data = read_images(pets / "cat")
    assert data.y is None
    assert [path.rsplit("/", 1)[1] for path in data.paths] == ["0.png", "1.png", "2.png"]
    assert (data.x == read_folder(pets).x[:3]).all()
    assert read_images(str(pets / "dog" / "1.png")).x[0, 0, 0, 0] == 110
    several = read_images([pets / "dog" / "2.png", pets / "cat" / "0.png"])
    assert several.x[:, 0, 0, 0].tolist() == [120, 0]
    with pytest.raises(ValueError, match="pets holds no images"):
        read_images(pets)
    with pytest.raises(ValueError, match="0 images holds no images"):
        read_images([])
    with pytest.raises(ValueError, match=r"1 of 1 images cannot be read: .*absent.png .FileNotFoundError"):
        read_images([tmp_path / "absent.png"])


def test_read_folder_scales_large_images_down_and_says_so(tmp_path):
    for i in range(3):
        save(tmp_path / "a" / f"{i}.jpg", np.full((480, 640, 3), 60 * i))
    data = read_folder(tmp_path)
    assert data.x.shape == (3, 48, 64, 3)
    assert np.abs(data.x.astype(int) - 60 * np.arange(3).reshape(3, 1, 1, 1)).max() <= 2
    said = "images of 480 x 640 pixels were resized to 48 x 64 (height x width); choose another size with image_size"
    assert data.note == said
    save(tmp_path / "b" / "small.png", np.full((10, 10, 3), 9))
    data = read_folder(tmp_path)
    assert (data.x[3] == 9).all()
    assert "images of 480 x 640 pixels, the most common size, were resized to 48 x 64" in data.note
    wanted = read_folder(tmp_path, image_size=(480, 640))
    assert wanted.x.shape == (4, 480, 640, 3)
    assert wanted.note == ""


def test_read_folder_counts_sizes_of_photos_as_they_are_looked_at(tmp_path):
    """Three photos held upright and two across, all stored across."""
    exif = Image.Exif()
    for i in range(5):
        exif[0x0112] = (6, 8, 1, 6, 3)[i]
        save(tmp_path / "a" / f"{i}.jpg", np.zeros((300, 400, 3)), exif=exif)
    data = read_folder(tmp_path)
    assert data.x.shape == (5, 64, 48, 3)
    assert "images of 400 x 300 pixels, the most common size, were resized to 64 x 48" in data.note


def test_read_folder_enlarges_thin_images_to_eight_pixels(tmp_path):
    save(tmp_path / "a" / "panorama.png", np.full((1, 2000), 33))
    data = read_folder(tmp_path)
    assert data.x.shape == (1, 8, 64, 1)
    assert (data.x == 33).all()


READING = r"""
import re, sys
from pathlib import Path
from knownot.data import read_folder
peak = lambda: int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])
before = peak()
x = read_folder(sys.argv[1]).x
print(peak() - before, *x.shape)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
def test_read_folder_never_holds_photos_in_full_size(tmp_path):
    """Twelve photos of 12 megapixels, 440 MB when decoded."""
    save(tmp_path / "a" / "0.jpg", np.indices((3024, 4032)).sum(0)[..., None] % [256, 255, 254])
    for i in range(1, 12):
        (tmp_path / "a" / f"{i}.jpg").hardlink_to(tmp_path / "a" / "0.jpg")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", READING, str(tmp_path)]
    output = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    grown, *shape = (int(number) for number in output.split())
    assert shape == [12, 48, 64, 3]
    assert grown < 40_000


def test_read_folder_says_which_files_it_passed_over_where_no_image_is_left(tmp_path):
    (tmp_path / "pets" / "cat").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"without images, 'cat'.*or remove it.$"):
        read_folder(tmp_path / "pets")
    for name in ("1.HEIC", "2.heic", "notes.txt", ".hidden.txt", ".more.txt"):
        (tmp_path / "pets" / "cat" / name).write_text("x")
    with pytest.raises(ValueError, match=r"It holds 2 files ending in .heic, which are not read: save images as .jpg"):
        read_folder(tmp_path / "pets")
    with pytest.raises(ValueError, match=r"cat holds no images: .* It holds 2 files ending in .heic"):
        read_images(tmp_path / "pets" / "cat")


def test_read_folder_tells_progress_in_the_calling_thread(pets):
    calls = []

    def progress(done: int, total: int) -> None:
        calls.append((done, total, threading.current_thread()))

    read_folder(pets, progress=progress)
    here = threading.current_thread()
    assert calls == [(i, 6, here) for i in range(1, 7)]
    calls.clear()
    broken(pets)
    with pytest.warns(UserWarning, match="skipped"):
        # The cut one is found broken when it is decoded, the two others before.
        read_folder(pets, unreadable="skip", progress=progress)
    assert [call[:2] for call in calls] == [(i, 7) for i in range(1, 8)]
    calls.clear()
    read_images([pets / "cat" / "0.png"] * 3, image_size=4, channels=1, progress=progress)
    assert [call[:2] for call in calls] == [(1, 3), (2, 3), (3, 3)]


def test_read_folder_stops_when_progress_raises(pets, monkeypatch):
    """What is being decoded then is decoded to its end, what waits is not begun."""
    stopped, begun, read_pixels = threading.Event(), [], folders.read_pixels

    def decode(file, out):
        begun.append(file)
        if len(begun) > 3:
            stopped.wait()
        read_pixels(file, out)

    def progress(done: int, total: int) -> None:
        if done == 3:
            threading.Timer(0.2, stopped.set).start()
            raise RuntimeError("enough")

    monkeypatch.setattr(folders, "read_pixels", decode)
    with pytest.raises(RuntimeError, match="enough"):
        read_images([pets / "cat" / "0.png"] * 1000, progress=progress)
    assert len(begun) <= 3 + min(8, os.cpu_count())


def test_read_folder_stops_at_an_interrupt(pets, monkeypatch):
    decoded = []

    def decode(file, out):
        decoded.append(file)
        time.sleep(0.01)

    monkeypatch.setattr(folders, "read_pixels", decode)
    stopped = threading.Event()

    def press():
        # Again and again: Python drops an interrupt that arrives in the callback of a weak reference.
        while not stopped.wait(0.5):
            os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    # A shell starts processes in the background deaf to interrupts.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        presser.start()
        with pytest.raises(KeyboardInterrupt):
            read_images([pets / "cat" / "0.png"] * 5000, image_size=4, channels=3)
    finally:
        stopped.set()
        presser.join()
        signal.signal(signal.SIGINT, handler)
    assert 0 < len(decoded) < 2000
    done = len(decoded)
    time.sleep(0.05)
    assert len(decoded) == done


def test_read_folder_takes_files_as_they_are_when_they_change_meanwhile(pets, monkeypatch):
    """Between the pass over the headers and that over the pixels one is removed, one grows and turns grey."""

    def meanwhile(file):
        header = read_header(file)
        if file == pets / "cat" / "0.png":
            file.unlink()
        if file == pets / "dog" / "2.png":
            save(file, np.full((30, 90), 5))
        return header

    read_header = folders.read_header
    monkeypatch.setattr(folders, "read_header", meanwhile)
    with pytest.warns(UserWarning, match=r"1 of 6 images cannot be read and were skipped: .*0.png .FileNotFoundError"):
        data = read_folder(pets, unreadable="skip")
    assert data.x.shape == (5, 6, 8, 3)
    assert data.x[:, 0, 0, 0].tolist() == [10, 20, 100, 110, 5]
    assert data.y.tolist() == ["cat"] * 2 + ["dog"] * 3


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow knows no AVIF")
def test_read_folder_names_broken_files_of_any_format(tmp_path):
    """Pillow tells of a broken AVIF by a RuntimeError."""
    save(tmp_path / "a" / "0.avif", np.zeros((60, 60, 3)))
    whole = (tmp_path / "a" / "0.avif").read_bytes()
    (tmp_path / "a" / "0.avif").write_bytes(whole.replace(b"av01", b"av99"))
    with pytest.raises(ValueError, match=r"1 of 1 images cannot be read: .*0.avif \(RuntimeError: "):
        read_folder(tmp_path)


def test_read_folder_says_what_is_wrong_with_photos_too_large(pets, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(ValueError, match=r"6 of 6 images cannot be read: .*Image size \(48 pixels\) exceeds limit"):
        read_folder(pets)


@pytest.mark.parametrize("size", [200_000, 10**10])
def test_read_folder_says_that_memory_does_not_suffice(pets, monkeypatch, size):
    def empty(shape, dtype):
        raise MemoryError if max(shape) < 10**9 else ValueError("array is too big")

    monkeypatch.setattr(folders.np, "empty", empty)
    with pytest.raises(ValueError, match=r"6 images of \d+ x \d+ pixels need .* GiB .* choose a smaller image_size"):
        read_folder(pets, image_size=size)
