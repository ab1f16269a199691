"""Small shapes in the plane, or in a few dimensions, with a known number of clusters."""

from __future__ import annotations

import numpy as np

from knownot.data.arrays import Dataset


def blobs(
    n_samples: int = 1000,
    n_clusters: int = 3,
    *,
    n_features: int = 2,
    separation: float = 6.0,
    seed: int = 0,
) -> Dataset:
    """Round Gaussian clusters of standard deviation 1.

    Centres are drawn from a normal distribution and scaled so that the two nearest stand exactly
    ``separation`` apart.

    Parameters
    ----------
    n_samples : int
        In all, shared out as equally as possible.
    n_clusters : int
    n_features : int
    separation : float
        Distance of the two nearest centres, in standard deviations.
    seed : int

    Returns
    -------
    Dataset
        ``x`` (n_samples, n_features) float32, ``y`` the cluster, in random order.

    Examples
    --------
    >>> blobs(10, 2)
    Dataset('blobs', 10 samples of shape (2,), 2 classes)
    """
    cluster, rng = _draw_clusters(n_samples, n_clusters, seed)
    centres = rng.standard_normal((n_clusters, n_features))
    if n_clusters > 1:
        distances = np.linalg.norm(centres[:, None] - centres, axis=-1)
        centres *= separation / distances[np.triu_indices(n_clusters, 1)].min()
    return _dataset("blobs", centres[cluster] + rng.standard_normal((n_samples, n_features)), cluster)


def arcs(
    n_samples: int = 10_000,
    n_clusters: int = 5,
    *,
    radius: float = 1.0,
    angle: float = 2.0,
    std: float = 0.05,
    seed: int = 0,
) -> Dataset:
    """Arcs of circles, arranged in a ring with their hollow sides outward.

    Parameters
    ----------
    n_samples : int
        In all, shared out as equally as possible.
    n_clusters : int
        Number of arcs.
    radius : float
        Radius of every circle.
    angle : float
        How much of the circle an arc covers, in radians.
    std : float
        Standard deviation of the noise across the arc.
    seed : int

    Returns
    -------
    Dataset
        ``x`` (n_samples, 2) float32, ``y`` the arc, in random order.

    Examples
    --------
    >>> arcs(100).x.shape
    (100, 2)
    """
    cluster, rng = _draw_clusters(n_samples, n_clusters, seed)
    towards = 2.0 * np.pi * cluster / n_clusters
    # The circles stand so far out that neighbouring arcs, which face the middle, do not touch.
    out = 2.0 * radius * max(1.0, n_clusters / 5.0)
    turn = towards + np.pi + angle * (rng.random(n_samples) - 0.5)
    distance = radius + std * rng.standard_normal(n_samples)
    x = out * np.stack([np.cos(towards), np.sin(towards)], 1)
    return _dataset("arcs", x + distance[:, None] * np.stack([np.cos(turn), np.sin(turn)], 1), cluster)


def pinwheel(
    n_samples: int = 4000,
    n_clusters: int = 4,
    *,
    radial_std: float = 0.25,
    tangential_std: float = 0.05,
    rate: float = 0.25,
    seed: int = 0,
) -> Dataset:
    """Gaussian arms, wound up into spirals the more the farther out.

    Parameters
    ----------
    n_samples : int
        In all, shared out as equally as possible.
    n_clusters : int
        Number of arms.
    radial_std, tangential_std : float
        Standard deviations along and across an arm, whose middle is at radius 1.
    rate : float
        The arm turns by ``rate * exp(radius)`` radians.
    seed : int

    Returns
    -------
    Dataset
        ``x`` (n_samples, 2) float32, ``y`` the arm, in random order.

    Examples
    --------
    >>> pinwheel(8).y.sum()
    np.int64(12)
    """
    cluster, rng = _draw_clusters(n_samples, n_clusters, seed)
    along = 1.0 + radial_std * rng.standard_normal(n_samples)
    across = tangential_std * rng.standard_normal(n_samples)
    turn = 2.0 * np.pi * cluster / n_clusters + rate * np.exp(along)
    x = np.stack([along * np.cos(turn) - across * np.sin(turn), along * np.sin(turn) + across * np.cos(turn)], 1)
    return _dataset("pinwheel", x, cluster)


def rings(n_samples: int = 1000, n_clusters: int = 2, *, std: float = 0.1, seed: int = 0) -> Dataset:
    """Rings around one centre, of radius 1, 2, 3, ...

    Parameters
    ----------
    n_samples : int
        In all, shared out as equally as possible.
    n_clusters : int
        Number of rings.
    std : float
        Standard deviation of the radius.
    seed : int

    Returns
    -------
    Dataset
        ``x`` (n_samples, 2) float32, ``y`` the ring, in random order.

    Examples
    --------
    >>> rings(6, 3).y.max()
    np.int64(2)
    """
    cluster, rng = _draw_clusters(n_samples, n_clusters, seed)
    turn = 2.0 * np.pi * rng.random(n_samples)
    radius = 1.0 + cluster + std * rng.standard_normal(n_samples)
    return _dataset("rings", radius[:, None] * np.stack([np.cos(turn), np.sin(turn)], 1), cluster)


def _draw_clusters(n_samples: int, n_clusters: int, seed: int) -> tuple[np.ndarray, np.random.Generator]:
    if not 1 <= n_clusters <= n_samples:
        raise ValueError(f"{n_samples} samples cannot make {n_clusters} clusters: give one sample or more for each.")
    rng = np.random.default_rng(seed)
    return rng.permutation(np.arange(n_samples, dtype=np.int64) % n_clusters), rng


def _dataset(name: str, x: np.ndarray, y: np.ndarray) -> Dataset:
    return Dataset(x.astype(np.float32), y, name=name)
