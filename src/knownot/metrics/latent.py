"""Latent codes of an autoencoder: how many dimensions carry information, and how well neighbours tell the class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.neighbors import NearestNeighbors

from knownot.metrics.checks import Floats, as_rows, check_count, is_number, label_array

# Neighbours that are looked at beyond the k nearest, so that exact distances can put them in another order.
_SPARE = 5


def information_per_dimension(mean: ArrayLike, log_variance: ArrayLike) -> Floats:
    """Mean of KL(q(z_j|x) ‖ N(0, 1)) over samples, in nats: an **upper bound** on the information in each dimension.

    The mean is I(x; z_j) + KL(q(z_j) ‖ N(0, 1)), with the aggregate posterior q(z_j), so it is the mutual information
    only where the aggregate posterior is the prior. A dimension with about 0 nats is unused.

    Parameters
    ----------
    mean, log_variance : array of shape (N, d)
        Of the diagonal Gaussian q(z|x) of each sample.

    Returns
    -------
    ndarray of shape (d,)
        Nats, 0 or more, in the order of the dimensions. The sum bounds the information of all dimensions together.

    Raises
    ------
    ValueError
        If the arrays are no tables of finite numbers of one shape.

    References
    ----------
    Hoffman and Johnson, "ELBO surgery: yet another way to carve up the variational evidence lower bound", 2016.

    Examples
    --------
    >>> information_per_dimension([[2.0, 0.0], [-2.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]])
    array([2., 0.])
    """
    means = as_rows(mean, "mean")
    logs = as_rows(log_variance, "log_variance", like=("mean", means))
    if len(logs) != len(means):
        raise ValueError(f"log_variance has {len(logs)} rows, mean has {len(means)}: give one row for each sample.")
    with np.errstate(over="ignore"):
        # expm1 keeps the digits where the posterior is almost the prior.
        return 0.5 * (np.square(means) + np.expm1(logs) - logs).mean(0)


def active_dimensions(
    mean: ArrayLike, log_variance: ArrayLike | None = None, threshold: float = 0.01, *, by: str = "variance"
) -> int:
    """Number of latent dimensions in use.

    Parameters
    ----------
    mean : array of shape (N, d)
        Of q(z|x) of each sample.
    log_variance : array of shape (N, d), optional
        Needed with ``by="information"`` alone.
    threshold : float
        What has more than this is active. 0.01 is the usual one for variances.
    by : {"variance", "information"}
        "variance": the variance of the posterior mean over samples (unbiased) exceeds the threshold, as in Burda et al.
        "information": :func:`information_per_dimension` does, in nats.

    Returns
    -------
    int
        From 0 to d.

    Raises
    ------
    ValueError
        If the arrays are no tables of finite numbers of one shape, variances are asked of one sample, or a setting
        makes no sense.

    References
    ----------
    Burda, Grosse, Salakhutdinov, "Importance weighted autoencoders", ICLR 2016, section 5.2.

    Examples
    --------
    >>> mean, log_variance = [[0.5, 0.0], [-0.5, 0.0]], [[-2.0, 0.0], [-2.0, 0.0]]
    >>> active_dimensions(mean), active_dimensions(mean, log_variance, by="information")
    (1, 1)
    """
    if not is_number(threshold) or threshold < 0:
        raise ValueError(f"threshold={threshold!r} does not work: give a finite number, 0 or more.")
    if by == "variance":
        with np.errstate(over="ignore"):
            values = as_rows(mean, "mean", at_least=2).var(0, ddof=1)
    elif by != "information":
        raise ValueError(f'by={by!r} is not a criterion: choose "variance" or "information".')
    elif log_variance is None:
        raise ValueError('by="information" needs log_variance: give the log-variances of q(z|x) beside its means.')
    else:
        values = information_per_dimension(mean, log_variance)
    return int((values > threshold).sum())


def knn_error(
    train_z: ArrayLike,
    train_y: ArrayLike,
    test_z: ArrayLike,
    test_y: ArrayLike,
    k: int | Sequence[int] = (3, 5, 10),
) -> dict[int, float]:
    """Share of test codes whose k nearest training codes vote for a wrong class, by Euclidean distance.

    Parameters
    ----------
    train_z, test_z : array of shape (N, d) and (M, d)
        Means of q(z|x), or samples of it as in the paper; say which with the number.
    train_y, test_y : array of shape (N,) and (M,)
        Classes. A class that occurs in the test only is never right.
    k : int or sequence of int
        Numbers of neighbours, at most N.

    Returns
    -------
    dict of int to float
        k to error in [0, 1], in the order that was given.

    Raises
    ------
    ValueError
        If codes are no tables of finite numbers with the same columns, labels do not fit, or a k is none.

    Notes
    -----
    Each neighbour has one vote. Of classes with equally many votes, the one with the nearest neighbour wins;
    scikit-learn's ``KNeighborsClassifier`` takes the one that sorts first, and agrees wherever votes are not equal.
    With many classes or an even k the two may be a point apart.
    The search is exact. Which of several equally far training codes is the last of the k is left open.

    References
    ----------
    Tran, Pantic, Deisenroth, "Cauchy-Schwarz regularized autoencoder", table 2.

    Examples
    --------
    >>> knn_error([[0.0], [1.0], [4.0], [5.0]], ["a", "a", "b", "b"], [[0.2], [2.9]], ["a", "a"], k=(1, 3))
    {1: 0.5, 3: 0.5}
    """
    references = as_rows(train_z, "train_z")
    queries = as_rows(test_z, "test_z", like=("train_z", references))
    train_labels = label_array(train_y, "train_y", len(references))
    test_labels = label_array(test_y, "test_y", len(queries), like=train_labels)
    counts = np.atleast_1d(np.asarray(k, dtype=object)).tolist()
    for count in counts:
        check_count(count, "k", "neighbours")
        if count > len(references):
            raise ValueError(f"k={count} neighbours are more than the {len(references)} training codes: give fewer.")
    if not counts:
        raise ValueError(f"k={k!r} names no number of neighbours: give one, or some, such as (3, 5, 10).")
    classes, codes = np.unique(train_labels, return_inverse=True)
    found = codes[_nearest(queries, references, max(counts))]
    return {int(count): float(np.mean(classes[_vote(found[:, :count])] != test_labels)) for count in counts}


def _nearest(queries: Floats, references: Floats, k: int) -> NDArray[np.int64]:
    """Places of the k nearest references (M, k), the nearest first."""
    # By a power of two, which rounds nothing, to about 1, so that squares are numbers whatever the scale.
    exponent = int(np.frexp(max(np.abs(queries).max(), np.abs(references).max()))[1])
    queries, references = np.ldexp(queries, -exponent), np.ldexp(references, -exponent)
    centre = references.mean(0)
    queries, references = queries - centre, references - centre
    n_candidates = min(k + _SPARE, len(references))
    search = NearestNeighbors(n_neighbors=n_candidates, algorithm="brute").fit(references)
    candidates = search.kneighbors(queries, return_distance=False)
    # Once more by differences: the search multiplies matrices, which is not exact for neighbours close together.
    places = range(n_candidates)
    distances = np.stack([np.linalg.norm(references[candidates[:, j]] - queries, axis=1) for j in places], axis=1)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(candidates, order, axis=1)


def _vote(codes: NDArray[Any]) -> NDArray[Any]:
    """Most frequent code in each row, of equally frequent ones the first."""
    votes = np.stack([(codes == codes[:, [j]]).sum(1) for j in range(codes.shape[1])], axis=1)
    return np.take_along_axis(codes, votes.argmax(1)[:, None], axis=1)[:, 0]
