"""A table as rows of short texts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A method, or whatever the rows of the table are, and its numbers.

    Attributes
    ----------
    title : str
    cells : tuple of str
    emphasised : bool
        Whether it is the method that users get.
    """

    title: str
    cells: tuple[str, ...]
    emphasised: bool = False


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes
    ----------
    columns : tuple of str
        Headings of the cells.
    rows : tuple of Row
    of : str
        What the rows are.
    title : str
        What the table shows, where it is not the main one.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    of: str = "method"
    title: str = ""
