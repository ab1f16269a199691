"""Geometry of what a network has learned: how many directions embeddings use, how much of an image it looks at."""

from __future__ import annotations

import math
import numbers
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.neighbors import NearestNeighbors

from knownot.metrics.checks import as_rows, label_array

Floats = NDArray[np.float64]

_FEWEST = 3
# Neighbours that are looked at for the two nearest.
_CANDIDATES = 8


class AccuracyDrop(NamedTuple):
    """How much accuracy corruptions cost, in the unit of the accuracies.

    Attributes
    ----------
    mean : float
        Over corruptions of the means over severities.
    by_corruption : ndarray of shape (n_corruptions,)
        Means over severities.
    by_severity : ndarray of shape (n_severities,)
        Means over corruptions.
    """

    mean: float
    by_corruption: Floats
    by_severity: Floats


def intrinsic_dimension(embeddings: ArrayLike, labels: ArrayLike | None = None, *, discard: float = 0.1) -> float:
    """Dimension of the manifold that embeddings lie on, by TwoNN; with labels, the mean over classes.

    Where density is even around each point, the ratio mu of the distances to its second and its first neighbour
    has the distribution F(mu) = 1 - mu^-d. So -log(1 - F) over log mu is a line through the origin with slope d; it is
    fitted by least squares, without the largest ratios, which are the noisiest.

    Parameters
    ----------
    embeddings : array of shape (N, D)
        Compared by Euclidean distance.
    labels : array of shape (N,), optional
        Classes. The dimension is that within each, averaged; without, that of all rows together.
    discard : float
        Share of the largest ratios that is left out of the fit, in [0, 1). The largest of all is always left out,
        since it stands for F = 1.

    Returns
    -------
    float
        In high dimensions an underestimate, unless there are very many rows.

    Raises
    ------
    ValueError
        If embeddings are not a table of finite numbers, or a class has fewer than three ratios.

    Notes
    -----
    Rows that are equal count once, so that no distance is zero; rows whose two neighbours are equally far are left
    out, since a ratio of 1 is a sign of rounded numbers.

    References
    ----------
    Facco et al., "Estimating the intrinsic dimension of datasets by a minimal neighborhood information", 2017.
    Ansuini et al., "Intrinsic dimension of data representations in deep neural networks", NeurIPS 2019, which fits a
    line without the largest tenth.

    Examples
    --------
    >>> plane = np.random.default_rng(0).normal(size=(2000, 2)) @ np.array([[1.0, 0, 1, 2, 0], [0, 1, 1, 0, 3]])
    >>> round(intrinsic_dimension(plane), 1)
    2.0
    """
    return float(np.mean(list(intrinsic_dimensions(embeddings, labels, discard=discard).values())))


def intrinsic_dimensions(
    embeddings: ArrayLike, labels: ArrayLike | None = None, *, discard: float = 0.1
) -> dict[Any, float]:
    """:func:`intrinsic_dimension` of each class.

    Parameters
    ----------
    embeddings, labels, discard
        As there.

    Returns
    -------
    dict
        Label to dimension, in the order of the labels; without labels, the one key is None.

    Raises
    ------
    ValueError
        As there.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> line, plane = np.pad(rng.normal(size=(2000, 1)), ((0, 0), (0, 1))), rng.normal(size=(2000, 2))
    >>> found = intrinsic_dimensions(np.vstack([line, plane]), ["line"] * 2000 + ["plane"] * 2000)
    >>> {name: round(value, 1) for name, value in found.items()}
    {'line': 1.0, 'plane': 2.0}
    """
    rows = as_rows(embeddings, "embeddings")
    if not isinstance(discard, numbers.Real) or not 0.0 <= discard < 1.0:
        raise ValueError(f"discard={discard!r} does not work: give a share from 0 to below 1.")
    if labels is None:
        return {None: _two_nn(rows, discard, "")}
    truth = label_array(labels, "labels", len(rows))
    return {c.item(): _two_nn(rows[truth == c], discard, f" of class {c.item()!r}") for c in np.unique(truth)}


