"""Tables of methods side by side, as wide as the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from knownot.cli.scores import indented, titled

if TYPE_CHECKING:
    from knownot.experiments import Experiment, Results
    from knownot.experiments.grids import Grid
    from knownot.experiments.tables import Claim

_BETWEEN = 2
DIGITS = 3


@dataclass(frozen=True)
class Comparison:
    """A grid of methods; columns that do not fit are left out, the last ones first.

    Attributes
    ----------
    grid : Grid
    """

    grid: Grid

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        n_shown = self.n_columns(options.max_width)
        # The box adds a space between columns.
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="aside", show_edge=False)
        table.add_column("", no_wrap=True, overflow="ellipsis")
        for heading in self.grid.columns[:n_shown]:
            table.add_column(heading, justify="right", no_wrap=True)
        for row in self.grid.rows:
            table.add_row(row.title, *row.cells[:n_shown], style="value" if row.emphasised else "")
        yield table
        hidden = self.grid.columns[n_shown:]
        if hidden:
            yield Text(f"The terminal is too narrow for {', '.join(hidden)}; --json has all.", style="aside")

    def n_columns(self, width: int) -> int:
        """How many columns of numbers fit into so many characters, at least one."""
        left = width - max((len(row.title) for row in self.grid.rows), default=0)
        for i, heading in enumerate(self.grid.columns):
            left -= _BETWEEN + max(len(heading), *(len(row.cells[i]) for row in self.grid.rows))
            if left < 0:
                return max(i, 1)
        return len(self.grid.columns)


def claims_table(heading: str, claims: Sequence[Claim]) -> RenderableType:
    """Headlines: our gains beside the paper's."""
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="aside")
    table.add_column(heading)
    for whose in ("ours", "paper", "difference"):
        table.add_column(whose, justify="right", no_wrap=True)
    for claim in claims:
        table.add_row(claim.what, Text(claim.ours, style="value"), claim.paper, claim.difference)
    return Group("", table)


def tables(
    pairs: Iterable[tuple[Experiment, str]], results: Results
) -> tuple[list[dict[str, Any]], list[RenderableType]]:
    """Records, and tables for users, of those experiments and presets that have results."""
    from knownot.experiments.tables import claims, listed, summary

    found: list[dict[str, Any]] = []
    shown: list[RenderableType] = []
    legends: dict[str, None] = {}
    for experiment, size in pairs:
        records = results.records(experiment, size) if size in experiment.presets else []
        if not records:
            continue
        seeds = results.seeds(experiment.name, size)
        many = f"seed{'s' if len(seeds) > 1 else ''} {listed(seeds)}"
        parts: list[RenderableType] = [Comparison(summary(experiment, records, DIGITS))]
        for grid in experiment.grids(records, DIGITS):
            parts += [Text(f"\n{grid.title}", style="aside"), Comparison(grid)]
        if headlines := claims(experiment, records):
            parts.append(claims_table(experiment.gain_heading, headlines))
        shown += [titled(experiment.title, f"{experiment.name}, preset {size}, {many}"), *map(indented, parts)]
        found += [record.to_dict() for record in records]
        legends[experiment.legend(records)] = None
    shown += [indented(Text(text, style="aside")) for text in legends]
    return found, shown


def plain_table(*headings: str) -> Table:
    """A table without lines; headings that begin with > are of numbers."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="aside", show_edge=False)
    for heading in headings:
        right = heading.startswith(">")
        table.add_column(
            heading.removeprefix(">"), justify="right" if right else "left", no_wrap=heading is not headings[-1]
        )
    return table
