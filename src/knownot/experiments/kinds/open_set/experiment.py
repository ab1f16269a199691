"""The open-set experiment: what it declares, and how one seed of it is measured.

Model selection: weights and the scales of rules see half of the validation knowns, the threshold
of a target acceptance rate the other half, the thresholds of macro-F1 all validation knowns and
unknowns (for each number Q of unknown classes, and the mean of these). The test set selects nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean
from typing import Any, ClassVar

from knownot.experiments.context import Context, Measured
from knownot.experiments.declaration import Column, Drawing, Experiment
from knownot.experiments.kinds.open_set.methods import Method
from knownot.experiments.presets import Settings
from knownot.experiments.records import Record, Run

# Lists with one number for each Q, and what their metrics are called.
_BY_Q = {"f1": "f1", "f1_mean_threshold": "f1 mean threshold"}


@dataclass(frozen=True, kw_only=True)
class OpenSetExperiment(Experiment):
    """Methods that tell known classes from unknown ones.

    Attributes
    ----------
    protocol : str
        Name in :data:`knownot.data.PROTOCOLS`.
    methods : tuple of Method
    n_subclusters : int
        Centroids of each class for the rules on centroids.
    lines : mapping of str to mapping
        Methods in the figure of macro-F1, and the look of their lines in matplotlib's words. Default: all of them.
    mapped : tuple of str
        Names of the models of whose embeddings maps are drawn, at the first seed.
    """

    parts: ClassVar[tuple[str, ...]] = ("train", "test", "validation known", "validation unknown")
    gain_heading: ClassVar[str] = "gain in macro-F1, mean τ, Q ≥ 1"
    short_legend: ClassVar[str] = (
        "Macro-F1 uses thresholds from validation samples of the known and the unknown classes (the paper's protocol)."
    )

    protocol: str
    methods: tuple[Method, ...]
    n_subclusters: int = 1
    lines: Mapping[str, Settings] = field(default_factory=dict)
    mapped: tuple[str, ...] = ()

    def measure(self, context: Context) -> Measured:
        """Train every model, then let every method score the same samples."""
        from knownot.experiments.kinds.open_set.maps import class_maps
        from knownot.experiments.kinds.open_set.measures import load_parts, measure_methods
        from knownot.experiments.trained import trained_facts

        parts = load_parts(self.protocol, context.preset.at_most, context.seed)
        held = (parts.validation_x, parts.validation_codes)
        models = {m.name: context.trained(m, parts.train_x, parts.train_codes, validation=held) for m in self.models}
        facts = {
            "methods": measure_methods(self.methods, models, parts, self.n_subclusters, context.seed, context.say),
            "models": {m.name: trained_facts(models[m.name], context.settings(m)) for m in self.models},
            "samples": {"train": len(parts.train_codes), "test": len(parts.test_codes)},
            "unknown_classes": parts.unknown_classes,
        }
        # One picture is enough.
        mapped = {name: models[name] for name in self.mapped if context.seed == self.seeds[0]}
        return Measured(facts, {"maps": class_maps(self.methods, mapped, parts, context.seed)} if mapped else {})

    @property
    def titles(self) -> Mapping[str, str]:
        """What tables call each method."""
        return {method.name: method.title for method in self.methods}

    def numbers(self, method: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
        """Metrics and numbers of a method.

        Of macro-F1 there is one for each Q, "f1 Q=2" and "f1 mean threshold Q=2", and their mean over Q >= 1,
        "f1 Q>=1" and "f1 mean threshold Q>=1".
        """
        yield from super().numbers(method)
        for name, called in _BY_Q.items():
            values = method.get(name, [])
            yield from ((f"{called} Q={q}", value) for q, value in enumerate(values))
            if len(values) > 1:
                yield f"{called} Q>=1", mean(values[1:])

    def gain(self, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> float:
        """Mean gain in macro-F1 at the mean threshold, Q >= 1, in per cent."""
        pairs = zip(ours["f1_mean_threshold"][1:], theirs["f1_mean_threshold"][1:], strict=True)
        return 100.0 * mean(a / b - 1.0 for a, b in pairs)

    def columns(self, records: Sequence[Record]) -> Sequence[Column]:
        """Columns of the main table."""
        last = _most_unknown(records)
        return (
            Column("auroc", "AUROC", short="AUROC"),
            Column("oscr", "OSCR", short="OSCR"),
            Column("accuracy", "accuracy", short="accuracy"),
            Column("f1 mean threshold Q>=1", "F1, mean τ"),
            Column(f"f1 Q={last}", f"F1, Q = {last}", short="macro-F1"),
            Column("rejection", "rejected"),
            Column("acceptance", "accepted"),
        )

    def legend(self, records: Sequence[Record]) -> str:
        """What the columns of the main table mean."""
        return (
            "Mean ± standard deviation over seeds. F1, mean τ: macro-F1 at the mean of the thresholds for each Q, "
            f"averaged over Q ≥ 1 unknown classes. F1, Q = {_most_unknown(records)}: with all unknown classes, at the "
            "threshold for that Q. Rejected, accepted: unknown and known test samples at the threshold that is to "
            "accept 95 % of the known."
        )

    def details(self, records: Sequence[Record]) -> Sequence[tuple[str, Sequence[Column]]]:
        """Macro-F1 of every method for every number Q of unknown classes."""
        qs = range(_most_unknown(records) + 1)
        return [
            (f"Macro-F1 at {threshold}", [Column(f"{metric} Q={q}", f"Q = {q}") for q in qs])
            for metric, threshold in (
                ("f1", "the threshold chosen for each Q"),
                ("f1 mean threshold", "the mean of these"),
            )
        ]

    def figures(self, runs: Sequence[Run], attachments: Mapping[str, Any]) -> Iterator[Drawing]:
        """Macro-F1 against the number of unknown classes, and maps of the embeddings."""
        from knownot.data import PROTOCOLS
        from knownot.experiments.kinds.open_set.figures import f1_figure, maps_figure

        figure = f1_figure(runs, self.titles, self.lines, self.emphasised)
        yield Drawing("f1.svg", "Macro-F1 against the number of unknown classes", figure)
        if maps := attachments.get("maps"):
            classes = PROTOCOLS[self.protocol].splits[0].class_names
            figure = maps_figure(maps, classes, {model.name: model.title or model.name for model in self.models})
            yield Drawing("maps.png", "t-SNE of the training embeddings, with the centroids of the classes", figure)


def _most_unknown(records: Iterable[Record]) -> int:
    """How many unknown classes there are: the largest Q of the metrics."""
    return max((int(r.metric.split("Q=")[1]) for r in records if "Q=" in r.metric), default=0)
