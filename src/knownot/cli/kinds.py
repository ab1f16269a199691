"""The kind of an estimator, by scikit-learn's tags."""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What an estimator predicts: a class, known or unknown, a cluster, or something else."""

    classifier = "classifier"
    density = "density"
    clusterer = "clusterer"
    other = "other"


def kind_of(estimator: Any) -> Kind:
    """Ask an estimator for its kind.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> kind_of(KMeans())
    <Kind.clusterer: 'clusterer'>
    """
    from sklearn.base import is_classifier, is_clusterer, is_outlier_detector

    for kind, is_of_kind in (
        (Kind.classifier, is_classifier),
        (Kind.density, is_outlier_detector),
        (Kind.clusterer, is_clusterer),
    ):
        if is_of_kind(estimator):
            return kind
    return Kind.other
