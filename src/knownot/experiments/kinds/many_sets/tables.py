"""Tables whose rows are sets, and what they say in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from knownot.experiments.grids import Grid, Row
from knownot.experiments.records import Record
from knownot.experiments.tables import NONE, number, title_of

if TYPE_CHECKING:
    from knownot.experiments.kinds.many_sets.experiment import ManySetsExperiment

Found = dict[tuple[str, str], Record]


def sets_table(experiment: ManySetsExperiment, records: Sequence[Record], digits: int) -> Grid:
    """AUROC of each set: the default's, that of the best competitor there, its name, and further methods'."""
    found = _by_name(records)
    ours = experiment.emphasised
    compared = [name for name in experiment.compared if any(method == name for method, _ in found)]
    rows = []
    for title, metric in _sets(experiment, found, "auroc"):
        if (own := found.get((ours, metric))) is None:
            continue
        best = _best(experiment, found, metric)
        rows.append(
            Row(
                title,
                (
                    number(own.mean, own.sd, digits),
                    NONE if best is None else number(best.mean, best.sd, digits),
                    NONE if best is None else title_of(experiment, best.method),
                    NONE if best is None else f"{own.mean - best.mean:+.{digits}f}",
                    *(_cell(found, name, metric, digits) for name in compared),
                ),
            )
        )
    names = [title_of(experiment, name) for name in compared]
    columns = (title_of(experiment, ours), "best competitor", "which", "difference", *names)
    return Grid(columns, tuple(rows), "set", "AUROC by set; the best competitor is picked by the true AUROC")


def forecast_table(experiment: ManySetsExperiment, records: Sequence[Record], digits: int) -> Grid:
    """What was foretold and what came true, of the default on each set, mean over the seeds."""
    found, ours = _by_name(records), experiment.emphasised
    metrics = ("forecast", "forecast_low", "forecast_high", "auroc", "forecast_rejection", "rejection", "acceptance")
    rows = tuple(
        Row(title, tuple(_cell(found, ours, f"{metric} {title}", digits, spread=False) for metric in metrics))
        for title, name in _sets(experiment, found, "forecast")
        if (ours, name) in found
    )
    columns = ("AUROC expected", "from", "to", "true", "rejected, expected", "rejected", "accepted")
    return Grid(columns, rows, "set", f"What {title_of(experiment, ours)} foretold, and what came true")


def best_sentences(experiment: ManySetsExperiment, records: Sequence[Record]) -> str:
    """Which single competitor is the best, and how the forecasts came true."""
    found, ours = _by_name(records), experiment.emphasised
    sentences = []
    groups = dict.fromkeys(["", *(named.group for named in experiment.sets)])
    for group in groups:
        metric = f"auroc {group}".rstrip()
        best, lead = _best(experiment, found, metric), found.get((ours, f"lead {group}".rstrip()))
        if best is None or lead is None:
            continue
        where = f"On {group}" if group else "Over all sets"
        ahead = "ahead of" if lead.mean > 0 else "behind"
        spread = "" if lead.sd is None else f" ± {lead.sd:.3f}"
        sentences.append(
            f'{where} the best single competitor is "{title_of(experiment, best.method)}" ({best.mean:.3f}); '
            f"{title_of(experiment, ours)} is {abs(lead.mean):.3f}{spread} {ahead} it."
        )
    if n := found.get((ours, "forecast_n")):
        error, coverage = (found[ours, f"forecast_{what}"].mean for what in ("error", "coverage"))
        correlation = found.get((ours, "forecast_correlation"))
        said = "" if correlation is None else f"correlation {correlation.mean:.2f}, "
        sentences.append(
            f"Forecasts over {n.mean:.0f} splits: {said}mean absolute error {error:.3f}, {coverage:.0%} of the 90 % "
            "intervals hold the truth."
        )
    return " ".join(sentences)


def _by_name(records: Sequence[Record]) -> Found:
    return {(record.method, record.metric): record for record in records}


def _sets(experiment: ManySetsExperiment, found: Found, metric: str) -> list[tuple[str, str]]:
    """Sets in their order, and the name of a metric on each."""
    there = {name for _, name in found}
    return [(s.name, f"{metric} {s.name}") for s in experiment.sets if f"{metric} {s.name}" in there]


def _best(experiment: ManySetsExperiment, found: Found, metric: str) -> Record | None:
    """The competitor that was measured in all seeds with the largest mean."""
    there = [found[name, metric] for name in experiment.competitors if (name, metric) in found]
    most = max((len(record.seeds) for record in there), default=0)
    return max((r for r in there if len(r.seeds) == most), key=lambda record: record.mean, default=None)


def _cell(found: Found, method: str, metric: str, digits: int, spread: bool = True) -> str:
    record = found.get((method, metric))
    return NONE if record is None else number(record.mean, record.sd if spread else None, digits)
