"""What a classifier of another package says of samples, as logits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _num_samples

_SMALLEST_PROBABILITY = 1e-12
_LEAD = 1e-9


def logits_of(estimator: Any, X: Any, n_classes: int) -> NDArray[np.float64]:
    """Logits (N, C) of a fitted classifier: its ``decision_function``, or else the log of its ``predict_proba``.

    Of two classes, a decision function of one column is halved between them.

    Raises
    ------
    ValueError
        If it has neither, or of another shape.
    """
    if hasattr(estimator, "decision_function") and not _decides_by_pairs(estimator):
        found = np.asarray(estimator.decision_function(X), dtype=np.float64)
        if found.ndim == 1 and n_classes == 2:
            found = np.stack([-found / 2, found / 2], 1)
        if found.shape == (_num_samples(X), n_classes):
            return found
    if hasattr(estimator, "predict_proba"):
        found = np.asarray(estimator.predict_proba(X), dtype=np.float64)
        if found.shape == (_num_samples(X), n_classes):
            return np.log(np.maximum(found, _SMALLEST_PROBABILITY))
    raise ValueError(
        f"{type(estimator).__name__} gives neither decision_function nor predict_proba with one column for each of "
        f"{n_classes} classes: give a classifier that does, for an SVC one with decision_function_shape='ovr'."
    )


def _decides_by_pairs(estimator: Any) -> bool:
    """Whether the columns of a decision function are pairs of classes, of which three classes have three as well."""
    parameters = estimator.get_params() if hasattr(estimator, "get_params") else {}
    return any(n.endswith("decision_function_shape") and value == "ovo" for n, value in parameters.items())


def led_by(logits: NDArray[np.float64], codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Logits (N, C) whose largest is that of the class named, (N,), where one is named (not -1).

    What a classifier predicts need not have its largest logit: thresholds are tuned, votes are tied. The two change
    places then, so that what is computed of all of them stays.

    Examples
    --------
    >>> led_by(np.array([[2.0, 1.0], [2.0, 1.0]]), np.array([1, 0])).tolist()
    [[1.0, 2.0], [2.0, 1.0]]
    """
    rows = np.flatnonzero((codes >= 0) & (logits.argmax(1) != codes))
    best, own = logits[rows].argmax(1), codes[rows]
    logits = logits.copy()
    logits[rows, best], logits[rows, own] = logits[rows, own], logits[rows, best]
    # Of equal ones the first would still be taken.
    tied = rows[logits[rows].argmax(1) != own]
    logits[tied, codes[tied]] += _LEAD * (1.0 + np.abs(logits[tied, codes[tied]]))
    return logits
