"""From knownness to a decision: thresholds by acceptance rate or by macro-F1.

Every threshold is a number t on the knownness; a sample is accepted when knownness >= t.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import false_discovery_control

from knownot.metrics import best_f1_threshold


def _check_scores(scores: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64).ravel()
    if not len(values):
        raise ValueError("no scores of known samples to calibrate on: give at least one.")
    if np.isnan(values).any():
        raise ValueError(f"{int(np.isnan(values).sum())} of {len(values)} calibration scores are NaN.")
    return values


def _check_rate(accept: float) -> float:
    if not 0.0 < accept <= 1.0:
        raise ValueError(
            f"accept={accept!r} is no acceptance rate: give the share of known samples to accept, "
            "above 0 and at most 1."
        )
    return float(accept)


def quantile_threshold(scores: ArrayLike, accept: float = 0.95) -> float:
    """Threshold that accepts a given share of the known samples.

    Parameters
    ----------
    scores : array-like, shape (n,)
        Knownness of known samples.
    accept : float
        Target acceptance rate in (0, 1].

    Returns
    -------
    float
        The (1 - accept) quantile, so that at least ``accept`` of these samples pass. On new
        samples the rate holds on average only as well as n allows; see
        :class:`ConformalThreshold` for a guarantee.

    Examples
    --------
    >>> quantile_threshold(range(1, 101), accept=0.9)
    11.0
    """
    values = np.sort(_check_scores(scores))
    rejected = math.floor((1.0 - _check_rate(accept)) * len(values) + 1e-9)
    return float(values[min(rejected, len(values) - 1)])


class ConformalThreshold:
    """Split-conformal calibration: a finite-sample guarantee and p-values.

    With n calibration scores exchangeable with those of new known samples, and the score
    function fixed before they were seen, a new known sample is accepted with probability at
    least ``accept``, and at most accept + 1/(n + 1) where scores do not tie.

    Parameters
    ----------
    accept : float
        Target acceptance rate of known samples in (0, 1].

    Attributes
    ----------
    scores_ : ndarray, shape (n,)
        Sorted calibration scores.
    offset_ : float
        The threshold; -inf when n is too small to reject anything at this rate.

    References
    ----------
    Vovk, Gammerman, Shafer, "Algorithmic learning in a random world", 2005; Bates, Candès, Lei,
    Romano, Sesia, "Testing for outliers with conformal p-values", 2023.

    Examples
    --------
    >>> threshold = ConformalThreshold(accept=0.9).fit(range(1, 100))
    >>> threshold
    ConformalThreshold(accept=0.9, offset=10, 99 samples)
    >>> threshold.p_values([0.5, 50.0])
    array([0.01, 0.51])
    """

    def __init__(self, accept: float = 0.95) -> None:
        self.accept = _check_rate(accept)

    def __repr__(self) -> str:
        if not hasattr(self, "offset_"):
            return f"ConformalThreshold(accept={self.accept:g})"
        return f"ConformalThreshold(accept={self.accept:g}, offset={self.offset_:.4g}, {len(self.scores_)} samples)"

    def fit(self, scores: ArrayLike) -> ConformalThreshold:
        """Calibrate on the knownness of held-out known samples, shape (n,)."""
        self.scores_ = np.sort(_check_scores(scores))
        self.offset_ = self._conformal_offset()
        n_lost = int(np.isneginf(self.scores_).sum())
        if self.accept < 1.0 and math.isinf(self.offset_) and n_lost:
            warnings.warn(
                f"{n_lost} of {len(self.scores_)} calibration samples cannot be judged (knownness -inf), more than may "
                f"be rejected while accepting {self.accept:.1%}: every other sample will be accepted.",
                stacklevel=2,
            )
        elif self.accept < 1.0 and math.isinf(self.offset_):
            warnings.warn(
                f"{len(self.scores_)} calibration samples are too few to reject anything while accepting "
                f"{self.accept:.1%} of the known ones: every sample will be accepted. "
                f"Calibrate on at least {math.ceil(1.0 / (1.0 - self.accept) - 1e-9) - 1} held-out known samples.",
                stacklevel=2,
            )
        return self

    def _conformal_offset(self) -> float:
        # Reject when (1 + #{scores <= s}) / (n + 1) <= 1 - accept.
        rank = math.floor((1.0 - self.accept) * (len(self.scores_) + 1) + 1e-9)
        return float(self.scores_[rank - 1]) if rank >= 1 else -math.inf

    def p_values(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Conformal p-value of "this sample is known", in (0, 1], shape as the scores.

        Small means unusual; a score that is NaN counts as the lowest. For a batch,
        :func:`discoveries` controls the share of false discoveries.
        """
        values = np.nan_to_num(np.asarray(scores, dtype=np.float64), nan=-np.inf, posinf=np.inf, neginf=-np.inf)
        at_most = np.searchsorted(self.scores_, values, side="right")
        return np.asarray((1.0 + at_most) / (len(self.scores_) + 1.0), dtype=np.float64)


