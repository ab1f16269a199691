"""Distances of samples against matrix square roots, double loops and integrals in closed form."""

import math
import tracemalloc

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.linalg import sqrtm
from scipy.stats import ortho_group

from knownot.metrics import frechet_distance, generation, mmd


def frechet_by_definition(a, b):
    """With the square root of a product of covariances, as it is written."""
    c_a, c_b = np.cov(a.T, ddof=1), np.cov(b.T, ddof=1)
    c_a, c_b = np.atleast_2d(c_a), np.atleast_2d(c_b)
    root = sqrtm(c_a @ c_b)
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(c_a + c_b - 2 * root).real


def samples(n, m, d, seed=0):
    """Two Gaussian samples of unlike means and covariances."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)), rng.normal(0.5, size=(m, d)) @ rng.normal(size=(d, d))


@pytest.mark.parametrize(("n", "m", "d"), [(50, 80, 1), (50, 80, 2), (400, 300, 20), (12, 12, 10)])
def test_frechet_distance_is_its_definition(n, m, d):
    a, b = samples(n, m, d)
    assert frechet_distance(a, b) == pytest.approx(frechet_by_definition(a, b), rel=1e-9)


def test_frechet_distance_of_one_dimension_compares_means_and_standard_deviations():
    a, b = samples(30, 40, 1)
    expected = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("n", "m"), [(2, 3), (20, 9), (60, 8), (8, 60)])
def test_frechet_distance_without_full_rank_is_that_in_the_subspace(n, m):
    """Four dimensions turned in a space of fifty: covariances of rank 4 or less, most eigenvalues rounding errors."""
    a, b = samples(n, m, 4)
    turn = ortho_group.rvs(50, random_state=1)[:4]
    expected = frechet_distance(a, b)
    assert frechet_distance(a @ turn, b @ turn) == pytest.approx(expected, rel=1e-12)
    # Square roots of rounding errors, 1e-8 each, would show here.
    assert 0 <= frechet_distance(a @ turn, (a + 1e-4) @ turn) == pytest.approx(4e-8, rel=1e-6)
    if min(n, m) > 4:
        assert expected == pytest.approx(frechet_by_definition(a, b), rel=1e-9)


def test_frechet_distance_where_the_spaces_do_not_meet():
    """Then the square root is 0, and traces add up."""
    rng = np.random.default_rng(0)
    a, b = np.pad(rng.normal(size=(9, 30)), ((0, 0), (0, 30))), np.pad(rng.normal(size=(7, 30)), ((0, 0), (30, 0)))
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + a.var(0, ddof=1).sum() + b.var(0, ddof=1).sum()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-12)


def test_frechet_distance_is_a_squared_distance():
    a, b = samples(40, 30, 6)
    found = frechet_distance(a, b)
    assert frechet_distance(b, a) == pytest.approx(found, rel=1e-12)
    assert frechet_distance(a[::-1], b) == pytest.approx(found, rel=1e-12)
    for one in (a, a[:3], np.ones((5, 3))):
        assert 0 <= frechet_distance(one, one) <= 1e-12
    assert frechet_distance(a, a + 2.0) == pytest.approx(6 * 4.0, rel=1e-12)
    assert frechet_distance(np.ones((3, 4)), 3 * np.ones((2, 4))) == 16.0
    turn = ortho_group.rvs(6, random_state=0)
    assert frechet_distance(a @ turn, b @ turn) == pytest.approx(found, rel=1e-12)


def test_frechet_distance_keeps_its_digits_at_any_scale_and_place():
    a, b = samples(40, 30, 6)
    found = frechet_distance(a, b)
    for scale in (1e-150, 1e-20, 1e20, 1e150):
        assert frechet_distance(a * scale, b * scale) == pytest.approx(found * scale**2, rel=1e-12)
    assert frechet_distance(a + 1e6, b + 1e6) == pytest.approx(found, rel=1e-8)
    assert frechet_distance(a * 1e300, b * 1e300) == math.inf
    assert frechet_distance(a * 1e-300, b * 1e-300) == 0.0
    for other, expected in ((1.7e308, 0.0), (-1.7e308, math.inf), (1.0, math.inf), (1e-300, math.inf)):
        assert frechet_distance(np.full((3, 2), 1.7e308), np.full((3, 2), other)) == expected
        assert frechet_distance(np.full((3, 2), other), np.full((3, 2), 1.7e308)) == expected


def test_frechet_distance_reads_tensors():
    a, b = samples(40, 30, 6)
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 0.02)):
        x, y = torch.tensor(a, dtype=dtype, requires_grad=True), torch.tensor(b, dtype=dtype)
        assert frechet_distance(x, y) == pytest.approx(frechet_distance(a, b), rel=tolerance)
        # float64 inside: as if the rounded numbers had been given.
        rounded = x.detach().double().numpy(), y.double().numpy()
        assert frechet_distance(x, y) == frechet_distance(*rounded)


def mmd_by_definition(x, y, kernel, scales, std, unbiased):
    """Pair by pair."""
    total = 0.0
    for scale in scales:
        c = 2 * x.shape[1] * std**2 * scale

        def k(u, v, c=c):
            gap = math.dist(u, v) ** 2
            return c / (c + gap) if kernel == "imq" else math.exp(-gap / c)

        for rows in (x, y):
            pairs = [(i, j) for i in range(len(rows)) for j in range(len(rows)) if i != j or not unbiased]
            total += sum(k(rows[i], rows[j]) for i, j in pairs) / len(pairs)
        total -= 2 * sum(k(u, v) for u in x for v in y) / (len(x) * len(y))
    return total


@pytest.mark.parametrize("kernel", ["imq", "rbf"])
@pytest.mark.parametrize("unbiased", [True, False])
def test_mmd_is_its_definition(kernel, unbiased):
    x, y = samples(7, 5, 3)
    for scales, std in (((0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0), 1.0), ((0.7,), 1.0), ((1.0, 3.0), 2.5)):
        expected = mmd_by_definition(x, y, kernel, scales, std, unbiased)
        assert mmd(x, y, kernel, scales, std=std, unbiased=unbiased) == pytest.approx(expected, rel=1e-10)
    assert mmd(x, y, kernel, 0.7) == mmd(x, y, kernel, np.array([0.7])) == mmd(x, y, kernel, (0.7,))
    expected = mmd_by_definition(x, y, "imq", (0.1, 0.2, 0.5, 1, 2, 5, 10), 1.0, True)
    assert mmd(x, y) == pytest.approx(expected, rel=1e-10)


def gaussian_kernel_mean(c, variance, gap, d):
    """E exp(-|u|² / c) of u ~ N(gap, variance I)."""
    return (1 + 2 * variance / c) ** (-d / 2) * math.exp(-d * gap**2 / (c + 2 * variance))


@pytest.mark.parametrize("kernel", ["imq", "rbf"])
def test_mmd_estimates_the_integral(kernel):
    """Of two Gaussians, in closed form for one kernel; the other is a mixture of it over widths."""
    d, std, gap, scale = 3, 1.4, 0.5, 0.5
    c = 2 * d * scale

    def mean(variance, distance):
        if kernel == "rbf":
            return gaussian_kernel_mean(c, variance, distance, d)
        return quad(lambda u: math.exp(-u) * gaussian_kernel_mean(c / u, variance, distance, d), 0, np.inf)[0]

    expected = mean(2.0, 0.0) + mean(2 * std**2, 0.0) - 2 * mean(1 + std**2, gap)
    rng = np.random.default_rng(0)
    found = [mmd(rng.normal(size=(20, d)), rng.normal(gap, std, size=(15, d)), kernel, scale) for _ in range(2000)]
    error = np.std(found) / math.sqrt(len(found))
    assert error < expected / 10
    assert abs(np.mean(found) - expected) < 4 * error
    # The other estimator is too large by more than that.
    biased = [
        mmd(rng.normal(size=(20, d)), rng.normal(gap, std, size=(15, d)), kernel, scale, unbiased=False)
        for _ in range(100)
    ]
    assert np.mean(biased) > expected + 10 * error


@pytest.mark.parametrize("kernel", ["imq", "rbf"])
@pytest.mark.parametrize("block", [1, 4, 5, 16, 23, 10**6])
def test_mmd_does_not_depend_on_its_blocks(monkeypatch, kernel, block):
    x, y = samples(7, 4, 2)
    expected = mmd(x, y, kernel)
    monkeypatch.setattr(generation, "_BLOCK", block)
    assert mmd(x, y, kernel) == pytest.approx(expected, rel=1e-12)


def test_mmd_needs_little_memory():
    x, y = np.random.default_rng(0).normal(size=(2, 3000, 2))
    tracemalloc.start()
    mmd(x, y, scale=1.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # All pairs would be 72 MB.
    assert peak < 8e6


@pytest.mark.parametrize("kernel", ["imq", "rbf"])
def test_mmd_at_any_scale_and_place(kernel):
    x, y = samples(40, 30, 3)
    found = mmd(x, y, kernel)
    for scale in (1e-200, 1e-10, 1e10, 1e200):
        assert mmd(x * scale, y * scale, kernel, std=scale) == pytest.approx(found, rel=1e-9)
    assert mmd(x + 1e6, y + 1e6, kernel) == pytest.approx(found, rel=1e-8)
    # Kernels much narrower than all distances: a sample is like itself alone.
    for narrow in ({"std": 1e-200}, {"scale": 1e-300}):
        assert mmd(x, y, kernel, **{"scale": 1.0, **narrow}) == pytest.approx(0.0, abs=1e-12)
        biased = mmd(x, y, kernel, **{"scale": 1.0, **narrow}, unbiased=False)
        assert biased == pytest.approx(1 / 40 + 1 / 30)
    # And much wider: all are alike.
    for wide in ({"std": 1e200}, {"scale": 1e300}):
        assert mmd(x, y, kernel, **{"scale": 1.0, **wide}) == pytest.approx(0.0, abs=1e-12)
    for pair in ((np.zeros((3, 2)), np.full((3, 2), 1.7e308)), (np.full((3, 2), 1.7e308), np.ones((3, 2)))):
        assert mmd(*pair, kernel) == pytest.approx(14.0)
    assert mmd(np.zeros((3, 2)), np.zeros((4, 2)), kernel) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("kernel", ["imq", "rbf"])
def test_mmd_stays_in_its_bounds_where_distances_are_rounding_errors(kernel):
    x = np.random.default_rng(0).normal(size=(50, 8))
    for std in (1e-7, 1e-8, 1e-9, 1e-12):
        assert -2 / 50 <= mmd(x, x.copy(), kernel, 1.0, std=std) <= 1e-12


def test_mmd_is_symmetric_and_not_negative_with_all_pairs():
    x, y = samples(9, 6, 4)
    assert mmd(x, y) == pytest.approx(mmd(y, x), rel=1e-10)
    for seed in range(20):
        u, v = np.random.default_rng(seed).normal(size=(2, 5, 2))
        assert mmd(u, v, unbiased=False) > 0
        assert mmd(u, u, unbiased=False) == pytest.approx(0.0, abs=1e-12)
    # Without pairs of a sample with itself, it falls below 0.
    assert mmd(x, x) < 0


def test_mmd_reads_tensors():
    x, y = samples(20, 15, 3)
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 0.02)):
        u, v = torch.tensor(x, dtype=dtype, requires_grad=True), torch.tensor(y, dtype=dtype)
        assert mmd(u, v) == pytest.approx(mmd(x, y), rel=tolerance)


@pytest.mark.parametrize(("distance", "names"), [(frechet_distance, ("features_a", "features_b")), (mmd, ("x", "y"))])
def test_samples_that_are_none_are_refused(distance, names):
    good = np.ones((4, 3))
    bad = good.copy()
    bad[1, 2] = np.nan
    infinite = good.copy()
    infinite[:2] = np.inf
    for place, name in enumerate(names):
        for wrong, message in (
            (np.ones(4), rf"{name} has shape \(4,\): give one row for each sample"),
            (np.ones((4, 0)), rf"{name} has shape \(4, 0\)"),
            (np.ones((1, 3)), rf"{name} has 1 row: give at least 2"),
            (bad, rf"1 of 4 rows of {name} have NaN"),
            (infinite, rf"2 of 4 rows of {name} have NaN or infinite"),
        ):
            pair = [good, good]
            pair[place] = wrong
            with pytest.raises(ValueError, match=message):
                distance(*pair)
    with pytest.raises(ValueError, match=rf"{names[1]} has 2 columns, {names[0]} has 3: give the same columns"):
        distance(good, good[:, :2])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kernel": "linear"}, "kernel='linear' is not a kernel: choose 'imq' or 'rbf'"),
        ({"std": 0.0}, r"std=0\.0 does not work"),
        ({"std": np.nan}, "std=nan does not work"),
        ({"scale": ()}, r"scale=\(\) does not work: give finite numbers above 0"),
        ({"scale": (1.0, -1.0)}, r"scale=\(1\.0, -1\.0\) does not work"),
        ({"scale": "wide"}, "scale='wide' does not work"),
        ({"scale": True}, "scale=True does not work"),
        ({"scale": np.inf}, "scale=inf does not work"),
    ],
)
def test_settings_that_are_none_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        mmd(np.ones((3, 2)), np.ones((3, 2)), **settings)
