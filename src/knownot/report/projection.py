"""Maps of an embedding in two dimensions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]


def project(
    embedding: NDArray[np.float64], method: str, knownness: NDArray[np.float64], seed: int = 0
) -> NDArray[np.float64]:
    """Bring an embedding into two dimensions.

    Parameters
    ----------
    embedding : ndarray, shape (M, d)
    method : {"PCA", "t-SNE"}
        PCA keeps large distances, t-SNE keeps neighbours.
    knownness : ndarray, shape (M,)
        The second axis where the embedding has but one.
    seed : int

    Returns
    -------
    ndarray, shape (M, 2)

    Examples
    --------
    >>> project(np.eye(4), "PCA", np.zeros(4)).shape
    (4, 2)
    """
    if method not in ("PCA", "t-SNE"):
        raise ValueError(f"{method!r} is not a way to draw the map: choose 'PCA' or 't-SNE'.")
    flat = embedding.reshape(len(embedding), -1)
    if flat.shape[1] == 1:
        finite = np.isfinite(knownness)
        floor = knownness[finite].min() if finite.any() else 0.0
        return np.column_stack([flat[:, 0], np.where(finite, knownness, floor)])
    if len(flat) < 3:
        return flat[:, :2]
    if method == "PCA" or len(flat) < 6:
        return PCA(2, random_state=seed).fit_transform(flat)
    if flat.shape[1] > 50:
        flat = PCA(min(50, *flat.shape), random_state=seed).fit_transform(flat)
    perplexity = min(30.0, (len(flat) - 1) / 3.0)
    # Its many short parallel loops wait for each other: beside another busy process, two threads
    # were measured some fifteen times slower than one.
    with threadpool_limits(1):
        points = TSNE(2, init="pca", perplexity=perplexity, random_state=seed).fit_transform(flat)
    return np.asarray(points, dtype=np.float64)