def discoveries(p_values: ArrayLike, fdr: float, n_calibration: int) -> NDArray[np.bool_]:
    """Samples that are unknown, with the false-discovery rate controlled (Benjamini and Hochberg).

    Parameters
    ----------
    p_values : array-like, shape (N,)
        Conformal p-values of a batch.
    fdr : float
        Wished rate, in (0, 1).
    n_calibration : int
        Calibration samples, which limit how small a p-value can be.

    Returns
    -------
    ndarray of bool, shape (N,)

    Examples
    --------
    >>> discoveries([0.01, 0.5, 0.02], fdr=0.1, n_calibration=99)
    array([ True, False,  True])
    """
    if not 0.0 < fdr < 1.0:
        raise ValueError(f"fdr={fdr!r} is no false-discovery rate: give a share between 0 and 1, such as 0.1.")
    p = np.asarray(p_values, dtype=np.float64)
    # Adjusted p-values may miss the rate by rounding: 0.3 * (1 / 3).
    chosen = np.asarray(false_discovery_control(p) <= fdr * (1.0 + 1e-9)) if len(p) else np.zeros(0, dtype=bool)
    least = math.ceil(len(p) / (fdr * (n_calibration + 1)) - 1e-9)
    if len(p) and not chosen.any() and least > 1:
        possible = f"of {len(p)} samples, only {least} or more can be selected together"
        if least > len(p):
            possible = f"of {len(p)} samples, however unusual, none can be selected"
        warnings.warn(
            f"nothing is selected. With {n_calibration} calibration samples no p-value is below "
            f"1/{n_calibration + 1}, so that at fdr={fdr:g}, {possible}: calibrate on more known samples "
            f"({math.ceil(len(p) / fdr - 1e-9) - 1} for a single one to be selected).",
            stacklevel=3,
        )
    return chosen


def f1_threshold(
    known_scores: ArrayLike,
    known_true: ArrayLike,
    known_predicted: ArrayLike,
    unknown_scores: ArrayLike,
    unknown_predicted: ArrayLike | None = None,
) -> float:
    """Threshold of the best macro-F1 over C + 1 classes on validation data (the papers' protocol).

    Parameters
    ----------
    known_scores : array-like, shape (n,)
        Knownness of validation samples of known classes.
    known_true, known_predicted : array-like, shape (n,)
        Their class indices, true and before rejection.
    unknown_scores : array-like, shape (m,)
        Knownness of validation samples of unknown classes.
    unknown_predicted : array-like, shape (m,), optional
        Class indices that these have before rejection, which is where they count as wrong if they
        are accepted. Default: all of them in the first class.

    Returns
    -------
    float

    Examples
    --------
    >>> f1_threshold([2.0, 3.0], [0, 1], [0, 1], [0.0, 1.0])
    1.5
    """
    known = _check_scores(known_scores)
    unknown = np.asarray(unknown_scores, dtype=np.float64).ravel()
    y_true = np.concatenate([np.asarray(known_true), np.full(len(unknown), -1)])
    accepted_as = np.zeros(len(unknown), dtype=int) if unknown_predicted is None else np.asarray(unknown_predicted)
    predicted = np.concatenate([np.asarray(known_predicted), accepted_as])
    return float(best_f1_threshold(y_true, predicted, np.concatenate([known, unknown])))
