"""Tables whose rows are sets, and what they say in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from knownot.experiments.declaration import Experiment
from knownot.experiments.grids import Grid, Row
from knownot.experiments.kinds.many_sets.declared import NamedSet
from knownot.experiments.records import Record
from knownot.experiments.tables import NONE, number, title_of

_FORETOLD = {
    "forecast": "AUROC expected",
    "forecast_low": "from",
    "forecast_high": "to",
    "auroc": "true",
    "forecast_rejection": "rejected, expected",
    "rejection": "rejected",
    "acceptance": "accepted",
}


@dataclass(frozen=True)
class Findings:
    """What was measured, to be shown by set.

    Attributes
    ----------
    experiment : Experiment
        Whose titles are used, and whose emphasised method is the default.
    sets : sequence of NamedSet
    competitors : sequence of str
        Names of methods.
    records : sequence of Record
    """

    experiment: Experiment
    sets: Sequence[NamedSet]
    competitors: Sequence[str]
    records: Sequence[Record]

    def by_set(self, compared: Sequence[str], digits: int) -> Grid:
        """AUROC of each set: the default's, that of the best competitor there, its name, and further methods'."""
        compared = [name for name in compared if any(record.method == name for record in self.records)]
        rows = []
        for named in self.sets:
            own, best = self._default(f"auroc {named.name}"), self._best(f"auroc {named.name}")
            if own is None:
                continue
            rest = (NONE, NONE, NONE)
            if best is not None:
                difference = f"{own.mean - best.mean:+.{digits}f}"
                rest = (number(best.mean, best.sd, digits), title_of(self.experiment, best.method), difference)
            others = (self._cell(name, f"auroc {named.name}", digits) for name in compared)
            rows.append(Row(named.name, (number(own.mean, own.sd, digits), *rest, *others)))
        names = [title_of(self.experiment, name) for name in compared]
        columns = (self._title, "best competitor", "which", "difference", *names)
        return Grid(columns, tuple(rows), "set", "AUROC by set; the best competitor is picked by the true AUROC")

    def foretold(self, digits: int) -> Grid:
        """What the default foretold and what came true on each set, means over the seeds."""
        ours = self.experiment.emphasised
        rows = tuple(
            Row(s.name, tuple(self._cell(ours, f"{metric} {s.name}", digits, spread=False) for metric in _FORETOLD))
            for s in self.sets
            if self._default(f"forecast {s.name}")
        )
        return Grid(tuple(_FORETOLD.values()), rows, "set", f"What {self._title} foretold, and what came true")

    def in_words(self) -> str:
        """Which single competitor is the best, and how the forecasts came true."""
        sentences = []
        for group in dict.fromkeys(["", *(named.group for named in self.sets)]):
            best, lead = self._best(f"auroc {group}".rstrip()), self._default(f"lead {group}".rstrip())
            if best is None or lead is None:
                continue
            spread = "" if lead.sd is None else f" ± {lead.sd:.3f}"
            sentences.append(
                f"{f'On {group}' if group else 'Over all sets'} the best single competitor is "
                f'"{title_of(self.experiment, best.method)}" ({best.mean:.3f}); {self._title} is '
                f"{abs(lead.mean):.3f}{spread} {'ahead of' if lead.mean > 0 else 'behind'} it."
            )
        error, coverage, n = (self._default(f"forecast_{what}") for what in ("error", "coverage", "n"))
        if error and coverage and n:
            correlation = self._default("forecast_correlation")
            correlated = "" if correlation is None else f"correlation {correlation.mean:.2f}, "
            sentences.append(
                f"Forecasts over {n.mean:.0f} splits: {correlated}mean absolute error {error.mean:.3f}, "
                f"{coverage.mean:.0%} of the 90 % intervals hold the truth."
            )
        return " ".join(sentences)

    @property
    def _title(self) -> str:
        return title_of(self.experiment, self.experiment.emphasised)

    def _found(self, method: str, metric: str) -> Record | None:
        return next((r for r in self.records if (r.method, r.metric) == (method, metric)), None)

    def _default(self, metric: str) -> Record | None:
        return self._found(self.experiment.emphasised, metric)

    def _best(self, metric: str) -> Record | None:
        """The competitor with the largest mean, among those that were measured with the most seeds."""
        there = [r for r in self.records if r.metric == metric and r.method in self.competitors]
        most = max((len(record.seeds) for record in there), default=0)
        return max((r for r in there if len(r.seeds) == most), key=lambda record: record.mean, default=None)

    def _cell(self, method: str, metric: str, digits: int, spread: bool = True) -> str:
        record = self._found(method, metric)
        return NONE if record is None else number(record.mean, record.sd if spread else None, digits)
