"""The experiment on generative models: what it declares, and how one seed of it is measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from knownot.experiments.context import Context, Measured
from knownot.experiments.declaration import Column, Drawing, Experiment
from knownot.experiments.presets import Model
from knownot.experiments.records import Record, Run

#: The network whose features the Fréchet distance compares: a small classifier of the very data set.
FEATURES = Model(
    "features",
    "SoftmaxClassifier",
    {"network": "fast", "width": 0.25, "max_epochs": 4, "batch_size": 512, "validation_fraction": 0.1, "accept": None},
    "classifier for the Fréchet distance",
)


@dataclass(frozen=True, kw_only=True)
class GenerationExperiment(Experiment):
    """Autoencoders of binary images, drawn anew in training and once for the test.

    Its methods are its models. Presets may limit the samples of "train" and "test", the test images whose likelihood is
    estimated, "likelihood", and the codes that are drawn for each of them, "codes".

    Attributes
    ----------
    dataset : str
        Name in :data:`knownot.data.NAMED`.
    along : str
        What the models differ in where they are points of one curve, as the label of an axis.
    """

    parts: ClassVar[tuple[str, ...]] = ("train", "test", "likelihood", "codes")

    dataset: str
    along: str = ""

    def measure(self, context: Context) -> Measured:
        """Train every model, then draw from it and look at its codes."""
        from knownot.experiments.kinds.generation.measures import load_binary, measure_model
        from knownot.experiments.trained import trained_facts

        at_most = context.preset.at_most
        parts = load_binary(self.dataset, at_most, context.seed)
        features = context.trained(FEATURES, parts.train_x, parts.train_y)
        found, facts, sheets = {}, {}, {}
        for model in self.models:
            if not context.preset.trains(model, context.seed):
                continue
            estimator = context.trained(model, parts.train_x)
            facts[model.name] = trained_facts(estimator, context.settings(model))
            settings = {"images": parts.counts, "at most": dict(at_most), **context.settings(model)}
            measure = partial(measure_model, estimator, features, parts, at_most, context.seed)
            said = context.step(f"samples of {model.name}", settings, measure)
            found[model.name], sheets[model.name] = said["numbers"], said["sheet"]
        measured = {"methods": found, "models": facts, "samples": parts.counts}
        return Measured(measured, {"sheets": sheets} if context.seed == self.seeds[0] else {})

    @property
    def titles(self) -> Mapping[str, str]:
        """What tables call each model."""
        return {model.name: model.title or model.name for model in self.models}

    def columns(self, records: Sequence[Record]) -> Sequence[Column]:
        """Columns of the main table."""
        return (
            Column("frechet", "Fréchet", 2),
            Column("log-likelihood", "log-likelihood", 2),
            Column("knn sample k=10", "k-NN, k = 10", 4),
            Column("criterion", "criterion", 2),
            Column("active", "active", 1, count=True),
        )

    def legend(self, records: Sequence[Record]) -> str:
        """What the columns of the main table mean."""
        return (
            "Mean ± standard deviation over seeds. Fréchet: distance of generated images, means of p(x|z), from grey "
            "test images, in the features of a small classifier trained on this data set: not comparable with those "
            "in features of Inception. Log-likelihood: of binarised test images, nats, by importance sampling. k-NN: "
            "error of 10 neighbours among drawn codes. Criterion: reconstruction loss and divergence at weight 1 on "
            "held-out images. Active: dimensions of the code whose mean has a variance above 0.01."
        )

    def details(self, records: Sequence[Record]) -> Sequence[tuple[str, Sequence[Column]]]:
        """Neighbours of codes, and the parts of the loss."""
        neighbours = [
            Column(f"knn {kind} k={k}", f"{kind}, k = {k}", 4) for kind in ("sample", "mean") for k in (3, 5, 10)
        ]
        return [
            ("Error of k neighbours among codes that are drawn, or means", neighbours),
            (
                "Parts of the loss on test images",
                (Column("reconstruction", "reconstruction", 2), Column("divergence", "divergence", 2)),
            ),
        ]

    def figures(self, runs: Sequence[Run], attachments: Mapping[str, Any]) -> Iterator[Drawing]:
        """Samples and reconstructions of each model; the trade-off along what models differ in."""
        from knownot.experiments.kinds.generation.figures import sheet_figure, trade_off_figure

        if sheets := attachments.get("sheets"):
            shown = {self.titles[name]: sheet for name, sheet in sheets.items() if name in self.titles}
            for what, title in (
                ("samples", "Images drawn from each model"),
                ("reconstructions", "Binarised test images, and reconstructions below them"),
                ("components", "Images drawn from single components of the prior, a column each"),
            ):
                there = {name: sheet[what] for name, sheet in shown.items() if sheet.get(what)}
                if there:
                    yield Drawing(f"{what}.png", title, sheet_figure(there))
        if self.along:
            title = f"Reconstruction against divergence, and what is measured, along {self.along}"
            yield Drawing("trade-off.svg", title, trade_off_figure(runs, self.titles, self.along))
