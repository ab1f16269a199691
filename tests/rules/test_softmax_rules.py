"""Rules on logits against scipy in float64, and where float runs out, against exact reasoning."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import logit, logsumexp, softmax

from knownot.rules.softmax import Energy, MaximumLogit, MaximumSoftmax

RULES = [MaximumSoftmax(), MaximumLogit(), Energy(), Energy(energy_temperature=2.5)]
LOGITS = arrays(np.float64, st.tuples(st.integers(1, 6), st.just(4)), elements=st.floats(-30, 30))


def fitted(rule, n_classes=4):
    return type(rule)(**rule.get_params()).fit(torch.zeros(n_classes, 2), torch.arange(n_classes))


def knownness(rule, logits):
    logits = torch.as_tensor(logits)
    return fitted(rule, logits.shape[1]).score(torch.zeros(len(logits), 2), {"logits": logits})[1].numpy()


def some_logits(n=200, scale=4.0):
    return scale * torch.randn(n, 4, generator=torch.Generator().manual_seed(0))


def test_softmax_rules_equal_scipy():
    logits = some_logits()
    exact = logits.double().numpy()
    largest = softmax(exact, axis=1).max(1)
    np.testing.assert_allclose(knownness(MaximumSoftmax(), logits), logit(largest), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(knownness(MaximumLogit(), logits), exact.max(1))
    np.testing.assert_allclose(knownness(Energy(), logits), logsumexp(exact, axis=1), rtol=1e-12)
    np.testing.assert_allclose(knownness(Energy(2.5), logits), 2.5 * logsumexp(exact / 2.5, axis=1), rtol=1e-12)


@given(LOGITS)
def test_maximum_softmax_orders_as_the_probability_does(logits):
    largest, found = softmax(logits, axis=1).max(1), knownness(MaximumSoftmax(), logits)
    clear = largest[:, None] > largest[None] + 1e-12
    assert (found[:, None] > found[None])[clear].all()
    np.testing.assert_allclose(1 / (1 + np.exp(-found)), largest, rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rule", RULES)
def test_softmax_rules_keep_the_order_where_probabilities_round_to_one(rule, dtype):
    tops = torch.tensor([0.5, 10.0, 40.0, 50.0, 900.0, 1000.0, 1001.0, 1e5], dtype=dtype)
    found = knownness(rule, torch.stack([tops, torch.zeros_like(tops)], 1))
    assert np.isfinite(found).all()
    assert (np.diff(found) > 0).all()


def test_maximum_softmax_of_two_classes_is_the_difference_of_their_logits():
    np.testing.assert_array_equal(knownness(MaximumSoftmax(), torch.tensor([[1000.0, 0.0], [2.0, 5.0]])), [1000.0, 3.0])
    # A tie of all four: p = 1/4.
    np.testing.assert_allclose(knownness(MaximumSoftmax(), torch.full((1, 4), 7.0)), [np.log(1 / 3)])


@pytest.mark.parametrize("shift", [-20.0, 3.5])
def test_maximum_softmax_alone_ignores_a_common_shift(shift):
    logits = some_logits().double()
    moved = {type(rule).__name__: knownness(rule, logits + shift) - knownness(rule, logits) for rule in RULES}
    np.testing.assert_allclose(moved["MaximumSoftmax"], 0.0, atol=1e-9)
    np.testing.assert_allclose(moved["MaximumLogit"], shift)
    np.testing.assert_allclose(moved["Energy"], shift)


@given(LOGITS, st.floats(0.05, 20.0))
def test_energy_lies_between_the_largest_logit_and_t_log_c_above(logits, t):
    excess = knownness(Energy(t), logits) - logits.max(1)
    assert (excess >= -1e-9).all()
    assert (excess <= t * np.log(4) + 1e-9).all()


@pytest.mark.parametrize("rule", RULES)
def test_softmax_rules_take_class_and_probabilities_from_the_logits(rule):
    logits = some_logits()
    verdict = fitted(rule).evaluate(torch.zeros(len(logits), 2), {"logits": logits})
    np.testing.assert_array_equal(verdict.logits.argmax(1), logits.argmax(1))
    np.testing.assert_allclose(fitted(rule).predict_proba(verdict), softmax(logits.double().numpy(), axis=1))


@pytest.mark.parametrize("rule", RULES)
def test_softmax_rules_calibrate_finds_the_temperature(rule):
    """Labels drawn from softmax(logits / 3) have their least cross-entropy about T = 3."""
    logits = some_logits(8000)
    y = torch.multinomial(torch.softmax(logits / 3.0, 1), 1, generator=torch.Generator().manual_seed(1)).squeeze(1)
    z, evidence = torch.zeros(len(logits), 2), {"logits": logits}
    rule = fitted(rule)
    before = rule.score(z, evidence)[1]
    assert rule.calibrate(z, y, evidence).temperature == pytest.approx(3.0, rel=0.1)
    assert torch.equal(rule.score(z, evidence)[1], before)
    assert type(rule)(**rule.get_params()).temperature == 1.0


@pytest.mark.parametrize("rule", RULES)
def test_softmax_rules_are_restored_from_settings_and_state(rule):
    logits = some_logits()
    evidence, z = {"logits": logits}, torch.zeros(len(logits), 2)
    copy = type(rule)(**rule.get_params()).restore(fitted(rule).state())
    assert copy.n_classes_ == 4
    assert torch.equal(copy.score(z, evidence)[1], fitted(rule).score(z, evidence)[1])
    assert all(isinstance(value, torch.Tensor) for value in fitted(rule).state().values())
    assert not hasattr(type(rule)(**rule.get_params()), "n_classes_")


@pytest.mark.parametrize("rule", RULES)
def test_softmax_rules_explain_mistakes(rule):
    with pytest.raises(ValueError, match="tell classes apart, but there is one class: give samples of at least two"):
        rule.check([3])
    with pytest.raises(ValueError, match="but there is one class"):
        fitted(rule, 1)
    with pytest.raises(ValueError, match="every class has at least one"):
        rule.check([1, 0])
    with pytest.raises(ValueError, match="needs the evidence logits, which is not provided by this model"):
        fitted(rule).score(torch.zeros(3, 2), {"deviance": torch.zeros(3)})
    with pytest.raises(ValueError, match=r"has shape \(3, 5\), but .* was fitted on 4 classes: give logits of shape"):
        fitted(rule).score(torch.zeros(3, 2), {"logits": torch.zeros(3, 5)})


@pytest.mark.parametrize("t", [0.0, -1.0, float("inf"), float("nan")])
def test_energy_needs_a_temperature_above_zero(t):
    with pytest.raises(ValueError, match=r"energy_temperature=.* does not work: give a number above 0"):
        Energy(t).fit(torch.zeros(2, 1), torch.tensor([0, 1]))
