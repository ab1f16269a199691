"""Two-dimensional maps of embeddings, with the centroids of the classes on them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from knownot.estimators import CROSRClassifier, OpenSetClassifier
from knownot.experiments.open_set import Parts

_MOST = 1_500


def class_maps(models: dict[str, OpenSetClassifier], parts: Parts, seed: int, most: int = _MOST) -> dict[str, Any]:
    """t-SNE of the training embeddings of every model, and of the parts of CROSR's.

    Parameters
    ----------
    models : dict of str to OpenSetClassifier
    parts : Parts
    seed : int
    most : int
        Training samples shown at most.

    Returns
    -------
    dict
        "codes", the class of each sample shown; "maps", by title: "points" (n, 2) and
        "centroids" (C, 2), rounded. The centroids are those of all training samples, and were
        placed on the map together with the points.

    References
    ----------
    Open-set Gaussian-mixture VAE paper, figures 3 and 4.
    """
    shown = np.sort(np.random.default_rng([seed, 3]).permutation(len(parts.train_codes))[:most])
    found = {}
    for name, model in models.items():
        z = model.transform(parts.train_x)
        panels = {name: z}
        if isinstance(model, CROSRClassifier):
            n_logits = model.module_.n_classes
            panels = {f"{name}, [y, z]": z, f"{name}, y": z[:, :n_logits], f"{name}, z": z[:, n_logits:]}
        for title, values in panels.items():
            found[title] = _map(values, parts.train_codes, shown, seed)
    return {"codes": parts.train_codes[shown].tolist(), "maps": found}


def _map(z: NDArray[Any], codes: NDArray[np.int64], shown: NDArray[np.int64], seed: int) -> dict[str, Any]:
    from sklearn.manifold import TSNE

    centroids = np.stack([z[codes == c].mean(0) for c in range(int(codes.max()) + 1)])
    together = np.concatenate([z[shown], centroids]).astype(np.float64)
    perplexity = min(30.0, (len(together) - 1) / 3)
    placed = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(together)
    return {
        "points": placed[: len(shown)].round(1).tolist(),
        "centroids": placed[len(shown) :].round(1).tolist(),
    }
