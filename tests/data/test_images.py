from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageOps, TiffImagePlugin, WebPImagePlugin

from knownot.data.images import affordable_size, most_common_size, read_header, read_pixels


def scene(height: int, width: int) -> np.ndarray:
    """A smooth picture without symmetry, (height, width, 3)."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    colours = (np.sin(5 * x + 2 * y), np.cos(7 * y * x), np.sin(3 * y) * x)
    return (127 + 120 * np.stack(colours, -1)).astype(np.uint8)


def pixels(file, height: int, width: int, channels: int = 3) -> np.ndarray:
    out = np.empty((height, width, channels), np.uint8)
    read_pixels(file, out)
    return out


def in_full(file, height: int, width: int, channels: int = 3) -> np.ndarray:
    """The definition: all pixels decoded, turned, converted, and only then resized."""
    with Image.open(file) as image:
        whole = ImageOps.exif_transpose(image).convert("L" if channels == 1 else "RGB")
    small = whole.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(small).reshape(height, width, channels)


@given(st.tuples(st.integers(1, 20_000), st.integers(1, 20_000)))
def test_affordable_size_keeps_proportions(size):
    height, width = affordable_size(size)
    if max(size) <= 64:
        assert (height, width) == size
        return
    assert max(height, width) == 64
    assert (height >= width) == (size[0] >= size[1]) or height == width
    shorter, exact = min(height, width), 64 * min(size) / max(size)
    assert abs(shorter - exact) <= 0.5 or (shorter == 8 and exact < 8)


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=12))
def test_most_common_size_is_the_largest_of_the_most_common(sizes):
    size = most_common_size(sizes)
    for other in sizes:
        assert (sizes.count(other), other[0] * other[1]) <= (sizes.count(size), size[0] * size[1])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
def test_read_pixels_turns_before_and_after_shrinking_alike(tmp_path, ending, orientation):
    exif, file = Image.Exif(), tmp_path / f"0.{ending}"
    exif[0x0112] = orientation
    Image.fromarray(scene(301, 203)).save(file, exif=exif)
    size = (203, 301) if orientation > 4 else (301, 203)
    assert read_header(file).size == size
    for height, width in (size, (12, 20), (40, 9), (400, 500)):
        small, expected = pixels(file, height, width), in_full(file, height, width)
        assert np.abs(small.astype(int) - expected).mean() < 2
        assert np.abs(small.astype(int) - expected).max() < 12


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "YCbCr"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
@pytest.mark.parametrize("channels", [1, 3])
def test_read_pixels_of_a_jpeg_decodes_fewer_to_the_same_picture(tmp_path, mode, options, channels):
    """Sizes that eight does not divide: the last block counts in part."""
    file = tmp_path / "0.jpg"
    Image.fromarray(scene(1003, 757)).convert(mode).save(file, quality=95, **options)
    for height, width in ((64, 48), (250, 30), (501, 378)):
        small, expected = pixels(file, height, width, channels), in_full(file, height, width, channels)
        assert np.abs(small.astype(int) - expected).mean() < 1.5
        assert np.abs(small.astype(int) - expected).max() < 10


def test_read_pixels_of_a_jpeg_keeps_its_margins(tmp_path):
    """Of the last block of eight, one pixel belongs to the image: whole, the ramp would be an eighth wider."""
    ramp = np.repeat(np.linspace(0, 255, 57)[None], 57, 0).astype(np.uint8)
    Image.fromarray(ramp).save(tmp_path / "0.jpg", quality=95)
    small, expected = (read(tmp_path / "0.jpg", 3, 3, 1).astype(int) for read in (pixels, in_full))
    assert np.abs(small - expected).max() <= 8


def test_read_pixels_of_a_jpeg_filters_as_if_it_were_whole(tmp_path):
    """Noise: averages over blocks of eight alone would keep half as much again of it."""
    noise = np.random.default_rng(0).integers(0, 256, (512, 512), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "0.jpg", quality=95)
    small, expected = (read(tmp_path / "0.jpg", 64, 64, 1).astype(int) for read in (pixels, in_full))
    assert 0.9 < small.std() / expected.std() < 1.1
    assert np.abs(small - expected).mean() < 2.5


def test_read_pixels_of_a_jpeg_of_one_pixel_height(tmp_path):
    Image.fromarray(scene(1, 5000)).save(tmp_path / "0.jpg", quality=95)
    assert np.abs(pixels(tmp_path / "0.jpg", 8, 64).astype(int) - in_full(tmp_path / "0.jpg", 8, 64)).max() < 16


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"])
def test_read_pixels_converts_every_kind(tmp_path, mode):
    image = Image.fromarray(scene(90, 120)).convert("L" if mode.startswith("I") else mode)
    if mode.startswith("I"):
        image = Image.fromarray(np.asarray(image).astype(np.int32 if mode == "I" else np.uint16) * 257)
    image.save(tmp_path / "0.tif" if mode == "I" else tmp_path / "0.png")
    file = next(tmp_path.iterdir())
    assert read_header(file) == ((90, 120), mode in ("1", "L", "LA", "I", "I;16"))
    for channels in (1, 3):
        expected = Image.fromarray(np.asarray(image) // 257).convert("L") if mode.startswith("I") else image
        expected = np.asarray(expected.convert("L" if channels == 1 else "RGB").resize((30, 20), 2))
        small = pixels(file, 20, 30, channels)
        assert np.abs(small.astype(int) - expected.reshape(small.shape)).max() <= 1


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def test_read_header_finds_the_orientation_behind_the_pixels_of_a_png(tmp_path):
    exif, file = Image.Exif(), tmp_path / "0.png"
    exif[0x0112] = 6
    Image.fromarray(scene(30, 20)).save(file)
    assert read_header(file).size == (30, 20)
    end = chunk(b"IEND", b"")
    plain = file.read_bytes().removesuffix(end)
    file.write_bytes(plain + chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")) + end)
    assert read_header(file).size == (20, 30)
    assert (pixels(file, 20, 30) == np.rot90(scene(30, 20), -1)).all()


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tif", "gif"])
@pytest.mark.parametrize("orientation", [1, 8])
def test_read_header_does_not_decode(tmp_path, monkeypatch, ending, orientation):
    exif, file = Image.Exif(), tmp_path / f"0.{ending}"
    exif[0x0112] = orientation
    Image.fromarray(scene(30, 20)).save(file, **({} if ending == "gif" else {"exif": exif}))

    def load(image):
        raise AssertionError("decoded")

    for kind in (ImageFile.ImageFile, TiffImagePlugin.TiffImageFile, WebPImagePlugin.WebPImageFile):
        monkeypatch.setattr(kind, "load", load)
    assert read_header(file).size == ((20, 30) if orientation == 8 and ending != "gif" else (30, 20))
    with pytest.raises(AssertionError, match="decoded"):
        pixels(file, 2, 2)


def test_read_pixels_takes_the_first_frame(tmp_path):
    frames = [Image.fromarray(np.full((20, 30, 3), value, np.uint8)) for value in (10, 200)]
    for ending, options in (("gif", {}), ("png", {}), ("webp", {"lossless": True}), ("tif", {})):
        file = tmp_path / f"0.{ending}"
        frames[0].save(file, save_all=True, append_images=frames[1:], **options)
        assert (pixels(file, 20, 30) == 10).all()
    frames[0].save(tmp_path / "0.jpg", "MPO", save_all=True, append_images=frames[1:])
    assert np.abs(pixels(tmp_path / "0.jpg", 2, 3).astype(int) - 10).max() <= 2
