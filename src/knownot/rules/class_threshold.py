"""A threshold for each predicted class, so that every class is accepted at the wished rate."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knownot.rules.threshold import ConformalThreshold

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]


class ClassConformalThreshold:
    r"""Label-conditional (Mondrian) calibration: each class's members are accepted at the target rate.

    A sample is tested against every class and accepted if one of them would have it. With the n_c calibration
    samples of true class c, and a new one of that class, exchangeable,

        P(accepted | true class = c) >= accept

    for each class by itself, whatever the shares of the classes and however often they are mistaken for each other.
    A threshold from the samples of each class, applied to whatever is *predicted* as that class, has no such
    guarantee: a sample taken for another class is judged by the threshold of that one.

    Parameters
    ----------
    accept : float
        Target acceptance rate of each class in (0, 1].

    Attributes
    ----------
    offsets_ : ndarray, shape (C,)
        Threshold on the knownness of samples that are predicted as each class.
    needed_ : int
        Calibration samples that a class needs for a threshold of its own: 39 at 0.95.
    pooled_ : ndarray of bool, shape (C,)
        Classes with fewer, which the guarantee leaves out: what is predicted as one of them is tested against all
        calibration samples together.
    scores_, true_, predicted_ : ndarray, shape (n,)
        Calibration samples in order of their scores.

    Notes
    -----
    The score of a sample for class c is its knownness where it is predicted as a class that members of c are predicted
    as in earnest, and minus infinity elsewhere. In earnest: the rarest predictions of the n_c + 1 samples, the tested
    one included, are left out as long as they come to no more than half of the rejections, (1 - accept) / 2. This
    is symmetric in these samples, so that the p-value of class c is exact; the largest over all classes is the
    p-value here. The threshold of predicted class k is then the least among those of the classes that are
    often taken for k: where classes are told apart, each has its own.

    References
    ----------
    Vovk, "Conditional validity of inductive conformal predictors", 2013; Guan and Tibshirani, "Prediction and outlier
    detection in classification problems", 2022 (a sample is an outlier where the set of classes is empty).

    Examples
    --------
    >>> scores = np.r_[np.arange(100.0), 1000 + np.arange(100.0)]
    >>> codes = np.repeat([0, 1], 100)
    >>> ClassConformalThreshold(0.9).fit(scores, codes, codes, n_classes=2).offsets_
    array([   9., 1009.])
    """

    def __init__(self, accept: float = 0.95) -> None:
        self.accept = ConformalThreshold(accept).accept

    def __repr__(self) -> str:
        if not hasattr(self, "offsets_"):
            return f"{type(self).__name__}(accept={self.accept:g})"
        return (
            f"{type(self).__name__}(accept={self.accept:g}, {len(self.offsets_)} classes, "
            f"{len(self.scores_)} calibration samples)"
        )

    def fit(self, scores: ArrayLike, true: ArrayLike, predicted: ArrayLike, n_classes: int) -> ClassConformalThreshold:
        """Calibrate on held-out known samples.

        Parameters
        ----------
        scores : array-like, shape (n,)
            Their knownness.
        true, predicted : array-like of int, shape (n,)
            Their class indices, true and before rejection.
        n_classes : int
        """
        values = np.asarray(scores, dtype=np.float64)
        order = np.argsort(values, kind="stable")
        self.scores_ = values[order]
        self.true_, self.predicted_ = (np.asarray(codes, dtype=np.int64)[order] for codes in (true, predicted))
        alpha = 1.0 - self.accept
        # Half of the rejections are kept for predictions that are left out: one of each, at least.
        self.needed_ = math.ceil(2.0 / alpha - 1e-9) - 1 if alpha > 0.0 else 1
        sizes = np.bincount(self.true_, minlength=n_classes)
        self.pooled_ = sizes < self.needed_
        # For each predicted class, sorted scores of the classes (or of all) that may accept it.
        self._references: list[list[Floats]] = [[self.scores_] if pooled else [] for pooled in self.pooled_]
        # The p-value that those give which left the predicted class out.
        self._floors = np.zeros(n_classes)
        for c in np.flatnonzero(~self.pooled_):
            self._add_class(int(c), alpha, n_classes)
        self.offsets_ = np.array([min(self._quantile(s, alpha) for s in found) for found in self._references])
        return self

    def _add_class(self, c: int, alpha: float, n_classes: int) -> None:
        members = self.true_ == c
        scores, predicted = self.scores_[members], self.predicted_[members]
        counts = np.bincount(predicted, minlength=n_classes)
        budget = 0.5 * alpha * (len(scores) + 1) + 1e-9
        seen = np.union1d(np.flatnonzero(counts), [c])
        # All classes that no member is predicted as are alike.
        unseen = np.setdiff1d(np.arange(n_classes), seen)
        for group in [*seen[:, None], *([unseen] if len(unseen) else [])]:
            tested = counts.copy()
            tested[group[0]] += 1
            kept = _in_earnest(tested, c, budget)
            if kept[group[0]]:
                own = np.sort(np.where(kept[predicted], scores, -np.inf))
                for k in group:
                    self._references[k].append(own)
            else:
                share = (1.0 + int((~kept[predicted]).sum())) / (len(scores) + 1.0)
                self._floors[group] = np.maximum(self._floors[group], share)

    @staticmethod
    def _quantile(scores: Floats, alpha: float) -> float:
        rank = math.floor(alpha * (len(scores) + 1) + 1e-9)
        return float(scores[rank - 1]) if rank >= 1 else -math.inf

    def p_values(self, scores: ArrayLike, predicted: ArrayLike) -> Floats:
        """Largest p-value over the classes, shape (N,): small where no class would have the sample.

        Parameters
        ----------
        scores : array-like, shape (N,)
            Knownness; NaN counts as the lowest.
        predicted : array-like of int, shape (N,)
            Class indices before rejection.
        """
        values = np.nan_to_num(np.asarray(scores, dtype=np.float64), nan=-np.inf, posinf=np.inf, neginf=-np.inf)
        codes = np.asarray(predicted, dtype=np.int64)
        found = self._floors[codes]
        for k in np.unique(codes):
            here = codes == k
            for reference in self._references[k]:
                at_most = np.searchsorted(reference, values[here], side="right")
                found[here] = np.maximum(found[here], (1.0 + at_most) / (len(reference) + 1.0))
        return found


def _in_earnest(counts: Codes, own: int, budget: float) -> NDArray[np.bool_]:
    """Predictions that count for a class: all but the rarest, which come to ``budget`` samples at most.

    Predictions that are equally rare are left out together or not at all; the right one always counts.
    """
    kept = np.ones(len(counts), dtype=bool)
    others = np.delete(counts, own)
    for level in np.unique(others[others > 0]):
        if others[others <= level].sum() > budget:
            break
        kept = counts > level
    kept[own] = True
    return kept
