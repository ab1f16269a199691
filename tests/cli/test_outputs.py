from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import pytest

from knownot.cli.outputs import in_one_piece, require_folder, require_writable, write_columns

COLUMNS: dict[str, list[Any]] = {"id": ["a,b", "ü"], "class": [1, -1], "knownness": [0.5, -2.0]}


def test_csv_round_trip(tmp_path):
    write_columns(tmp_path / "out.csv", COLUMNS)
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {"id": "a,b", "class": "1", "knownness": "0.5"}
    assert rows[1]["id"] == "ü"


def test_parquet_round_trip(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    write_columns(tmp_path / "out.parquet", COLUMNS)
    assert parquet.read_table(tmp_path / "out.parquet").to_pydict() == COLUMNS


def test_a_failing_write_leaves_the_older_file(tmp_path):
    target = tmp_path / "out.csv"
    target.write_text("before")

    def fail(part: Path) -> None:
        part.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        in_one_piece(target, fail)
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_what_could_not_be_written_is_refused_before(tmp_path, monkeypatch):
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


def test_a_folder_is_made_or_refused(tmp_path, monkeypatch):
    require_folder(tmp_path / "a" / "b", "--out")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"--out .*file cannot be made"):
        require_folder(tmp_path / "file", "--out")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ValueError, match="no permission"):
        require_folder(tmp_path, "--out")
