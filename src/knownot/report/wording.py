"""How numbers and names are written on the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def percent(share: float) -> str:
    r"""A share as a percentage with one decimal and a space that does not break.

    Examples
    --------
    >>> percent(0.95), percent(1.0)
    ('95.0\xa0%', '100\xa0%')
    """
    return f"{100.0 * share:.{0 if share in (0.0, 1.0) else 1}f}\u00a0%"


def asked_percent(share: float) -> str:
    r"""A share that the user asked for, with no more digits than it was given.

    Examples
    --------
    >>> asked_percent(0.95), asked_percent(0.995)
    ('95\xa0%', '99.5\xa0%')
    """
    return f"{100.0 * share:.4g}\u00a0%"


def number(value: float) -> str:
    """A number with four digits that count, and a proper minus sign."""
    return f"{value:.4g}".replace("-", "\u2212").replace("inf", "\u221e")


def cell(value: Any) -> str:
    """A cell of a table: a number, text, or a dash where it is missing.

    Examples
    --------
    >>> cell(0.123456), cell("Dream"), cell(None)
    ('0.1235', 'Dream', '–')
    """
    if isinstance(value, int | float):
        return "–" if value != value else number(float(value))
    text = "" if value is None else str(value)
    return "–" if text in ("", "<NA>", "NaT") else printable(text)


def p_text(value: float) -> str:
    """A p-value, which is never printed as zero."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def thousands(count: int) -> str:
    """A count with commas.

    Examples
    --------
    >>> thousands(12345)
    '12,345'
    """
    return f"{count:,}"


def printable(label: Any, names: Mapping[Any, str] | None = None) -> str:
    r"""Name of a label, without characters that no page can show.

    Examples
    --------
    >>> printable(3, {3: "three"}), printable("a\x00b"), printable("")
    ('three', 'ab', '(no name)')
    """
    text = str(label) if names is None else str(names.get(label, label))
    return "".join(character for character in text if character.isprintable()) or "(no name)"
