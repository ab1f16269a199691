"""Experiments on facial action units: several yes-or-no labels, few of them known, other people in the test."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from knownot.experiments.context import Context, Measured
from knownot.experiments.declaration import Column, Drawing, Experiment
from knownot.experiments.records import Record, Run

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: What the supervised network is called.
NETWORK = "network"
_FOLDS = 3
_HIDDEN, _EPOCHS = (300, 300), 100


@dataclass(frozen=True, kw_only=True)
class ActionUnitsExperiment(Experiment):
    """Classifiers of action units by cross-validation over people, with a share of the labels of the training frames.

    Its methods are its models, those of ``labelled_only`` on the labelled frames alone, and a supervised network on
    these, scikit-learn's. Presets may limit the "frames" of each person, the "pixels" of a side and the "epochs" of
    that network.

    Attributes
    ----------
    dataset : {"disfa", "fera2015"}
    shares : tuple of float
        Shares of the training frames that are labelled; one training for each of them in each fold.
    labelled_only : tuple of str
        Names of models that see no others.
    """

    parts: ClassVar[tuple[str, ...]] = ("frames", "pixels", "epochs")

    dataset: str
    shares: tuple[float, ...] = (0.1, 0.25)
    labelled_only: tuple[str, ...] = ()

    def lacking(self) -> str:
        """Why it cannot be measured here."""
        # Without knownot.data, which loads torch.
        root = os.environ.get("KNOWNOT_DATA")
        if root and (Path(root).expanduser() / self.dataset.upper()).is_dir():
            return ""
        return f"{self.name} needs the data set {self.dataset!r}, which is licensed and not in the folder KNOWNOT_DATA."

    def measure(self, context: Context) -> Measured:
        """Train every model in every fold with every share of the labels."""
        import numpy as np
        from sklearn.model_selection import GroupKFold

        from knownot.data import load_action_units, read_images
        from knownot.experiments.trained import trained_facts
        from knownot.metrics import f1_by_label

        most, seed = context.preset.at_most, context.seed
        units = load_action_units(self.dataset)
        units = units.select(choose_frames(units.subjects, most.get("frames"), seed))
        x = read_images(units.paths, image_size=most.get("pixels", 64), channels=3).x
        found: dict[str, dict[str, list[Any]]] = {}
        facts: dict[str, Any] = {}
        folds = list(GroupKFold(_FOLDS).split(x, groups=units.subjects))
        for share in self.shares:
            for fold, (train, test) in enumerate(folds):
                chosen = train[choose_labelled_frames(units.labels[train], share, seed)]
                few, hidden = (x[chosen], units.labels[chosen]), np.full_like(units.labels, np.nan)
                hidden[chosen] = units.labels[chosen]
                settings = {"frames": len(x), "labelled": len(chosen), "epochs": most.get("epochs", _EPOCHS)}
                supervised = partial(network_f1, *few, x[test], units.labels[test], settings["epochs"], seed)
                scores = {NETWORK: context.step(f"network, {share:g}, fold {fold}", settings, supervised)}
                for model in self.models:
                    given = few if model.name in self.labelled_only else (x[train], hidden[train])
                    # All that is labelled is learned from: weights are those of the last epoch.
                    estimator = context.trained(model, *given, variant=f"{share:g}-fold{fold}", validation=few)
                    facts[f"{model.name}, {share:g}, fold {fold}"] = trained_facts(estimator, context.settings(model))
                    scores[model.name] = f1_by_label(units.labels[test], estimator.predict(x[test])).tolist()
                for name, values in scores.items():
                    found.setdefault(name, {}).setdefault(f"{share:g}", []).append(values)
        methods = {name: _summary(by_share, units.label_names) for name, by_share in found.items()}
        tested = [sorted(set(units.subjects[test].tolist())) for _, test in folds]
        samples = {"frames": len(x), "people": sum(map(len, tested))}
        more = {"samples": samples, "tested": tested, "image": list(x.shape[1:]), "note": units.note}
        return Measured({"methods": methods, "models": facts, **more})

    @property
    def titles(self) -> Mapping[str, str]:
        """What tables call each method."""
        return {m.name: m.title or m.name for m in self.models} | {NETWORK: "supervised network, labelled frames alone"}

    def columns(self, records: Sequence[Record]) -> Sequence[Column]:
        """Columns of the main table."""
        return tuple(Column(f"f1 {share:g}", f"F1, {share:.0%} of the labels", 4) for share in self.shares)

    def details(self, records: Sequence[Record]) -> Sequence[tuple[str, Sequence[Column]]]:
        """F1 of each action unit."""
        tables = []
        for share in self.shares:
            start = f"f1 {share:g} "
            metrics = dict.fromkeys(record.metric for record in records if record.metric.startswith(start))
            columns = [Column(metric, metric.removeprefix(start), 4) for metric in metrics]
            tables.append((f"F1 of each action unit, {share:.0%} of the labels", columns))
        return tables

    def legend(self, records: Sequence[Record]) -> str:
        """What the columns of the main table mean."""
        return (
            "Mean ± standard deviation over seeds, the paper's numbers in parentheses. F1 score, mean over the action "
            f"units and over {_FOLDS} folds; nobody is in the training and in the test frames of a fold."
        )

    def figures(self, runs: Sequence[Run], attachments: Mapping[str, Any]) -> Iterator[Drawing]:
        """F1 of each method with each share of the labels."""
        from knownot.experiments.kinds.protocol.figures import dots_figure

        found, stated = {}, {}
        for share in self.shares:
            for name, title in self.titles.items():
                row = f"{title}, {share:.0%}"
                metric = f"f1 {share:g}"
                found[row] = [run["methods"][name][metric] for run in runs if name in run["methods"]]
                stated[row] = self.published.get(name, {}).get(metric)
        emphasised = f"{self.titles.get(self.emphasised, '')}, {self.shares[-1]:.0%}"
        title = "Mean F1 over action units, by the share of the labels; small dots are seeds"
        yield Drawing("f1.svg", title, dots_figure(found, stated, "F1", emphasised))


def _summary(by_share: Mapping[str, Sequence[Sequence[float]]], names: Sequence[str]) -> dict[str, Any]:
    """Means over the folds, of all action units and of each, and the folds one by one."""
    from statistics import fmean

    found: dict[str, Any] = {}
    for share, folds in by_share.items():
        means = [fmean(values) for values in folds]
        found[f"f1 {share}"] = fmean(means)
        found |= {
            f"f1 {share} {name}": fmean(values) for name, values in zip(names, zip(*folds, strict=True), strict=True)
        }
        found[f"folds {share}"] = means
    return found


def choose_frames(subjects: NDArray[Any], most: int | None, seed: int) -> NDArray[Any]:
    """Positions of at most so many frames of each person, in their order, drawn by the seed.

    Examples
    --------
    >>> import numpy as np
    >>> choose_frames(np.array(["a", "a", "a", "b"]), 1, 0).tolist()
    [0, 3]
    """
    import numpy as np

    order = np.random.default_rng([seed, 9]).permutation(len(subjects))
    return np.sort(np.concatenate([order[subjects[order] == one][:most] for one in np.unique(subjects)]))


def choose_labelled_frames(labels: NDArray[Any], share: float, seed: int) -> NDArray[Any]:
    """Positions of the frames whose labels are told, sorted.

    Parameters
    ----------
    labels : ndarray, shape (N, L)
        0, 1 or NaN.
    share : float
        Of the frames with labels; a few more where a label would otherwise be never 0 or never 1.
    seed : int
        A larger share holds the frames of a smaller one.

    Examples
    --------
    >>> import numpy as np
    >>> choose_labelled_frames(np.array([[0.0]] * 18 + [[1.0]] * 2), 0.1, seed=0).tolist()
    [16, 18]
    """
    import numpy as np

    order = np.random.default_rng([seed, 8]).permutation(np.flatnonzero(np.isfinite(labels).any(1)))
    chosen = order[: max(1, round(share * len(order)))].tolist()
    for column in labels.T:
        for value in (0, 1):
            there = order[column[order] == value]
            if len(there) and not (column[chosen] == value).any():
                chosen.append(int(there[0]))
    return np.unique(chosen)


def network_f1(
    x: NDArray[Any],
    labels: NDArray[Any],
    test_x: NDArray[Any],
    test_labels: NDArray[Any],
    epochs: int,
    seed: int,
) -> list[float]:
    """F1 of each label by a supervised network of linear layers, scikit-learn's.

    Parameters
    ----------
    x, test_x : ndarray of uint8, shape (N, H, W, C)
    labels, test_labels : ndarray, shape (N, L)
        Training frames that lack a label are left out.
    epochs : int
    seed : int
    """
    import warnings

    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    from knownot.metrics import f1_by_label

    few, many = (part.reshape(len(part), -1).astype(np.float32) / 255.0 for part in (x, test_x))
    whole = np.isfinite(labels).all(1)
    with warnings.catch_warnings():
        # So many epochs, whether or not they have arrived.
        warnings.simplefilter("ignore", ConvergenceWarning)
        network = MLPClassifier(_HIDDEN, max_iter=epochs, random_state=seed).fit(few[whole], labels[whole].astype(int))
    told = np.asarray(network.predict(many)).reshape(len(many), -1)
    return [float(value) for value in f1_by_label(test_labels, told)]
