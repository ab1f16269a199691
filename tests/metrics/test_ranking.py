"""Ranking metrics against scikit-learn and against their definitions over all pairs and thresholds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import auc, average_precision_score, roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc_curve

from knownot import metrics


@st.composite
def scored(draw):
    """Known flags, right flags and scores on a coarse grid, so that many are equal."""
    n = draw(st.integers(2, 40))
    known = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    known[0], known[1] = True, False
    correct = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    levels = draw(st.sampled_from([2, 5, 100]))
    scores = np.array(draw(st.lists(st.integers(0, levels), min_size=n, max_size=n)), dtype=float) / 7.0
    return known, correct, scores


def oscr_over_pairs(known, correct, scores):
    a, b = scores[known], scores[~known]
    wins = (a[:, None] > b) + 0.5 * (a[:, None] == b)
    return float(np.mean(wins * correct[known][:, None]))


def rates_at_every_threshold(known, scores):
    thresholds = np.append(np.inf, np.unique(scores)[::-1])
    accepted = scores >= thresholds[:, None]
    return accepted[:, known].mean(1), accepted[:, ~known].mean(1)


@settings(max_examples=150, deadline=None)
@given(scored())
def test_auroc_and_aupr_equal_scikit_learn(data):
    known, _, scores = data
    assert metrics.auroc(known, scores) == pytest.approx(roc_auc_score(known, scores), abs=1e-12)
    assert metrics.aupr_known(known, scores) == pytest.approx(average_precision_score(known, scores), abs=1e-12)
    assert metrics.aupr_unknown(known, scores) == pytest.approx(average_precision_score(~known, -scores), abs=1e-12)


@settings(max_examples=150, deadline=None)
@given(scored())
def test_oscr_equals_the_mean_over_all_pairs(data):
    known, correct, scores = data
    assert metrics.oscr(known, correct, scores) == pytest.approx(oscr_over_pairs(known, correct, scores), abs=1e-12)
    assert metrics.oscr(known, known, scores) == pytest.approx(metrics.auroc(known, scores), abs=1e-12)


@settings(max_examples=150, deadline=None)
@given(scored(), st.sampled_from([0.5, 0.75, 0.95, 1.0]))
def test_dtacc_and_tnr_at_tpr_equal_their_definitions(data, asked):
    known, _, scores = data
    tpr, fpr = rates_at_every_threshold(known, scores)
    assert metrics.dtacc(known, scores) == pytest.approx(0.5 * np.max(tpr + 1 - fpr), abs=1e-12)
    expected = np.max(1 - fpr[tpr >= asked - 1e-9])
    assert metrics.tnr_at_tpr(known, scores, asked) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(scored(), st.integers(0, 2**31))
def test_ranking_metrics_ignore_the_order_of_samples_and_the_scale_of_scores(data, seed):
    known, correct, scores = data
    order = np.random.default_rng(seed).permutation(len(known))
    for metric in (metrics.auroc, metrics.aupr_known, metrics.aupr_unknown, metrics.dtacc, metrics.tnr_at_tpr):
        value = metric(known, scores)
        assert 0.0 <= value <= 1.0
        assert metric(known[order], 3.0 * scores[order] - 5.0) == pytest.approx(value, abs=1e-12)
    value = metrics.oscr(known, correct, scores)
    assert metrics.oscr(known[order], correct[order], 3.0 * scores[order] - 5.0) == pytest.approx(value, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(scored())
def test_roc_curve_has_the_points_of_scikit_learn(data):
    known, _, scores = data
    curve = metrics.roc_curve(known, scores)
    fpr, tpr, thresholds = sklearn_roc_curve(known, scores, drop_intermediate=False)
    np.testing.assert_allclose(curve.x, fpr)
    np.testing.assert_allclose(curve.y, tpr)
    np.testing.assert_allclose(curve.thresholds, thresholds)


def test_oscr_curve_follows_its_definition_at_every_threshold():
    rng = np.random.default_rng(0)
    known, correct = rng.random(300) < 0.6, rng.random(300) < 0.8
    scores = rng.integers(0, 40, 300) + known
    curve = metrics.oscr_curve(known, correct, scores)
    for threshold, fpr, ccr in zip(curve.thresholds, curve.x, curve.y, strict=True):
        # "Accept from this score on" is "accept above the next lower one" of the published definition.
        assert fpr == pytest.approx(np.mean(scores[~known] >= threshold))
        assert ccr == pytest.approx(np.sum(known & correct & (scores >= threshold)) / known.sum())
    assert curve.x[-1] == 1.0
    assert curve.y[-1] == pytest.approx(correct[known].mean())


def test_roc_and_oscr_curve_with_max_points_keep_ends_and_area():
    rng = np.random.default_rng(1)
    known = rng.random(5000) < 0.5
    scores = rng.normal(size=5000) + known
    for full, thin in (
        (metrics.roc_curve(known, scores), metrics.roc_curve(known, scores, max_points=200)),
        (metrics.oscr_curve(known, known, scores), metrics.oscr_curve(known, known, scores, max_points=200)),
    ):
        assert 150 <= len(thin.x) <= 202
        assert (thin.x[0], thin.y[0], thin.x[-1], thin.y[-1]) == (full.x[0], full.y[0], full.x[-1], full.y[-1])
        assert auc(thin.x, thin.y) == pytest.approx(auc(full.x, full.y), abs=2e-3)


def test_auroc_ranks_infinite_scores():
    assert metrics.auroc([True, True, False], [np.inf, 0.0, -np.inf]) == 1.0


def test_auroc_takes_integer_flags_as_bools():
    assert metrics.auroc([1, 0], [1.0, 0.0]) == 1.0


@pytest.mark.parametrize(
    ("known", "scores", "message"),
    [
        ([True, True], [1.0, 2.0], "All 2 samples are known"),
        ([False, False], [1.0, 2.0], "All 2 samples are unknown"),
        ([True, False], [1.0, np.nan], r"1 of 2 knownness scores are NaN, the first at \[1\]"),
        ([True, False, True], [1.0, 2.0], r"known has shape \(3,\) for 2 samples"),
        ([True, False], [[1.0, 2.0]], r"knownness has shape \(1, 2\)"),
        ([], [], r"knownness has shape \(0,\)"),
        ([1, 2], [1.0, 2.0], "known holds other values than True and False"),
    ],
)
@pytest.mark.parametrize("name", ["auroc", "aupr_known", "aupr_unknown", "dtacc", "tnr_at_tpr", "roc_curve"])
def test_ranking_metrics_explain_mistakes(name, known, scores, message):
    with pytest.raises(ValueError, match=message):
        getattr(metrics, name)(known, scores)


def test_oscr_explains_mistakes():
    with pytest.raises(ValueError, match=r"correct has shape \(1,\) for 2 samples"):
        metrics.oscr([True, False], [True], [1.0, 2.0])
    with pytest.raises(ValueError, match="All 2 samples are known"):
        metrics.oscr([True, True], [True, True], [1.0, 2.0])


def test_tnr_at_tpr_and_roc_curve_refuse_what_is_out_of_range():
    with pytest.raises(ValueError, match="tpr=95 is not a share"):
        metrics.tnr_at_tpr([True, False], [1.0, 0.0], tpr=95)
    with pytest.raises(ValueError, match="max_points=1 is too few"):
        metrics.roc_curve([True, False], [1.0, 0.0], max_points=1)
