"""How well a model does, as numbers with their meaning and as one bar for each class."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

Row = dict[str, Any]

BAR_WIDTH = 30
MOST_ROWS = 24
LONGEST_NAME = 18

# Name in the report, name users read, form, what it means.
METRICS = (
    ("closed_set_accuracy", "Right class", "share", "of the known samples, before rejection"),
    ("auroc", "AUROC", "number", "known ranks above unknown; chance is 0.5"),
    ("oscr", "OSCR", "number", "and with the right class; best is 1"),
    ("acceptance", "Known accepted", "share", "of the known samples, at the threshold"),
    ("unknown_rejection", "Unknown rejected", "share", "of the unknown samples, at the threshold"),
    ("macro_f1", "Macro-F1", "number", "known classes, and unknown as one more"),
    ("log_density", "Log-density", "number", "nats, mean of the known samples"),
    ("ari", "Adjusted Rand", "number", "agreement with the labels; chance is 0, best is 1"),
    ("nmi", "NMI", "number", "information shared with the labels; best is 1"),
    ("accuracy", "Accuracy", "share", "clusters matched to classes one to one"),
)


def percent(share: float) -> str:
    """Write a share as percent.

    Examples
    --------
    >>> percent(0.9512)
    '95.1 %'
    """
    return f"{100 * share:.1f} %"


def threshold_text(threshold: float, accept: float | None) -> str:
    """Say what a threshold does.

    Examples
    --------
    >>> threshold_text(-13.042, 0.95)
    '-13.04, accepts 95.0 % of known samples'
    >>> threshold_text(float("-inf"), 0.95)
    'none: every sample is accepted'
    """
    if threshold == -math.inf:
        return "none: every sample is accepted"
    return f"{threshold:.4g}" + ("" if accept is None else f", accepts {percent(accept)} of known samples")


def forecast_text(auroc: float, low: float, high: float) -> str:
    """Say what is to be expected of unknown classes.

    Examples
    --------
    >>> forecast_text(0.931, 0.852, 0.98)
    'expected AUROC against unknown classes 0.93 (0.85–0.98)'
    """
    return f"expected AUROC against unknown classes {auroc:.2f} ({low:.2f}–{high:.2f})"


def scorecard(metrics: dict[str, float], accept: float | None = None) -> Table:
    """Metrics with what they mean; ``accept`` is the share of known samples that was to be accepted."""
    table = Table(box=None, show_header=False, padding=(0, 2), pad_edge=False)
    table.add_column()
    table.add_column(justify="right", style="value", no_wrap=True)
    table.add_column(style="aside")
    for name, title, form, meaning in METRICS:
        if name not in metrics:
            continue
        if name == "acceptance" and accept is not None:
            meaning = f"of the known samples; {percent(accept)} were asked for"
        value = percent(metrics[name]) if form == "share" else f"{metrics[name]:.3f} "
        table.add_row(title, value, meaning)
    return table


def class_table(rows: list[Row], names: tuple[str, ...] | None = None) -> RenderableType:
    """What became of each class: right, taken for another class, or rejected as unknown."""
    table = plain_table("class", ">samples", ">right", ">another", ">unknown", "")
    for row in _in_sections(rows, table):
        table.add_row(
            _label(row, names),
            f"{row['samples']:,}",
            Text(percent(row["right"])) if row["known"] else Text("never seen", style="aside"),
            percent(row["wrong"]),
            percent(row["rejected"]),
            Bar(row["right"], row["wrong"]),
        )
    legend = Text.assemble(
        ("█", "known"), " right class   ", ("▓", "wrong"), " another class   ", ("░", "unknown"), " unknown"
    )
    return Group(table, *_left_out(rows), "", legend)


def acceptance_table(rows: list[Row], names: tuple[str, ...] | None = None) -> RenderableType:
    """What became of each class where known and unknown are all that is told apart."""
    table = plain_table("class", ">samples", ">accepted", ">rejected", "")
    for row in _in_sections(rows, table):
        # What is accepted of an unknown class is accepted wrongly.
        right, wrong = (row["accepted"], 0.0) if row["known"] else (0.0, row["accepted"])
        table.add_row(
            _label(row, names),
            f"{row['samples']:,}",
            percent(row["accepted"]),
            percent(row["rejected"]),
            Bar(right, wrong),
        )
    legend = Text.assemble(
        ("█", "known"), " accepted   ", ("▓", "wrong"), " accepted, though unknown   ", ("░", "unknown"), " rejected"
    )
    return Group(table, *_left_out(rows), "", legend)


def cluster_table(rows: list[Row], names: tuple[str, ...] | None = None) -> RenderableType:
    """Sizes of clusters, and the most common label of each where there are labels."""
    labelled = "label" in rows[0]
    table = plain_table("cluster", ">samples", ">share", *(["mostly", ">of it"] if labelled else []), "")
    largest = max(row["share"] for row in rows)
    for row in _in_sections(rows, table):
        common = (_label(row, names), percent(row["purity"])) if labelled else ()
        table.add_row(
            str(row["cluster"]), f"{row['samples']:,}", percent(row["share"]), *common, Length(row["share"] / largest)
        )
    return Group(table, *_left_out(rows))


def plain_table(*headings: str) -> Table:
    """Make a table without frame; headings that begin with > are of numbers."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="aside", show_edge=False)
    for heading in headings:
        right = heading.startswith(">")
        # The column without a heading is a bar, which shrinks first on a narrow terminal.
        table.add_column(
            heading.removeprefix(">"),
            justify="right" if right else "left",
            no_wrap=bool(heading),
            overflow="ellipsis",
        )
    return table