def _two_nn(rows: Floats, discard: float, whose: str) -> float:
    distinct = np.unique(rows, axis=0)
    logs = np.sort(_log_ratios(distinct)) if len(distinct) >= _FEWEST else np.empty(0)
    n_fitted = min(math.floor(len(logs) * (1.0 - discard) + 1e-9), len(logs) - 1)
    if len(logs) < _FEWEST or n_fitted < 1:
        raise ValueError(
            f"{len(rows)} embeddings{whose}, {len(distinct)} of them different, have {len(logs)} ratios of distances "
            f"to two neighbours that differ, and {max(n_fitted, 0)} are left after discard={discard}: give more "
            f"samples, at least {_FEWEST} with distances that differ."
        )
    x = logs[:n_fitted]
    y = -np.log1p(-np.arange(1, n_fitted + 1) / len(logs))
    return float(x @ y / (x @ x))


def _log_ratios(distinct: Floats) -> Floats:
    """Logarithms of second over first distance of each row, without ties."""
    # By a power of two, which rounds nothing, to about 1, so that squares are numbers whatever the scale.
    scaled = np.ldexp(distinct, -int(np.frexp(np.abs(distinct).max())[1]))
    k = min(_CANDIDATES, len(distinct) - 1)
    search = NearestNeighbors(n_neighbors=k).fit(scaled - scaled.mean(0))
    neighbours = search.kneighbors(return_distance=False)
    # Once more by differences: a search by products is not exact for neighbours that lie close together, and
    # rounding would hide ties.
    distances = np.stack([np.linalg.norm(scaled[neighbours[:, place]] - scaled, axis=1) for place in range(k)])
    near, far = np.sort(distances, axis=0)[:2]
    usable = (near > 0) & (far > near)
    return np.log(far[usable] / near[usable])


def activated_share(maps: ArrayLike, thresholds: ArrayLike) -> Floats:
    """Share of the positions of activation maps above thresholds, S_M = |{M > t}| / |M|.

    Maps of a gradient grow with the scale of the loss and shrink with the size of the batch: compare networks
    with one loss and one size of batch only.

    Parameters
    ----------
    maps : array of shape (N, H, W), or any other
        Activations; all positions of all maps count alike.
    thresholds : float or array of shape (T,)
        t, such as ``np.geomspace(1e-5, 1e-3, 9)``.

    Returns
    -------
    ndarray, the shape of ``thresholds``
        In [0, 1].

    Raises
    ------
    ValueError
        If there is no position, or a number is NaN.

    Examples
    --------
    >>> activated_share([[0.0, 0.2], [0.5, 1.0]], [0.0, 0.5])
    array([0.75, 0.25])
    """
    values = np.sort(np.asarray(maps).ravel())
    levels = np.asarray(thresholds, dtype=np.float64)
    if not len(values):
        raise ValueError(f"maps have shape {np.shape(maps)}: give at least one map with at least one position.")
    for name, array in (("maps", values), ("thresholds", levels)):
        if np.isnan(array).any():
            raise ValueError(
                f"{int(np.isnan(array).sum())} entries of {name} are NaN: a NaN is neither above nor below."
            )
    return np.asarray(1.0 - np.searchsorted(values, levels, side="right") / len(values))


def accuracy_drop(clean: float, corrupted: ArrayLike) -> AccuracyDrop:
    """How much accuracy is lost on corrupted images, A_clean - A_corruption,severity.

    Parameters
    ----------
    clean : float
        Accuracy on clean images, as a share or in percent.
    corrupted : array of shape (n_corruptions, n_severities)
        Accuracies on corrupted ones, in the same unit.

    Returns
    -------
    AccuracyDrop
        Lower is more robust.

    Raises
    ------
    ValueError
        If ``corrupted`` is no such array, or an accuracy is not finite.

    References
    ----------
    Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations",
    ICLR 2019.

    Examples
    --------
    >>> accuracy_drop(90.0, [[85.0, 75.0], [90.0, 80.0]])
    AccuracyDrop(mean=7.5, by_corruption=array([10.,  5.]), by_severity=array([ 2.5, 12.5]))
    """
    accuracies = np.asarray(corrupted, dtype=np.float64)
    if accuracies.ndim != 2 or accuracies.size == 0:
        raise ValueError(
            f"corrupted has shape {accuracies.shape}: give one accuracy for each corruption and severity, "
            "(n_corruptions, n_severities)."
        )
    if not np.isfinite(clean) or not np.isfinite(accuracies).all():
        raise ValueError("Not all accuracies are finite numbers: measure every corruption at every severity first.")
    drops = float(clean) - accuracies
    return AccuracyDrop(float(drops.mean()), drops.mean(1), drops.mean(0))
