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
    from sklearn.utils import get_tags

    if is_classifier(estimator) and not get_tags(estimator).target_tags.single_output:
        # Several labels at once are no class.
        return Kind.other
    for kind, is_of_kind in (
        (Kind.classifier, is_classifier),
        (Kind.density, is_outlier_detector),
        (Kind.clusterer, is_clusterer),
    ):
        if is_of_kind(estimator):
            return kind
    return Kind.other