def named(label: Any, names: tuple[str, ...] | None) -> str:
    """Name a class: by the names of classes 0 … C - 1, where there are any.

    Examples
    --------
    >>> named(1, ("cat", "dog")), named(7, ("cat", "dog"))
    ('dog', '7')
    """
    return names[label] if names is not None and isinstance(label, int) and 0 <= label < len(names) else str(label)


def _label(row: Row, names: tuple[str, ...] | None) -> Text:
    text = Text(named(row["label"], names), "" if row.get("known", True) else "unknown")
    text.truncate(LONGEST_NAME, overflow="ellipsis")
    return text


def _in_sections(rows: list[Row], table: Table) -> Iterator[Row]:
    """Go through the first and last rows, with a line in the table between known and unknown classes."""
    before = True
    for row in rows if len(rows) <= MOST_ROWS else [*rows[: MOST_ROWS // 2], *rows[-MOST_ROWS // 2 :]]:
        known = row.get("known", True)
        if before and not known and table.row_count:
            table.add_section()
        before = known
        yield row


def _left_out(rows: list[Row]) -> list[Text]:
    n = len(rows) - MOST_ROWS
    return [Text(f"{n} more between; --json has all", "aside")] if n > 0 else []


@dataclass(frozen=True)
class Bar:
    """A bar of three parts, as wide as its column allows: right, wrong, and the rest rejected.

    The parts are told apart by their glyphs where there is no colour.

    Examples
    --------
    >>> Bar(0.5, 0.25).drawn(8).plain
    '████▓▓░░'
    """

    right: float
    wrong: float

    def drawn(self, width: int) -> Text:
        """Draw the bar ``width`` characters wide."""
        first, second = round(width * self.right), round(width * (self.right + self.wrong))
        return Text.assemble(
            ("█" * first, "known"), ("▓" * (second - first), "wrong"), ("░" * (width - second), "unknown")
        )

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.drawn(min(options.max_width, BAR_WIDTH))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(min(8, options.max_width), min(options.max_width, BAR_WIDTH))


@dataclass(frozen=True)
class Length(Bar):
    """A bar whose length says how much.

    Examples
    --------
    >>> Length(0.5).drawn(8).plain
    '████'
    """

    wrong: float = 0.0

    def drawn(self, width: int) -> Text:
        """Draw the bar at most ``width`` characters wide, and at least one."""
        return Text("█" * max(1, round(width * self.right)), style="known")


def titled(title: str, aside: str = "") -> Text:
    """Headline of a result."""
    return Text.assemble(("\n" + title, "title"), ("  " + aside if aside else "", "aside"), "\n")


def indented(part: RenderableType) -> Padding:
    """Move a part of a result to the right of its headline."""
    return Padding(part, (0, 0, 1, 2))
