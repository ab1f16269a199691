"""Hidden classes and a network that has seen them: its rule alone is fitted again without them.

What comes of it is an upper estimate; ``benchmarks/rehearsal.py`` measures how far it is off.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import _safe_indexing
from torch import Tensor

from knownot.data import hold_back
from knownot.metrics import auroc, oscr
from knownot.model_selection.results import HiddenResult
from knownot.rules import ConformalThreshold, Rule

_EMBEDDING = "embedding"
# Evidence with a column for each class. (A table may have as many columns as there are classes.)
_PER_CLASS = ("class log-density", "logits")
# Which samples the network does not see; the folds themselves differ in what they hold back.
_SEED = 0


def meet_without_training(
    estimator: Any, X: Any, labels: NDArray[Any], parts: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]
) -> Iterator[HiddenResult]:
    """What the rule of one network says of each hidden group, when it was fitted without it.

    The network is trained on most samples of all classes. Of those it has not seen, half of the samples of the
    remaining classes set the scales and the threshold, the other half and the hidden classes are judged.

    Parameters
    ----------
    estimator : classifier
        With a network and a rule: ``evidence`` and, when fitted, ``rule_``.
    X : array-like
    labels : ndarray, shape (N,)
    parts : sequence of (train, test)
        Of :class:`knownot.LeaveClassesOut`; a class of which nothing is in ``train`` is hidden.

    Yields
    ------
    HiddenResult
    """
    classes, codes = np.unique(labels, return_inverse=True)
    # Twice the usual share, since half of it calibrates.
    unseen = hold_back(codes, 0.4, np.random.RandomState(_SEED))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = clone(estimator).fit(_safe_indexing(X, np.flatnonzero(~unseen)), labels[~unseen])
    rule = fitted.rule_
    names = {*rule.uses, *rule.may_use, *rule.learns_from}
    evidence = fitted.evidence(X, names)
    for train, _ in parts:
        kept = np.unique(codes[train])
        mine = np.isin(codes, kept)
        own = np.searchsorted(kept, codes)
        own[~mine] = -1
        held = np.flatnonzero(mine & unseen)
        held = held[np.argsort(own[held], kind="stable")]
        calibrating, judged = held[::2], np.r_[held[1::2], np.flatnonzero(~mine & unseen)]
        # Evidence as it would be if there were fewer classes, as far as its columns tell.
        columns = torch.from_numpy(kept)
        reduced = {name: v[:, columns] if name in _PER_CLASS else v for name, v in evidence.items()}
        result = _meet(
            _for_classes(rule, kept), reduced, own, (np.flatnonzero(mine & ~unseen), calibrating, judged), fitted.accept
        )
        yield HiddenResult(tuple(classes[np.setdiff1d(np.arange(len(classes)), kept)].tolist()), *result)


def _for_classes(rule: Rule, kept: NDArray[np.int64]) -> Rule:
    """An unfitted copy of a rule for some of its classes."""
    copy = clone(rule)
    counts = copy.get_params(deep=False).get("n_subclusters")
    if isinstance(counts, Sequence):
        copy.set_params(n_subclusters=[counts[c] for c in kept])
        counts = [counts[c] for c in kept]
    copy.check(counts if isinstance(counts, list) else [counts or 1] * len(kept))
    return copy


def _meet(
    rule: Rule,
    evidence: dict[str, Tensor],
    codes: NDArray[np.int64],
    rows: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    accept: float | None,
) -> tuple[int, int, float, float, float, float]:
    def of(places: NDArray[np.int64]) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        here = {name: values[torch.from_numpy(places)] for name, values in evidence.items()}
        return here[_EMBEDDING], torch.from_numpy(codes[places]), here

    learning, calibrating, judged = (of(places) for places in rows)
    with torch.inference_mode():
        rule.fit(*learning)
        rule.calibrate(*calibrating)
        threshold = rule.score(calibrating[0], calibrating[2])[1].double().numpy()
        named, scores = (part.double().numpy() for part in rule.score(judged[0], judged[2]))
    scores = np.nan_to_num(scores, nan=-np.inf)
    known = codes[rows[2]] >= 0
    acceptance = rejection = math.nan
    if accept is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            accepted = scores >= ConformalThreshold(accept).fit(threshold).offset_
        acceptance, rejection = float(accepted[known].mean()), float((~accepted[~known]).mean())
    correct = named == codes[rows[2]]
    return (
        int(known.sum()),
        int((~known).sum()),
        auroc(known, scores),
        oscr(known, correct, scores),
        acceptance,
        rejection,
    )
