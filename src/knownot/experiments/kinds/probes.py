"""Experiments on features learned without labels: what a linear classifier makes of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING, Any, ClassVar

from knownot.experiments.context import Context, Measured
from knownot.experiments.declaration import Column, Drawing, Experiment
from knownot.experiments.records import Record, Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_STEPS = 200
_TOP = 5


@dataclass(frozen=True, kw_only=True)
class ProbeExperiment(Experiment):
    """Encoders trained without labels, each with a logistic regression on its features: a linear probe.

    Its methods are its models. Presets may limit the samples of "train" and "test", and the "pixels" of a side.

    Attributes
    ----------
    dataset : str
        Name in :data:`knownot.data.NAMED`.
    known_in : str
        A protocol: the classes that are known in one of its splits are used. Default: all.
    lines : mapping of str to tuple of str
        For a figure of accuracy against epochs: names of models that differ in these alone, by what they share.
    """

    parts: ClassVar[tuple[str, ...]] = ("train", "test", "pixels")

    dataset: str
    known_in: str = ""
    lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def measure(self, context: Context) -> Measured:
        """Train every encoder, then a probe on its features."""
        from knownot.data import PROTOCOLS
        from knownot.experiments.kinds.protocol.parts import load_closed
        from knownot.experiments.trained import trained_facts

        splits = PROTOCOLS[self.known_in].splits if self.known_in else ()
        classes = sorted({int(label) for split in splits for label in split.labels}) or None
        parts = load_closed(self.dataset, classes, context.preset.at_most, context.seed)
        found, facts = {}, {}
        for model in self.models:
            encoder = context.trained(model, parts.train_x)
            facts[model.name] = trained_facts(encoder, context.settings(model))

            def probe(encoder: Any = encoder) -> dict[str, float]:
                train, test = (encoder.transform(x) for x in (parts.train_x, parts.test_x))
                return linear_probe(train, parts.train_codes, test, parts.test_codes)

            settings = {"images": len(parts.train_codes), **context.settings(model)}
            found[model.name] = context.step(f"probe of {model.name}", settings, partial(probe))
        return Measured({"methods": found, "models": facts, **parts.facts})

    @property
    def titles(self) -> Mapping[str, str]:
        """What tables call each encoder."""
        return {model.name: model.title or model.name for model in self.models}

    def columns(self, records: Sequence[Record]) -> Sequence[Column]:
        """Columns of the main table."""
        return (Column("top1", "top-1"), Column("top5", "top-5"))

    def legend(self, records: Sequence[Record]) -> str:
        """What the columns of the main table mean."""
        return (
            "Mean ± standard deviation over seeds. Top-1, top-5: share of test images whose class is the first, or "
            "among the first five, by a logistic regression on standardised features of the training images."
        )

    def figures(self, runs: Sequence[Run], attachments: Mapping[str, Any]) -> Iterator[Drawing]:
        """Top-1 accuracy of each encoder, or against the epochs."""
        if self.lines:
            title = "Top-1 accuracy of a linear probe against epochs of training"
            yield Drawing("epochs.svg", title, epochs_figure(runs, self.lines))
            return
        from knownot.experiments.kinds.protocol.figures import dots_figure

        found = {
            title: [run["methods"][name]["top1"] for run in runs if name in run["methods"]]
            for name, title in self.titles.items()
        }
        figure = dots_figure(found, {}, "top-1 accuracy", self.titles.get(self.emphasised, ""))
        yield Drawing("top1.svg", "Top-1 accuracy of a linear probe; small dots are seeds", figure)


def linear_probe(
    train: NDArray[Any], train_codes: NDArray[Any], test: NDArray[Any], test_codes: NDArray[Any]
) -> dict[str, float]:
    """Accuracy of a logistic regression on standardised features, the same for all encoders.

    Parameters
    ----------
    train, test : ndarray of float, shape (N, F)
    train_codes, test_codes : ndarray of int, shape (N,)

    Returns
    -------
    dict
        "top1" and "top5".
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import top_k_accuracy_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=_STEPS))
    with warnings.catch_warnings():
        # So many steps for all, whether or not they have arrived.
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(train, train_codes)
    scores, classes = classifier.decision_function(test), classifier.classes_
    if scores.ndim == 1:
        # Two classes have one score.
        return {"top1": float(classifier.score(test, test_codes)), "top5": 1.0}
    return {
        f"top{k}": float(top_k_accuracy_score(test_codes, scores, k=min(k, len(classes)), labels=classes))
        if k < len(classes)
        else 1.0
        for k in (1, _TOP)
    }


def epochs_figure(runs: Sequence[Run], lines: Mapping[str, tuple[str, ...]]) -> Figure:
    """Top-1 accuracy against the epochs that the encoder was trained, mean over the seeds.

    Parameters
    ----------
    runs : sequence of dict
        Results of all seeds.
    lines : mapping of str to tuple of str
        Names of the models of each line.

    Returns
    -------
    Figure

    References
    ----------
    GradMix paper, figure 5, right.
    """
    import matplotlib as mpl

    from knownot.experiments.figures import STYLE, empty_figure, label_ends, look

    with mpl.rc_context(STYLE):
        figure = empty_figure(6.4, 3.6)
        axes, ends = figure.subplots(), []
        ticks: set[int] = set()
        for i, (title, names) in enumerate(lines.items()):
            points = {}
            for name in names:
                there = [run for run in runs if name in run["methods"]]
                if there:
                    epochs = there[0]["models"][name]["epochs"]
                    points[epochs] = fmean(run["methods"][name]["top1"] for run in there)
            if points:
                x = sorted(points)
                y = [points[epochs] for epochs in x]
                style: dict[str, Any] = {**look(i)}
                axes.plot(x, y, **style)
                ticks.update(x)
                ends.append((title, float(x[-1]), y[-1], style["color"], False))
        axes.set_xticks(sorted(ticks))
        axes.set_xlabel("epochs")
        axes.set_ylabel("top-1 accuracy")
        label_ends(axes, ends)
    return figure
