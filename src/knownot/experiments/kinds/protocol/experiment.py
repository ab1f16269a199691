"""The experiment on a standard protocol: what it declares, and how one seed of it is measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from knownot.experiments.context import Context, Measured
from knownot.experiments.declaration import Column, Drawing, Experiment
from knownot.experiments.kinds.protocol.declared import Method
from knownot.experiments.records import Record, Run


@dataclass(frozen=True, kw_only=True)
class ProtocolExperiment(Experiment):
    """Methods on a published split, or one after the other on all of them.

    A model learns from all training images of the known classes; what it needs to select weights and to calibrate
    its threshold it holds out itself. The test images of known and unknown classes select nothing.

    Presets may limit the samples of "train" and "test", and the "pixels" of a side; they may leave models out at some
    seeds, and with them the methods on these.

    Attributes
    ----------
    protocol : str
        Name in :data:`knownot.data.PROTOCOLS`.
    methods : tuple of Method
    split : int, optional
        Number of the published split, from 1, that all seeds run. Default: seed 0 runs the first, seed 1 the second,
        and so on.
    compared : bool
        Whether the methods are variants of one, so that a figure of their AUROCs says something.
    """

    parts: ClassVar[tuple[str, ...]] = ("train", "test", "pixels")

    protocol: str
    methods: tuple[Method, ...]
    split: int | None = None
    compared: bool = False
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)

    def split_of(self, seed: int) -> int:
        """Number of the split that a seed runs, from 1."""
        from knownot.data import PROTOCOLS

        return seed % len(PROTOCOLS[self.protocol].splits) + 1 if self.split is None else self.split

    def measure(self, context: Context) -> Measured:
        """Train every model, then let every method score the same samples."""
        from knownot.experiments.kinds.protocol.measures import measure_methods
        from knownot.experiments.kinds.protocol.parts import load_protocol
        from knownot.experiments.trained import trained_facts

        parts = load_protocol(self.protocol, self.split_of(context.seed), context.preset.at_most, context.seed)
        used = [model for model in self.models if context.preset.trains(model, context.seed)]
        models = {m.name: context.trained(m, parts.train_x, parts.train_codes) for m in used}
        methods = [method for method in self.methods if method.model is None or method.model in models]
        context.say("scoring")
        return Measured(
            {
                "methods": measure_methods(methods, models, parts, context.seed),
                "models": {m.name: trained_facts(models[m.name], context.settings(m)) for m in used},
                **parts.facts,
            }
        )

    @property
    def titles(self) -> Mapping[str, str]:
        """What tables call each method."""
        return {method.name: method.title for method in self.methods}

    def columns(self, records: Sequence[Record]) -> Sequence[Column]:
        """Columns of the main table."""
        return (
            Column("auroc", "AUROC", short="AUROC"),
            Column("oscr", "OSCR", short="OSCR"),
            Column("accuracy", "accuracy", short="accuracy"),
            Column("dimension", "ID", 2),
            Column("rejection", "rejected", 3),
            Column("acceptance", "accepted", 3),
        )

    def legend(self, records: Sequence[Record]) -> str:
        """What the columns of the main table mean."""
        over = "seeds, each on a published split of its own" if self.split is None else f"seeds on split {self.split}"
        return (
            f"Mean ± standard deviation over {over}, the paper's numbers in parentheses. Accuracy: of known test "
            "samples, without rejection. ID: intrinsic dimension of the embeddings of known test samples within "
            "their classes. Rejected, accepted: unknown and known test samples at the threshold that the model itself "
            "has calibrated to accept 95 % of the known."
        )

    def details(self, records: Sequence[Record]) -> Sequence[tuple[str, Sequence[Column]]]:
        """Further metrics of detection."""
        columns = (
            Column("aupr_in", "AUPR, known positive"),
            Column("aupr_out", "AUPR, unknown positive"),
            Column("tnr95", "rejected at 95 % accepted"),
            Column("dtacc", "detection accuracy"),
        )
        return [("Further metrics of detection", columns)]

    def figures(self, runs: Sequence[Run], attachments: Mapping[str, Any]) -> Iterator[Drawing]:
        """AUROC of variants beside each other."""
        if self.compared:
            from knownot.experiments.kinds.protocol.figures import dots_figure

            found = {
                method.title: [run["methods"][method.name]["auroc"] for run in runs if method.name in run["methods"]]
                for method in self.methods
            }
            stated = {method.title: self.published.get(method.name, {}).get("auroc") for method in self.methods}
            figure = dots_figure(found, stated, "AUROC", self.titles.get(self.emphasised, ""))
            yield Drawing("auroc.svg", "AUROC of each variant; small dots are seeds", figure)
