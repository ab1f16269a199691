"""The experiment on densities: what it declares, and how one seed of it is measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from knownot.experiments.context import Context, Measured
from knownot.experiments.declaration import Column, Drawing, Experiment
from knownot.experiments.records import Record, Run


@dataclass(frozen=True, kw_only=True)
class DensityExperiment(Experiment):
    """Densities learned from one data set, without labels, and asked about the test images of others.

    A method is a model, judged by its log-density, or a model and another rule, which is fitted to what the model
    learned from. The images of other sets select nothing. A set that is not at hand is left out.

    Presets may limit the samples of "train" and "test", and of each other set, "outside".

    Attributes
    ----------
    dataset : str
        Name in :data:`knownot.data.NAMED`.
    outside : tuple of str
        Names of the other sets; their test images are brought to the size and the colours of the first.
    rules : mapping of str to str
        Further rules by name, and what tables call them.
    ruled : tuple of str
        Models that they are fitted to. Default: the emphasised one.
    lines : tuple of str
        Models, in the order of their size, of which information and histograms are drawn. Default: all.
    along : str
        What the models differ in, as the label of an axis.
    fixed_at : mapping of str to str
        Models whose decoder variance is fixed at the value that another model, which comes before, has learned.
    """

    parts: ClassVar[tuple[str, ...]] = ("train", "test", "outside")

    dataset: str
    outside: tuple[str, ...]
    rules: Mapping[str, str] = field(default_factory=dict)
    ruled: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    along: str = ""
    fixed_at: Mapping[str, str] = field(default_factory=dict)

    def measure(self, context: Context) -> Measured:
        """Train every model, then let it say of all sets what it knows."""
        from knownot.experiments.kinds.density.measures import OWN, load_sets, measure_model
        from knownot.experiments.trained import trained_facts

        sets = load_sets(self.dataset, self.outside, context.preset.at_most, context.seed, context.say)
        found: dict[str, dict[str, Any]] = {}
        facts, profiles = {}, {}
        for model in self.models:
            if not context.preset.trains(model, context.seed):
                continue
            at = self.fixed_at.get(model.name)
            fixed = {} if at is None else {"likelihood": found[at]["variance"]}
            estimator = context.trained(model, sets.train, more=fixed)
            facts[model.name] = trained_facts(estimator, context.settings(model))
            rules = tuple(self.rules) if model.name in (self.ruled or (self.emphasised,)) else ()
            settings = {"images": sets.counts, "rules": list(rules), **context.settings(model), **fixed}
            said = context.step(
                f"density of {model.name}", settings, partial(measure_model, estimator, sets, rules, context.seed)
            )
            if norms := facts[model.name]["gradient_norms"]:
                said["methods"][OWN] |= {"first gradient": norms[0], "last gradient": norms[-1]}
            for method, numbers in said["methods"].items():
                found[model.name if method == OWN else f"{model.name}+{method}"] = numbers
            profiles[model.name] = said["profile"]
        return Measured(
            {"methods": found, "models": facts, "samples": sets.counts, "left_out": sets.left_out},
            {"profiles": profiles} if context.seed == self.seeds[0] else {},
        )

    @property
    def titles(self) -> Mapping[str, str]:
        """What tables call each method."""
        named = {model.name: model.title or model.name for model in self.models}
        return named | {
            f"{model}+{rule}": f"{named[model]}, {title}"
            for model in self.ruled or (self.emphasised,)
            for rule, title in self.rules.items()
            if model in named
        }

    def columns(self, records: Sequence[Record]) -> Sequence[Column]:
        """Bits per dimension of every set, AUROC against each other one, and what the model is like."""
        return (
            *(Column(f"auroc {name}", f"AUROC {name}", 3, short=f"AUROC, {name}") for name in self.outside),
            Column("bpd train", "bits, train", 2),
            Column("bpd test", "bits, test", 2),
            *(Column(f"bpd {name}", f"bits, {name}", 2) for name in self.outside),
            Column("variance", "γ", 5),
            Column("active", "active", 1, count=True),
        )

    def legend(self, records: Sequence[Record]) -> str:
        """What the columns of the main table mean."""
        return (
            "Mean ± standard deviation over seeds, the paper's numbers in parentheses. AUROC: test images of the set "
            "that was learned against those of the other. Bits: per dimension, by the evidence bound, of 8-bit data: "
            "-log2 p(x)/D + 8; the paper adds 4, and its numbers are shown with 4 more. γ: variance of the decoder. "
            "Active: dimensions of the code whose mean has a variance above 0.01."
        )

    def details(self, records: Sequence[Record]) -> Sequence[tuple[str, Sequence[Column]]]:
        """How well models reconstruct, how far their codes are from the prior, and how training went."""
        columns = (
            Column("error", "squared error an image", 3),
            Column("mmd", "MMD to the prior", 4),
            Column("information", "nats in the code", 1),
            Column("rejection", "rejected, others", 3),
            Column("acceptance", "accepted, test", 3),
            Column("first gradient", "gradient, first epoch", 0),
            Column("last gradient", "last epoch", 0),
        )
        return [("Reconstruction and codes", columns)]

    def figures(self, runs: Sequence[Run], attachments: Mapping[str, Any]) -> Iterator[Drawing]:
        """Histograms of log-densities, information in each dimension, and numbers along what the models differ in."""
        from knownot.experiments.kinds.density.figures import (
            along_figure,
            gradients_figure,
            histograms_figure,
            information_figure,
        )

        names = [name for name in (self.lines or tuple(model.name for model in self.models)) if name in self.titles]
        profiles = attachments.get("profiles") or {}
        shown = {self.titles[name]: profiles[name] for name in names if name in profiles}
        if shown:
            title = "Bits per dimension of each set, first seed"
            yield Drawing("histograms.svg", title, histograms_figure(shown, self.dataset, self.outside))
            title = "Information in each dimension of the code, largest first: an upper bound, in nats"
            yield Drawing("information.svg", title, information_figure(shown))
        if self.fixed_at:
            title = "Norm of the gradient in training, mean of each epoch"
            yield Drawing("gradients.svg", title, gradients_figure(runs, self.titles))
        if self.along:
            figure = along_figure(runs, {name: self.titles[name] for name in names}, self.outside, self.along)
            yield Drawing("along.svg", f"AUROC and decoder variance against {self.along}", figure)
