"""How much to trust each kind of evidence, learned from classes that were hidden; and what that foretells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit
from scipy.stats import t as student

from knownot.metrics import auroc

Floats = NDArray[np.float64]

# Chosen on development tables and embeddings; results hardly depend on them (docs/evidence.md).
_POWER = 4
_RIDGE = 0.1
_PRIOR_SCALE = 2.0
# A column is taken to have had this AUROC in one more fold than it was seen in.
_PRIOR_AUROC = 0.75
_LARGEST_SURPRISE = 30.0
# Every n-th sample, so that this many are left or up to twice as many.
_MAX_SAMPLES = 400
# AUROCs nearer to 0 or 1 are not told apart.
_LEAST_AUROC = 0.005
# Spread between groups of classes on the logit scale, worth so many folds, before any is seen.
_PRIOR_SPREAD, _PRIOR_FOLDS = 0.8, 4


class HiddenFold(NamedTuple):
    """Surprises by column of one rehearsal: of held-out samples of the classes left, and of those hidden.

    Attributes
    ----------
    known : ndarray, shape (n, m)
    hidden : ndarray, shape (h, m)
        NaN in columns that had nothing to say.
    """

    known: Floats
    hidden: Floats

    def auroc(self, weights: Floats) -> float:
        """How well the weighted sum tells them apart."""
        known, hidden = (-(np.nan_to_num(part) @ weights) for part in self)
        labels = np.r_[np.ones(len(known), bool), np.zeros(len(hidden), bool)]
        return auroc(labels, np.r_[known, hidden])

    def thinned(self) -> HiddenFold:
        """Less than 800 samples of each kind, evenly drawn, and surprises that one sample cannot decide by."""
        parts = (part[:: max(1, len(part) // _MAX_SAMPLES)] for part in self)
        return HiddenFold(*(np.minimum(part, _LARGEST_SURPRISE) for part in parts))


@dataclass(frozen=True)
class Forecast:
    """How well unknown classes will be told from known ones, as far as hiding known classes can say.

    Attributes
    ----------
    auroc : float
        Expected AUROC of known against unknown; NaN where there was nothing to hide.
    low, high : float
        Interval that should hold the AUROC against new unknown classes nine times of ten.
    rejection : float
        Expected share of samples of unknown classes that score below nineteen of twenty known ones.
    by_fold : tuple of float
        AUROC against each hidden group, with weights that had not seen it.
    note : str
        What it cannot know, in a sentence; empty where there is nothing to add.
    """

    auroc: float
    low: float
    high: float
    rejection: float
    by_fold: tuple[float, ...]
    note: str = ""


def learn_weights(folds: Sequence[HiddenFold], n_columns: int) -> Floats:
    """Weights of the columns of evidence that tell hidden classes from known ones, at least 0, of sum 1.

    A logistic regression on the surprises, with weights not below 0, pulled by a ridge to
    (mean AUROC - 1/2)^4 of each column alone: where there are few folds or samples, those weights remain.

    Parameters
    ----------
    folds : sequence of HiddenFold
    n_columns : int

    Returns
    -------
    ndarray, shape (m,)
        Equal ones without folds.

    Examples
    --------
    >>> random = np.random.RandomState(0)
    >>> known, hidden = random.exponential(size=(200, 2)), random.exponential(size=(200, 2)) + [3, 0]
    >>> weights = learn_weights([HiddenFold(known, hidden)] * 3, 2)
    >>> bool(weights[0] > 0.9)
    True
    """
    if not folds:
        return np.full(n_columns, 1.0 / n_columns)
    folds = [fold.thinned() for fold in folds]
    prior = _prior(folds, n_columns)
    surprises = [np.nan_to_num(np.concatenate(fold)) for fold in folds]
    targets = [np.r_[np.zeros(len(fold.known)), np.ones(len(fold.hidden))] for fold in folds]
    # Known and hidden count alike, and so does each fold.
    shares = [np.where(t > 0, 0.5 / t.sum(), 0.5 / (1 - t).sum()) / len(folds) for t in targets]
    goal = _PRIOR_SCALE * prior

    def loss(parameters: Floats) -> tuple[float, Floats]:
        weights, offsets = parameters[:n_columns], parameters[n_columns:]
        gradient = np.zeros_like(parameters)
        gradient[:n_columns] = 2.0 * _RIDGE * (weights - goal)
        total = _RIDGE * float(np.square(weights - goal).sum())
        for i, (x, target, share) in enumerate(zip(surprises, targets, shares, strict=True)):
            z = x @ weights + offsets[i]
            total += float(share @ (np.logaddexp(0.0, z) - target * z))
            error = share * (expit(z) - target)
            gradient[:n_columns] += x.T @ error
            gradient[n_columns + i] = error.sum()
        return total, gradient

    bounds = [(0.0, None)] * n_columns + [(None, None)] * len(folds)
    found = minimize(loss, np.r_[goal, -np.ones(len(folds))], jac=True, bounds=bounds, method="L-BFGS-B")
    weights = np.asarray(found.x[:n_columns])
    return weights / weights.sum() if weights.sum() > 0 and np.isfinite(weights).all() else prior


def _prior(folds: Sequence[HiddenFold], n_columns: int) -> Floats:
    """Weights by the mean AUROC of each column alone."""
    alone = np.full((len(folds), n_columns), np.nan)
    for i, fold in enumerate(folds):
        for j in range(n_columns):
            if not np.isnan(fold.known[:, j]).any():
                alone[i, j] = fold.auroc(np.eye(n_columns)[j])
    n_seen = (~np.isnan(alone)).sum(0)
    mean = (np.nansum(alone, 0) + _PRIOR_AUROC) / (n_seen + 1)
    weights = np.maximum(mean - 0.5, 0.0) ** _POWER
    # What no fold could judge, logits where one class was left, gets what the others have on average.
    if n_seen.any() and not n_seen.all():
        weights[n_seen == 0] = weights[n_seen > 0].mean()
    return weights / weights.sum() if weights.sum() > 0 else np.full(n_columns, 1.0 / n_columns)


def forecast(folds: Sequence[HiddenFold], n_columns: int, n_classes: int) -> Forecast:
    """What the weighted sum will be worth against unknown classes.

    Each hidden group is scored with weights learned from the other groups, so that the choice of weights does not
    flatter the forecast. The interval is that of Student's t for one more group, on the logit scale.

    Parameters
    ----------
    folds : sequence of HiddenFold
    n_columns : int
    n_classes : int
        Known classes.
    """
    if not folds:
        return Forecast(math.nan, 0.0, 1.0, math.nan, (), note_for(n_classes, 0))
    by_fold, rejection = [], []
    for i, fold in enumerate(folds):
        weights = learn_weights([*folds[:i], *folds[i + 1 :]], n_columns)
        by_fold.append(fold.auroc(weights))
        known, hidden = (np.nan_to_num(part) @ weights for part in fold)
        rejection.append(float((hidden > np.quantile(known, 0.95)).mean()))
    mean, low, high = interval_of(np.array(by_fold))
    return Forecast(mean, low, high, float(np.mean(rejection)), tuple(by_fold), note_for(n_classes, len(folds)))


def note_for(n_classes: int, n_folds: int) -> str:
    """What a forecast from so many known classes and folds cannot know; empty where there is nothing to add."""
    if n_classes == 1:
        return "there is one known class, and none is left when it is hidden: nothing can be said beforehand"
    if not n_folds:
        return "there are too few samples of each class to hide one and hold others out: nothing can be said beforehand"
    if n_classes == 2:
        return (
            "with two known classes one alone is left when the other is hidden, so what tells classes apart could not "
            "be tried: take the forecast as a rough one"
        )
    return ""


def interval_of(values: Floats, level: float = 0.9) -> tuple[float, float, float]:
    """Mean of AUROCs against groups of classes, and the interval that one against a new group should fall in.

    Student's t on the logit scale; the spread is shrunk to a usual one, since groups are few.
    """
    n = len(values)
    logits = logit(np.clip(values, _LEAST_AUROC, 1.0 - _LEAST_AUROC))
    freedom = _PRIOR_FOLDS + n - 1
    spread = math.sqrt((_PRIOR_FOLDS * _PRIOR_SPREAD**2 + np.square(logits - logits.mean()).sum()) / freedom)
    half = float(student.ppf(0.5 + level / 2, freedom)) * spread * math.sqrt(1.0 + 1.0 / n)
    low, high = expit(logits.mean() + np.array([-half, half]))
    mean = float(values.mean())
    # What was not told apart from 0 or 1 may be just that.
    low = 0.0 if low <= _LEAST_AUROC else min(float(low), mean)
    high = 1.0 if high >= 1.0 - _LEAST_AUROC else max(float(high), mean)
    return mean, low, high
