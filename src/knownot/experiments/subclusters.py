"""Experiments on the number of subclusters: one class after the other, K = 1, 2, 3, ..."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from knownot.data import load_named, synthetic
from knownot.estimators.subcluster_study import SubclusterStudy
from knownot.estimators.subclusters import subcluster_curves
from knownot.experiments.declaration import Group, Settings
from knownot.experiments.results import rounded


def samples(group: Group, seed: int) -> NDArray[Any]:
    """Samples of a group: training samples of a named data set, or a synthetic shape drawn by the seed."""
    if group.shape is not None:
        return getattr(synthetic, group.shape)(**group.arguments, seed=seed).x
    assert group.dataset is not None
    data = load_named(group.dataset, "train")
    return data.x[np.isin(data.labels, group.labels)]


def measure(group: Group, settings: Settings, seed: int, device: str) -> dict[str, Any]:
    """Choose the number of subclusters of a group.

    Parameters
    ----------
    group : Group
    settings : mapping
        Further arguments of :func:`~knownot.estimators.subcluster_curves`.
    seed : int
    device : {"auto", "cpu", "cuda", "mps"}

    Returns
    -------
    dict
        "methods": "n_subclusters", the number chosen, "true", "valley K=2", and "drop 1→2" and "gain
        1→2" (and so on), of the covering loss and of the full objective in nats; "curves": its curves, one for
        each K.
    """
    study = subcluster_curves(samples(group, seed), accelerator=device, random_state=seed, **settings)
    curves = [
        {
            "n_subclusters": curve.n_subclusters,
            "reconstruction": [rounded(value) for value in curve.reconstruction],
            "covering": [rounded(value) for value in curve.covering],
            "bound": [rounded(value) for value in curve.bound],
        }
        for same in study.curves
        for curve in same
    ]
    return {"methods": numbers(group, study), "curves": curves}


def numbers(group: Group, study: SubclusterStudy) -> dict[str, float]:
    """What a table shows of one group."""
    steps = [f"{k}→{k + 1}" for k in range(1, len(study.curves))]
    return {
        "n_subclusters": study.n_subclusters,
        "true": group.true,
        **{f"valley K={k}": rounded(depth) for k, depth in enumerate(study.valleys, 2)},
        **{f"drop {step}": rounded(drop) for step, drop in zip(steps, study.drops, strict=True)},
        **{f"gain {step}": rounded(gain) for step, gain in zip(steps, study.gains, strict=True)},
    }
