"""How well a model does, as numbers with their meaning and as one bar for each class."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import numpy as np

BAR_WIDTH = 30
MOST_ROWS = 24

# Name in the report, name people read, form, what it means.
METRICS = (
    ("closed_set_accuracy", "Right class", "share", "of the known samples, rejection aside"),
    ("auroc", "AUROC", "number", "known ranks above unknown; chance is 0.5"),
    ("oscr", "OSCR", "number", "and with the right class; best is 1"),
    ("acceptance", "Known accepted", "share", "of the known samples, at the threshold"),
    ("unknown_rejection", "Unknown rejected", "share", "of the unknown samples, at the threshold"),
    ("macro_f1", "Macro-F1", "number", "known classes, and unknown as one more"),
)


def judge(model: Any, x: Any, y: np.ndarray) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Score samples with a model: metrics, and what became of each class.

    Parameters
    ----------
    model : fitted estimator
    x : array or data frame
        As the model takes them.
    y : ndarray of shape (N,)
        Labels; those that the model does not know count as unknown.

    Returns
    -------
    metrics : dict of str to float
        As `knownot.metrics.open_set_report` names them.
    classes : list of dict
        For each class ``label``, ``known``, ``samples``, and the shares ``right``, ``wrong``
        (accepted as another class) and ``rejected``.
    """
    import numpy as np

    from knownot.metrics import open_set_report

    nearest, knownness = model.nearest_class(x, return_knownness=True)
    metrics = open_set_report(y, nearest, knownness, model.offset_, classes=model.classes_)
    accepted = knownness >= model.offset_
    rows = []
    for label in np.unique(y):
        here = y == label
        right = accepted & (nearest == label)
        rows.append(
            {
                "label": label.item(),
                "known": bool(np.isin(label, model.classes_)),
                "samples": int(here.sum()),
                "right": float(right[here].mean()),
                "wrong": float((accepted & ~right)[here].mean()),
                "rejected": float((~accepted)[here].mean()),
            }
        )
    return metrics, sorted(rows, key=lambda row: not row["known"])


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


def class_table(rows: list[dict[str, Any]], names: tuple[str, ...] | None = None) -> RenderableType:
    """What became of each class: right, taken for another class, or rejected as unknown."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="aside", show_edge=False)
    table.add_column("class", no_wrap=True, overflow="ellipsis", max_width=18)
    for title in ("samples", "right", "another", "unknown"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("")
    shown = rows if len(rows) <= MOST_ROWS else [*rows[: MOST_ROWS // 2], *rows[-MOST_ROWS // 2 :]]
    for i, row in enumerate(shown):
        if i and shown[i - 1]["known"] and not row["known"]:
            table.add_section()
        label = row["label"]
        name = names[label] if names is not None and isinstance(label, int) and 0 <= label < len(names) else str(label)
        table.add_row(
            Text(name, style="" if row["known"] else "unknown"),
            f"{row['samples']:,}",
            Text(percent(row["right"])) if row["known"] else Text("never seen", style="aside"),
            percent(row["wrong"]),
            percent(row["rejected"]),
            Bar(row["right"], row["wrong"]),
        )
    more = [] if len(shown) == len(rows) else [Text(f"{len(rows) - len(shown)} more between; --json has all", "aside")]
    legend = Text.assemble(
        ("█", "known"), " right class   ", ("▓", "wrong"), " another class   ", ("░", "unknown"), " unknown"
    )
    return Group(table, *more, "", legend)


@dataclass(frozen=True)
class Bar:
    """A bar of three parts, as wide as there is room: right, wrong, and the rest rejected.

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


def titled(title: str, aside: str = "") -> Text:
    """Headline of a result."""
    return Text.assemble(("\n" + title, "title"), ("  " + aside if aside else "", "aside"), "\n")


def indented(part: RenderableType) -> Padding:
    """Move a part of a result to the right of its headline."""
    return Padding(part, (0, 0, 1, 2))
