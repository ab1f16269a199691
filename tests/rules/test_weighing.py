"""Weights learned from hidden classes, and the forecast: against brute force, and what must not flatter."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import t as student
from sklearn.metrics import roc_auc_score

from knownot.rules.weighing import HiddenFold, forecast, interval_of, learn_weights


def folds(shifts, n=150, seed=0):
    """Exponential surprises of known samples, and of hidden ones with these shifts, (folds, columns)."""
    random = np.random.default_rng(seed)
    shifts = np.atleast_2d(shifts)
    m = shifts.shape[1]
    return [HiddenFold(random.exponential(size=(n, m)), random.exponential(size=(n, m)) + s) for s in shifts]


def test_auroc_of_a_weighted_sum():
    fold = folds([[1.0, 0.0, 0.3]])[0]
    weights = np.array([0.5, 0.1, 0.4])
    expected = roc_auc_score(np.repeat([1, 0], 150), -np.r_[fold.known @ weights, fold.hidden @ weights])
    assert fold.auroc(weights) == pytest.approx(expected)


def test_weights_find_the_useful_column():
    weights = learn_weights(folds([[0, 0, 2.5, 0, 0]] * 4), 5)
    assert weights.argmax() == 2
    assert weights[2] > 0.9


def test_weights_are_those_of_the_documented_regression():
    """A slow solver without gradients finds the same least loss."""
    data = [HiddenFold(fold.known[:20], fold.hidden) for fold in folds([[1.0, 0.2], [0.5, 0.4]], n=60)]
    aurocs = np.array([[fold.auroc(np.eye(2)[j]) for j in range(2)] for fold in data])
    prior = np.maximum((aurocs.sum(0) + 0.75) / 3 - 0.5, 0) ** 4
    goal = 2.0 * prior / prior.sum()

    def loss(parameters):
        total = 0.1 * np.square(parameters[:2] - goal).sum()
        for fold, offset in zip(data, parameters[2:], strict=True):
            known, hidden = (part @ parameters[:2] + offset for part in fold)
            total += (np.logaddexp(0, known).mean() + np.logaddexp(0, -hidden).mean()) / 4
        return total

    found = minimize(
        loss, [1, 1, -1, -1], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 9999}
    )
    weights = found.x[:2]
    assert (weights > 0).all()
    np.testing.assert_allclose(learn_weights(data, 2), weights / weights.sum(), atol=1e-3)


@given(st.lists(st.lists(st.floats(-2, 3), min_size=3, max_size=3), min_size=1, max_size=4), st.integers(0, 99))
def test_weights_are_never_negative_and_sum_to_one(shifts, seed):
    weights = learn_weights(folds(shifts, n=20, seed=seed), 3)
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1.0)


def test_weights_without_folds_or_hope_are_equal():
    np.testing.assert_array_equal(learn_weights([], 4), np.full(4, 0.25))
    np.testing.assert_allclose(learn_weights(folds([[-1.0, -1.0]] * 3), 2), 0.5, atol=1e-6)


def test_a_misleading_column_gets_nothing():
    weights = learn_weights(folds([[1.0, -3.0]] * 3), 2)
    assert weights[1] == 0.0


def test_columns_that_said_nothing_in_some_folds_are_judged_by_the_others():
    data = folds([[0.3, 2.0]] * 4)
    for fold in data[:2]:
        fold.known[:, 1] = fold.hidden[:, 1] = np.nan
    assert learn_weights(data, 2).argmax() == 1
    assert np.isfinite(learn_weights(data, 2)).all()


def test_columns_that_no_fold_could_judge_get_the_average():
    data = folds([[0.5, 2.0, 0.0]] * 3)
    for fold in data:
        fold.known[:, 2] = fold.hidden[:, 2] = np.nan
    weights = learn_weights(data, 3)
    without = learn_weights([HiddenFold(fold.known[:, :2], fold.hidden[:, :2]) for fold in data], 2)
    assert 0 < weights[2] < weights[1]
    assert weights[1] / weights[0] == pytest.approx(without[1] / without[0], rel=0.5)
    for fold in data:
        fold.known[:] = fold.hidden[:] = np.nan
    np.testing.assert_allclose(learn_weights(data, 3), 1 / 3)


def test_folds_and_kinds_count_alike():
    """A fold with a hundred times the samples, or with many more hidden than known, does not drown the others."""
    small, large = folds([[2.0, 0.0]], n=40)[0], folds([[0.0, 2.0]], n=390, seed=1)[0]
    weights = learn_weights([small, large], 2)
    assert 0.3 < weights[0] < 0.7
    lopsided = HiddenFold(large.known[:20], large.hidden)
    assert learn_weights([lopsided], 2)[1] > 0.8


def test_one_sample_cannot_decide():
    fold = folds([[1.0, 0.0]])[0]
    fold.hidden[0] = [0.0, 1e12]
    fold.known[0] = [0.0, np.inf]
    assert learn_weights([fold] * 2, 2)[0] > 0.8
    assert fold.thinned().hidden.max() == 30.0


@pytest.mark.parametrize("n", [1, 399, 400, 799, 800, 5000])
def test_thinned_folds_hold_some_hundreds(n):
    fold = HiddenFold(np.arange(n, dtype=float)[:, None] / n, np.ones((3, 1)))
    known = fold.thinned().known
    assert len(known) < 800
    assert len(known) >= min(n, 400)
    assert abs(known.mean() - (n - 1) / 2 / n) < 0.01, "evenly drawn"


def test_forecast_is_not_flattered_by_the_choice_of_weights():
    """Each column is good in one fold alone: weights chosen on all folds look useful, but tell nothing of a new one."""
    n_folds = 6
    shifts = np.where(np.eye(n_folds), 3.0, -0.4)
    data = folds(shifts, n=200)
    naive = np.mean([fold.auroc(learn_weights(data, n_folds)) for fold in data])
    told = forecast(data, n_folds, n_folds)
    assert naive > 0.6
    assert told.auroc < 0.45
    new = folds([np.full(n_folds, -0.4)], n=2000, seed=7)[0].auroc(learn_weights(data, n_folds))
    assert abs(told.auroc - new) < 0.1


def test_forecast_scores_each_fold_with_the_weights_of_the_others():
    data = folds([[2.0, 0.1], [1.0, 0.5], [0.2, 1.5]])
    told = forecast(data, 2, 3)
    for i, value in enumerate(told.by_fold):
        weights = learn_weights([fold for j, fold in enumerate(data) if j != i], 2)
        assert value == pytest.approx(data[i].auroc(weights))
    assert told.auroc == pytest.approx(np.mean(told.by_fold))
    rejected = []
    for i, fold in enumerate(data):
        weights = learn_weights([other for j, other in enumerate(data) if j != i], 2)
        line = np.quantile(fold.known @ weights, 0.95)
        rejected.append((fold.hidden @ weights > line).mean())
    assert told.rejection == pytest.approx(np.mean(rejected))


def test_interval_is_students_with_a_spread_worth_four_folds():
    values = np.array([0.7, 0.8, 0.9])
    logits = np.log(values / (1 - values))
    spread = math.sqrt((4 * 0.8**2 + ((logits - logits.mean()) ** 2).sum()) / 6)
    half = student.ppf(0.95, 6) * spread * math.sqrt(4 / 3)
    expected = 1 / (1 + np.exp(-(logits.mean() + np.array([-half, half]))))
    mean, low, high = interval_of(values)
    assert (mean, low, high) == pytest.approx((0.8, *expected))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_interval_holds_the_expected_value(values):
    mean, low, high = interval_of(np.array(values))
    assert 0.0 <= low <= mean + 1e-12
    assert mean - 1e-12 <= high <= 1.0


def test_interval_reaches_what_cannot_be_told_apart_from_one():
    assert interval_of(np.ones(6))[2] == 1.0
    assert interval_of(np.zeros(6))[1] == 0.0
    assert interval_of(np.full(6, 0.7))[2] < 0.95


def test_interval_holds_a_new_group_nine_times_of_ten():
    """Groups whose AUROCs scatter by 0.8 on the logit scale, as was expected of them."""
    random = np.random.default_rng(0)
    hits = []
    for _ in range(2000):
        values = 1 / (1 + np.exp(-random.normal(1.5, 0.8, size=7)))
        _, low, high = interval_of(values[:6])
        hits.append(low <= values[6] <= high)
    assert 0.87 < np.mean(hits) < 0.93


def test_forecast_says_what_it_cannot_know():
    nothing = forecast([], 3, 1)
    assert math.isnan(nothing.auroc)
    assert (nothing.low, nothing.high, nothing.by_fold) == (0.0, 1.0, ())
    assert "one known class" in nothing.note
    assert "too few samples of each class" in forecast([], 3, 5).note
    assert "with two known classes" in forecast(folds([[1.0]] * 2), 1, 2).note
    assert forecast(folds([[1.0]] * 3), 1, 3).note == ""
    assert 0.6 < forecast(folds([[1.0]]), 1, 3).auroc < 1.0
