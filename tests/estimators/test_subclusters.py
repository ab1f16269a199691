"""The number of subclusters: comparisons of curves, the rule, and shapes whose number is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from knownot.data.synthetic import arcs, blobs, pinwheel
from knownot.estimators.subcluster_study import (
    SubclusterCurve,
    SubclusterStudy,
    choose_count,
    drop_at_equal_reconstruction,
)
from knownot.estimators.subclusters import choose_subclusters, subcluster_curves
from knownot.estimators.valleys import valley


def curve(k, reconstruction, covering, w_prior=0.0, v_prior=0.0):
    r = np.asarray(reconstruction, dtype=float)
    return SubclusterCurve(k, r, np.asarray(covering, dtype=float), w_prior + 0 * r, v_prior + 0 * r)


# Curves


def test_drop_at_equal_reconstruction_is_the_mean_distance():
    """Against the definition, point by point: two straight lines that are 0.1 r + 1 apart."""
    ra, rb = np.array([10.0, 8.0, 6.5, 4.0, 3.0]), np.array([9.0, 6.0, 3.5, 2.0])
    va, vb = 20 - ra, 19 - 1.1 * rb
    shared = [r for r in (*ra, *rb) if 3.0 <= r <= 9.0]
    expected = np.mean([(20 - r) - (19 - 1.1 * r) for r in shared])
    assert drop_at_equal_reconstruction((ra, rb), (va, vb)) == pytest.approx(expected)
    assert drop_at_equal_reconstruction((rb, ra), (vb, va)) == pytest.approx(-expected)


def test_drop_at_equal_reconstruction_ignores_the_order_of_epochs():
    rng = np.random.default_rng(0)
    ra, rb, va, vb = rng.random((4, 12))
    p, q = rng.permutation(12), rng.permutation(12)
    assert drop_at_equal_reconstruction((ra, rb), (va, vb)) == pytest.approx(
        drop_at_equal_reconstruction((ra[p], rb[q]), (va[p], vb[q]))
    )


def test_drop_at_equal_reconstruction_of_curves_that_share_no_range():
    """(5, 2) is the first curve's best, (4, 1.5) the second's worst: 7 against 5.5."""
    first, second = ([7.0, 5.0], [4.0, 3.0]), ([1.0, 2.0], [1.5, 2.6])
    assert drop_at_equal_reconstruction(first, second) == pytest.approx(1.5)
    assert drop_at_equal_reconstruction(first[::-1], second[::-1]) == pytest.approx(-1.5)


def test_drop_at_equal_reconstruction_refuses_a_loss_too_few():
    with pytest.raises(ValueError, match="give as many of each"):
        drop_at_equal_reconstruction(([1.0, 2.0], [1.0]), ([1.0], [1.0]))


def test_study_cuts_early_epochs():
    r = [9.0, 8.0, 7.0, 6.0]
    one, two = curve(1, r, [5.0, 5.0, 3.0, 3.0]), curve(2, r, [-50.0, 99.0, 2.0, 2.0])
    assert SubclusterStudy([[one], [two]]).drops == pytest.approx([1.0])
    assert SubclusterStudy([[one], [two]], cut=0.0).drops == pytest.approx([(55 - 94 + 1 + 1) / 4])


def test_study_averages_drops_and_gains_over_initialisations():
    r = [3.0, 2.0, 1.0]
    ones = [curve(1, r, [4.0] * 3), curve(1, r, [5.0] * 3)]
    twos = [curve(2, r, [3.5] * 3, v_prior=0.2), curve(2, r, [3.5] * 3, v_prior=0.4)]
    study = SubclusterStudy([ones, twos])
    assert study.drops == pytest.approx([1.0])
    assert study.gains == pytest.approx([1.0 - 0.3])


def test_study_gains_leave_out_what_a_torn_cluster_gains():
    """A covering that falls by log 2 while the v-prior rises by it: nothing is gained."""
    r = np.linspace(9, 5, 9)
    one, two = curve(1, r, 10 - r), curve(2, r, 10 - r - math.log(2), v_prior=math.log(2))
    study = SubclusterStudy([[one], [two]])
    assert study.drops == pytest.approx([math.log(2)])
    assert study.gains == pytest.approx([0.0])


def test_study_gain_is_a_mean_of_two():
    one = curve(1, [9.0, 8.0, 7.0, 6.0], [1.0, 2.0, 3.0, 4.0])
    two = curve(2, [8.0, 7.0, 6.0, 5.0], [2.0, 3.0, 4.0, 4.6])
    study = SubclusterStudy([[one], [two]], cut=0.0)
    # At equal reconstruction they are the same, but the second goes on to 9.6 nats instead of 10.
    assert study.gains == pytest.approx([0.5 * (0.0 + 0.4)])


@pytest.mark.parametrize(("distance", "deep"), [(8.0, True), (0.0, False)])
def test_valley_is_the_ratio_of_densities(distance, deep):
    """Two normal groups on a line against their densities, written out."""
    z = np.random.default_rng(0).normal(size=(4000, 1))
    groups = np.arange(4000) % 2 if distance else (z[:, 0] > 0).astype(int)
    z = z + distance * groups[:, None]
    width = 1.06 * min(z[groups == 0].std(), z[groups == 1].std()) * 4000**-0.2
    places = np.linspace(*sorted(float(np.median(z[groups == g])) for g in (0, 1)), 64)
    density = norm.pdf(places[:, None], z[:, 0], width).mean(1)
    lowest = density.argmin()
    expected = density[lowest] / min(density[: lowest + 1].max(), density[lowest:].max())
    assert valley(z, groups) == pytest.approx(expected)
    assert (valley(z, groups) < 0.1) == deep


def test_valley_is_the_shallowest_of_all_pairs():
    rng = np.random.default_rng(0)
    groups = np.arange(900) % 3
    near = rng.normal(size=(900, 2)) + np.array([[0, 0], [2.5, 0], [0, 40]])[groups]
    pair = groups != 2
    assert valley(near, groups) == pytest.approx(valley(near[pair], groups[pair]))
    assert valley(near, groups) > 0.3


def test_valley_of_equal_and_of_distinct_samples():
    assert valley(np.zeros((6, 2)), np.array([0, 1, 0, 1, 0, 1])) == 1.0
    assert valley(np.array([[0.0], [0.0], [3.0], [3.0]]), np.array([0, 0, 1, 1])) == 0.0


# The rule for bare drops


@pytest.mark.parametrize("drops", [(0.86, 0.22), (1.23, -0.09), (1.31, -1.47), (0.82, 0.5)])
def test_choose_count_finds_two_in_the_papers_four_cases(drops):
    assert choose_count(drops) == 2


def test_choose_count_ignores_drops_of_torn_clusters():
    assert choose_count([0.68, 0.4]) == 1
    assert choose_count([]) == 1
    assert choose_count([1.0, 0.8, 0.75, 0.1]) == 4
    assert choose_count([0.3, 0.1], [0.1, 0.2]) == 2


def test_choose_count_refuses_allowances_that_do_not_fit():
    with pytest.raises(ValueError, match="1 allowances do not fit 2 drops"):
        choose_count([0.9, 0.3], [0.5])


# Input


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"X": np.zeros((5, 2))}, "X holds 5 samples of the class: give at least 20"),
        ({"max_subclusters": 0}, "max_subclusters=0 does not work"),
        ({"n_init": 0}, "n_init=0 does not work"),
        ({"cut": 1.0}, "cut=1.0 does not work"),
        ({"X": np.zeros(50)}, "give the samples of one class as a table"),
        ({"X": np.full((50, 2), np.nan)}, "X"),
    ],
)
def test_subcluster_curves_explain_mistakes(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        subcluster_curves(**{"X": np.zeros((50, 2)), **settings})


# Learning


def found(data, seed, **settings):
    return subcluster_curves(data.x, random_state=seed, accelerator="cpu", **settings)


def test_subcluster_curves_find_two_blobs_and_repeat():
    data = blobs(600, 2, n_features=10)
    first = found(data, 0, max_subclusters=3, max_epochs=4)
    assert first.n_subclusters == 2
    state = torch.get_rng_state()
    again = found(data, 0, max_subclusters=3, max_epochs=4)
    assert torch.equal(state, torch.get_rng_state())
    assert again.drops == first.drops


def test_subcluster_curves_of_one_blob_stop_early():
    study = found(blobs(600, 1, n_features=4), 0, max_subclusters=6, max_epochs=10)
    assert study.n_subclusters == 1
    assert len(study.curves) == 2
    # The covering falls all the same: the remark on section 3.2.
    assert 0.2 < study.drops[0] < math.log(2) + 0.05


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "number"),
    [
        (lambda: blobs(1200, 3, n_features=5), 3),
        (lambda: blobs(1200, 4, n_features=10), 4),
        (lambda: arcs(1200, 2), 2),
        (lambda: pinwheel(1200, 3), 3),
    ],
    ids=["three blobs", "four blobs", "two arcs", "three arms"],
)
def test_subcluster_curves_of_shapes_of_known_number(make, number):
    # The valleys of the first training choose; curves would only draw them.
    assert found(make(), 0, max_subclusters=number + 1, curves=False).n_subclusters == number


@pytest.mark.slow
def test_choose_subclusters_finds_a_number_for_each_class():
    one, two = blobs(400, 1, n_features=6).x, blobs(400, 2, n_features=6, separation=10.0).x
    few = np.zeros((10, 6), dtype=np.float32)
    x = np.concatenate([two / two.std(0), one, few])
    codes = np.repeat([0, 1, 2], [400, 400, 10])
    assert choose_subclusters(x, codes, 2, random_state=0, precision="32-true") == [2, 1, 1]


def test_subcluster_curves_take_images_as_they_are():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 8, 8), dtype=np.uint8)
    study = subcluster_curves(
        images, max_subclusters=2, n_init=2, max_epochs=2, module={"blocks": ((1, 4),), "hidden": (8,)}
    )
    assert [len(group) for group in study.curves] == [2, 2]
    assert all(np.isfinite(group[0].bound).all() for group in study.curves)


# Picture


def test_study_plot_shows_the_curves_and_the_drops():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    r = np.linspace(9, 5, 8)
    study = SubclusterStudy([[curve(1, r, 12 - r)], [curve(2, r, 11 - r, v_prior=0.6)]])
    axes = study.plot()
    drawn = axes.get_lines()
    assert [line.get_label() for line in drawn] == ["K = 1", "K = 2, drop 1.00 (chosen)"]
    np.testing.assert_allclose(drawn[1].get_xdata(), np.sort(r[4:]))
    np.testing.assert_allclose(drawn[1].get_ydata(), 11 - np.sort(r[4:]))
    assert drawn[0].get_color() is not drawn[1].get_color()
    assert "reconstruction" in axes.get_xlabel()
    assert study.plot(axes) is axes
    axes.figure.canvas.draw()
    plt.close(axes.figure)


def test_study_n_by_drops_reads_drops_as_the_paper_does():
    curves = [[curve(k, [3.0, 2.0, 1.0], 5.0 - np.array([0.0, 0.9, 1.0])[k - 1] * np.ones(3))] for k in (1, 2, 3)]
    study = SubclusterStudy(curves, cut=0.0)
    assert study.drops == pytest.approx([0.9, 0.1])
    assert study.n_by_drops == 2
