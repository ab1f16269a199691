"""Metrics of several yes-or-no labels at once, of which some may be missing."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import f1_score


def f1_by_label(y: ArrayLike, predicted: ArrayLike) -> NDArray[np.float64]:
    """F1 score of each label, over the samples of which it is there.

    Parameters
    ----------
    y : array-like, shape (N, L)
        0 or 1; NaN where a label is missing.
    predicted : array-like, shape (N, L)
        1 where a label is told to be true; anything else is not.

    Returns
    -------
    ndarray, shape (L,)
        0 for a label that neither is nor is told to be true anywhere.

    Raises
    ------
    ValueError
        If the shapes differ, or are not those of several labels.

    Examples
    --------
    >>> f1_by_label([[1, 0], [0, np.nan], [1, 1]], [[1, 1], [1, 1], [1, 1]])
    array([0.8       , 0.66666667])
    """
    truth, told = np.asarray(y, np.float64), np.asarray(predicted) == 1
    if truth.ndim != 2 or truth.shape != told.shape:
        raise ValueError(
            f"y has shape {truth.shape} and predicted {told.shape}: give both as (N, L), a column for each label."
        )
    there = np.isfinite(truth)
    scores = [
        f1_score(column[known] == 1, said[known], zero_division=0.0) if known.any() else 0.0
        for column, said, known in zip(truth.T, told.T, there.T, strict=True)
    ]
    return np.array(scores, np.float64)
