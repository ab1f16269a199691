"""Tables of counts: rows and columns by name, each cell with its share of the row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_IN_TABLE = 30


@dataclass(frozen=True)
class Cell:
    """One cell; ``share`` is of its row, ``kind`` one of right, wrong, none."""

    count: int
    share: float
    kind: str


@dataclass(frozen=True)
class Row:
    """One row of counts."""

    name: str
    total: int
    cells: list[Cell]


def row(name: str, counts: NDArray[np.int64], right: int | None = None) -> Row:
    """One row of counts.

    Parameters
    ----------
    name : str
    counts : ndarray of int
        At least one of them above zero.
    right : int, optional
        Place of the only right column; without it, no column is wrong.

    Examples
    --------
    >>> [cell.kind for cell in row("cat", np.array([0, 2, 1]), right=1).cells]
    ['none', 'right', 'wrong']
    """
    total = int(counts.sum())
    kinds = ["none" if not c else "right" if right in (j, None) else "wrong" for j, c in enumerate(counts)]
    return Row(name, total, [Cell(int(c), float(c / total), kind) for c, kind in zip(counts, kinds, strict=True)])


def is_large(rows: Sequence[Row], columns: Sequence[str]) -> bool:
    """Whether there are too many rows or columns to print numbers."""
    return max(len(rows), len(columns)) > MOST_IN_TABLE


def shares(rows: Sequence[Row]) -> NDArray[np.float64]:
    """Share of each cell in its row, shape (rows, columns)."""
    return np.array([[cell.share for cell in row.cells] for row in rows])
