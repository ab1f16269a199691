"""Thresholds of classes: the guarantee for each true class, p-values by their definition, small classes."""

import numpy as np
import pytest

from knownot.rules import ClassConformalThreshold, ConformalThreshold


def draw(random, n, confusion, centres):
    """True classes, predictions by a confusion matrix, and scores that depend on both."""
    true = random.integers(0, len(confusion), n)
    predicted = np.array([random.choice(len(confusion), p=confusion[c]) for c in true])
    # Mistaken samples are less known, as they are in life.
    return random.normal(size=n) + centres[true] - 1.5 * (true != predicted), true, predicted


CONFUSIONS = {
    "told apart": np.eye(3),
    "mistaken now and then": np.array([[0.97, 0.03, 0.0], [0.01, 0.97, 0.02], [0.02, 0.0, 0.98]]),
    "mistaken often": np.array([[0.7, 0.3, 0.0], [0.2, 0.5, 0.3], [0.0, 0.1, 0.9]]),
}


@pytest.mark.parametrize("kind", CONFUSIONS)
@pytest.mark.parametrize("accept", [0.8, 0.9])
def test_every_true_class_is_accepted_at_the_rate_over_200_random_splits(kind, accept):
    random = np.random.default_rng(0)
    centres = np.array([0.0, 3.0, -3.0])
    rates, one_for_all = [], []
    calibration, new = slice(0, 300), slice(300, None)
    for _ in range(200):
        scores, true, predicted = draw(random, 700, CONFUSIONS[kind], centres)
        seen = (values[calibration] for values in (scores, true, predicted))
        threshold = ClassConformalThreshold(accept).fit(*seen, n_classes=3)
        accepted = scores[new] >= threshold.offsets_[predicted[new]]
        rates.append([accepted[true[new] == c].mean() for c in range(3)])
        pooled = scores[new] >= ConformalThreshold(accept).fit(scores[calibration]).offset_
        one_for_all.append([pooled[true[new] == c].mean() for c in range(3)])
    error = np.std(rates, axis=0, ddof=1) / np.sqrt(200)
    assert (np.mean(rates, axis=0) >= accept - 2.5 * error).all()
    assert np.mean(one_for_all, axis=0).min() < accept - 0.08, "a threshold for all fails one of them"
    if kind == "told apart":
        assert (np.mean(rates, axis=0) <= accept + 0.02 + 2.5 * error).all(), "each has its own"


def p_value_by_definition(score, k, scores, true, predicted, accept, n_classes):
    """The largest over the classes of the exact p-value of "this sample and those of class c are exchangeable"."""
    found = []
    for c in range(n_classes):
        s, codes = np.r_[scores[true == c], score], np.r_[predicted[true == c], k]
        kept = set(codes.tolist()) | {c}
        for level in range(1, len(s) + 1):
            rare = {j for j in range(n_classes) if j != c and (codes == j).sum() <= level}
            if np.isin(codes, list(rare)).sum() <= (1 - accept) / 2 * len(s) + 1e-9:
                kept = (set(range(n_classes)) - rare) | {c}
        masked = np.where(np.isin(codes, list(kept)), s, -np.inf)
        found.append((masked <= masked[-1]).mean())
    return max(found)


def test_p_values_are_those_of_the_definition_and_small_exactly_where_rejected():
    random = np.random.default_rng(1)
    for kind, accept in [("mistaken often", 0.8), ("mistaken now and then", 0.9), ("told apart", 0.9)]:
        scores, true, predicted = draw(random, 200, CONFUSIONS[kind], np.array([0.0, 3.0, -3.0]))
        scores = scores.round(1)
        threshold = ClassConformalThreshold(accept).fit(scores, true, predicted, 3)
        assert not threshold.pooled_.any()
        new, its = random.normal(size=60, scale=4).round(1), random.integers(0, 3, 60)
        expected = [
            p_value_by_definition(s, k, scores, true, predicted, accept, 3) for s, k in zip(new, its, strict=True)
        ]
        np.testing.assert_allclose(threshold.p_values(new, its), expected)
        np.testing.assert_array_equal(np.array(expected) <= 1 - accept + 1e-12, new < threshold.offsets_[its])


def test_a_small_class_takes_the_threshold_of_all():
    random = np.random.default_rng(2)
    scores, codes = random.normal(size=110), np.r_[np.zeros(50, int), np.ones(50, int), np.full(10, 2)]
    threshold = ClassConformalThreshold(0.9).fit(scores, codes, codes, 4)
    assert threshold.needed_ == 19
    assert threshold.pooled_.tolist() == [False, False, True, True]
    pooled = ConformalThreshold(0.9).fit(scores)
    assert threshold.offsets_[2] == threshold.offsets_[3] == pooled.offset_
    # The others have the samples, too, as their most unusual one of 51.
    expected = np.maximum(pooled.p_values([0.3, -9, np.nan]), 1 / 51)
    np.testing.assert_allclose(threshold.p_values([0.3, -9, np.nan], [2, 3, 2]), expected)
    assert threshold.offsets_[0] == np.sort(scores[:50])[4]


def test_accepting_all_rejects_nothing_and_order_does_not_matter():
    random = np.random.default_rng(3)
    scores, true, predicted = draw(random, 300, CONFUSIONS["mistaken often"], np.zeros(3))
    assert (ClassConformalThreshold(1.0).fit(scores, true, predicted, 3).offsets_ == -np.inf).all()
    order = random.permutation(300)
    one = ClassConformalThreshold(0.9).fit(scores, true, predicted, 3)
    other = ClassConformalThreshold(0.9).fit(scores[order], true[order], predicted[order], 3)
    np.testing.assert_array_equal(one.offsets_, other.offsets_)
    assert repr(one) == "ClassConformalThreshold(accept=0.9, 3 classes, 300 calibration samples)"


def test_hundreds_of_classes_are_no_trouble():
    random = np.random.default_rng(4)
    true = np.repeat(np.arange(400), 45)
    predicted = np.where(random.random(len(true)) < 0.1, random.integers(0, 400, len(true)), true)
    threshold = ClassConformalThreshold(0.95).fit(random.normal(size=len(true)), true, predicted, 400)
    assert np.isfinite(threshold.offsets_).all()
