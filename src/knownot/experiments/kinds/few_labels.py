"""Experiments on classifiers that learn from a few labelled samples and many others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from knownot.experiments.context import Context, Measured
from knownot.experiments.declaration import Column, Drawing, Experiment
from knownot.experiments.records import Record, Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

#: What the nearest labelled images are called.
NEIGHBOURS = "neighbours"


@dataclass(frozen=True, kw_only=True)
class FewLabelsExperiment(Experiment):
    """Classifiers of images of which few are labelled, as many of each class, drawn by the seed.

    Its methods are its models, those of ``labelled_only`` on the labelled images alone, and the nearest labelled image.
    Presets may limit the samples of "train" and "test".

    Attributes
    ----------
    dataset : str
        Name in :data:`knownot.data.NAMED`.
    counts : tuple of int
        Numbers of labelled images; one training each.
    labelled_only : tuple of str
        Names of models that see no others.
    """

    parts: ClassVar[tuple[str, ...]] = ("train", "test")

    dataset: str
    counts: tuple[int, ...]
    labelled_only: tuple[str, ...] = ()

    def measure(self, context: Context) -> Measured:
        """Train every model with every number of labels."""
        from knownot.experiments.kinds.protocol.parts import load_closed
        from knownot.experiments.trained import trained_facts

        parts = load_closed(self.dataset, None, context.preset.at_most, context.seed)
        found: dict[str, dict[str, float]] = {}
        facts: dict[str, Any] = {}
        for count in self.counts:
            chosen = choose_labelled(parts.train_codes, count, context.seed)
            few = parts.train_x[chosen], parts.train_codes[chosen]

            nearest = partial(neighbours_error, few[0], few[1], parts.test_x, parts.test_codes)
            settings = {"images": len(parts.train_codes), "labels": count}
            error = context.step(f"neighbours of {count}", settings, nearest)
            found.setdefault(NEIGHBOURS, {})[_error(count)] = error
            for model in self.models:
                if not context.preset.trains(model, context.seed):
                    continue
                given = few if model.name in self.labelled_only else (parts.train_x, hide(parts.train_codes, chosen))
                # All that is labelled is learned from: weights are those of the last epoch, and nothing is rejected.
                estimator = context.trained(model, *given, variant=str(count), validation=few)
                facts[f"{model.name}, {count}"] = trained_facts(estimator, context.settings(model))
                told = estimator.nearest_class(parts.test_x)
                found.setdefault(model.name, {})[_error(count)] = float((told != parts.test_codes).mean())
        return Measured({"methods": found, "models": facts, **parts.facts})

    @property
    def titles(self) -> Mapping[str, str]:
        """What tables call each method."""
        return {model.name: model.title or model.name for model in self.models} | {NEIGHBOURS: "nearest labelled image"}

    def columns(self, records: Sequence[Record]) -> Sequence[Column]:
        """Columns of the main table."""
        return tuple(Column(_error(count), f"{count:,} labels", 4) for count in self.counts)

    def legend(self, records: Sequence[Record]) -> str:
        """What the columns of the main table mean."""
        return (
            "Mean ± standard deviation over seeds, the paper's numbers in parentheses. Share of test images whose "
            "class is not the one that is told, none being rejected."
        )

    def figures(self, runs: Sequence[Run], attachments: Mapping[str, Any]) -> Iterator[Drawing]:
        """Error against the number of labels."""
        title = "Error on test images against the number of labelled ones; small dots are seeds"
        yield Drawing("labels.svg", title, labels_figure(runs, self.titles, self.counts))


def _error(count: int) -> str:
    return f"error {count}"


def choose_labelled(codes: NDArray[Any], count: int, seed: int) -> NDArray[Any]:
    """Indices of the labelled samples, sorted, as many of each class as of any other.

    Parameters
    ----------
    codes : ndarray of int, shape (N,)
    count : int
        In all; what does not divide goes to the first classes.
    seed : int
        More labels hold those of fewer.

    Examples
    --------
    >>> import numpy as np
    >>> codes = np.array([0, 1, 0, 1, 0, 1])
    >>> codes[choose_labelled(codes, 4, seed=0)].tolist()
    [0, 1, 0, 1]
    """
    import numpy as np

    order = np.random.default_rng([seed, 8]).permutation(len(codes))
    classes = np.unique(codes)
    shares = [count // len(classes) + (i < count % len(classes)) for i in range(len(classes))]
    chosen = [order[codes[order] == c][:n] for c, n in zip(classes, shares, strict=True)]
    return np.sort(np.concatenate(chosen))


def hide(codes: NDArray[Any], labelled: NDArray[Any]) -> NDArray[Any]:
    """Labels of the samples whose indices are given, -1 for all others, (N,)."""
    import numpy as np

    hidden = np.full(len(codes), -1)
    hidden[labelled] = codes[labelled]
    return hidden


def neighbours_error(x: NDArray[Any], codes: NDArray[Any], test_x: NDArray[Any], test_codes: NDArray[Any]) -> float:
    """Error of the nearest labelled image, by the pixels."""
    from sklearn.neighbors import KNeighborsClassifier

    few, many = (part.reshape(len(part), -1) / 255.0 for part in (x, test_x))
    return 1.0 - float(KNeighborsClassifier(1).fit(few, codes).score(many, test_codes))


def labels_figure(runs: Sequence[Run], titles: Mapping[str, str], counts: Sequence[int]) -> Figure:
    """Error of each method against the number of labelled images, mean and single seeds.

    Parameters
    ----------
    runs : sequence of dict
        Results of all seeds.
    titles : mapping of str to str
    counts : sequence of int
    """
    import matplotlib as mpl
    import numpy as np

    from knownot.experiments.figures import STYLE, empty_figure, label_ends, look

    with mpl.rc_context(STYLE):
        figure = empty_figure(6.6, 3.8)
        axes, ends = figure.subplots(), []
        for i, (name, title) in enumerate(titles.items()):
            there = [run["methods"][name] for run in runs if name in run["methods"]]
            if not there:
                continue
            errors = np.array([[numbers[_error(count)] for count in counts] for numbers in there])
            style: dict[str, Any] = {**look(i)}
            axes.plot(counts, errors.mean(0), **style)
            for seed in errors:
                axes.plot(counts, seed, color=style["color"], marker=".", markersize=3, linestyle="none")
            ends.append((title, float(counts[-1]), float(errors[:, -1].mean()), style["color"], False))
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(list(counts), [f"{count:,}" for count in counts])
        axes.minorticks_off()
        axes.set_xlabel("labelled images")
        axes.set_ylabel("error")
        label_ends(axes, ends)
    return figure
