"""The experiment on many sets: what it declares, how a seed is measured, what tables and figures show of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean
from typing import Any, ClassVar

from knownot.experiments.context import Context, Measured
from knownot.experiments.declaration import Column, Drawing, Experiment
from knownot.experiments.grids import Grid
from knownot.experiments.kinds.many_sets.declared import Method, NamedSet
from knownot.experiments.kinds.many_sets.tables import Findings
from knownot.experiments.records import Record, Run

_AVERAGED = ("auroc", "oscr", "accuracy", "fit_seconds", "acceptance", "rejection")


@dataclass(frozen=True, kw_only=True)
class ManySetsExperiment(Experiment):
    """Methods on many tables and embeddings, of which some classes are unknown.

    Presets may limit "sets", of which the first are taken, and "rows", of which so many are drawn.

    Attributes
    ----------
    sets : tuple of NamedSet
    methods : tuple of Method
    without : mapping of str to tuple of str
        Names of methods that a preset leaves out.
    compared : tuple of str
        Names of methods with a column in the table of the sets, beside the emphasised one and its best competitor.
    """

    parts: ClassVar[tuple[str, ...]] = ("sets", "rows")

    sets: tuple[NamedSet, ...]
    methods: tuple[Method, ...]
    without: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    compared: tuple[str, ...] = ()

    # Measuring

    def measure(self, context: Context) -> Measured:
        """Let every method meet the same split of every set. A set is a step: when it is done, it stays done."""
        from knownot.experiments.kinds.many_sets.measures import measure_set, warm_up

        asked = [m for m in self.methods if m.name not in self.without.get(context.preset.name, ())]
        methods = {method.name: method for method in asked if method.can_run}
        lacking = {method.name: method.needs for method in asked if not method.can_run}
        if lacking:
            packages = ", ".join(dict.fromkeys(lacking.values()))
            context.say(
                f"left out, since the package {packages} is not installed: {', '.join(lacking)}. "
                "`pip install 'knownot[bench]'` brings it."
            )
        models = {model.name: model for model in self.models}
        rows = context.preset.at_most.get("rows")
        settings = {name: context.settings(models[m.model]) if m.model else {} for name, m in methods.items()}
        make = partial(self._make, context)
        warm_up(methods.values(), make)
        found = {}
        for named in self.sets[: context.preset.at_most.get("sets")]:
            measure = partial(measure_set, named, methods, make, context.seed, rows, context.say)
            found[named.name] = context.step(named.name, {"methods": settings, "rows": rows}, measure)
        return Measured(
            {
                "methods": {
                    name: {"sets": {one: of["methods"][name] for one, of in found.items()}} for name in methods
                },
                "splits": {one: of["split"] for one, of in found.items()},
                "left_out": lacking,
            }
        )

    def _make(self, context: Context, name: str) -> Any:
        from knownot.experiments.trained import make_estimator

        [model] = [model for model in self.models if model.name == name]
        made = make_estimator(model, context.settings(model), context.seed)
        return made.set_params(accelerator=context.device) if "accelerator" in made.get_params() else made

    # Numbers

    @property
    def titles(self) -> Mapping[str, str]:
        """What tables call each method."""
        return {method.name: method.title for method in self.methods}

    @property
    def competitors(self) -> list[str]:
        """Methods that are not of this package."""
        return [method.name for method in self.methods if method.model is None]

    def groups(self, there: Sequence[str]) -> dict[str, list[str]]:
        """Sets by group, those that are there and are counted; "" is all of them."""
        counted = {named.name: named.group for named in self.sets if named.group and named.name in there}
        found = {"": list(counted)} if counted else {}
        for name, group in counted.items():
            found.setdefault(group, []).append(name)
        return found

    def numbers(self, method: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
        """Means over all sets, "auroc", over a group, "auroc tables", and numbers of a set, "auroc iris"."""
        sets: Mapping[str, Mapping[str, float]] = method["sets"]
        for group, names in self.groups(list(sets)).items():
            for metric in _AVERAGED:
                values = [sets[name][metric] for name in names if metric in sets[name]]
                if len(values) == len(names):
                    yield f"{metric} {group}".rstrip(), fmean(values)
            seconds = sum(sets[name]["score_seconds"] for name in names)
            if seconds > 0:
                yield f"rows_per_second {group}".rstrip(), sum(sets[name]["score_rows"] for name in names) / seconds
        for name, numbers in sets.items():
            yield from ((f"{metric} {name}", float(value)) for metric, value in numbers.items())

    def over_all_seeds(self, runs: Sequence[Run]) -> Iterator[tuple[str, str, float, float | None]]:
        """Ranks, wins, shortfalls and leads by group; and how the forecasts came true."""
        from knownot.experiments.kinds.many_sets import summary

        for group, names in self.groups(_in_all(runs)).items():
            found = summary.aurocs(runs, names)
            for method, place in summary.places(found).items():
                for what, n in place._asdict().items():
                    yield method, f"{what} {group}".rstrip(), float(n), None
                if ahead := summary.lead(found, method, self.competitors):
                    yield method, f"lead {group}".rstrip(), ahead.mean, ahead.sd
            splits = [numbers for _, numbers in summary.forecasts(runs, self.emphasised, names)]
            for what, value in summary.forecast_quality(splits)._asdict().items():
                yield self.emphasised, f"forecast_{what} {group}".rstrip(), float(value), None

    # Tables

    def columns(self, records: Sequence[Record]) -> Sequence[Column]:
        """Means over all sets."""
        return (
            Column("auroc", "AUROC"),
            Column("oscr", "OSCR"),
            Column("rank", "rank", 1),
            Column("lead", "ahead"),
            Column("shortfall", "short by", 3),
            Column("wins", "wins", count=True),
            Column("auroc tables", "tables"),
            Column("auroc embeddings", "embeddings"),
            Column("accuracy", "accuracy", 3),
            Column("fit_seconds", "fit, s", 2),
            Column("rows_per_second", "rows/s", 0),
        )

    def legend(self, records: Sequence[Record]) -> str:
        """What the columns of the main table mean, and which single competitor is the best."""
        return (
            "Mean over the sets that count; ± standard deviation of this mean over the seeds. Rank, wins, short by: by "
            "the AUROC of each set, mean over seeds; short by: how far it is from the best method of a set, at worst. "
            "Ahead: mean AUROC less that of the best single competitor, the one method of scikit-learn or PyOD, other "
            "than the row's, with the best mean. Tables, embeddings: AUROC on these alone. Fit: mean time of a fit, of "
            f"the first row with its calibration by cross-fitting. {self._findings(records).in_words()}"
        ).rstrip()

    def grids(self, records: Sequence[Record], digits: int) -> Sequence[Grid]:
        """Sets as rows: AUROC beside the best competitor's, and what was foretold."""
        findings = self._findings(records)
        tables = (findings.by_set(self.compared, digits), findings.foretold(digits))
        return [table for table in tables if table.rows]

    def _findings(self, records: Sequence[Record]) -> Findings:
        return Findings(self, self.sets, self.competitors, records)

    def details(self, records: Sequence[Record]) -> Sequence[tuple[str, Sequence[Column]]]:
        """Tables and embeddings apart; AUROC, OSCR and accuracy by set."""
        metrics = {record.metric for record in records}
        groups = [group for group in dict.fromkeys(named.group for named in self.sets) if group]
        apart = [
            (
                f"{group.capitalize()} alone",
                [
                    Column(f"auroc {group}", "AUROC"),
                    Column(f"oscr {group}", "OSCR"),
                    Column(f"rank {group}", "rank", 1),
                    Column(f"lead {group}", "ahead"),
                    Column(f"shortfall {group}", "short by", 3),
                    Column(f"wins {group}", "wins", count=True),
                    Column(f"accuracy {group}", "accuracy", 3),
                    Column(f"fit_seconds {group}", "fit, s", 2),
                    Column(f"rows_per_second {group}", "rows/s", 0),
                ],
            )
            for group in groups
            if f"auroc {group}" in metrics
        ]
        by_set = [
            (f"{heading} by set", [Column(f"{metric} {named.name}", named.name, 3) for named in self.sets])
            for metric, heading in (("auroc", "AUROC"), ("oscr", "OSCR"), ("accuracy", "Accuracy"))
        ]
        return [*apart, *by_set]

    def figures(self, runs: Sequence[Run], attachments: Mapping[str, Any]) -> Iterator[Drawing]:
        """What was foretold against what came true."""
        from knownot.experiments.kinds.many_sets.figures import forecast_figure
        from knownot.experiments.kinds.many_sets.summary import forecasts

        groups = self.groups(_in_all(runs))
        points = {
            group: [numbers for _, numbers in forecasts(runs, self.emphasised, names)]
            for group, names in groups.items()
            if group
        }
        if any(points.values()):
            title = "AUROC that was expected from the known classes alone, against the true one"
            yield Drawing("forecast.svg", title, forecast_figure(points))


def _in_all(runs: Sequence[Run]) -> list[str]:
    """Sets that every run has, in the order of the first."""
    if not runs:
        return []
    return [name for name in runs[0]["splits"] if all(name in run["splits"] for run in runs)]
