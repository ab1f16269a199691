"""Embeddings as a table, written a piece at a time."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from knownot.data.tables import PATH
from knownot.embeddings.embedded import LABEL, Embeddings
from knownot.files import whole_file

ENDINGS = (".parquet", ".csv", ".npz")
ROWS_AT_ONCE = 8192


def require_table(path: Path) -> None:
    """Refuse, before anything is embedded, a table that cannot be written.

    Raises
    ------
    ValueError
        If the ending is unknown, or what is needed to write it is not installed.
    """
    if path.suffix.lower() not in ENDINGS:
        raise ValueError(f"{path} does not end in {', '.join(ENDINGS)}: choose such a name.")
    if path.suffix.lower() == ".parquet":
        try:
            import pyarrow as pa  # noqa: F401
        except ModuleNotFoundError as error:
            raise ValueError(
                "Writing .parquet needs pyarrow, which is not installed: pip install 'knownot[data]', or write .csv "
                "or .npz."
            ) from error


def write_table(path: Path, found: Embeddings) -> None:
    """Write embeddings as .parquet, .csv or .npz: whole or not at all, the same bytes for the same embeddings.

    Columns ``path`` and ``label``, where there are any, come before those of the embedding. An .npz has arrays ``x``,
    ``y`` and ``path``.
    """
    ending = path.suffix.lower()
    if ending == ".csv":
        with whole_file(path, "w", newline="", encoding="utf-8") as text:
            _write_csv(text, found)
        return
    with whole_file(path) as file:
        (_write_parquet if ending == ".parquet" else _write_npz)(file, found)


def _pieces(found: Embeddings) -> Iterator[tuple[dict[str, list[str] | list[int]], np.ndarray]]:
    """Columns beside the embedding, and rows, some thousand at a time."""
    places, rows = list[np.ndarray](), list[np.ndarray]()
    n = 0
    for place, row in found.batches():
        places.append(place)
        rows.append(row)
        n += len(row)
        if n >= ROWS_AT_ONCE:
            yield found.beside(np.concatenate(places)), np.concatenate(rows)
            places, rows, n = [], [], 0
    if n:
        yield found.beside(np.concatenate(places)), np.concatenate(rows)


def _write_csv(file: IO[str], found: Embeddings) -> None:
    writer = csv.writer(file)
    writer.writerow([*found.beside(np.arange(0)), *found.feature_names])
    for beside, rows in _pieces(found):
        # Nine digits hold every float32.
        numbers = ([f"{value:.9g}" for value in row] for row in rows.tolist())
        columns = list(beside.values())
        writer.writerows([*(column[i] for column in columns), *row] for i, row in enumerate(numbers))


def _write_parquet(file: IO[bytes], found: Embeddings) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    labels_are_text = found.labels is None or found.labels.dtype.kind == "U"
    types = {PATH: pa.string(), LABEL: pa.string() if labels_are_text else pa.int64()}
    fields = [(name, types[name]) for name in found.beside(np.arange(0))]
    schema = pa.schema(
        [*fields, *((name, pa.float32()) for name in found.feature_names)],
        metadata={"knownot.embeddings": json.dumps(found.description, sort_keys=True)},
    )
    beside_names = [name for name, _ in fields]
    with parquet.ParquetWriter(file, schema, use_dictionary=beside_names) as writer:
        for beside, rows in _pieces(found):
            columns = [pa.array(values, types[name]) for name, values in beside.items()]
            columns += [pa.array(column) for column in np.ascontiguousarray(rows.T)]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def _write_npz(file: IO[bytes], found: Embeddings) -> None:
    beside = found.beside(found.kept)
    arrays = {{LABEL: "y"}.get(name, name): np.array(values) for name, values in beside.items()}
    with zipfile.ZipFile(file, "w") as archive:
        # A date of its own would make each file another one.
        with archive.open(zipfile.ZipInfo("x.npy"), "w", force_zip64=True) as member:
            header = {"descr": "<f4", "fortran_order": False, "shape": (len(found), found.width)}
            np.lib.format.write_array_header_1_0(member, header)
            for _, rows in _pieces(found):
                member.write(rows.astype("<f4").tobytes())
        for name, values in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, values, allow_pickle=False)
