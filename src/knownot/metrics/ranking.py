"""Metrics of the order alone: how well knownness ranks known samples above unknown ones.

**Higher knownness means more known.** Each metric sorts once, O(n log n), and takes equal scores
as one group: no threshold can part them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knownot.metrics.checks import as_flags, as_scores

Floats = NDArray[np.float64]


class Curve(NamedTuple):
    """A curve over all thresholds, from "accept nothing" to "accept everything".

    Attributes
    ----------
    x, y : ndarray of shape (P,)
        Rates in [0, 1]; x never falls.
    thresholds : ndarray of shape (P,)
        Lowest accepted knownness of each point; the first, which accepts nothing, is infinite.
    """

    x: Floats
    y: Floats
    thresholds: Floats


class _Counts(NamedTuple):
    """Accepted samples when the threshold falls from infinity through every distinct score."""

    known: Floats
    unknown: Floats
    correct: Floats
    thresholds: Floats


def _accepted_counts(known: ArrayLike, knownness: ArrayLike, correct: ArrayLike | None = None) -> _Counts:
    """Cumulative counts at the end of each group of equal scores, with a leading zero."""
    scores = as_scores(knownness)
    is_known = as_flags(known, len(scores))
    is_right = is_known if correct is None else as_flags(correct, len(scores), "correct") & is_known
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))

    def at_ends(flags: NDArray[np.bool_]) -> Floats:
        return np.append(0.0, np.cumsum(flags[order])[ends].astype(np.float64))

    return _Counts(at_ends(is_known), at_ends(~is_known), at_ends(is_right), np.append(np.inf, ordered[ends]))


def _both(counts: _Counts) -> tuple[float, float]:
    """Numbers of known and unknown samples, or an error where one is missing."""
    n_known, n_unknown = counts.known[-1], counts.unknown[-1]
    if n_unknown == 0:
        raise ValueError(
            f"All {n_known:.0f} samples are known: this metric compares known with unknown samples. "
            "Add samples of classes that the model has not seen."
        )
    if n_known == 0:
        raise ValueError(
            f"All {n_unknown:.0f} samples are unknown: this metric compares known with unknown samples. "
            "Add samples of the classes that the model was trained on."
        )
    return n_known, n_unknown


def roc_curve(known: ArrayLike, knownness: ArrayLike, *, max_points: int | None = None) -> Curve:
    """Accepted share of the known (y) against accepted share of the unknown (x).

    Parameters
    ----------
    known : array of bool, shape (N,)
    knownness : array of float, shape (N,)
        Higher means more known.
    max_points : int, optional
        Thin the curve to about so many points, evenly along its length, for plots.

    Returns
    -------
    Curve

    Examples
    --------
    >>> roc_curve([True, False, True], [3.0, 2.0, 1.0]).y
    array([0. , 0.5, 0.5, 1. ])
    """
    counts = _accepted_counts(known, knownness)
    n_known, n_unknown = _both(counts)
    return _thin(Curve(counts.unknown / n_unknown, counts.known / n_known, counts.thresholds), max_points)


def auroc(known: ArrayLike, knownness: ArrayLike) -> float:
    """Area under the ROC curve: P(known scores above unknown) + half of P(equal).

    Parameters
    ----------
    known : array of bool, shape (N,)
    knownness : array of float, shape (N,)

    Raises
    ------
    ValueError
        Without known or without unknown samples, for NaN scores and unequal lengths.

    Examples
    --------
    >>> auroc([True, True, False, False], [0.9, 0.4, 0.4, 0.1])
    0.875
    """
    curve = roc_curve(known, knownness)
    return _area(curve)


def _area(curve: Curve) -> float:
    """Area under a curve by trapezia, which gives half of a pair to equal scores."""
    return float(0.5 * np.sum(np.diff(curve.x) * (curve.y[1:] + curve.y[:-1])))


def _average_precision(positive: Floats, negative: Floats) -> float:
    """Sum of precision times gain in recall over the groups of equal scores."""
    gains = np.diff(positive) / positive[-1]
    return float(np.sum(gains * positive[1:] / (positive[1:] + negative[1:])))


def aupr_known(known: ArrayLike, knownness: ArrayLike) -> float:
    """Average precision with the known samples as positive, accepted from the highest knownness.

    Parameters
    ----------
    known : array of bool, shape (N,)
    knownness : array of float, shape (N,)

    Examples
    --------
    >>> round(aupr_known([True, False, True], [3.0, 2.0, 1.0]), 4)
    0.8333
    """
    counts = _accepted_counts(known, knownness)
    _both(counts)
    return _average_precision(counts.known, counts.unknown)


def aupr_unknown(known: ArrayLike, knownness: ArrayLike) -> float:
    """Average precision with the unknown samples as positive, rejected from the lowest knownness.

    Parameters
    ----------
    known : array of bool, shape (N,)
    knownness : array of float, shape (N,)

    Examples
    --------
    >>> aupr_unknown([True, False, True], [3.0, 2.0, 1.0])
    0.5
    """
    counts = _accepted_counts(~as_flags(known, np.size(knownness)), -as_scores(knownness))
    _both(counts._replace(known=counts.unknown, unknown=counts.known))
    return _average_precision(counts.known, counts.unknown)


def tnr_at_tpr(known: ArrayLike, knownness: ArrayLike, tpr: float = 0.95) -> float:
    """Share of unknown samples rejected where at least ``tpr`` of the known are accepted.

    Parameters
    ----------
    known : array of bool, shape (N,)
    knownness : array of float, shape (N,)
    tpr : float
        Asked share of accepted known samples, in (0, 1]. The highest threshold that reaches
        it is used; nothing is interpolated.

    Examples
    --------
    >>> tnr_at_tpr([True, True, False, False], [0.9, 0.4, 0.5, 0.1])
    0.5
    """
    if not 0.0 < tpr <= 1.0:
        raise ValueError(f"tpr={tpr!r} is not a share of samples: give a number in (0, 1], such as 0.95.")
    counts = _accepted_counts(known, knownness)
    n_known, n_unknown = _both(counts)
    # 0.95 * 20 is 19 in exact arithmetic; the tolerance keeps rounding from asking for one more.
    first = int(np.argmax(counts.known >= tpr * n_known - 1e-9 * n_known))
    return float(1.0 - counts.unknown[first] / n_unknown)


def dtacc(known: ArrayLike, knownness: ArrayLike) -> float:
    """Detection accuracy, half of the largest TPR + TNR over all thresholds.

    Parameters
    ----------
    known : array of bool, shape (N,)
    knownness : array of float, shape (N,)

    Examples
    --------
    >>> dtacc([True, True, False, False], [0.9, 0.4, 0.5, 0.1])
    0.75
    """
    curve = roc_curve(known, knownness)
    return float(0.5 * np.max(curve.y + 1.0 - curve.x))


def oscr_curve(known: ArrayLike, correct: ArrayLike, knownness: ArrayLike, *, max_points: int | None = None) -> Curve:
    """Correct classification rate (y) against false positive rate (x).

    CCR is the share of known samples that are accepted *and* of the right class, FPR the
    share of unknown samples that are accepted.

    Parameters
    ----------
    known : array of bool, shape (N,)
    correct : array of bool, shape (N,)
        True where the nearest class, without rejection, is the right one. Its values at unknown
        samples are not used.
    knownness : array of float, shape (N,)
    max_points : int, optional
        Thin the curve for plots.

    Returns
    -------
    Curve
        Ends at (1, closed-set accuracy).

    Examples
    --------
    >>> oscr_curve([True, False, True], [True, False, False], [3.0, 2.0, 1.0]).y
    array([0. , 0.5, 0.5, 0.5])
    """
    counts = _accepted_counts(known, knownness, correct)
    n_known, n_unknown = _both(counts)
    return _thin(Curve(counts.unknown / n_unknown, counts.correct / n_known, counts.thresholds), max_points)


def oscr(known: ArrayLike, correct: ArrayLike, knownness: ArrayLike) -> float:
    """Area under the OSCR curve, O(n log n), equal scores taken as one group.

    It is the mean over all pairs (known, unknown) of [known sample right] times
    ([known above unknown] + half of [equal]); AUROC is the case in which all are right.

    Parameters
    ----------
    known : array of bool, shape (N,)
    correct : array of bool, shape (N,)
        True where the nearest class is the right one.
    knownness : array of float, shape (N,)

    References
    ----------
    Dhamija, Günther, Boult: Reducing network agnostophobia, NeurIPS 2018.

    Examples
    --------
    >>> oscr([True, True, False, False], [True, False, False, False], [0.9, 0.4, 0.5, 0.1])
    0.5
    """
    curve = oscr_curve(known, correct, knownness)
    return _area(curve)


def _thin(curve: Curve, max_points: int | None) -> Curve:
    """Keep about ``max_points`` points, evenly spaced along the length of the curve, ends included."""
    if max_points is None or len(curve.x) <= max_points:
        return curve
    if max_points < 2:
        raise ValueError(f"max_points={max_points} is too few for a curve: give 2 or more, or None for all points.")
    length = np.append(0.0, np.cumsum(np.abs(np.diff(curve.x)) + np.abs(np.diff(curve.y))))
    keep = np.unique(np.searchsorted(length, np.linspace(0.0, length[-1], max_points)))
    keep = np.union1d(keep, [0, len(curve.x) - 1])
    return Curve(*(values[keep] for values in curve))
