"""Valleys between groups of an embedding, by which subclusters are counted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Groups with a shallower valley between them are one. Measured: 0.5 and less between true groups,
# 0.7 and more where one was cut in two.
_DEEP_VALLEY = 0.6


def valley(z: NDArray[np.float64], groups: NDArray[np.int64]) -> float:
    """How deep the density dips between groups of embeddings: 0 far apart, 1 not at all.

    For every two groups, the samples of both are projected on the line through their means; the
    density there (a Gaussian kernel of Silverman's width) at its lowest between the two medians is
    divided by the lower of the peaks on either side.

    Parameters
    ----------
    z : ndarray, shape (N, d)
    groups : ndarray, shape (N,)
        Numbers of the groups, 0 ... K - 1, K at least 2.

    Returns
    -------
    float
        The largest of all pairs.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z, groups = rng.normal(size=(400, 2)), np.arange(400) % 2
    >>> valley(z + 8.0 * groups[:, None], groups) < 0.01
    True
    >>> valley(z, (z[:, 0] > 0).astype(int)) > 0.8
    True
    """
    means = np.stack([z[groups == k].mean(0) for k in range(int(groups.max()) + 1)])
    worst = 0.0
    for i in range(len(means)):
        for j in range(i):
            axis = means[i] - means[j]
            axis = axis / max(float(np.linalg.norm(axis)), 1e-300)
            worst = max(worst, _dip(z[groups == j] @ axis, z[groups == i] @ axis))
    return worst


def _dip(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Density of two samples on a line at its lowest between them, over the lower of the peaks beside it."""
    both = np.concatenate([left, right])
    width = 1.06 * min(left.std(), right.std()) * len(both) ** -0.2
    low, high = np.median(left), np.median(right)
    if width <= 0.0:
        return float(low == high)
    places = np.linspace(low, high, 64)
    density = np.exp(-0.5 * ((places[:, None] - both) / width) ** 2).sum(1)
    lowest = int(density.argmin())
    return float(density[lowest] / min(density[: lowest + 1].max(), density[lowest:].max()))


def count_by_valleys(valleys: Sequence[float]) -> int:
    """The largest number of groups, K = 2, 3, ..., between all of which there is a valley; else 1.

    Examples
    --------
    >>> count_by_valleys([0.1, 0.9, 1.0]), count_by_valleys([0.9, 0.95]), count_by_valleys([0.7, 0.2])
    (2, 1, 3)
    """
    return max((k for k, depth in enumerate(valleys, 2) if depth < _DEEP_VALLEY), default=1)
