"""Results as rows of short texts, for a terminal and for a page alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from knownot.experiments.declaration import Column, Experiment
from knownot.experiments.grids import Grid, Row
from knownot.experiments.records import Record
from knownot.experiments.results import GAIN

NONE = "–"


def number(mean: float, sd: float | None, digits: int) -> str:
    """Mean ± standard deviation, to so many decimals.

    Examples
    --------
    >>> number(0.98765, 0.0012, 3), number(0.5, None, 3)
    ('0.988 ± 0.001', '0.500')
    """
    return f"{mean:.{digits}f}" + ("" if sd is None else f" ± {sd:.{digits}f}")


def summary(experiment: Experiment, records: Sequence[Record], digits: int = 3) -> Grid:
    """The main table of an experiment: of every method the most telling numbers.

    Parameters
    ----------
    experiment : Experiment
    records : sequence of Record
        As :meth:`Results.records` returns them.
    digits : int
        Decimals, where a column does not say how many.

    Returns
    -------
    Grid
    """
    return grid(experiment, records, experiment.columns(records), digits)


def grid(experiment: Experiment, records: Sequence[Record], columns: Sequence[Column], digits: int = 3) -> Grid:
    """A table of every method; columns without a single number are left out."""
    found = {(record.method, record.metric): record for record in records}
    there = [column for column in columns if any(metric == column.metric for _, metric in found)]
    methods = dict.fromkeys(record.method for record in records if record.metric != GAIN)
    rows = (
        Row(
            title_of(experiment, method),
            tuple(cell(found.get((method, column.metric)), column, digits) for column in there),
            method == experiment.emphasised,
        )
        for method in ordered(experiment, methods)
    )
    return Grid(tuple(column.heading for column in there), tuple(rows))


def cell(record: Record | None, column: Column, digits: int) -> str:
    """A number as its column shows it, the paper's in parentheses; a dash where there is none."""
    if record is None:
        return NONE
    if column.count and not record.sd and record.mean.is_integer():
        text = f"{record.mean:.0f}"
    else:
        text = number(record.mean, record.sd, digits if column.digits is None else column.digits)
    return text if record.paper is None else f"{text} ({record.paper:g})"


def ordered(experiment: Experiment, methods: Iterable[str]) -> list[str]:
    """Methods in the order of the experiment; others, which it no longer has, after them."""
    declared = list(experiment.titles)
    return sorted(methods, key=lambda name: declared.index(name) if name in declared else len(declared))


def title_of(experiment: Experiment, method: str) -> str:
    """What a method is called in tables."""
    return experiment.titles.get(method, method)


@dataclass(frozen=True)
class Claim:
    """A headline beside the paper's.

    Attributes
    ----------
    what : str
        "GMVAE + NC-U over CROSR + NC-D".
    ours, paper, difference : str
        Gains in per cent, and how far ours is from the paper's; a dash where the paper has none.
    """

    what: str
    ours: str
    paper: str
    difference: str


def claims(experiment: Experiment, records: Sequence[Record]) -> list[Claim]:
    """Headlines of an experiment, ours beside the paper's.

    Parameters
    ----------
    experiment : Experiment
    records : sequence of Record

    Returns
    -------
    list of Claim
    """
    gains = {record.method: record for record in records if record.metric == GAIN}
    found = []
    for headline in experiment.headlines:
        if (record := gains.get(headline.name)) is None:
            continue
        spread = "" if record.sd is None else f" ± {record.sd:.1f}"
        found.append(
            Claim(
                f"{title_of(experiment, headline.method)} over {title_of(experiment, headline.over)}",
                f"{record.mean:+.1f}{spread} %",
                NONE if record.paper is None else f"{record.paper:+.1f} %",
                NONE if record.paper is None else f"{record.mean - record.paper:+.1f}",
            )
        )
    return found


@dataclass(frozen=True)
class Standing:
    """Where a method stands among all by one metric, of which more is better.

    Attributes
    ----------
    method, best : Record
    rank, of : int
        The best has rank 1.
    """

    method: Record
    best: Record
    rank: int
    of: int


def standing(records: Iterable[Record], method: str, metric: str) -> Standing | None:
    """Where a method stands by its mean; None where it has no such number.

    Parameters
    ----------
    records : iterable of Record
    method, metric : str
    """
    column = {record.method: record for record in records if record.metric == metric}
    if method not in column:
        return None
    ours, best = column[method], max(column.values(), key=lambda record: record.mean)
    return Standing(ours, best, 1 + sum(record.mean > ours.mean for record in column.values()), len(column))


def listed(numbers: Iterable[int]) -> str:
    """Numbers in words.

    Examples
    --------
    >>> listed([0]), listed([0, 1, 2, 4])
    ('0', '0, 1, 2 and 4')
    """
    words = [str(value) for value in numbers]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def ordinal(place: int) -> str:
    """A place in words.

    Examples
    --------
    >>> [ordinal(place) for place in (1, 2, 3, 7, 11, 22)]
    ['1st', '2nd', '3rd', '7th', '11th', '22nd']
    """
    teens = place % 100 in (11, 12, 13)
    return f"{place}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(place % 10, 'th')}"
