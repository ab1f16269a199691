"""Files that a command writes: checked before the work starts, and never left incomplete."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from knownot.files import whole_file


def require_writable(
    path: Path | None, option: str, endings: tuple[str, ...] = (), inputs: Iterable[str | Path] = ()
) -> None:
    """Refuse an output file that cannot be written, or would overwrite an input.

    Parameters
    ----------
    path : Path or None
        None, an option not given, is fine.
    option : str
        What the message calls it.
    endings : tuple of str
        Endings one of which the file must have; none: any.
    inputs : iterable of str or Path
        Compared as files, so that links and relative paths are recognised; names of data sets are ignored.

    Raises
    ------
    ValueError
        If the folder is missing or not writable, a folder stands in its place, the ending is wrong, or it is one
        of the inputs.
    """
    if path is None:
        return
    if endings and path.suffix.lower() not in endings:
        raise ValueError(f"{option} {path} does not end in {' or '.join(endings)}: choose such a name.")
    if path.is_dir():
        raise ValueError(f"{option} {path} is a folder: name a file inside it, such as {path / ('out' + endings[0])}.")
    folder = path.parent
    if not folder.is_dir():
        raise ValueError(f"{option} {path} cannot be written: the folder {folder} does not exist. Create it first.")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise ValueError(f"{option} {path} cannot be written: no permission. Choose another place.")
    for given in inputs:
        if path.exists() and Path(given).exists() and path.samefile(given):
            raise ValueError(f"{option} {path} would overwrite the input {given}: choose another file.")


def require_folder(path: Path, option: str) -> None:
    """Make a folder for outputs, or refuse it.

    Raises
    ------
    ValueError
        If a file stands in its place, or it cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{option} {path} cannot be made: {error.strerror}. Choose another place.") from error
    if not os.access(path, os.W_OK):
        raise ValueError(f"{option} {path} cannot be written to: no permission. Choose another place.")


def write_columns(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write columns of equal length as .csv or .parquet, by the ending of ``path``.

    The file appears when it is complete; one that was there before stays until then.
    """
    if path.suffix.lower() == ".parquet":
        _write_parquet(path, columns)
        return
    with whole_file(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def _write_parquet(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise ValueError(
            "Writing .parquet needs pyarrow, which is not installed: pip install 'knownot[data]', or write .csv."
        ) from error
    table = pa.table({name: list(values) for name, values in columns.items()})
    with whole_file(path) as file:
        parquet.write_table(table, file)
