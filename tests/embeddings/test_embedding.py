"""Photos to embeddings: in memory, in tables, after interruptions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import knownot
from knownot.data import read_folder, read_npz, read_source, read_table
from knownot.embeddings import embed_to_file
from knownot.embeddings.embedding import journal_of


def colours(images):
    """Embed by the mean colour."""
    return np.stack([np.asarray(image, float).mean((0, 1)) / 255 for image in images])


@pytest.fixture
def counted():
    """A function that embeds, and how many pictures it was asked for."""

    def embed(images):
        embed.n += len(images)
        return colours(images)

    embed.n = 0
    return embed


def stop_after(n):
    def progress(done, total):
        if done >= n:
            raise KeyboardInterrupt

    return progress


def test_embedding_is_what_the_function_says(photos):
    data = knownot.embed(photos, colours, batch_size=4)
    files = read_folder(photos, image_size=(8, 8))
    assert data.paths == files.paths
    assert data.labels.tolist() == files.labels.tolist()
    assert data.x.shape == (21, 3)
    assert data.x.dtype == np.float32
    assert data.feature_names == ("e000", "e001", "e002")
    direct = [colours([Image.open(path)])[0] for path in data.paths]
    assert np.allclose(data.x, direct, atol=1e-6)


def test_function_gets_upright_colour_pictures_no_larger_than_needed(tmp_path):
    seen = {}

    def look(images):
        seen.update({image.size: image for image in images})
        assert all(image.mode == "RGB" for image in images)
        return [[1.0, 2.0] for _ in images]

    turned = Image.new("RGB", (2400, 1600), "red")
    turned.paste("blue", (0, 0, 1200, 1600))
    exif = turned.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise: blue comes to the top
    turned.save(tmp_path / "a.jpg", exif=exif)
    Image.fromarray(np.full((1300, 2600), 300 * 100, np.uint16)).save(tmp_path / "b.png")
    Image.new("RGBA", (50, 40)).save(tmp_path / "c.png")
    knownot.embed(tmp_path, look, side=400)
    del seen[(512, 512)]  # the noise that comes first
    assert set(seen) == {(400, 600), (867, 434), (50, 40)}
    red, _, blue = seen[(400, 600)].getpixel((200, 100))
    assert blue > 200 > red
    assert seen[(867, 434)].getpixel((5, 5)) == (116, 116, 116)


def test_row_does_not_depend_on_its_neighbours(photos, vit):
    together = knownot.embed(photos, vit, batch_size=4)
    alone = knownot.embed(photos / "wood", vit, batch_size=4)
    one = knownot.embed(photos / "sea" / "3.jpg", vit, batch_size=4)
    assert np.array_equal(together.x[together.labels == "wood"], alone.x)
    assert np.array_equal(together.x[[path.endswith("sea/3.jpg") for path in together.paths]], one.x)
    assert alone.y is None


def test_embedding_of_a_named_set_and_of_arrays():
    data = read_source("digits")
    ours = knownot.embed("digits", colours)
    assert np.allclose(ours.x[:, 0], data.x.mean((1, 2, 3)) / (255 if data.x.dtype == np.uint8 else 1), atol=3e-3)
    assert ours.labels.tolist() == [str(label) for label in data.labels]  # by their names
    assert np.array_equal(knownot.embed(data, colours).x, ours.x)
    assert len(knownot.embed("digits", colours, split="test")) != len(ours)


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".npz"])
def test_table_holds_what_is_embedded(photos, tmp_path, ending):
    table = tmp_path / f"photos{ending}"
    facts = embed_to_file(photos, colours, table, batch_size=4)
    wanted = knownot.embed(photos, colours, batch_size=4)
    found = read_npz(table) if ending == ".npz" else read_table(table, "label")
    assert np.array_equal(found.x.astype(np.float32), wanted.x)
    assert found.labels.tolist() == wanted.labels.tolist()
    assert found.paths == wanted.paths
    assert (facts["photos"], facts["dimensions"], facts["resumed"], facts["skipped"]) == (21, 3, 0, 0)
    assert found.feature_names == (None if ending == ".npz" else wanted.feature_names)
    assert sorted(tmp_path.iterdir()) == [table]
    before = table.read_bytes()
    embed_to_file(photos, colours, table, batch_size=4)
    assert table.read_bytes() == before


def test_table_without_labels(photos, tmp_path):
    embed_to_file(photos / "sea", colours, tmp_path / "sea.csv")
    assert (tmp_path / "sea.csv").read_text().splitlines()[0] == "path,e000,e001,e002"
    assert read_table(tmp_path / "sea.csv").x.shape == (7, 3)


def test_table_of_pieces_is_whole(photos, tmp_path, monkeypatch):
    monkeypatch.setattr("knownot.embeddings.tables.ROWS_AT_ONCE", 5)
    for ending in (".parquet", ".csv", ".npz"):
        table = tmp_path / f"photos{ending}"
        embed_to_file(photos, colours, table, batch_size=2)
        assert np.allclose(
            read_source(table, None if ending == ".npz" else "label").x, knownot.embed(photos, colours).x
        )


@pytest.mark.parametrize("at", [0, 1, 8, 20])
def test_interrupted_run_goes_on_to_the_same_table(photos, tmp_path, counted, at):
    whole, table = tmp_path / "whole.parquet", tmp_path / "photos.parquet"
    embed_to_file(photos, counted, whole, batch_size=4)
    everything, counted.n = counted.n, 0
    with pytest.raises(KeyboardInterrupt):
        embed_to_file(photos, counted, table, batch_size=4, progress=stop_after(at))
    assert not table.exists()
    assert journal_of(table).exists()
    first, counted.n = counted.n, 0
    facts = embed_to_file(photos, counted, table, batch_size=4)
    assert facts["resumed"] == -(-at // 4) * 4 if at else facts["resumed"] == 0
    assert counted.n + first == everything + 4  # the noise that comes first is embedded twice
    assert table.read_bytes() == whole.read_bytes()
    assert not journal_of(table).exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="signals of POSIX")
@pytest.mark.slow
def test_killed_run_goes_on_to_the_same_table(photos, vit, tmp_path):
    whole, table = tmp_path / "whole.parquet", tmp_path / "photos.parquet"
    embed_to_file(photos, vit, whole, batch_size=4)
    command = [sys.executable, str(Path(__file__).with_name("killed_embedding.py")), str(photos), vit, str(table), "8"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    source = str(Path(knownot.__file__).parents[1])
    environment["PYTHONPATH"] = os.pathsep.join([source, environment.get("PYTHONPATH", "")])
    assert subprocess.run(command, env=environment, check=False).returncode == -9
    assert not table.exists()
    assert embed_to_file(photos, vit, table, batch_size=4)["resumed"] == 8
    assert table.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("cut", [1, 50, 51, 10_000])
def test_torn_or_damaged_end_of_a_journal_is_embedded_again(photos, tmp_path, cut):
    table = tmp_path / "photos.csv"
    with pytest.raises(KeyboardInterrupt):
        embed_to_file(photos, colours, table, batch_size=4, progress=stop_after(12))
    journal = journal_of(table)
    content = journal.read_bytes()
    journal.write_bytes(content[:-cut])
    embed_to_file(photos, colours, table, batch_size=4)
    wanted = knownot.embed(photos, colours)
    assert np.array_equal(read_table(table, "label").x.astype(np.float32), wanted.x)
    damaged = bytearray(content)
    damaged[-30] ^= 1
    journal.write_bytes(bytes(damaged))
    assert embed_to_file(photos, colours, table, batch_size=4)["resumed"] == 8
    assert np.array_equal(read_table(table, "label").x.astype(np.float32), wanted.x)


def test_run_by_another_encoder_is_refused(photos, tmp_path):
    table = tmp_path / "photos.csv"
    with pytest.raises(KeyboardInterrupt):
        embed_to_file(photos, colours, table, batch_size=4, progress=stop_after(12))
    before = journal_of(table).read_bytes()
    with pytest.raises(ValueError, match=r"unfinished run, made otherwise \(.*numbers .* then, .* now\).*delete it"):
        embed_to_file(photos, lambda images: 2 * colours(images), table, batch_size=4)
    with pytest.raises(ValueError, match="batch_size 4 then, 8 now"):
        embed_to_file(photos, colours, table, batch_size=8)
    assert journal_of(table).read_bytes() == before
    journal_of(table).write_text("my notes\n")
    with pytest.raises(ValueError, match="is in the way and no unfinished run"):
        embed_to_file(photos, colours, table, batch_size=4)
    assert journal_of(table).read_text() == "my notes\n"


def test_photos_that_changed_meanwhile_are_embedded(photos, tmp_path):
    import shutil

    root, table = tmp_path / "places", tmp_path / "photos.csv"
    shutil.copytree(photos, root)
    with pytest.raises(KeyboardInterrupt):
        embed_to_file(root, colours, table, batch_size=4, progress=stop_after(12))
    Image.new("RGB", (30, 30), "black").save(root / "sand" / "0.jpg")
    facts = embed_to_file(root, colours, table, batch_size=4)
    assert facts["resumed"] == 8
    assert "8 of 21 photos" in facts["notes"][0]
    assert np.array_equal(read_table(table, "label").x.astype(np.float32), knownot.embed(root, colours).x)
    with pytest.raises(KeyboardInterrupt):
        embed_to_file(root, colours, table, batch_size=4, progress=stop_after(12))
    facts = embed_to_file(root / "wood", colours, table, batch_size=4)
    assert "none is the same" in facts["notes"][0]
    assert len(read_table(table)) == 7


def test_two_runs_at_once_are_refused(photos, tmp_path):
    pytest.importorskip("fcntl")

    def another(done, total):
        with pytest.raises(ValueError, match="being written by another run"):
            embed_to_file(photos, colours, tmp_path / "photos.csv")

    embed_to_file(photos, colours, tmp_path / "photos.csv", progress=another)


def test_damaged_photos(photos, tmp_path):
    import shutil

    root, table = tmp_path / "places", tmp_path / "photos.csv"
    shutil.copytree(photos, root)
    whole = (root / "sea" / "2.jpg").read_bytes()
    (root / "sea" / "2.jpg").write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (1, 4000)).save(root / "wood" / "strip.png")
    with pytest.raises(ValueError, match=r"photos cannot be read: .*2\.jpg.*unreadable='skip'\.$"):
        knownot.embed(root, colours, batch_size=4)
    match = r"2 of 22 photos cannot be read: .*2\.jpg.*strip\.png .*a strip.*skip.*are embedded and kept in"
    with pytest.raises(ValueError, match=match):
        embed_to_file(root, colours, table, batch_size=4)
    assert not table.exists()
    with pytest.warns(UserWarning, match="2 of 22 photos cannot be read and were skipped"):
        facts = embed_to_file(root, colours, table, batch_size=4, unreadable="skip")
    assert (facts["resumed"], facts["skipped"], facts["photos"]) == (22, 2, 20)
    with pytest.warns(UserWarning, match="2 of 22"):
        data = knownot.embed(root, colours, batch_size=4, unreadable="skip")
    assert np.array_equal(read_table(table, "label").x.astype(np.float32), data.x)
    assert not [path for path in data.paths if "strip" in path or path.endswith("sea/2.jpg")]
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="none of 1 photos can be read"):
        knownot.embed(tmp_path / "broken", colours, unreadable="skip")


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (lambda images: np.zeros((len(images), 2, 2)), r"shape \(16, 2, 2\) for 16 pictures: return one row for each"),
        (lambda images: np.zeros((3, 2)), r"shape \(3, 2\) for 16 pictures"),
        (lambda images: np.zeros((len(images), 0)), r"shape \(16, 0\)"),
        (lambda images: ["a"] * len(images), "no array of numbers"),
        (lambda images: np.full((len(images), 2), np.nan), "NaN or infinite"),
        (lambda images: np.random.default_rng().normal(size=(len(images), 8)), "two embeddings for one picture"),
    ],
)
def test_function_that_does_not_embed_is_refused(photos, function, match):
    with pytest.raises(ValueError, match=match):
        knownot.embed(photos, function)


def test_numbers_of_one_photo_that_are_not_finite_name_it(photos):
    def dark(images):
        return [[float("inf") if np.asarray(image)[..., 2].mean() > 180 else 1.0] for image in images]

    with pytest.raises(ValueError, match=r"sea.0\.jpg are NaN or infinite"):
        knownot.embed(photos, dark)


def test_tensors_are_taken(photos):
    weight = torch.ones(3, 2, dtype=torch.bfloat16, requires_grad=True)
    found = knownot.embed(photos, lambda images: torch.tensor(colours(images), dtype=torch.bfloat16) @ weight)
    assert np.allclose(found.x[:, 0], knownot.embed(photos, colours).x.sum(1), rtol=0.02)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 2.5}, "batch_size is 2.5"),
        ({"unreadable": "ignore"}, "unreadable is 'ignore'"),
        ({"pooling": "cls"}, "pooling cannot be chosen for a function"),
        ({"side": 0}, "side is 0"),
        ({"encoder": 3}, "encoder is a int"),
    ],
)
def test_wrong_settings_are_refused(photos, settings, match):
    with pytest.raises(ValueError, match=match):
        knownot.embed(photos, **{"encoder": colours, **settings})


def test_what_holds_no_photos_is_refused(photos, tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    np.savez(tmp_path / "t.npz", x=np.zeros((3, 4)))
    for source, match in (
        (tmp_path / "t.csv", "is a table: what is embedded are photos"),
        (tmp_path / "t.npz", r"samples of shape \(4,\): what is embedded are pictures"),
        (tmp_path / "none", "is neither a name nor there"),
        (tmp_path, "holds no images"),
        ([], "holds no images"),
    ):
        with pytest.raises(ValueError, match=match):
            knownot.embed(source, colours)
    for out, match in (("t.txt", "does not end in"), ("none/t.csv", "cannot be written")):
        with pytest.raises(ValueError, match=match):
            embed_to_file(photos, colours, tmp_path / out)


def test_photo_changed_without_a_change_of_size_is_embedded_again(tmp_path):
    folder, table = tmp_path / "photos", tmp_path / "photos.csv"
    folder.mkdir()
    for i in range(4):
        Image.new("RGB", (8, 8), (i, i, i)).save(folder / f"{i}.bmp")
    with pytest.raises(KeyboardInterrupt):
        embed_to_file(folder, colours, table, batch_size=2, progress=stop_after(4))
    Image.new("RGB", (8, 8), (255, 0, 0)).save(folder / "0.bmp")
    os.utime(folder / "0.bmp", (1, 1))
    assert embed_to_file(folder, colours, table, batch_size=2)["resumed"] == 2
    assert read_table(table).x[0].tolist() == [1, 0, 0]


def test_photo_that_can_be_read_by_now_is_embedded(photos, tmp_path, monkeypatch):
    from knownot.embeddings import photos as reading

    table, read = tmp_path / "photos.csv", reading.read_upright

    def away(file, side):
        if file.name == "2.jpg":
            raise OSError("the drive is gone")
        return read(file, side)

    with monkeypatch.context() as patched:
        patched.setattr(reading, "read_upright", away)
        with pytest.raises(ValueError, match="3 of 21 photos cannot be read"):
            embed_to_file(photos, colours, table, batch_size=4)
    assert embed_to_file(photos, colours, table, batch_size=4)["skipped"] == 0
    assert np.array_equal(read_table(table, "label").x.astype(np.float32), knownot.embed(photos, colours).x)
