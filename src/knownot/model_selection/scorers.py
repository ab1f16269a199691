"""Scorers for scikit-learn's searches: samples whose class was not in ``fit`` are the unknown ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knownot.data import label_codes
from knownot.metrics import auroc, open_macro_f1, oscr


def auroc_scorer(estimator: Any, X: Any, y: ArrayLike) -> float:
    """AUROC of known against unknown samples, by the knownness.

    Parameters
    ----------
    estimator : classifier
        Fitted, with ``score_samples`` and ``classes_``; a pipeline that ends in one too.
    X : array-like
    y : array-like, shape (N,)
        Labels; those that are not in ``classes_`` count as unknown.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If there are no known or no unknown samples.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import cross_val_score
    >>> from knownot import EmbeddingClassifier, LeaveClassesOut, auroc_scorer
    >>> model, folds = EmbeddingClassifier("gaussian", random_state=0), LeaveClassesOut(random_state=0)
    >>> cross_val_score(model, *load_iris(return_X_y=True), cv=folds, scoring=auroc_scorer).round(2)
    array([1.  , 0.99, 0.98])
    """
    return auroc(_codes(estimator, y) >= 0, estimator.score_samples(X))


def oscr_scorer(estimator: Any, X: Any, y: ArrayLike) -> float:
    """Area under the open-set classification rate: classes named rightly against unknown samples accepted.

    Parameters
    ----------
    estimator, X, y
        As in :func:`auroc_scorer`; the estimator has ``predict_proba`` too.

    Returns
    -------
    float
    """
    codes = _codes(estimator, y)
    correct = estimator.predict_proba(X).argmax(1) == codes
    return oscr(codes >= 0, correct, estimator.score_samples(X))


def open_macro_f1_scorer(estimator: Any, X: Any, y: ArrayLike) -> float:
    """Macro-averaged F1 over the known classes and "unknown", at the estimator's threshold.

    Parameters
    ----------
    estimator, X, y
        As in :func:`auroc_scorer`; only ``predict`` is called.

    Returns
    -------
    float
    """
    return open_macro_f1(_codes(estimator, y), label_codes(np.asarray(estimator.predict(X)), estimator.classes_))


def _codes(estimator: Any, y: ArrayLike) -> NDArray[np.int64]:
    """Class index of each label, -1 for classes that the estimator does not know."""
    return label_codes(np.asarray(y), np.asarray(estimator.classes_))
