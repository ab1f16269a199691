"""How well clusters found without labels agree with classes: three accuracies, by how a cluster gets its class.

None of them chooses a model: a run that is picked by its labels is no unsupervised one. Normalised mutual
information and the adjusted Rand index, which need no class for a cluster, are in ``sklearn.metrics``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from knownot.metrics.checks import as_rows, label_array

# How far rows of probabilities may be from 1 in sum; bfloat16 rounds by 0.4 %.
_TOLERANCE = 0.01


def clustering_accuracy(y: ArrayLike, labels: ArrayLike) -> float:
    """Share of samples in the cluster of their class, each class having one cluster at most.

    Clusters and classes are matched one to one so that the share is largest (Hungarian algorithm). Where there are more
    clusters than classes, samples in clusters that are left over count as wrong.

    Parameters
    ----------
    y : array of shape (N,)
        Classes.
    labels : array of shape (N,)
        Clusters, by any numbers or names.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ValueError
        If there is not one class and one cluster for each sample.

    References
    ----------
    Yang et al., "Image clustering using local discriminant models and global integration", 2010.

    Examples
    --------
    >>> clustering_accuracy(["a", "a", "a", "b"], [7, 7, 3, 4])  # a is 7, b is 4, and 3 is left over
    0.75
    """
    truth = label_array(y, "y")
    counts, _, _ = _contingency(truth, label_array(labels, "labels", len(truth)))
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / len(truth))


def majority_accuracy(
    y: ArrayLike, labels: ArrayLike, train_y: ArrayLike | None = None, train_labels: ArrayLike | None = None
) -> float:
    """Share of samples whose class is the most frequent one among the training samples in their cluster.

    Several clusters can have the same class. Of equally frequent classes, a cluster takes the one that sorts first;
    samples in a cluster without training samples count as wrong.

    Parameters
    ----------
    y, labels : array of shape (N,)
        Classes and clusters of the samples that are evaluated.
    train_y, train_labels : array of shape (M,), optional
        Classes and clusters of training samples. Without them, the evaluated samples decide themselves, which is called
        purity. It can only rise when clusters are split, up to 1 where each sample has a cluster of its own.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ValueError
        If there is not one class and one cluster for each sample, or one of the training arrays is missing.

    Examples
    --------
    >>> majority_accuracy([0, 0, 1], [5, 5, 6], train_y=[0, 1, 1, 1], train_labels=[5, 6, 6, 5])
    1.0
    """
    truth = label_array(y, "y")
    clusters = label_array(labels, "labels", len(truth))
    if (train_y is None) != (train_labels is None):
        missing = "train_y" if train_y is None else "train_labels"
        raise ValueError(f"{missing} is missing: give classes and clusters of the training samples, or neither.")
    if train_y is None or train_labels is None:
        counts, _, _ = _contingency(truth, clusters)
        return float(counts.max(0).sum() / len(truth))
    train_truth = label_array(train_y, "train_y", like=truth)
    train_clusters = label_array(train_labels, "train_labels", len(train_truth), like=clusters)
    counts, classes, found = _contingency(train_truth, train_clusters)
    place = np.minimum(np.searchsorted(found, clusters), len(found) - 1)
    right = classes[counts.argmax(0)][place] == truth
    return float((right & (found[place] == clusters)).mean())


def representative_accuracy(y: ArrayLike, probabilities: ArrayLike) -> float:
    """Share of samples that have the class of the most confident sample of their cluster.

    The rule of the GMVAE paper, after Makhzani et al.: of all evaluated samples, the one with the highest probability
    of cluster i gives its class to all samples that belong to cluster i. K labels are looked at, of the same set that
    is evaluated. One odd sample can cost a whole cluster, so report it beside :func:`clustering_accuracy`.

    Parameters
    ----------
    y : array of shape (N,)
        Classes.
    probabilities : array of shape (N, K)
        q(v|x) of each cluster. A sample belongs to the most probable one, of equally probable ones to the first. Give
        float64 where you can: in float32 many probabilities are exactly 1, and then the first of these samples in
        order speaks for the cluster.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ValueError
        If there are not one class and K probabilities for each sample.

    References
    ----------
    Dilokthanakul et al., "Deep unsupervised clustering with Gaussian mixture variational autoencoders", 2016,
    section 4.2.
    Makhzani et al., "Adversarial autoencoders", 2015.

    Examples
    --------
    >>> representative_accuracy(["a", "a", "b", "a"], [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
    0.75
    """
    shares = as_rows(probabilities, "probabilities")
    truth = label_array(y, "y", len(shares))
    off = float(np.abs(shares.sum(1) - 1.0).max())
    if shares.min() < 0.0 or off > _TOLERANCE:
        raise ValueError(
            f"probabilities has a smallest entry of {shares.min():.3g} and rows that are up to {off:.3g} off 1 in sum: "
            "give q(v|x), the softmax of logits."
        )
    return float((truth[shares.argmax(0)][shares.argmax(1)] == truth).mean())


def _contingency(truth: NDArray[Any], clusters: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]:
    """Numbers of samples of each class (rows) in each cluster (columns), the classes, and the clusters."""
    classes, rows = np.unique(truth, return_inverse=True)
    found, columns = np.unique(clusters, return_inverse=True)
    counts = np.bincount(rows * len(found) + columns, minlength=len(classes) * len(found))
    return counts.reshape(len(classes), len(found)), classes, found
