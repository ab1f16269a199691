from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from knownot.data import arcs, blobs, pinwheel, rings


@pytest.mark.parametrize(("make", "n_clusters"), [(blobs, 4), (arcs, 5), (pinwheel, 4), (rings, 3)])
def test_synthetic_clusters_are_equal_repeatable_and_apart(make, n_clusters):
    data = make(902, n_clusters, seed=1)
    assert data.x.shape == (902, 2)
    assert data.x.dtype == np.float32
    counts = np.bincount(data.y)
    assert len(counts) == n_clusters
    assert counts.max() - counts.min() <= 1
    assert (make(902, n_clusters, seed=1).x == data.x).all()
    assert (make(902, n_clusters, seed=2).x != data.x).any()
    # In random order, and separable: the three nearest others are of the same cluster.
    assert (np.diff(data.y) != 0).mean() > 0.5
    other = make(902, n_clusters, seed=1).select(np.arange(600, 902))
    # blobs draws its centres by the seed, so one draw is parted rather than two compared.
    score = KNeighborsClassifier(3).fit(data.x[:600], data.y[:600]).score(other.x, other.y)
    assert score > 0.98


def test_blobs_stand_as_far_apart_as_said_with_unit_spread():
    data = blobs(20_000, 3, n_features=4, separation=9.0)
    centres = np.stack([data.x[data.y == k].mean(0) for k in range(3)])
    distances = np.linalg.norm(centres[:, None] - centres, axis=-1)[np.triu_indices(3, 1)]
    # The standard error of a distance is sqrt(2 / 6667) = 0.017.
    assert abs(distances.min() - 9.0) < 0.1
    spread = data.x - centres[data.y]
    np.testing.assert_allclose(np.cov(spread.T), np.eye(4), atol=0.05)
    assert blobs(5, 1).y.tolist() == [0] * 5


def test_rings_and_arcs_lie_on_circles():
    data = rings(3000, 3, std=0.01)
    np.testing.assert_allclose(np.linalg.norm(data.x, axis=1), data.y + 1.0, atol=0.06)
    data = arcs(3000, 5, radius=1.0, std=0.01)
    middle = 2.0 * np.stack([np.cos(2 * np.pi * data.y / 5), np.sin(2 * np.pi * data.y / 5)], 1)
    np.testing.assert_allclose(np.linalg.norm(data.x - middle, axis=1), 1.0, atol=0.06)


def test_pinwheel_unwinds_to_gaussian_arms():
    data = pinwheel(20_000, 4)
    radius = np.linalg.norm(data.x, axis=1)
    angle = np.arctan2(data.x[:, 1], data.x[:, 0]) - 0.25 * np.exp(radius) - 2 * np.pi * data.y / 4
    across = radius * np.sin(angle)
    assert abs(radius.mean() - 1.0) < 0.01
    assert abs(radius.std() - 0.25) < 0.01
    assert abs(across.std() - 0.05) < 0.005


def test_blobs_refuse_too_few_samples():
    for n_clusters in (0, 4):
        with pytest.raises(ValueError, match=f"3 samples cannot make {n_clusters} clusters"):
            blobs(3, n_clusters)
