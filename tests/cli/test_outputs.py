from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import pytest

from knownot.cli.outputs import require_folder, require_writable, write_columns

COLUMNS: dict[str, list[Any]] = {"id": ["a,b", "ü"], "class": [1, -1], "knownness": [0.5, -2.0]}


def test_write_columns_csv_round_trip(tmp_path):
    write_columns(tmp_path / "out.csv", COLUMNS)
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {"id": "a,b", "class": "1", "knownness": "0.5"}
    assert rows[1]["id"] == "ü"


def test_write_columns_parquet_round_trip(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    write_columns(tmp_path / "out.parquet", COLUMNS)
    assert parquet.read_table(tmp_path / "out.parquet").to_pydict() == COLUMNS


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_write_columns_leaves_the_older_file_when_it_fails(tmp_path, monkeypatch, name):
    pytest.importorskip("pyarrow")
    target = tmp_path / name
    target.write_text("before")

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(csv, "writer", fail)
    monkeypatch.setattr("pyarrow.parquet.write_table", fail)
    with pytest.raises(OSError, match="disk full"):
        write_columns(target, COLUMNS)
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_require_writable_refuses_to_overwrite_an_input(tmp_path, monkeypatch):
    table, link, hard = tmp_path / "table.csv", tmp_path / "link.csv", tmp_path / "hard.csv"
    table.write_text("a\n1\n")
    link.symlink_to(table)
    hard.hardlink_to(table)
    monkeypatch.chdir(tmp_path)
    for out in (table, link, hard, Path("table.csv"), tmp_path / "x" / ".." / "table.csv"):
        (tmp_path / "x").mkdir(exist_ok=True)
        with pytest.raises(ValueError, match=r"--out .* would overwrite the input .*table.csv: choose another file"):
            require_writable(out, "--out", (".csv",), ["digits", str(table)])
    require_writable(tmp_path / "other.csv", "--out", (".csv",), ["digits", table])
    other = tmp_path / "other.csv"
    other.write_text("")
    require_writable(other, "--out", (".csv",), ["digits", table])


def test_require_writable_refuses_what_could_not_be_written(tmp_path, monkeypatch):
    require_writable(None, "--out", (".csv",))
    require_writable(tmp_path / "out.csv", "--out", (".csv",))
    with pytest.raises(ValueError, match=r"--out .*out.txt does not end in .csv or .parquet"):
        require_writable(tmp_path / "out.txt", "--out", (".csv", ".parquet"))
    with pytest.raises(ValueError, match=r"the folder .*missing does not exist"):
        require_writable(tmp_path / "missing" / "out.csv", "--out", (".csv",))
    (tmp_path / "dir.csv").mkdir()
    with pytest.raises(ValueError, match="is a folder"):
        require_writable(tmp_path / "dir.csv", "--out", (".csv",))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ValueError, match="no permission"):
        require_writable(tmp_path / "out.csv", "--out", (".csv",))


def test_require_folder_makes_or_refuses_it(tmp_path, monkeypatch):
    require_folder(tmp_path / "a" / "b", "--out")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"--out .*file cannot be made"):
        require_folder(tmp_path / "file", "--out")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ValueError, match="no permission"):
        require_folder(tmp_path, "--out")
