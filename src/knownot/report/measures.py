"""Numbers that judge a model on labelled samples, as far as the labels allow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from knownot.metrics import (
    UNKNOWN,
    UNKNOWN_NAME,
    acceptance,
    aupr_known,
    aupr_unknown,
    auroc,
    dtacc,
    open_set_report,
    tnr_at_tpr,
)


def open_set_metrics(
    y_true: NDArray[np.int64],
    true_names: NDArray[np.str_],
    nearest: NDArray[np.int64],
    knownness: NDArray[np.float64],
    threshold: float | NDArray[np.float64],
    n_classes: int,
) -> dict[str, float]:
    """Metrics of a classifier, as of :func:`knownot.metrics.open_set_report`.

    Parameters
    ----------
    y_true, nearest : ndarray of int, shape (N,)
        Positions of the true and of the nearest class; -1 is the unknown.
    true_names : ndarray of str, shape (N,)
        Tell unknown classes apart, which openness counts.
    knownness : ndarray of float, shape (N,)
    threshold : float, or ndarray of float, shape (N,)
    n_classes : int
        Number of known classes.

    Returns
    -------
    dict of str to float
    """
    if not np.any(y_true != UNKNOWN):
        return _without_known(knownness, threshold)
    # Unknown classes get codes of their own beyond the known ones.
    named = (y_true == UNKNOWN) & (true_names != UNKNOWN_NAME)
    labels = y_true.copy()
    labels[named] = n_classes + np.unique(true_names[named], return_inverse=True)[1]
    return open_set_report(labels, nearest, knownness, threshold, classes=range(n_classes))


def detection_metrics(known: NDArray[np.bool_], knownness: NDArray[np.float64], threshold: float) -> dict[str, float]:
    """Metrics of a density, which tells known from unknown samples and no classes.

    Examples
    --------
    >>> found = detection_metrics(np.array([True, True, False]), np.array([2.0, 1.0, 0.0]), 0.5)
    >>> found["auroc"], found["acceptance"], found["unknown_rejection"]
    (1.0, 1.0, 1.0)
    """
    if not known.any():
        return _without_known(knownness, threshold)
    accepted = knownness >= threshold
    found = {}
    if not known.all():
        found = {
            "auroc": auroc(known, knownness),
            "aupr_known": aupr_known(known, knownness),
            "aupr_unknown": aupr_unknown(known, knownness),
            "tnr_at_tpr95": tnr_at_tpr(known, knownness),
            "dtacc": dtacc(known, knownness),
            "unknown_rejection": float(np.mean(~accepted[~known])),
        }
    return {**found, "acceptance": acceptance(known, accepted), "threshold": threshold}


def clustering_metrics(labels: NDArray[Any], clusters: NDArray[np.int64]) -> dict[str, float]:
    """How well clusters agree with labels.

    Examples
    --------
    >>> clustering_metrics(np.array(["a", "a", "b"]), np.array([1, 1, 0]))
    {'adjusted_rand': 1.0, 'mutual_information': 1.0}
    """
    return {
        "adjusted_rand": float(adjusted_rand_score(labels, clusters)),
        "mutual_information": float(normalized_mutual_info_score(labels, clusters)),
    }


def _without_known(knownness: NDArray[np.float64], threshold: float | NDArray[np.float64]) -> dict[str, float]:
    found = {"threshold": float(threshold)} if np.ndim(threshold) == 0 else {}
    return {**found, "unknown_rejection": float(np.mean(knownness < threshold))}
