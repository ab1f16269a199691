"""Maps of an embedding in two dimensions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

METHODS = ("t-SNE", "PCA")


def check_method(method: str) -> None:
    """Refuse what is not a way to draw the map."""
    if method not in METHODS:
        raise ValueError(f"{method!r} is not a way to draw the map: choose 'PCA' or 't-SNE'.")


def project(
    embedding: NDArray[np.float64], method: str, score: NDArray[np.float64], seed: int = 0
) -> NDArray[np.float64]:
    """Bring an embedding into two dimensions.

    Parameters
    ----------
    embedding : ndarray, shape (M, d)
    method : {"PCA", "t-SNE"}
        PCA keeps large distances, t-SNE keeps neighbours.
    score : ndarray, shape (M,)
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
    check_method(method)
    flat = embedding.reshape(len(embedding), -1)
    if flat.shape[1] == 1:
        finite = np.isfinite(score)
        floor = score[finite].min() if finite.any() else 0.0
        return np.column_stack([flat[:, 0], np.where(finite, score, floor)])
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
