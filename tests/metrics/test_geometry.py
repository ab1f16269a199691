"""Intrinsic dimension against known ones and a brute-force definition; shares of maps, drops of accuracy."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import ortho_group

from knownot.data import load_named
from knownot.metrics import accuracy_drop, activated_share, intrinsic_dimension, intrinsic_dimensions


def gaussian(n, d, ambient, seed=0):
    """Rows of a Gaussian of d dimensions, turned in a space of more."""
    rng = np.random.default_rng(seed)
    return np.pad(rng.normal(size=(n, d)), ((0, 0), (0, ambient - d))) @ ortho_group.rvs(ambient, random_state=seed)


def by_definition(rows, discard):
    """All distances, then the fit, point by point."""
    rows = list({tuple(row): None for row in rows.tolist()})
    ratios = []
    for row in rows:
        near, far = sorted(math.dist(row, other) for other in rows if other != row)[:2]
        if far > near:
            ratios.append(far / near)
    ratios.sort()
    n = len(ratios)
    last = min(n - 1, round(n * (1 - discard) - 0.499))
    points = [(math.log(mu), -math.log(1 - i / n)) for i, mu in enumerate(ratios[:last], 1)]
    return sum(x * y for x, y in points) / sum(x * x for x, _ in points)


@pytest.mark.parametrize(("d", "ambient", "tolerance"), [(1, 8, 0.05), (2, 10, 0.05), (5, 20, 0.06), (10, 64, 0.12)])
def test_dimension_of_gaussians(d, ambient, tolerance):
    found = [intrinsic_dimension(gaussian(4000, d, ambient, seed)) for seed in range(3)]
    np.testing.assert_allclose(found, d, rtol=tolerance)


@pytest.mark.parametrize("discard", [0.0, 0.1, 0.37, 0.9])
def test_dimension_is_its_definition(discard):
    rows = gaussian(120, 3, 6)
    rows = np.vstack([rows, rows[:30]])
    assert intrinsic_dimension(rows, discard=discard) == pytest.approx(by_definition(rows, discard), rel=1e-9)
    # On a grid most neighbours are equally far.
    grid = np.random.default_rng(0).integers(0, 9, size=(60, 3)).astype(float)
    assert intrinsic_dimension(grid, discard=discard) == pytest.approx(by_definition(grid, discard), rel=1e-9)


@given(st.integers(3, 30), st.integers(1, 20), st.integers(0, 999))
def test_dimension_is_its_definition_at_any_size(n, d, seed):
    rows = np.random.default_rng(seed).normal(size=(n, d))
    assert intrinsic_dimension(rows) == pytest.approx(by_definition(rows, 0.1), rel=1e-6)


def test_dimension_knows_no_scale_place_or_order():
    rows = gaussian(500, 3, 5)
    expected = intrinsic_dimension(rows)
    for other in (rows * 1e-200, rows * 1e200, rows[::-1], np.vstack([rows, rows, rows]), rows + 1000.0):
        assert intrinsic_dimension(other) == pytest.approx(expected, rel=1e-6)
    assert intrinsic_dimension(torch.from_numpy(rows)) == pytest.approx(expected)


def test_neighbours_that_lie_close_together_are_told_apart():
    """By products of rows in 64 dimensions, distances of 1e-9 would be lost in rounding."""
    rows = gaussian(200, 40, 64)
    noise = np.random.default_rng(1).normal(size=(4, 200, 64))
    rows = np.vstack([rows, *(rows + 10.0**-i * part for i, part in enumerate(noise, 9))])
    assert intrinsic_dimension(rows) == pytest.approx(by_definition(rows, 0.1), rel=1e-6)


def test_dimension_of_classes_and_their_mean():
    rows = np.vstack([gaussian(1500, d, 12) for d in (2, 5)])
    labels = np.repeat(["flat", "thick"], 1500)
    found = intrinsic_dimensions(rows, labels)
    assert list(found) == ["flat", "thick"]
    assert found["flat"] == intrinsic_dimension(rows[:1500])
    assert intrinsic_dimension(rows, labels) == pytest.approx((found["flat"] + found["thick"]) / 2)
    assert intrinsic_dimensions(rows[:1500]) == {None: found["flat"]}


@pytest.mark.parametrize(
    ("rows", "labels", "message"),
    [
        (np.zeros((5, 2)), None, "5 embeddings, 1 of them different, have 0 ratios"),
        (np.eye(9) * np.arange(1, 10), [0] * 8 + [1], "1 embeddings of class 1, 1 of them different"),
        (np.zeros(5), None, r"embeddings has shape \(5,\)"),
        (np.zeros((0, 3)), None, r"embeddings has shape \(0, 3\)"),
        ([[np.nan, 0.0], [1.0, 2.0]], None, "1 of 2 rows of embeddings have NaN"),
        (np.zeros((5, 2)), [0, 1], "labels has 2 entries for 5 samples"),
    ],
)
def test_embeddings_without_a_dimension_are_refused(rows, labels, message):
    with pytest.raises(ValueError, match=message):
        intrinsic_dimension(rows, labels)


@pytest.mark.parametrize("discard", [-0.1, 1.0, None, np.nan])
def test_a_share_that_is_none_is_refused(discard):
    with pytest.raises(ValueError, match="give a share from 0 to below 1"):
        intrinsic_dimension(gaussian(50, 2, 3), discard=discard)


@pytest.mark.data
def test_digits_have_about_a_dozen_dimensions(data_root):
    data = load_named("mnist", folder=data_root)
    rows, labels = np.asarray(data.x[:6000]).reshape(6000, -1), np.asarray(data.y[:6000])
    found = intrinsic_dimension(rows, labels)
    assert 8 < found < 16


def test_activated_share_counts_positions_above():
    rng = np.random.default_rng(0)
    maps = rng.integers(0, 5, size=(7, 4, 3)) / 4
    thresholds = [-1.0, 0.0, 0.25, 0.3, 1.0, np.inf]
    expected = [sum(value > t for value in maps.ravel()) / maps.size for t in thresholds]
    np.testing.assert_allclose(activated_share(maps, thresholds), expected, atol=1e-15)
    np.testing.assert_allclose(activated_share(torch.from_numpy(maps), 0.25), expected[2])
    assert activated_share(maps, 0.25).shape == ()
    # float32 maps are compared with thresholds as they are, not rounded.
    assert activated_share(np.float32([0.1]), 0.1) == 1.0
    for bad in (np.zeros((0, 4)), [np.nan, 1.0]):
        with pytest.raises(ValueError, match="maps"):
            activated_share(bad, 0.1)
    with pytest.raises(ValueError, match="1 entries of thresholds are NaN"):
        activated_share(maps, [0.1, np.nan])


def test_accuracy_drop_is_the_mean_of_means():
    corrupted = np.random.default_rng(0).uniform(size=(15, 5))
    found = accuracy_drop(0.9, corrupted)
    np.testing.assert_allclose(found.by_corruption, [np.mean([0.9 - a for a in row]) for row in corrupted])
    np.testing.assert_allclose(found.by_severity, [np.mean([0.9 - a for a in column]) for column in corrupted.T])
    assert found.mean == pytest.approx(np.mean(found.by_corruption))
    for bad in (corrupted[0], np.zeros((0, 5)), 0.5):
        with pytest.raises(ValueError, match="give one accuracy for each corruption and severity"):
            accuracy_drop(0.9, bad)
    with pytest.raises(ValueError, match="Not all accuracies are finite"):
        accuracy_drop(np.nan, corrupted)


def test_definition_agrees_with_distances_of_scipy():
    rows = gaussian(40, 2, 3)
    near, far = np.sort(cdist(rows, rows), axis=1)[:, 1:3].T
    logs = np.sort(np.log(far / near))[:36]
    assert by_definition(rows, 0.1) == pytest.approx(logs @ -np.log(1 - np.arange(1, 37) / 40) / (logs @ logs))
