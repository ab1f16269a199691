"""Asking a fitted estimator all that a report needs, in one pass over the samples."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from knownot.metrics import UNKNOWN_NAME, unknown_mask
from knownot.report.inputs import as_images, as_numbers, as_table
from knownot.report.projection import check_method
from knownot.report.subject import Subject
from knownot.report.wording import printable


def gather(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    known: Any = None,
    title: str | None = None,
    names: Mapping[Any, str] | None = None,
    feature_names: Sequence[str] | None = None,
    max_points: int = 2000,
    projections: Sequence[str] = ("t-SNE", "PCA"),
    seed: int = 0,
) -> Subject:
    """Ask a fitted estimator all that a report needs, in one pass over the samples.

    Parameters
    ----------
    estimator : fitted estimator
        A classifier, density or clusterer of this package, or an estimator with the same ``assess``. A
        classifier without it is asked for ``predict``, ``nearest_class`` and ``score_samples``, and for
        ``p_values`` and ``transform`` if it has them.
    X : array, tensor or data frame
        Test samples, as the estimator takes them.
    y : array of shape (N,), optional
        True labels. Labels that a classifier was not trained on are unknown.
    known : array of bool, shape (N,), optional
        For a density, which knows no labels: the samples of known classes. Default: all but those labelled -1
        or "unknown".
    title : str, optional
    names : mapping from label to str, optional
        What to call classes whose labels do not speak for themselves.
    feature_names : sequence of str, optional
        Columns of a table; taken from a data frame where it has them.
    max_points : int
        The map shows so many samples at most, drawn at random.
    projections : sequence of {"t-SNE", "PCA"}
        Maps of the embedding, the first one shown first.
    seed : int
        Seed of all that is drawn at random.

    Returns
    -------
    Subject

    Raises
    ------
    ValueError
        If the estimator is not fitted or cannot be asked, X is empty, or y does not fit.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> class Groups(KMeans):
    ...     def assess(self, X):
    ...         return {"cluster": self.predict(X), "embedding": X}
    >>> X = np.array([[0.0], [0.1], [5.0]])
    >>> gather(Groups(2, random_state=0).fit(X), X).title
    'Groups on 3 samples'
    """
    if not hasattr(X, "shape"):
        X = np.asarray(X)
    n = len(X)
    if n == 0:
        raise ValueError("X holds no samples: a report needs at least one.")
    for method in projections:
        check_method(method)
    methods = _methods(estimator)
    check_is_fitted(estimator, "classes_" if methods else None)
    labels = None if y is None else _labels(y, n)
    classes = _classes(estimator, labels, known)
    features, found_names = as_table(X, estimator, feature_names)
    columns = {name: getattr(estimator, method)(X) for name, method in methods.items()} or estimator.assess(X)
    if "embedding" not in columns and getattr(estimator, "columns_", None) is not None:
        # A table that is no picture by itself: the encoded columns are one.
        with warnings.catch_warnings(action="ignore"):  # what assess has said already
            columns = {**columns, "embedding": estimator.evidence(X, ())["embedding"]}
    return Subject(
        estimator,
        X,
        {name: _plain(column) for name, column in columns.items()},
        title=f"{type(estimator).__name__} on {n:,} samples" if title is None else title,
        classes=classes,
        class_names=[printable(label, names) for label in classes.tolist()],
        labels=labels,
        true_names=None if labels is None else _names(labels, names),
        images=as_images(X),
        features=None if features is None else as_numbers(features),
        cells=features,
        feature_names=found_names,
        max_points=max_points,
        projections=tuple(projections),
        seed=seed,
    )


def _methods(estimator: Any) -> dict[str, str]:
    """Which methods give the columns of a classifier that has no ``assess``; empty where ``assess`` gives them all."""
    if callable(getattr(estimator, "assess", None)):
        return {}
    needed = {"class": "predict", "nearest_class": "nearest_class", "knownness": "score_samples"}
    optional = {"p_value": "p_values", "embedding": "transform"}
    found = {column: name for column, name in (needed | optional).items() if callable(getattr(estimator, name, None))}
    absent = [name for column, name in needed.items() if column not in found]
    if absent:
        raise ValueError(
            f"{type(estimator).__name__} has neither assess nor {absent[0]}, so a report cannot ask what it makes of "
            "the samples: give an estimator of this package, or one with a method assess."
        )
    return found


def _plain(values: Any) -> NDArray[Any]:
    """Numbers or strings, not objects; one number a sample in double precision."""
    array = np.asarray(values)
    if array.dtype == object:
        return np.asarray(array.tolist())
    return array.astype(np.float64) if array.dtype.kind == "f" and array.ndim == 1 else array


def _labels(y: Any, n: int) -> NDArray[Any]:
    labels = _plain(y)
    if labels.shape != (n,):
        raise ValueError(f"y has shape {labels.shape} for {n} samples: give one label for each sample, or none at all.")
    return labels


def _classes(estimator: Any, labels: NDArray[Any] | None, known: Any) -> NDArray[Any]:
    """Labels of the known classes."""
    learned = getattr(estimator, "classes_", None)
    if learned is None:
        if labels is None:
            return np.empty(0, np.int64)
        chosen = np.ones(len(labels), bool) if known is None else np.asarray(known, dtype=bool)
        if chosen.shape != labels.shape:
            raise ValueError(f"known has shape {chosen.shape} for {len(labels)} samples: give True or False for each.")
        return np.unique(labels[chosen & ~unknown_mask(labels)])
    classes = _plain(learned)
    if labels is not None and (labels.dtype.kind == "U") != (classes.dtype.kind == "U"):
        kinds = ["strings" if array.dtype.kind == "U" else "numbers" for array in (labels, classes)]
        raise ValueError(f"y holds {kinds[0]}, the classifier was trained on {kinds[1]}: give labels of the same kind.")
    return classes


def _names(labels: NDArray[Any], names: Mapping[Any, str] | None) -> NDArray[np.str_]:
    """Name of the true class of each sample."""
    distinct, inverse = np.unique(labels, return_inverse=True)
    spelled = np.array([printable(label, names) for label in distinct.tolist()])[inverse]
    return np.where(unknown_mask(labels), UNKNOWN_NAME, spelled)
