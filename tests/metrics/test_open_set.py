"""Metrics at a threshold against scikit-learn and against a search over all thresholds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from knownot import metrics


@st.composite
def classified(draw):
    n, n_classes = draw(st.integers(1, 40)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    y_true = rng.integers(-1, n_classes, n)
    y_true[0] = 0
    nearest = np.where(rng.random(n) < 0.7, np.maximum(y_true, 0), rng.integers(0, n_classes, n))
    scores = (rng.integers(0, draw(st.sampled_from([1, 4, 50])), n) + 5 * (y_true >= 0)) / 3.0
    return y_true, nearest, scores


def sklearn_macro_f1(y_true, y_pred):
    return f1_score(y_true, y_pred, labels=np.unique(y_true), average="macro", zero_division=0)


@settings(max_examples=150, deadline=None)
@given(classified(), st.floats(-1, 20))
def test_open_macro_f1_equals_scikit_learn_over_classes_with_samples(data, threshold):
    y_true, nearest, scores = data
    y_pred = np.where(scores >= threshold, nearest, -1)
    assert metrics.open_macro_f1(y_true, y_pred) == pytest.approx(sklearn_macro_f1(y_true, y_pred), abs=1e-12)


@settings(max_examples=150, deadline=None)
@given(classified())
def test_best_f1_threshold_is_the_best_of_all(data):
    y_true, nearest, scores = data
    best = metrics.best_f1_threshold(y_true, nearest, scores)
    reached = sklearn_macro_f1(y_true, np.where(scores >= best, nearest, -1))
    candidates = np.append(np.unique(scores), np.inf)
    values = [sklearn_macro_f1(y_true, np.where(scores >= t, nearest, -1)) for t in candidates]
    assert reached == pytest.approx(max(values), abs=1e-12)
    # Among the equally good ones it accepts most.
    first = candidates[np.flatnonzero(np.array(values) >= max(values) - 1e-12)[0]]
    assert np.array_equal(scores >= best, scores >= first)
    assert np.isfinite(best)


def test_best_f1_threshold_without_unknown_samples_accepts_all():
    assert metrics.best_f1_threshold([0, 1, 1], [0, 1, 0], [0.3, 0.9, 0.5]) == 0.3


def test_best_f1_threshold_may_accept_none():
    best = metrics.best_f1_threshold([-1, -1], [0, 1], [0.3, 0.9])
    assert 0.9 < best < 0.9 + 1e-12


def test_best_f1_threshold_separates_neighbouring_and_infinite_scores():
    upper = np.nextafter(1.0, 2.0)
    assert metrics.best_f1_threshold([0, -1], [0, 0], [upper, 1.0]) == upper
    assert metrics.best_f1_threshold([0, -1], [0, 0], [0.5, -np.inf]) == 0.5
    assert metrics.best_f1_threshold([-1, 0], [0, 0], [np.inf, 1.0]) == 1.0


def test_open_set_metrics_take_string_labels():
    truth, nearest = np.array(["cat", "dog", "unknown"]), np.array(["cat", "dog", "dog"])
    assert metrics.best_f1_threshold(truth, nearest, [3.0, 2.0, 1.0]) == 1.5
    assert metrics.open_macro_f1(truth, np.array(["cat", "dog", "unknown"])) == 1.0
    assert metrics.closed_set_accuracy(truth, nearest) == 1.0
    assert metrics.closed_set_accuracy(truth.astype(object), nearest) == 1.0


@settings(max_examples=60, deadline=None)
@given(classified())
def test_closed_set_accuracy_equals_scikit_learn_on_known_samples(data):
    y_true, nearest, _ = data
    known = y_true != -1
    expected = accuracy_score(y_true[known], nearest[known])
    assert metrics.closed_set_accuracy(y_true, nearest) == pytest.approx(expected)


def test_acceptance_counts_known_samples_alone():
    known = np.array([True, True, True, False, False])
    accepted = np.array([True, True, False, True, False])
    assert metrics.acceptance(known, accepted) == pytest.approx(2 / 3)


def protocol_sample():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 6, 400)
    nearest = np.where((labels < 3) & (rng.random(400) < 0.9), labels, rng.integers(0, 3, 400))
    scores = rng.normal(size=400) + 2.0 * (labels < 3)
    return labels, nearest, scores


@pytest.mark.parametrize("threshold", [0.7, [0.1, 0.4, 0.7, 1.0]])
def test_f1_against_unknown_classes_adds_them_in_the_order_given(threshold):
    labels, nearest, scores = protocol_sample()
    order = [5, 3, 4]
    values = metrics.f1_against_unknown_classes(labels, nearest, scores, threshold, order)
    for q, value in enumerate(values):
        present = np.isin(labels, [0, 1, 2, *order[:q]])
        y_true = np.where(labels < 3, labels, -1)[present]
        at = threshold[q] if isinstance(threshold, list) else threshold
        y_pred = np.where(scores >= at, nearest, -1)[present]
        assert value == pytest.approx(sklearn_macro_f1(y_true, y_pred))
    assert len(values) == 4


def test_f1_against_unknown_classes_takes_names():
    names = np.array(["ant", "bee", "cat", "dog", "elk", "fox"])
    labels, nearest, scores = protocol_sample()
    by_name = metrics.f1_against_unknown_classes(names[labels], names[nearest], scores, 0.7, ["fox", "dog"])
    present = metrics.f1_against_unknown_classes(labels, nearest, scores, 0.7, [5, 3])
    assert by_name.shape == present.shape == (3,)
    np.testing.assert_allclose(by_name, present)


def test_openness_of_published_protocols():
    # Six of ten classes, and four of 14 (CIFAR+10), the values that the literature prints.
    assert metrics.openness(6, 10) == pytest.approx(0.1339, abs=1e-4)
    assert metrics.openness(4, 14) == pytest.approx(0.3333, abs=1e-4)
    assert metrics.openness(4, 54) == pytest.approx(0.6286, abs=1e-4)
    assert metrics.openness(6, 10, form="ratio") == pytest.approx(1 - np.sqrt(0.6))
    assert metrics.openness(6, 10, 10) == pytest.approx(1 - np.sqrt(12 / 20))
    assert metrics.openness(6, 6) == metrics.openness(6, 6, form="ratio") == 0.0


def test_open_set_report_holds_what_the_single_metrics_say():
    labels, nearest, scores = protocol_sample()
    report = metrics.open_set_report(labels, nearest, scores, 0.7, classes=[0, 1, 2])
    known = labels < 3
    coded = np.where(known, labels, -1)
    y_pred = np.where(scores >= 0.7, nearest, -1)
    assert report == pytest.approx(
        {
            "closed_set_accuracy": metrics.closed_set_accuracy(coded, nearest),
            "auroc": metrics.auroc(known, scores),
            "aupr_known": metrics.aupr_known(known, scores),
            "aupr_unknown": metrics.aupr_unknown(known, scores),
            "tnr_at_tpr95": metrics.tnr_at_tpr(known, scores),
            "dtacc": metrics.dtacc(known, scores),
            "oscr": metrics.oscr(known, nearest == labels, scores),
            "threshold": 0.7,
            "acceptance": np.mean(scores[known] >= 0.7),
            "macro_f1": metrics.open_macro_f1(coded, y_pred),
            "unknown_rejection": np.mean(scores[~known] < 0.7),
            "openness_classical": metrics.openness(3, 6),
            "openness_ratio": metrics.openness(3, 6, form="ratio"),
        }
    )
    assert all(isinstance(value, float) for value in report.values())


def test_open_set_report_leaves_out_what_the_data_cannot_say():
    closed = metrics.open_set_report([0, 1, 1], [0, 1, 0], [0.3, 0.9, 0.5], 0.4)
    assert set(closed) == {"closed_set_accuracy", "threshold", "acceptance", "macro_f1"}
    without_names = metrics.open_set_report([0, 1, -1], [0, 1, 0], [0.3, 0.9, 0.5])
    assert not {"openness_ratio", "macro_f1"} & set(without_names)
    assert "oscr" in without_names


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.closed_set_accuracy([-1, -1], [0, 1]), "None of the 2 samples has a known class"),
        (lambda: metrics.closed_set_accuracy([0, 1], [0]), "y_pred has 1 entries for 2 samples"),
        (lambda: metrics.closed_set_accuracy([0, 1], ["a", "b"]), "y_pred holds strings"),
        (lambda: metrics.closed_set_accuracy(np.array([0, "a"], dtype=object), [0, 1]), "mixes numbers and strings"),
        (lambda: metrics.acceptance([False], [True]), "None of the 1 samples is known"),
        (lambda: metrics.open_macro_f1([], []), r"y_true has shape \(0,\)"),
        (lambda: metrics.best_f1_threshold([0, 1], [0, 1], [0.1]), "knownness has 1 entries for 2 samples"),
        (lambda: metrics.best_f1_threshold([0, 1], [0, 1], [0.1, np.nan]), "NaN"),
        (lambda: metrics.f1_against_unknown_classes([0, 1], [0, 0], [1, 2], [0.5], [1]), "1 thresholds for 1 unknown"),
        (lambda: metrics.f1_against_unknown_classes([0, 1], [0, 0], [1, 2], 0.5, [7]), "No sample has the label 7"),
        (lambda: metrics.f1_against_unknown_classes([0, 1], [0, 0], [1, 2], 0.5, [0, 1]), "All 2 labels are in"),
        (lambda: metrics.openness(6, 10, form="open"), "form='open' is not a form"),
        (lambda: metrics.openness(6, 5), "n_training=6, n_testing=5"),
        (lambda: metrics.open_set_report([5, 6], [0, 1], [1.0, 2.0], classes=[0, 1]), "has a known class"),
    ],
)
def test_open_set_metrics_explain_mistakes(call, message):
    with pytest.raises(ValueError, match=message):
        call()
