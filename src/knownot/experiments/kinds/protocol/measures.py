"""Numbers of every method on the same samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from torch import Tensor

from knownot.estimators.inputs import hold_out
from knownot.experiments.kinds.protocol.declared import Method
from knownot.experiments.kinds.protocol.parts import Codes, Images, Parts
from knownot.metrics import (
    aupr_known,
    aupr_unknown,
    auroc,
    closed_set_accuracy,
    dtacc,
    intrinsic_dimension,
    oscr,
    tnr_at_tpr,
)
from knownot.rules import Rule, make_rule, nearest

_NEIGHBOURS = 5
_QUERIES = 512


@dataclass(frozen=True)
class Scored:
    """Class and knownness of some samples by one method."""

    classes: Codes
    knownness: NDArray[np.float64]


class Judges:
    """All methods of an experiment, ready to score any samples.

    Parameters
    ----------
    methods : sequence of Method
    models : mapping of str to fitted estimator
    parts : Parts
        What the models were fitted to.
    seed : int
        Of rules other than the models' own.
    """

    def __init__(self, methods: Sequence[Method], models: Mapping[str, Any], parts: Parts, seed: int) -> None:
        self.methods, self.models = methods, models
        self._rules: dict[str, Rule] = {}
        for name, model in models.items():
            named = {method.name: method.rule for method in methods if method.model == name and method.rule}
            if named:
                self._rules |= fit_rules(model, named, parts.train_x, parts.train_codes, seed)
        self._pixels, self._codes = parts.train_x, torch.from_numpy(parts.train_codes)

    def score(self, x: Images) -> dict[str, Scored]:
        """Class and knownness of samples by each method, by its name; each model is asked once for all its rules."""
        described = {
            name: model.evidence(x)
            for name, model in self.models.items()
            if any(method.model == name and method.name in self._rules for method in self.methods)
        }
        return {method.name: self._score(method, x, described) for method in self.methods}

    def _score(self, method: Method, x: Images, described: Mapping[str, dict[str, Tensor]]) -> Scored:
        if method.model is None:
            # Not kept: a copy of all pixels as numbers takes much memory.
            queries, references = (_flat(images, method.rule) for images in (x, self._pixels))
            distances, found = nearest(queries, references, min(_NEIGHBOURS, len(self._codes)), _QUERIES)
            return Scored(self._codes[found].mode(1).values.numpy(), -distances.mean(1).double().numpy())
        if method.rule is None:
            classes, knownness = self.models[method.model].nearest_class(x, return_knownness=True)
            return Scored(np.asarray(classes, np.int64), knownness)
        evidence = described[method.model]
        found, known = self._rules[method.name].score(evidence["embedding"], evidence)
        return Scored(found.numpy(), known.double().numpy())


def fit_rules(model: Any, rules: Mapping[str, str], x: Images, codes: Codes, seed: int) -> dict[str, Rule]:
    """Fit further rules to what a trained model learned from.

    Parameters
    ----------
    model : fitted estimator
        With a fixed ``random_state``, fitted to ``x`` and ``codes`` without samples of its own for validation.
    rules : mapping of str to str
        Rules by the names they are given.
    x, codes
        The model held some of these out, and they are held out here too.
    seed : int

    Returns
    -------
    dict of str to Rule
    """
    training, selection, _ = hold_out(codes, model.validation_fraction, check_random_state(model.random_state))
    learned, held = model.evidence(x[training]), model.evidence(x[selection])
    fitted = {}
    for name, named in rules.items():
        rule = make_rule(named, [1] * (int(codes.max()) + 1), seed)
        rule.check_evidence([key for key in learned if key != "embedding"])
        rule.fit(learned["embedding"], torch.from_numpy(codes[training]), learned)
        fitted[name] = rule.calibrate(held["embedding"], torch.from_numpy(codes[selection]), held)
    return fitted


def _flat(x: Images, metric: str | None) -> Tensor:
    rows = torch.from_numpy(np.ascontiguousarray(x).reshape(len(x), -1)).float() / 255.0
    return torch.nn.functional.normalize(rows) if metric == "cosine" else rows


def detection(known: NDArray[np.bool_], knownness: NDArray[np.float64]) -> dict[str, float]:
    """How well known and unknown are told apart."""
    return {
        "auroc": auroc(known, knownness),
        "aupr_in": aupr_known(known, knownness),
        "aupr_out": aupr_unknown(known, knownness),
        "tnr95": tnr_at_tpr(known, knownness),
        "dtacc": dtacc(known, knownness),
    }


def open_set_numbers(scored: Scored, codes: Codes) -> dict[str, float]:
    """What a method says of known and unknown test samples, whose code is -1."""
    known = codes >= 0
    return {
        **detection(known, scored.knownness),
        "oscr": oscr(known, scored.classes == codes, scored.knownness),
        "accuracy": closed_set_accuracy(codes[known], scored.classes[known]),
    }


def at_threshold(scored: Scored, known: NDArray[np.bool_], model: Any) -> dict[str, float]:
    """Shares of known samples accepted and of unknown ones rejected at the threshold of the model itself."""
    accepted = scored.knownness >= model.offset_
    return {"acceptance": float(accepted[known].mean()), "rejection": float((~accepted[~known]).mean())}


def dimension(model: Any, x: Images, codes: Codes) -> dict[str, float]:
    """Intrinsic dimension of the embeddings within each class, averaged; empty where there are too few samples."""
    try:
        return {"dimension": intrinsic_dimension(model.transform(x), codes)}
    except ValueError:
        return {}


def measure_methods(
    methods: Sequence[Method], models: Mapping[str, Any], parts: Parts, seed: int
) -> dict[str, dict[str, float]]:
    """Numbers of every method of an experiment on its test samples, by name.

    Parameters
    ----------
    methods : sequence of Method
    models : mapping of str to fitted estimator
    parts : Parts
    seed : int

    Returns
    -------
    dict
        Of each method "auroc", "aupr_in", "aupr_out", "tnr95", "dtacc", "oscr" and "accuracy"; "acceptance" and
        "rejection" where the rule is the model's own; "dimension" where there are embeddings.
    """
    known = parts.known
    scored = Judges(methods, models, parts, seed).score(parts.test_x)
    dimensions = {
        name: dimension(model, parts.test_x[known], parts.test_codes[known]) for name, model in models.items()
    }
    found = {}
    for method in methods:
        numbers = open_set_numbers(scored[method.name], parts.test_codes)
        if method.model is not None:
            if method.rule is None:
                numbers |= at_threshold(scored[method.name], known, models[method.model])
            numbers |= dimensions[method.model]
        found[method.name] = numbers
    return found
