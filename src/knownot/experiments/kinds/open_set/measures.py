"""Numbers of every method on the same samples of one seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from knownot.data import PROTOCOLS, Dataset, load_named, open_set_partition
from knownot.estimators.inputs import halves
from knownot.experiments.kinds.open_set.methods import Method, Part
from knownot.metrics import auroc, closed_set_accuracy, f1_against_unknown_classes, oscr
from knownot.rules import ConformalThreshold, f1_threshold, make_rule, nearest

ACCEPT = 0.95
_NEIGHBOURS = 5


@dataclass(frozen=True)
class Scored:
    """Class and knownness of some samples by one method."""

    classes: NDArray[np.int64]
    knownness: NDArray[np.float64]

    def __add__(self, other: Scored) -> Scored:
        return Scored(np.concatenate([self.classes, other.classes]), np.concatenate([self.knownness, other.knownness]))


@dataclass(frozen=True)
class Parts:
    """The samples of one experiment at one seed, known classes by their codes.

    Attributes
    ----------
    train_x, train_codes
        What models learn from.
    validation_x, validation_codes
        Validation knowns, as an estimator takes them in ``fit``.
    selection, calibration
        Indices of the halves into which it cuts them.
    unknown_x, unknown_labels
        Validation unknowns and their labels in the data set.
    test_x, test_codes, test_labels
        The test set; codes of unknown samples are -1.
    """

    train_x: NDArray[Any]
    train_codes: NDArray[np.int64]
    validation_x: NDArray[Any]
    validation_codes: NDArray[np.int64]
    selection: NDArray[np.int64]
    calibration: NDArray[np.int64]
    unknown_x: NDArray[Any]
    unknown_labels: NDArray[np.int64]
    test_x: NDArray[Any]
    test_codes: NDArray[np.int64]
    test_labels: NDArray[np.int64]

    @property
    def unknown_classes(self) -> list[int]:
        """Unknown classes in the order in which Q counts them."""
        return sorted(np.unique(self.test_labels[self.test_codes < 0]).tolist())

    def to_score(self) -> list[NDArray[Any]]:
        """Selection, calibration, validation unknowns, test: what every method scores."""
        return [self.validation_x[self.selection], self.validation_x[self.calibration], self.unknown_x, self.test_x]


def load_parts(protocol: str, at_most: Mapping[str, int], seed: int) -> Parts:
    """Read the data and cut them as the protocol says.

    Parameters
    ----------
    protocol : str
        Name in :data:`knownot.data.PROTOCOLS`.
    at_most : mapping of str to int
        Most samples of "train", "test", "validation known" and "validation unknown".
    seed : int
        Decides all draws.
    """
    published = PROTOCOLS[protocol]
    partition = open_set_partition(
        load_named(published.dataset, "train"),
        load_named(published.dataset, "test"),
        published.splits[0],
        min(published.n_validation_known, at_most.get("validation known", published.n_validation_known)),
        min(published.n_validation_unknown, at_most.get("validation unknown", published.n_validation_unknown)),
        seed=seed,
    )
    split = partition.split
    train, test = (
        _sample_at_most(data, at_most.get(part), seed)
        for part, data in (("train", partition.train), ("test", partition.test))
    )
    held = split.apply(partition.validation_known.labels)
    selection, calibration = halves(held)
    return Parts(
        train.x,
        split.apply(train.labels),
        partition.validation_known.x,
        held,
        selection,
        calibration,
        partition.validation_unknown.x,
        partition.validation_unknown.labels,
        test.x,
        split.apply(test.labels),
        test.labels,
    )


def _sample_at_most(data: Dataset, n: int | None, seed: int) -> Dataset:
    if n is None or n >= len(data):
        return data
    return data.select(np.sort(np.random.default_rng([seed, 2]).permutation(len(data))[:n]))


def measure(parts: Parts, selection: Scored, calibration: Scored, unknown: Scored, test: Scored) -> dict[str, Any]:
    """All numbers of one method.

    Returns
    -------
    dict
        "auroc", "oscr", "accuracy" (closed-set); "acceptance" and "rejection" on test samples at
        the conformal threshold for 95 %; "f1", "f1_mean_threshold" and "thresholds", one number for
        each Q = 0, 1, … unknown classes.
    """
    names, known = parts.unknown_classes, parts.test_codes >= 0
    held = selection + calibration
    held_codes = np.concatenate([parts.validation_codes[i] for i in (parts.selection, parts.calibration)])
    joined = [np.isin(parts.unknown_labels, names[:q]) for q in range(len(names) + 1)]
    thresholds = [
        f1_threshold(held.knownness, held_codes, held.classes, unknown.knownness[here], unknown.classes[here])
        for here in joined
    ]
    # Known samples by their code, unknown ones by their label, moved out of the codes' way.
    away = 1 + int(parts.test_codes.max())
    mixed, unknowns = np.where(known, parts.test_codes, parts.test_labels + away), [name + away for name in names]

    def f1(threshold: list[float] | float) -> list[float]:
        return f1_against_unknown_classes(mixed, test.classes, test.knownness, threshold, unknowns).tolist()

    offset = ConformalThreshold(ACCEPT).fit(calibration.knownness).offset_
    return {
        "auroc": auroc(known, test.knownness),
        "oscr": oscr(known, test.classes == parts.test_codes, test.knownness),
        "accuracy": closed_set_accuracy(parts.test_codes[known], test.classes[known]),
        "acceptance": float((test.knownness[known] >= offset).mean()),
        "rejection": float((test.knownness[~known] < offset).mean()),
        "f1": f1(thresholds),
        "f1_mean_threshold": f1(float(np.mean(thresholds))),
        "thresholds": thresholds,
    }


def on_pixels(metric: str, parts: Parts) -> list[Scored]:
    """Class and knownness by k-NN on raw pixels, k = 5."""

    def flat(x: NDArray[Any]) -> Tensor:
        rows = torch.from_numpy(x.reshape(len(x), -1)).float() / 255.0
        return torch.nn.functional.normalize(rows) if metric == "cosine" else rows

    references, labels = flat(parts.train_x), torch.from_numpy(parts.train_codes)
    scored = []
    for x in parts.to_score():
        distances, indices = nearest(flat(x), references, _NEIGHBOURS, chunk=512)
        classes = labels[indices].mode(1).values
        scored.append(Scored(classes.numpy(), -distances.mean(1).double().numpy()))
    return scored


@dataclass(frozen=True)
class Described:
    """What a trained model says of the training samples and of the parts to score."""

    train: dict[str, Tensor]
    parts: list[dict[str, Tensor]]

    @classmethod
    def by(cls, model: Any, parts: Parts) -> Described:
        """Ask the model once, for all rules."""
        train = model.evidence(parts.train_x, {"logits"})
        return cls(train, [model.evidence(x) for x in parts.to_score()])


def on_model(method: Method, n_subclusters: int, described: Described, parts: Parts, seed: int) -> list[Scored]:
    """Class and knownness by a rule on what a trained model says."""
    codes = torch.from_numpy(parts.train_codes)
    n_classes = int(codes.max()) + 1
    rule = make_rule(method.rule, [n_subclusters] * n_classes, seed)
    evidence = [{**part, "embedding": columns(part["embedding"], n_classes, method.part)} for part in described.parts]
    rule.fit(columns(described.train["embedding"], n_classes, method.part), codes, described.train)
    rule.calibrate(evidence[0]["embedding"], torch.from_numpy(parts.validation_codes[parts.selection]), evidence[0])
    scored = []
    for part in evidence:
        classes, knownness = rule.score(part["embedding"], part)
        scored.append(Scored(classes.numpy(), knownness.double().numpy()))
    return scored


def columns(z: Any, n_classes: int, part: Part) -> Any:
    """The embedding, or its logits or its latent codes alone, of a model that has both side by side."""
    return {"all": z, "logits": z[:, :n_classes], "latent": z[:, n_classes:]}[part]


def measure_methods(
    methods: Sequence[Method],
    models: Mapping[str, Any],
    parts: Parts,
    n_subclusters: int,
    seed: int,
    say: Callable[[str], None],
) -> dict[str, dict[str, Any]]:
    """Numbers of every method of an experiment, by name.

    Parameters
    ----------
    methods : sequence of Method
    models : mapping of str to fitted estimator
    parts : Parts
    n_subclusters : int
        Centroids of each class.
    seed : int
    say : callable
        Told which method is measured.
    """
    found, described = {}, {name: Described.by(model, parts) for name, model in models.items()}
    for method in methods:
        say(method.title)
        if method.model is None:
            scored = on_pixels(method.rule, parts)
        else:
            scored = on_model(method, n_subclusters, described[method.model], parts, seed)
        found[method.name] = measure(parts, *scored)
    return found
