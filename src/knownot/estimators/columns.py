"""Columns of numbers and of categories, with gaps, as what a module takes.

Where :mod:`knownot.estimators.cells` has made one number of every cell (the number itself, the place of a category
among its levels, NaN for a gap), this makes one-hot columns and fills gaps by medians. Columns that only say where gaps
were would add more noise than knowledge. Medians come from the training rows alone; which levels there are, and where
values may be missing, from all rows of the fit.

A cell that the fit did not prepare for stays NaN, and its row cannot be judged: what is like nothing seen so far is
what "unknown" means, and a misspelled level is found sooner than if it were ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[Any]
Kind = str
NUMBER, CATEGORY, ORDERED = "number", "category", "ordered"

# Place of a level that the fit did not see.
UNSEEN = -1.0
# Rows looked at in one piece, so that a look at a large table needs little memory.
_CHUNK = 4096


@dataclass(frozen=True)
class Column:
    """How one column of a table becomes numbers.

    Attributes
    ----------
    name : str
        The user's name for it, or its position.
    kind : {"number", "category", "ordered"}
    levels : tuple of str
        Levels of a category, as text, in the order of their places.
    gaps : bool
        Whether rows of the fit miss a value here.
    median : float
        What fills gaps of numbers and of ordered categories. A gap in a category is a level of its own.

    Examples
    --------
    >>> Column("sex", "category", ("female", "male")).expand(np.array([0.0, 1.0, -1.0, np.nan])).ravel()
    array([ 0.,  1., nan, nan])
    >>> Column("size", "number", gaps=True, median=2.5).expand(np.array([1.0, np.nan])).ravel()
    array([1. , 2.5])
    """

    name: str
    kind: Kind = NUMBER
    levels: tuple[str, ...] = ()
    gaps: bool = False
    median: float = 0.0

    @property
    def width(self) -> int:
        """Number of columns that it becomes: one of numbers, one of two levels, otherwise one for each level."""
        n = len(self.levels) + self.gaps
        return n if self.kind == CATEGORY and n > 2 else 1

    def learn(self, values: Rows, training: Any) -> Self:
        """Learn from the rows of a fit: gaps from all of them, the median from those to train on.

        Parameters
        ----------
        values : ndarray, shape (N,)
            Numbers, or places among ``levels``; NaN for a gap.
        training : index of rows
        """
        gap = np.isnan(values)
        if gap.all():
            raise ValueError(f"column {self.name!r} of X holds no value at all: leave it out.")
        if self.kind == CATEGORY or not gap.any():
            return replace(self, gaps=bool(gap.any()))
        present = values[training][~gap[training]]
        present = np.sort(present if len(present) else values[~gap])
        # Between two levels lies no third.
        median = np.median(present) if self.kind == NUMBER else present[(len(present) - 1) // 2]
        return replace(self, gaps=True, median=float(median))

    def expand(self, values: Rows) -> Rows:
        """Turn numbers or places of levels into what a module takes, (N, width); NaN where neither was learned."""
        gap = np.isnan(values)
        if self.kind != CATEGORY:
            filled = np.where(gap, self.median, values) if self.gaps else values
            return (np.where(filled == UNSEEN, np.nan, filled) if self.kind == ORDERED else filled)[:, None]
        n = len(self.levels) + self.gaps
        patterns = np.eye(n) if n > 2 else np.arange(float(n))[:, None]
        # The last one is of levels, and of gaps, that the fit did not see.
        patterns = np.vstack([patterns, np.full(self.width, np.nan)])
        return patterns[np.where(gap, n - 1 if self.gaps else UNSEEN, values).astype(int)]

    def collapse(self, expanded: Rows) -> Rows:
        """Undo :meth:`expand`: numbers, or the text of the nearest level, None for a gap, (N,)."""
        if self.kind == NUMBER:
            return expanded[:, 0].astype(object)
        levels = np.array([*self.levels, *([None] if self.kind == CATEGORY and self.gaps else [])], dtype=object)
        if self.width > 1:
            return levels[expanded.argmax(1)]
        return levels[np.clip(np.rint(expanded[:, 0]), 0, len(levels) - 1).astype(int)]


@dataclass(frozen=True)
class TableEncoding:
    """How the columns of a table become numbers, learned in a fit.

    It does what scikit-learn's ``OneHotEncoder(drop="if_binary")``, ``OrdinalEncoder`` and
    ``SimpleImputer(strategy="median")`` do in a ``ColumnTransformer``, but for what is new: where those raise or write
    zeros, a cell is NaN here.

    Attributes
    ----------
    columns : tuple of Column

    Examples
    --------
    >>> encoding = TableEncoding((Column("weight"), Column("sex", "category", ("f", "m"))))
    >>> rows = np.array([[1.0, 0], [2.0, 1], [np.nan, 0], [9.0, 0]])
    >>> encoding, encoded = encoding.learn(rows, training=[0, 1, 2])
    >>> encoded[2]
    array([1.5, 0. ])
    >>> encoding.encode(np.array([[1.0, -1.0], [1.0, np.nan]]))
    array([[ 1., nan],
           [ 1., nan]])
    """

    columns: tuple[Column, ...]

    @property
    def has_categories(self) -> bool:
        """Whether any column is of categories, and not all of numbers."""
        return any(column.kind != NUMBER for column in self.columns)

    @property
    def groups(self) -> list[slice]:
        """Columns that one category became, where these are several."""
        stops = np.cumsum([column.width for column in self.columns]).tolist()
        spans = [(stop - column.width, stop) for column, stop in zip(self.columns, stops, strict=True)]
        return [slice(start, stop) for start, stop in spans if stop - start > 1]

    def learn(self, rows: Rows, training: Any) -> tuple[Self, Rows]:
        """Learn from the rows of a fit, and encode them.

        Parameters
        ----------
        rows : ndarray, shape (N, F)
            As :func:`knownot.estimators.cells.read_cells` gives them.
        training : index of rows
            Those to train on.

        Returns
        -------
        encoding : TableEncoding
        encoded : ndarray, shape (N, E)
        """
        columns = [column.learn(rows[:, j], training) for j, column in enumerate(self.columns)]
        encoding = replace(self, columns=tuple(columns))
        return encoding, encoding.encode(rows)

    def encode(self, rows: Rows) -> Rows:
        """Encode rows of cells, (N, E); NaN where the fit did not prepare for a cell."""
        empty = np.isnan(rows).all(1)
        if self.has_categories:
            encoded = np.hstack([column.expand(values) for column, values in zip(self.columns, rows.T, strict=True)])
        else:
            medians = np.array([column.median if column.gaps else np.nan for column in self.columns], rows.dtype)
            encoded = np.where(np.isnan(rows), medians, rows)
        # Filled with medians alone, a row would look like the most common of all.
        encoded[empty] = np.nan
        return encoded

    def decode(self, encoded: Rows) -> Rows:
        """Rows as a user has them, (N, F): numbers, or objects where there are categories."""
        if not self.has_categories:
            return encoded
        starts = np.cumsum([column.width for column in self.columns])[:-1]
        pieces = np.split(encoded, starts, axis=1)
        return np.stack([column.collapse(piece) for column, piece in zip(self.columns, pieces, strict=True)], 1)

    def to_facts(self) -> list[dict[str, Any]]:
        """All of it, as JSON can hold it."""
        return [asdict(column) for column in self.columns]

    @classmethod
    def from_facts(cls, facts: Sequence[dict[str, Any]]) -> Self:
        """The inverse of :meth:`to_facts`."""
        return cls(tuple(Column(**{**column, "levels": tuple(column["levels"])}) for column in facts))


def look_for_gaps(rows: Rows, names: Sequence[str]) -> bool:
    """Whether there is any NaN; infinite values are refused by column and row."""
    if rows.dtype.kind != "f":
        return False
    has_gaps, n_infinite = False, 0
    places: list[tuple[int, int]] = []
    for start in range(0, len(rows), _CHUNK):
        part = rows[start : start + _CHUNK]
        if np.isfinite(part).all():
            continue
        infinite = np.isinf(part)
        has_gaps |= bool(np.isnan(part).any())
        n_infinite += int(infinite.sum())
        places += [(start + int(i), int(j)) for i, j in np.argwhere(infinite)[: 3 - len(places)]]
    if n_infinite:
        where = ", ".join(f"row {i} of column {names[j]!r}" for i, j in places)
        raise ValueError(
            f"X holds {n_infinite} infinite values, first at {where}: replace them by numbers, or by NaN where "
            "nothing is known."
        )
    return has_gaps


def unjudged(samples: Any) -> NDArray[np.bool_]:
    """Rows that cannot be judged, since some cell is NaN, shape (N,); none of images.

    Examples
    --------
    >>> unjudged(np.array([[1.0, np.nan], [1.0, 2.0]]))
    array([ True, False])
    """
    found = np.zeros(len(samples), bool)
    # A wrapper's samples have their rows beside what the wrapped classifier is given.
    samples = getattr(samples, "rows", samples)
    if isinstance(samples, np.ndarray) and samples.dtype.kind == "f":
        for start in range(0, len(samples), _CHUNK):
            part = samples[start : start + _CHUNK]
            # A sum is NaN where any part is, and costs a tenth of looking at each.
            if not np.isfinite(part.sum()):
                found[start : start + _CHUNK] = np.isnan(part).any(1)
    return found
