"""What a density says of its own data set and of others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from knownot.data import load_named
from knownot.estimators.inputs import hold_out
from knownot.experiments.kinds.protocol.parts import load_outside
from knownot.experiments.records import rounded
from knownot.metrics import active_dimensions, auroc, information_per_dimension, mmd
from knownot.rules import make_rule

Images = NDArray[np.uint8]
#: The rule that all models are judged by.
OWN = "log-density"
# Training images whose bits are measured, and codes that are compared with the prior.
_MOST_TRAIN, _MOST_CODES = 10_000, 5_000


@dataclass(frozen=True)
class Sets:
    """Images of one experiment at one seed.

    Attributes
    ----------
    train, test : ndarray of uint8, shape (N, H, W, C)
    outside : dict of str to ndarray
    left_out : dict of str to str
        Sets that are not at hand, and why.
    """

    train: Images
    test: Images
    outside: dict[str, Images]
    left_out: dict[str, str]

    @property
    def counts(self) -> dict[str, int]:
        """Images by set."""
        return {"train": len(self.train), "test": len(self.test)} | {n: len(x) for n, x in self.outside.items()}


def load_sets(
    dataset: str, outside: Sequence[str], at_most: Mapping[str, int], seed: int, say: Callable[[str], None]
) -> Sets:
    """Read a data set, and the test images of others.

    Parameters
    ----------
    dataset : str
        Name in :data:`knownot.data.NAMED`.
    outside : sequence of str
    at_most : mapping of str to int
        Most images of "train", "test" and of each of the others, "outside".
    seed : int
        Decides which are drawn, and nothing where all are taken.
    say : callable
        Told which sets are left out.
    """
    random = np.random.default_rng([seed, 2])

    def drawn(part: str) -> Images:
        x = load_named(dataset, part).x
        return x[np.sort(random.permutation(len(x))[: at_most.get(part)])]

    train, test = drawn("train"), drawn("test")
    found, left_out = {}, {}
    for name in outside:
        try:
            found[name] = load_outside(name, train.shape[1:], at_most.get("outside"), seed)
        except ValueError as error:
            say(f"{name} is left out: {error}")
            left_out[name] = str(error).partition(":")[0]
    return Sets(train, test, found, left_out)


def measure_model(model: Any, sets: Sets, rules: Sequence[str], seed: int) -> dict[str, Any]:
    """Numbers of a trained density, and what its figures need.

    Parameters
    ----------
    model : VAE
        Fitted to ``sets.train``.
    sets : Sets
    rules : sequence of str
        Further rules, fitted to what the model learned from.
    seed : int
        The model's own.

    Returns
    -------
    dict
        "methods": numbers by rule, the log-density first; "profile": bits of some images of each set, and information
        in each dimension.
    """
    some = sets.train[np.sort(np.random.default_rng([seed, 4]).permutation(len(sets.train))[:_MOST_TRAIN])]
    images = {"train": some, "test": sets.test, **sets.outside}
    bits = {name: model.bits_per_dim(x) for name, x in images.items()}
    numbers: dict[str, Any] = {f"bpd {name}": float(values.mean()) for name, values in bits.items()}
    scores = {name: model.score_samples(x) for name, x in images.items() if name != "train"}
    numbers |= against({name: -values for name, values in bits.items() if name != "train"})
    numbers["acceptance"] = float((scores["test"] >= model.offset_).mean())
    if sets.outside:
        others = np.concatenate([scores[name] for name in sets.outside])
        numbers["rejection"] = float((others < model.offset_).mean())
    if (variance := model.decoder_variance_) is not None:
        numbers["variance"] = variance
    codes = describe_codes(model, sets.test, seed)
    numbers |= codes["numbers"]
    methods = {OWN: numbers}
    for name, values in ruled_scores(model, sets, rules, seed).items():
        methods[name] = against(values)
    profile = {
        "bits": {name: [rounded(v, 4) for v in values[:2_000]] for name, values in bits.items()},
        "information": codes["information"],
    }
    return {"methods": methods, "profile": profile}


def against(scores: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """AUROC of the test images against each other set, and the smallest of them."""
    inside = scores["test"]
    found = {}
    for name, outside in scores.items():
        if name != "test":
            known = np.arange(len(inside) + len(outside)) < len(inside)
            found[f"auroc {name}"] = auroc(known, np.concatenate([inside, outside]))
    return found | ({"auroc least": min(found.values())} if found else {})


def describe_codes(model: Any, x: Images, seed: int) -> dict[str, Any]:
    """How codes of test images are distributed, and how well they reconstruct."""
    random = np.random.default_rng([seed, 5])
    x = x[:_MOST_CODES]
    mean, log_variance = model.posterior(x)
    information = information_per_dimension(mean, log_variance)
    draws = mean + np.exp(0.5 * log_variance) * random.normal(size=mean.shape)
    error = model.reconstruct(x) - x / 255.0
    numbers = {
        "information": float(information.sum()),
        "active": float(active_dimensions(mean)),
        "mmd": mmd(draws, random.normal(size=mean.shape)),
        "error": float(np.square(error).sum((1, 2, 3)).mean()),
    }
    return {"numbers": numbers, "information": [rounded(v, 4) for v in sorted(information, reverse=True)]}


def ruled_scores(model: Any, sets: Sets, rules: Sequence[str], seed: int) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Knownness of the test images and of every other set by further rules, from one pass over each."""
    if not rules:
        return {}
    places = hold_out(np.zeros(len(sets.train), np.int64), model.validation_fraction, check_random_state(seed))
    learned, held = (model.evidence(sets.train[part]) for part in places[:2])
    fitted = {}
    for name in rules:
        rule = make_rule(name, [1], seed)
        rule.check_evidence([key for key in learned if key != "embedding"])
        rule.fit(learned["embedding"], torch.zeros(len(places[0]), dtype=torch.int64), learned)
        fitted[name] = rule.calibrate(held["embedding"], torch.zeros(len(places[1]), dtype=torch.int64), held)
    found: dict[str, dict[str, NDArray[np.float64]]] = {name: {} for name in rules}
    for where, x in {"test": sets.test, **sets.outside}.items():
        evidence = model.evidence(x)
        for name, rule in fitted.items():
            found[name][where] = rule.score(evidence["embedding"], evidence)[1].double().numpy()
    return found
