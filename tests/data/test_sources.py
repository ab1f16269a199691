from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from knownot.data import read_npz, read_source


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(2):
            Image.fromarray(np.full((4, 6, 3), i, np.uint8)).save(tmp_path / "pets" / name / f"{i}.png")
    (tmp_path / "t.csv").write_text("a,b,kind\n1,2,x\n3,4,y\n")
    return tmp_path


def test_read_source_picks_the_reader_by_the_source(here):
    assert len(read_source("digits")) == 1347
    assert len(read_source("Digits", split="test")) == 450
    pets = read_source("pets", image_size=3, channels=1)
    assert pets.y.tolist() == ["cat", "cat", "dog", "dog"]
    assert pets.x.shape == (4, 3, 3, 1)
    assert read_source(here / "pets" / "cat").y is None
    assert read_source("pets/dog/1.png").x.shape == (1, 4, 6, 3)
    table = read_source("t.csv", "kind", columns=["b"])
    assert table.x.tolist() == [[2], [4]]
    assert table.y.tolist() == ["x", "y"]
    np.savez("a.npz", x=np.ones((2, 3)), y=["u", "v"])
    assert read_source("a.npz").y.tolist() == ["u", "v"]


def test_read_source_prefers_a_name_to_a_folder(here):
    (here / "pets").rename(here / "digits")
    assert len(read_source("digits")) == 1347
    assert len(read_source("./digits")) == 4
    assert len(read_source(here / "digits")) == 4


def test_read_source_passes_options_to_the_readers(here):
    (here / "pets" / "cat" / "broken.png").write_text("x")
    with pytest.raises(ValueError, match="1 of 5 images cannot be read"):
        read_source("pets")
    with pytest.warns(UserWarning, match="skipped"):
        assert len(read_source("pets", unreadable="skip")) == 4
    calls = []
    read_source("pets/dog", progress=lambda *call: calls.append(call))
    read_source("pets/dog/1.png", progress=lambda *call: calls.append(call))
    assert calls == [(1, 2), (2, 2), (1, 1)]
    (here / "t.csv").write_text("a\n1\nNaN\n")
    assert len(read_source("t.csv", missing="skip")) == 1


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("mnits", r"'mnits' is neither a name nor there.*Did you mean 'mnist'\?"),
        ("absent.csv", r"'absent.csv' is neither a name nor there. Give the name of a data set \(digits, mnist"),
        ("notes.txt", r"'notes.txt' ends in .txt, which no reader knows.*an .npz file with arrays x and y"),
        ("notes", "'notes' ends in nothing, which no reader knows"),
        ("", "'' is neither a name nor there"),
    ],
)
def test_read_source_answers_other_sources_with_the_possibilities(here, source, message):
    (here / "notes.txt").write_text("x")
    (here / "notes").write_text("x")
    with pytest.raises(ValueError, match=message):
        read_source(source)


def test_read_npz_reads_arrays_of_images(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 5), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x=images, y=[0, 1, 1], coarse=["u", "u", "v"])
    data = read_npz(tmp_path / "a.npz")
    assert data.x.dtype == np.uint8
    assert (data.x == images[..., None]).all()
    assert data.y.tolist() == [0, 1, 1]
    assert read_npz(tmp_path / "a.npz", "coarse").y.tolist() == ["u", "u", "v"]
    np.savez(tmp_path / "b.npz", x=images[..., None].repeat(3, -1) / 255.0)
    data = read_npz(tmp_path / "b.npz")
    assert data.y is None
    np.testing.assert_allclose(data.x[..., 0], images / 255, atol=1e-7)


@pytest.mark.parametrize(
    ("kind", "kept"),
    [("f2", "f4"), ("f4", "f4"), (">f4", "f4"), ("f8", "f8"), (">f8", "f8"), ("i4", "f8")],
)
def test_read_npz_keeps_the_precision_of_tables(tmp_path, kind, kept):
    table = np.arange(6).reshape(3, 2).astype(kind)
    np.savez(tmp_path / "a.npz", x=table)
    x = read_npz(tmp_path / "a.npz").x
    assert x.dtype == np.dtype(kept)
    assert (x == table).all()


def test_read_npz_keeps_neighbouring_times_apart(tmp_path):
    seconds = 1.7e9 + np.arange(300)[:, None]
    for x in (seconds, seconds.astype(np.int64)):
        np.savez(tmp_path / "a.npz", x=x)
        assert (read_npz(tmp_path / "a.npz").x == x).all()


@pytest.mark.parametrize(
    ("arrays", "label", "message"),
    [
        ({"images": np.zeros((3, 2))}, None, r"has no array 'x', only images; save it with np.savez"),
        ({"x": np.zeros((3, 2))}, "z", "has no array 'z', only x"),
        ({"x": np.zeros((3, 2)), "y": np.zeros(2)}, None, "X has 3 samples but y has 2 labels"),
        ({"x": np.zeros((3, 4, 4)) - 1}, None, "values from -1 to -1"),
        ({"x": np.zeros(3)}, None, r"x is float64 of shape \(3,\): images have 3 or 4 axes, tables 2"),
        ({"x": np.array([["a"]])}, None, "x is <U1"),
        ({"x": np.array([[np.nan, np.inf]])}, None, "x holds 0 NaN and 1 infinite"),
        ({"x": np.array([[{}]], object)}, None, "cannot be read: Object arrays cannot be loaded"),
    ],
)
def test_read_npz_refuses_arrays_that_do_not_fit(tmp_path, arrays, label, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=message) as caught:
        read_npz(tmp_path / "a.npz", label)
    assert "a.npz" in str(caught.value)


def test_read_npz_refuses_a_broken_archive(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK no zip")
    with pytest.raises(ValueError, match=r"a.npz cannot be read"):
        read_npz(tmp_path / "a.npz")


def test_data_imports_no_heavy_package():
    heavy = ("pandas", "pyarrow", "datasets", "sklearn", "scipy", "matplotlib", "lightning")
    code = f"import sys, knownot.data; print([name for name in {heavy!r} if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert result.stdout.strip() == "[]"
