"""Published tables by name: where they are found, and what is said where they are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_wine

from knownot.data import NAMED_TABLES, load_named_table

BUNDLED = [name for name, title in NAMED_TABLES.items() if title.startswith("*")]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("KNOWNOT_DATA", str(tmp_path))
    (tmp_path / "tables").mkdir()
    return tmp_path


def save(folder: Path, name: str, **arrays: np.ndarray) -> Path:
    path = folder / "tables" / f"{name}.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(("name", "load"), [("wine", load_wine), ("digits", load_digits)])
def test_bundled_tables_need_no_folder(monkeypatch, name, load):
    monkeypatch.delenv("KNOWNOT_DATA", raising=False)
    data = load_named_table(name)
    x, y = load(return_X_y=True)
    np.testing.assert_array_equal(data.x, x)
    np.testing.assert_array_equal(data.labels, y)
    assert (data.x.dtype, data.labels.dtype, data.name) == (np.float64, np.int64, name)


def test_files_are_read_whole_in_float64(folder):
    x = np.array([[0.5, 1.0], [2.0, 3.0]], dtype=np.float16)
    save(folder, "vowel", X=x, y=np.array([3, 0]))
    data = load_named_table("vowel")
    assert data.x.dtype == np.float64
    assert data.x.tolist() == x.tolist()
    assert data.labels.tolist() == [3, 0]


def test_a_folder_that_is_given_comes_before_the_variable(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "tables").mkdir()
    save(folder, "vowel", X=np.zeros((1, 1)), y=np.array([0]))
    save(other, "vowel", X=np.ones((1, 1)), y=np.array([0]))
    assert load_named_table("vowel", folder=other).x.tolist() == [[1.0]]


def test_a_missing_file_is_answered_with_where_it_belongs(folder, monkeypatch):
    with pytest.raises(ValueError, match=r"'vowel' needs a file, and .*vowel\.npz is not there: put tables/vowel\.npz"):
        load_named_table("vowel")
    monkeypatch.delenv("KNOWNOT_DATA")
    with pytest.raises(ValueError, match=r"KNOWNOT_DATA is not set: put tables/vowel\.npz, with arrays X"):
        load_named_table("vowel")


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match=r"no table named 'vowels'; the names are iris.*Did you mean 'vowel'\?"):
        load_named_table("vowels")


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": np.zeros((2, 2)), "y": np.zeros(2)}, "no array 'X', only x, y"),
        ({"X": np.zeros((2, 2))}, "no array 'y', only X"),
        ({"X": np.zeros(2), "y": np.zeros(2, int)}, r"X is float64 of shape \(2,\)"),
        ({"X": np.array([["a"]]), "y": np.zeros(1, int)}, r"X is <U1 of shape \(1, 1\)"),
        ({"X": np.full((2, 1), np.nan), "y": np.zeros(2, int)}, "X holds 2 NaN"),
        ({"X": np.zeros((2, 1)), "y": np.zeros(3, int)}, "2 samples"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name(folder, arrays, said):
    path = save(folder, "vowel", **arrays)
    with pytest.raises(ValueError, match=said) as caught:
        load_named_table("vowel")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 broken"])
def test_a_broken_file_is_refused_with_its_name(folder, content):
    path = folder / "tables" / "vowel.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"vowel\.npz cannot be read"):
        load_named_table("vowel")


@pytest.mark.data
def test_every_file_of_the_folder_has_a_name(data_root):
    there = {path.stem for path in (data_root / "tables").glob("*.npz")}
    assert there <= set(NAMED_TABLES)
    assert set(NAMED_TABLES) - set(BUNDLED) <= there


@pytest.mark.data
@pytest.mark.parametrize("name", ["iris", "wine"])
def test_bundled_tables_are_those_of_the_folder(data_root, name):
    data = load_named_table(name)
    with np.load(data_root / "tables" / f"{name}.npz") as content:
        np.testing.assert_allclose(data.x, content["X"], rtol=1e-6)
        np.testing.assert_array_equal(data.labels, content["y"])
