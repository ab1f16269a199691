"""Thresholds: the conformal guarantee, p-values, and the best F1 by brute force."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control
from sklearn.metrics import f1_score

from knownot.rules import ConformalThreshold, discoveries, f1_threshold, quantile_threshold


@pytest.mark.parametrize("n", [19, 50, 333])
@pytest.mark.parametrize("accept", [0.8, 0.95])
def test_conformal_threshold_keeps_its_guarantee_over_200_random_splits(n, accept):
    """Mean acceptance of new samples lies in [accept, accept + 1/(n+1)], up to the error of 200 splits."""
    random = np.random.default_rng(n)
    rates = []
    for _ in range(200):
        scores = random.standard_cauchy(n + 500)
        threshold = ConformalThreshold(accept).fit(scores[:n])
        rates.append((scores[n:] >= threshold.offset_).mean())
    error = np.std(rates, ddof=1) / np.sqrt(200)
    assert accept - 3 * error <= np.mean(rates) <= accept + 1 / (n + 1) + 3 * error


def test_p_values_are_superuniform_on_known_samples():
    random = np.random.default_rng(0)
    p = np.concatenate(
        [ConformalThreshold().fit(random.normal(size=99)).p_values(random.normal(size=50)) for _ in range(200)]
    )
    for level in (0.01, 0.05, 0.2, 0.5):
        assert (p <= level).mean() <= level + 0.01


def test_p_values_are_small_exactly_where_samples_are_rejected():
    random = np.random.default_rng(1)
    threshold = ConformalThreshold(0.9).fit(random.normal(size=200).round(1))
    new = random.normal(size=1000).round(1)
    assert ((threshold.p_values(new) <= 0.1 + 1e-12) == (new < threshold.offset_)).all()


def test_p_values_control_false_discoveries_over_a_batch():
    """Among what is called unknown at level 20 %, at most 20 % are known, on average."""
    random = np.random.default_rng(2)
    shares = []
    for _ in range(100):
        threshold = ConformalThreshold().fit(random.normal(size=1000))
        scores = np.concatenate([random.normal(size=180), random.normal(-5, 1, size=20)])
        called = false_discovery_control(threshold.p_values(scores)) <= 0.2
        shares.append(called[:180].sum() / max(called.sum(), 1))
    assert np.mean(shares) < 0.2 + 3 * np.std(shares) / 10


def test_conformal_threshold_of_too_few_samples_accepts_all_and_warns():
    with pytest.warns(UserWarning, match="18 calibration samples are too few .* at least 19"):
        threshold = ConformalThreshold(0.95).fit(np.arange(18))
    assert threshold.offset_ == -np.inf
    assert ConformalThreshold(0.95).fit(np.arange(19)).offset_ == 0.0


@pytest.mark.parametrize(("accept", "enough"), [(0.7, 3), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99)])
def test_conformal_threshold_asks_for_the_smallest_number_that_rejects(accept, enough):
    with pytest.warns(UserWarning, match=f"at least {enough} held-out"):
        ConformalThreshold(accept).fit(np.arange(enough - 1))
    assert np.isfinite(ConformalThreshold(accept).fit(np.arange(enough)).offset_)


def test_p_values_of_nan_are_the_smallest():
    assert ConformalThreshold().fit(np.arange(99)).p_values([np.nan, -np.inf]).tolist() == [0.01, 0.01]


@pytest.mark.parametrize("accept", [0.5, 0.9, 0.95, 1.0])
def test_quantile_threshold_accepts_the_share_and_no_more_than_needed(accept):
    scores = np.random.default_rng(3).normal(size=137)
    rate = (scores >= quantile_threshold(scores, accept)).mean()
    assert accept <= rate < accept + 1 / 137


def test_f1_threshold_equals_a_search_over_all_thresholds():
    random = np.random.default_rng(4)
    true, scores, unknown = random.integers(0, 3, 80), random.normal(1, 1, 80).round(1), random.normal(size=60).round(1)
    predicted = np.where(random.random(80) < 0.8, true, (true + 1) % 3)
    y_true = np.concatenate([true, np.full(60, -1)])
    every = np.concatenate([scores, unknown])
    chosen = np.concatenate([predicted, np.zeros(60, int)])

    def f1(threshold):
        return f1_score(y_true, np.where(every >= threshold, chosen, -1), labels=[-1, 0, 1, 2], average="macro")

    best = max(f1(t) for t in [*np.unique(every), np.inf])
    assert f1(f1_threshold(scores, true, predicted, unknown)) == pytest.approx(best)


def test_f1_threshold_counts_the_classes_of_unknown_samples():
    differ = 0
    for seed in range(10):
        random = np.random.default_rng(seed)
        # Few samples of class 2, which loses most by those that do not belong to it.
        true, scores, unknown = random.choice(3, 40, p=[0.6, 0.3, 0.1]), random.normal(1, 1, 40), random.normal(size=40)
        landed = np.full(40, 2)
        y_true, chosen = np.concatenate([true, np.full(40, -1)]), np.concatenate([true, landed])
        every = np.concatenate([scores, unknown])
        f1s = {
            t: f1_score(y_true, np.where(every >= t, chosen, -1), labels=[-1, 0, 1, 2], average="macro")
            for t in [*every, np.inf]
        }
        threshold = f1_threshold(scores, true, true, unknown, landed)
        answers = np.where(every >= threshold, chosen, -1)
        found = f1_score(y_true, answers, labels=[-1, 0, 1, 2], average="macro")
        assert found == pytest.approx(max(f1s.values()))
        differ += threshold != f1_threshold(scores, true, true, unknown)
    assert differ >= 2


@pytest.mark.parametrize("accept", [0.0, -0.1, 1.2, 95])
def test_conformal_threshold_refuses_impossible_rates(accept):
    with pytest.raises(ValueError, match="is no acceptance rate"):
        ConformalThreshold(accept)


def test_conformal_threshold_refuses_scores_that_cannot_calibrate():
    with pytest.raises(ValueError, match="no scores of known samples"):
        ConformalThreshold().fit([])
    with pytest.raises(ValueError, match="1 of 2 calibration scores are NaN"):
        ConformalThreshold().fit([1.0, np.nan])


def test_conformal_threshold_says_what_it_is():
    assert repr(ConformalThreshold(0.9)) == "ConformalThreshold(accept=0.9)"
    assert repr(ConformalThreshold(0.9).fit(range(1, 100))) == "ConformalThreshold(accept=0.9, offset=10, 99 samples)"


@pytest.mark.parametrize("fdr", [0.05, 0.1, 0.5])
def test_discoveries_are_those_of_the_step_up_rule(fdr):
    """The k smallest p-values, for the largest k with p_(k) <= fdr * k / N."""
    random = np.random.default_rng(0)
    for _ in range(50):
        p = np.r_[random.uniform(size=20), random.uniform(0, 0.01, size=5)]
        ordered = np.sort(p)
        passing = np.flatnonzero(ordered <= fdr * np.arange(1, 26) / 25)
        expected = p <= ordered[passing[-1]] if len(passing) else np.zeros(25, bool)
        np.testing.assert_array_equal(discoveries(p, fdr, 1000), expected)


def test_discoveries_keep_the_false_discovery_rate_over_300_batches():
    """Of 50 samples 10 are unknown; one calibration for each batch. The rate is fdr times the share of known."""
    random = np.random.default_rng(1)
    false, found = [], []
    for _ in range(300):
        threshold = ConformalThreshold().fit(random.normal(size=200))
        unknown = np.arange(50) < 10
        chosen = discoveries(threshold.p_values(random.normal(size=50) - 4.0 * unknown), 0.1, 200)
        false.append((chosen & ~unknown).sum() / max(chosen.sum(), 1))
        found.append(chosen[unknown].mean())
    error = np.std(false, ddof=1) / np.sqrt(300)
    # Not far below either: whoever selects nothing has no false discoveries.
    assert 0.04 < np.mean(false) <= 0.1 + 2 * error
    assert np.mean(found) > 0.75


def test_discoveries_say_when_the_calibration_samples_are_too_few():
    with pytest.warns(UserWarning, match="of 30 samples, only 15 or more can be selected together.*299 for a single"):
        assert not discoveries(np.full(30, 0.5), 0.1, 19).any()
    with pytest.warns(UserWarning, match="of 4 samples, however unusual, none can be selected"):
        assert not discoveries(np.full(4, 0.2), 0.1, 4).any()
    # As many as it takes, at the smallest p-value: then all of them.
    assert discoveries(np.r_[np.full(15, 0.05), np.ones(15)], 0.1, 19).sum() == 15
    with pytest.warns(UserWarning, match="only 15"):
        assert not discoveries(np.r_[np.full(14, 0.05), np.ones(16)], 0.1, 19).any()
    assert discoveries([], 0.1, 19).shape == (0,)


@pytest.mark.parametrize("fdr", [0.0, 1.0, -1, float("nan")])
def test_discoveries_refuse_what_is_no_rate(fdr):
    with pytest.raises(ValueError, match="is no false-discovery rate: give a share between 0 and 1"):
        discoveries([0.5], fdr, 10)
