"""Tables in CSV and Parquet files: one column may be the label, all others are features."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from knownot.data.arrays import Dataset, check_labels, table_dtype

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = (".csv", ".tsv", ".parquet")
#: Column with the file that each row is of.
PATH = "path"


def read_table(
    path: str | os.PathLike[str],
    label: str | None = None,
    columns: Sequence[str] | None = None,
    *,
    missing: str = "keep",
) -> Dataset:
    """Read a table from a CSV (comma, semicolon or tab) or Parquet file.

    A first column without a name that only counts the rows, as pandas writes it, is left out
    and said so in the ``note``. A column ``path`` of image files, as `knownot embed` writes it, says which file
    each row is of: it becomes the ``paths`` of the result, and no feature.

    Parameters
    ----------
    path : str or path
        A file that ends in .csv, .tsv or .parquet; a CSV has the names of the columns in line 1.
    label : str, optional
        Column of the labels. None: unlabelled.
    columns : sequence of str, optional
        Columns to take as features, in this order: to predict, those of the training table.
        None: every column but the label.
    missing : {"keep", "refuse", "skip"}
        What to do with rows that miss a value: keep them, refuse with a ValueError that locates them, or leave
        them out and say so in the ``note``. A row that misses its label is never kept.

    Returns
    -------
    Dataset
        ``x`` (N, F) float64, or float32 where all columns are; NaN where values are missing; a
        DataFrame where columns are of text or categories. ``y`` int64 or str or None; ``feature_names``; ``paths``
        where there is a column of them.

    Raises
    ------
    ValueError
        If the file cannot be read, a column is not there or holds neither numbers nor text, a label is missing, or
        values are infinite.
    """
    file = Path(path)
    if missing not in ("keep", "refuse", "skip"):
        raise ValueError(f'missing is {missing!r}: choose "keep", "refuse" or "skip".')
    frame = _read_frame(file)
    names = [str(name) for name in frame.columns]
    frame.columns = names
    notes = []
    if _is_row_number_column(frame, names):
        notes.append(f"the first column, {names[0]!r}, only counts the rows and was left out")
        names = names[1:]
    if label is not None:
        _require_column(label, names, file, "the label column")
    paths = _paths(frame, label, columns)
    if columns is None:
        features = [name for name in names if name != label and (name != PATH or paths is None)]
    else:
        features = list(columns)
    for name in features:
        _require_column(name, names, file, "a feature column")
    if label in features:
        raise ValueError(f"{file}: column {label!r} is both label and feature: leave it out of columns.")
    if not features:
        raise ValueError(f"{file} has no feature columns beside the label {label!r}: give at least one.")
    text = _text_columns(frame, features, file)
    if text and label is None and columns is None:
        notes.append(f"{_listed(text)} {'is' if len(text) == 1 else 'are'} taken as features, since no label was named")
    absent = frame[features].isna().to_numpy()
    no_label = np.zeros(len(frame), bool) if label is None else frame[label].isna().to_numpy()
    bad = no_label if missing == "keep" else absent.any(axis=1) | no_label
    if bad.any():
        message = _describe_missing(bad, absent & bad[:, None], no_label, features, label)
        if missing != "skip":
            raise ValueError(f"{file}: {message}. Fill or remove them, or read with missing='skip'.")
        if bad.all():
            raise ValueError(f"{file}: {message}, so no row is left. Leave out the columns that are empty.")
        notes.append(f"{message}; skipped")
        frame = frame[~bad].reset_index(drop=True)
        paths = None if paths is None else paths[~bad]
    numeric = [name for name in features if name not in text]
    numbers = frame[numeric].to_numpy(dtype=np.float64, na_value=np.nan)
    _refuse_infinite(numbers, numeric, file)
    dtype = None if text else np.result_type(*(table_dtype(frame[name].dtype) for name in features))
    return Dataset(
        x=frame[features] if text else np.ascontiguousarray(numbers, dtype=dtype),
        y=None if label is None else _read_labels(frame[label], label, file),
        name=str(file),
        feature_names=tuple(features),
        paths=None if paths is None else tuple(paths),
        note="; ".join(notes),
    )


def _read_frame(file: Path) -> pd.DataFrame:
    if file.suffix.lower() not in ENDINGS:
        raise ValueError(f"{file} does not end in {', '.join(ENDINGS)}: save the table in one of these forms.")
    if not file.is_file():
        raise ValueError(f"{file} does not exist: give the path of a table.")
    try:
        import pandas as pd
    except ImportError as error:
        raise ValueError(
            f"Reading {file} needs pandas, which is not installed: pip install 'knownot[data]', "
            "or read the table into an array yourself."
        ) from error
    try:
        if file.suffix.lower() == ".parquet":
            frame = pd.read_parquet(file)
        else:
            frame = pd.read_csv(file, sep=_guess_separator(file))
    except ImportError as error:
        raise ValueError(
            f"Reading {file} needs pyarrow, which is not installed: pip install 'knownot[data]'."
        ) from error
    except (ValueError, OSError) as error:  # of pandas, pyarrow and text decoding
        raise ValueError(f"{file} cannot be read as a table: {str(error).strip()}") from error
    if frame.empty:
        raise ValueError(f"{file} holds {len(frame)} rows and {frame.shape[1]} columns: give a table with both.")
    return frame


def _guess_separator(file: Path) -> str:
    with file.open(encoding="utf-8-sig") as lines:
        first = lines.readline()
    return max(",;\t", key=first.count)


def _is_row_number_column(frame: pd.DataFrame, names: list[str]) -> bool:
    if len(names) < 2 or names[0] not in ("Unnamed: 0", "__index_level_0__"):
        return False
    first = frame[names[0]].to_numpy()
    return bool(first.dtype.kind in "iu" and np.array_equal(first, np.arange(len(first))))


def _paths(frame: pd.DataFrame, label: str | None, columns: Sequence[str] | None) -> np.ndarray | None:
    """Files of the rows, where a column holds them that is neither label nor feature."""
    if PATH not in frame.columns or label == PATH or (columns is not None and PATH in columns):
        return None
    values = frame[PATH]
    if values.ndim != 1 or not all(isinstance(value, str) for value in values):
        return None
    endings = tuple(Image.registered_extensions())
    return values.to_numpy(dtype=object) if all(value.lower().endswith(endings) for value in values) else None


def _require_column(name: str, names: list[str], file: Path, role: str) -> None:
    if name in names:
        return
    lower = {other.lower(): other for other in names}
    near = difflib.get_close_matches(name.lower(), list(lower), n=1)
    guess = f" Did you mean {lower[near[0]]!r}?" if near else ""
    shown = ", ".join(names[:30]) + (f" and {len(names) - 30} more" if len(names) > 30 else "")
    raise ValueError(f"{file} has no column {name!r}, {role}; its columns are {shown}.{guess}")


def _text_columns(frame: pd.DataFrame, features: list[str], file: Path) -> list[str]:
    """Feature columns that hold anything but numbers and truth values, or truth values with gaps."""
    import pandas as pd

    text = []
    for name in features:
        kind = frame[name].dtype
        is_truth = pd.api.types.is_bool_dtype(kind)
        if is_truth and frame[name].isna().any():
            text.append(name)
            continue
        if (pd.api.types.is_numeric_dtype(kind) or is_truth) and kind.kind != "c":
            continue
        example = frame[name].dropna().head(1).tolist()
        categorical = isinstance(kind, pd.CategoricalDtype)
        if not (categorical or pd.api.types.is_object_dtype(kind) or pd.api.types.is_string_dtype(kind)) or (
            example and not pd.api.types.is_scalar(example[0])
        ):
            raise ValueError(
                f"{file}: column {name!r} holds {kind} (for instance {example[0]!s}), neither numbers nor text: turn "
                "it into numbers, or leave it out."
            )
        text.append(name)
    return text


def _listed(names: list[str], most: int = 5) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return f"column{'s' if len(names) > 1 else ''} {shown}" + (
        f" and {len(names) - most} more" if len(names) > most else ""
    )


def _describe_missing(
    bad: np.ndarray, absent: np.ndarray, no_label: np.ndarray, features: list[str], label: str | None
) -> str:
    places = []
    for row in np.flatnonzero(bad)[:3]:
        column = features[int(absent[row].argmax())] if absent[row].any() else label
        places.append(f"row {row} (column {column!r})")
    kinds = f"{int(absent.any(axis=1).sum())} a feature" + (f", {int(no_label.sum())} the label" if label else "")
    return (
        f"{int(bad.sum())} of {len(bad)} rows miss a value, NaN ({kinds}), first {', '.join(places)}; "
        "rows are counted from 0 below the header"
    )


def _refuse_infinite(x: np.ndarray, features: list[str], file: Path) -> None:
    rows, places = np.nonzero(np.isinf(x))
    if len(rows):
        raise ValueError(
            f"{file}: {len(rows)} values are infinite, first in row {rows[0]}, column {features[int(places[0])]!r}: "
            "remove or replace them."
        )


def _read_labels(column: pd.Series, label: str, file: Path) -> np.ndarray:
    import pandas as pd

    if pd.api.types.is_bool_dtype(column.dtype) or pd.api.types.is_integer_dtype(column.dtype):
        return column.to_numpy(dtype=np.int64)
    if pd.api.types.is_float_dtype(column.dtype):
        values = column.to_numpy(dtype=np.float64)
        try:
            return check_labels(values, len(values)).astype(np.int64)
        except ValueError as error:
            raise ValueError(f"{file}: column {label!r} does not hold classes. {error}") from error
    return np.array([str(value) for value in column])
