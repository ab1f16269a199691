"""A user's table as one number for every cell, its columns told apart by kind and checked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data
from torch import Tensor

from knownot.data import label_codes
from knownot.estimators.columns import CATEGORY, NUMBER, ORDERED, UNSEEN, Column, Rows, TableEncoding, look_for_gaps

# Text of more levels than this is rather a name or a date than a category.
_MAX_LEVELS = 50
_MANY_NUMBERS = 10
_TRUTHS = {"True": 1.0, "False": 0.0}


@dataclass
class Cells:
    """A table as numbers.

    Attributes
    ----------
    rows : ndarray, shape (N, F)
        Numbers; of a category the place of its level, -1 for one that is not known; NaN for a gap.
    names : sequence of str
    has_gaps : bool
    encoding : TableEncoding or None
        What was fitted, or, in ``fit``, what is to learn yet. None: columns of numbers without gaps.
    foreign : dict of str to list of str
        By column, levels that are not known.
    """

    rows: Rows
    names: Sequence[str]
    has_gaps: bool
    encoding: TableEncoding | None = None
    foreign: dict[str, list[str]] = field(default_factory=dict)


def read_cells(estimator: BaseEstimator, X: Any, *, reset: bool) -> Cells:
    """Check a user's table, and make one number of every cell.

    Parameters
    ----------
    estimator : BaseEstimator
        Gets ``n_features_in_`` and ``feature_names_in_`` when ``reset``; otherwise has them, and ``columns_``.
    X : array-like or data frame, shape (N, F)
        Columns of numbers, truth values, text or categories; gaps are NaN, None or pandas' NA.
    reset : bool
        True in ``fit``; False compares with what was fitted.

    Returns
    -------
    Cells

    Raises
    ------
    ValueError
        If columns are not those of the fit, or hold dates, infinite values, text among numbers, or text of so many
        levels that it cannot be a category.
    TypeError
        If a cell is neither text nor a number.
    """
    fitted: TableEncoding | None = None if reset else estimator.columns_
    if isinstance(X, Tensor):
        X = X.detach().cpu().numpy()
    elif isinstance(X, list | tuple):
        X = _from_lists(X)
    if not (_is_mixed(X) or (fitted is not None and fitted.has_categories)):
        rows = np.asarray(validate_data(estimator, X, reset=reset, ensure_all_finite=False))
        names = _names(estimator, rows.shape[1])
        cells = Cells(rows, names, look_for_gaps(rows, names), fitted)
        if reset and cells.has_gaps:
            cells.encoding = TableEncoding(tuple(Column(name) for name in names))
        return cells
    shape = tuple(X.shape)
    if len(shape) != 2:
        raise ValueError(
            f"Expected 2D array, got {len(shape)}D array instead: X of shape {shape} is no table. Reshape your data: a "
            "single row is (1, F), a single column (N, 1)."
        )
    # What has no rows or columns is refused in scikit-learn's words.
    validate_data(estimator, X, reset=reset, skip_check_array=min(shape) > 0)
    names, foreign = _names(estimator, shape[1]), {}
    rows, columns = np.empty(shape), []
    for j, name in enumerate(names):
        column = X.iloc[:, j] if hasattr(X, "iloc") else X[X.columns[j]] if hasattr(X, "columns") else X[:, j]
        if reset:
            own, rows[:, j] = _first_reading(column, name)
        elif fitted is None or fitted.columns[j].kind == NUMBER:
            own, rows[:, j] = Column(name), _numbers(column, name)
        else:
            own, texts = fitted.columns[j], _texts(_values(column, name), name)
            rows[:, j] = _places(texts, own.levels)
            if new := set(texts[rows[:, j] == UNSEEN].tolist()):
                foreign[name] = sorted(new)
        columns.append(own)
    cells = Cells(rows, names, look_for_gaps(rows, names), fitted, foreign)
    if reset and (cells.has_gaps or any(column.kind != NUMBER for column in columns)):
        cells.encoding = TableEncoding(tuple(columns))
    return cells


def _names(estimator: BaseEstimator, n: int) -> list[str]:
    names = getattr(estimator, "feature_names_in_", None)
    return [str(i) for i in range(n)] if names is None else [str(name) for name in names]


def _from_lists(X: Any) -> Any:
    """Lists of numbers and text keep both: NumPy alone would make text of all of it."""
    try:
        array = np.asarray(X)
    except ValueError:
        return X  # of several lengths, which scikit-learn refuses
    return np.asarray(X, dtype=object) if array.dtype.kind in "OU" else X


def _is_mixed(X: Any) -> bool:
    """Whether any column may hold anything but numbers."""
    if hasattr(X, "columns") and hasattr(X, "dtypes"):
        kinds = [getattr(dtype, "kind", "O") for dtype in X.dtypes]
        return not set(kinds) <= set("iuf") and not (set(kinds) == {"b"} and not X.isna().to_numpy().any())
    return hasattr(X, "dtype") and getattr(X.dtype, "kind", "") in "OUS" and not hasattr(X, "tocsr")


def _first_reading(column: Any, name: str) -> tuple[Column, Rows]:
    """Tell the kind of a column, and make numbers of it."""
    values = _values(column, name)
    if values.dtype.kind == "f":
        return Column(name), values
    texts = _texts(values, name)
    if _is_categorical(column):
        ordered = bool(getattr(column.dtype, "ordered", False))
        levels = [str(text) for text in _texts(_declared(column), name)] if ordered else _levels(texts)
        return Column(name, ORDERED if ordered else CATEGORY, tuple(levels)), _places(texts, levels)
    parsed, gap, levels = _parsed(texts), _gaps(texts), _levels(texts)
    # A gap between true and false is a level of its own, and no half truth.
    may_be_numbers = not gap.any() or not levels or not set(levels) <= set(_TRUTHS)
    if may_be_numbers and not np.isnan(parsed[~gap]).any():
        return Column(name), parsed
    _refuse_names(values, parsed, gap, len(levels), name)
    return Column(name, CATEGORY, tuple(levels)), _places(texts, levels)


def _refuse_names(values: Rows, parsed: Rows, gap: NDArray[np.bool_], n_levels: int, name: str) -> None:
    """Refuse text among numbers, and text that tells rows apart instead of grouping them."""
    stray = np.isnan(parsed) & ~gap
    if len(np.unique(parsed[~np.isnan(parsed)])) > _MANY_NUMBERS:
        raise _stray(values, stray, name)
    n = int((~gap).sum())
    if n_levels > _MAX_LEVELS or n_levels > max(_MANY_NUMBERS, n / 2):
        raise ValueError(
            f"column {name!r} of X has {n_levels} different values in {n} rows, such as {values[stray][0]!r}: it looks "
            "like a name, a date or free text, from which nothing can be learned. Leave it out (in the terminal, "
            f"--drop {name}); or make it a pandas categorical if its values are categories."
        )


def _stray(values: Rows, stray: NDArray[np.bool_], name: str) -> ValueError:
    row = int(np.flatnonzero(stray)[0])
    return ValueError(
        f"column {name!r} of X holds numbers, but not in {int(stray.sum())} of its cells, such as {values[row]!r} in "
        f"row {row}: replace these by numbers, or by NaN where nothing is known."
    )


def _values(column: Any, name: str) -> Rows:
    """A column as float64, or as objects where it is not of a type of numbers."""
    kind = getattr(column.dtype, "kind", "O")
    if kind in "mMc":
        raise ValueError(
            f"column {name!r} of X holds {column.dtype}, neither numbers nor categories: make numbers of it, such as "
            "days since a date, or leave it out."
        )
    if _is_categorical(column):
        return np.append(_declared(column), [None])[column.cat.codes.to_numpy()]
    if kind in "iuf" and hasattr(column, "iloc"):
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    array = np.asarray(column.to_numpy() if hasattr(column, "to_numpy") else column)
    return array.astype(np.float64 if array.dtype.kind in "iuf" else object)


def _is_categorical(column: Any) -> bool:
    """Whether it is a pandas categorical."""
    return hasattr(column, "cat") and hasattr(column.cat, "codes")


def _declared(column: Any) -> Rows:
    """Levels of a categorical; those that are neither numbers nor text, such as intervals, by their text."""
    levels = column.cat.categories.tolist()
    return np.array([level if isinstance(level, int | float) else str(level) for level in levels], dtype=object)


def _numbers(column: Any, name: str) -> Rows:
    """A column that was of numbers in the fit."""
    values = _values(column, name)
    if values.dtype.kind == "f":
        return values
    texts = _texts(values, name)
    parsed = _parsed(texts)
    stray = np.isnan(parsed) & ~_gaps(texts)
    if stray.any():
        raise _stray(values, stray, name)
    return parsed


def _texts(values: Rows, name: str) -> Rows:
    """Text of each value, None for a gap: 1, 1.0 and "1" are the same, and so are True and "True"."""
    return np.array([_text(value, name) for value in values.tolist()], dtype=object)


def _text(value: Any, name: str) -> str | None:
    if isinstance(value, str):
        return str(value)
    if _is_gap(value):
        return None
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating | Decimal):
        number = float(value)
        if np.isinf(number):
            raise ValueError(
                f"column {name!r} of X holds an infinite value: replace it by a number, or by NaN where "
                "nothing is known."
            )
        return str(int(number)) if number.is_integer() else str(number)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, dt.date | dt.time | dt.timedelta):
        raise ValueError(
            f"column {name!r} of X holds {value!r}, neither a number nor a category: make numbers of it, such as days "
            "since a date, or leave it out."
        )
    raise TypeError(
        f"column {name!r} of X holds {value!r} of type {type(value).__name__}: argument must be a string or a number, "
        "so make one of it or leave the column out."
    )


def _parsed(texts: Rows) -> Rows:
    """Numbers in text, and truth values as 0 and 1; NaN where there is none."""
    return np.array([np.nan if text is None else _number(text) for text in texts.tolist()], np.float64)


def _number(text: str) -> float:
    if text in _TRUTHS:
        return _TRUTHS[text]
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _is_gap(value: Any) -> bool:
    # Of pandas' gaps the class is told by name, so that pandas need not be there.
    is_nan = isinstance(value, float | np.floating) and value != value
    return value is None or is_nan or type(value).__name__ in ("NAType", "NaTType")


def _gaps(texts: Rows) -> NDArray[np.bool_]:
    return np.array([text is None for text in texts.tolist()], bool)


def _levels(texts: Rows) -> list[str]:
    return sorted(set(texts.tolist()) - {None})


def _places(texts: Rows, levels: Sequence[str]) -> Rows:
    """Place of each text among the levels, -1 where it has none, NaN for a gap."""
    return np.where(_gaps(texts), np.nan, label_codes(texts, np.array(levels, dtype=object)))
