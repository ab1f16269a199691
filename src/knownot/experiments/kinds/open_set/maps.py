"""Two-dimensional maps of embeddings, with the centroids of the classes on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knownot.experiments.kinds.open_set.measures import Parts, columns
from knownot.experiments.kinds.open_set.methods import Method, Part

_MOST = 1_500
# An embedding of which methods see parts is drawn whole and in these parts.
_PARTS: dict[Part, str] = {"all": "[y, z]", "logits": "y", "latent": "z"}


def class_maps(
    methods: Sequence[Method], models: Mapping[str, Any], parts: Parts, seed: int, most: int = _MOST
) -> dict[str, Any]:
    """t-SNE of the training embeddings of every model, and of the parts of them that methods use.

    Parameters
    ----------
    methods : sequence of Method
    models : mapping of str to fitted estimator
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
    n_classes = int(parts.train_codes.max()) + 1
    found = {}
    for name, model in models.items():
        z = model.transform(parts.train_x)
        used = {method.part for method in methods if method.model == name}
        panels = {name: z}
        if len(used) > 1:
            panels = {f"{name}, {_PARTS[part]}": columns(z, n_classes, part) for part in _PARTS if part in used}
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
