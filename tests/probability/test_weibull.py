"""The Weibull fit against scipy's general one and against a root of the score by Brent's method."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import brentq, fmin
from scipy.stats import weibull_min

from knownot.probability import weibull
from knownot.probability.weibull import fit_weibull, weibull_log_cumulative_hazard, weibull_log_survival


def by_brent(values):
    """Shape and scale where the derivative of the profile likelihood vanishes."""
    logs = np.log(np.longdouble(values))
    largest = logs.max()

    def score(k):
        weights = np.exp(k * (logs - largest))
        return float((weights * logs).sum() / weights.sum() - logs.mean() - 1 / np.longdouble(k))

    shape = brentq(score, 1e-6, 1e8, xtol=1e-300, rtol=1e-15, maxiter=1000)
    return shape, float(np.exp(largest) * np.mean(np.exp(shape * (logs - largest))) ** (1 / np.longdouble(shape)))


def drawn(seed, low=-1.0, high=2.0):
    rng = np.random.default_rng(seed)
    shape, scale = 10 ** rng.uniform(low, high), 10 ** rng.uniform(-4, 4)
    return weibull_min.rvs(shape, scale=scale, size=int(rng.integers(3, 80)), random_state=rng)


def log_likelihood(values, shape, scale):
    return weibull_min.logpdf(values, shape, scale=scale).sum()


@pytest.mark.parametrize("seed", range(100))
def test_fit_weibull_finds_the_root_of_the_score(seed):
    values = drawn(seed)
    shape, scale = fit_weibull(torch.tensor(values))
    expected_shape, expected_scale = by_brent(values)
    assert shape.item() == pytest.approx(expected_shape, rel=1e-11)
    assert scale.item() == pytest.approx(expected_scale, rel=1e-11)


@pytest.mark.parametrize("seed", range(30))
def test_fit_weibull_equals_scipy_to_six_digits(seed):
    values = drawn(seed, -0.3, 1.5)
    start_shape, _, start_scale = weibull_min.fit(values, floc=0)

    def tightened(function, start, args, disp):
        return fmin(function, start, args=args, xtol=1e-10, ftol=1e-14, maxiter=5000, maxfun=5000, disp=disp)

    expected_shape, _, expected_scale = weibull_min.fit(
        values, start_shape, scale=start_scale, floc=0, optimizer=tightened
    )
    shape, scale = fit_weibull(torch.tensor(values))
    assert shape.item() == pytest.approx(expected_shape, rel=1e-6)
    assert scale.item() == pytest.approx(expected_scale, rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_fit_weibull_fits_the_largest_of_many_distances(seed):
    rng = np.random.default_rng(seed)
    tail = np.sort(np.linalg.norm(rng.normal(size=(5000, 30)), axis=1))[-20:]
    shape, scale = fit_weibull(torch.tensor(tail))
    assert (shape.item(), scale.item()) == pytest.approx(by_brent(tail), rel=1e-11)


def test_fit_weibull_of_many_samples_equals_one_at_a_time():
    samples = [drawn(seed) for seed in range(40)]
    values, where = torch.full((80, 40), torch.nan), torch.zeros(80, 40, dtype=torch.bool)
    values = values.double()
    for j, sample in enumerate(samples):
        rows = np.random.default_rng(j).permutation(80)[: len(sample)]
        values[rows, j], where[rows, j] = torch.tensor(sample), True
    shapes, scales = fit_weibull(values.reshape(80, 8, 5), where.reshape(80, 8, 5), dim=0)
    assert shapes.shape == scales.shape == (8, 5)
    for j, sample in enumerate(samples):
        shape, scale = fit_weibull(torch.tensor(sample))
        assert shapes.flatten()[j].item() == pytest.approx(shape.item(), rel=1e-11)
        assert scales.flatten()[j].item() == pytest.approx(scale.item(), rel=1e-11)


positive = st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=30)


@given(values=positive, factor=st.floats(1e-200, 1e200))
def test_fit_weibull_in_another_unit_changes_the_scale_alone(values, factor):
    assume(max(values) > 1.001 * min(values))
    values = torch.tensor(values, dtype=torch.float64)
    shape, scale = fit_weibull(values)
    other_shape, other_scale = fit_weibull(values * factor)
    torch.testing.assert_close(other_shape, shape, rtol=1e-9, atol=0)
    torch.testing.assert_close(other_scale, scale * factor, rtol=1e-9, atol=0)


@given(values=positive, power=st.floats(0.1, 10.0))
def test_fit_weibull_of_powers_divides_the_shape(values, power):
    assume(max(values) > 1.01 * min(values))
    values = torch.tensor(values, dtype=torch.float64)
    shape, scale = fit_weibull(values)
    other_shape, other_scale = fit_weibull(values**power)
    torch.testing.assert_close(other_shape, shape / power, rtol=1e-9, atol=0)
    torch.testing.assert_close(other_scale, scale**power, rtol=1e-9, atol=0)


@given(values=positive)
def test_fit_weibull_is_likelier_than_parameters_nearby(values):
    assume(max(values) > 1.01 * min(values))
    shape, scale = (number.item() for number in fit_weibull(torch.tensor(values, dtype=torch.float64)))
    assert min(values) < scale <= max(values) * (1 + 1e-12)
    best = log_likelihood(values, shape, scale)
    for k, s in ((1.01, 1.0), (0.99, 1.0), (1.0, 1.0 + 0.01 / shape), (1.0, 1.0 - 0.01 / shape)):
        assert log_likelihood(values, k * shape, s * scale) < best


def test_fit_weibull_copes_with_one_outlier_among_thousands():
    for outlier in (1e-250, 1e-3, 1e3, 1e250):
        values = np.append(np.random.default_rng(0).uniform(0.9, 1.1, 5000), outlier)
        shape, scale = fit_weibull(torch.tensor(values))
        assert (shape.item(), scale.item()) == pytest.approx(by_brent(values), rel=1e-9)


@pytest.mark.parametrize("start", [-12.0, 0.25, 12.0])
def test_fit_weibull_finds_the_same_root_from_any_start(monkeypatch, start):
    values = torch.tensor(np.stack([np.sort(drawn(seed))[:3] for seed in range(200)]))
    expected = fit_weibull(values)
    monkeypatch.setattr(weibull, "_N_BARE_STEPS", 0)
    monkeypatch.setattr(weibull, "_START", start)
    for ours, theirs in zip(fit_weibull(values), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=0)


def test_fit_weibull_keeps_the_digits_of_nearly_equal_values():
    # Offsets that are exact in binary: 1 + j 2^-40.
    offsets = np.array([0.0, 1.0, 2.0, 5.0, 7.0])
    shape, scale = fit_weibull(torch.tensor(1.0 + offsets * 2.0**-40))
    # To first order log x is x - 1: a Gumbel fit, of which the shape is the inverse scale.
    expected = brentq(
        lambda k: (np.exp(k * offsets) @ offsets) / np.exp(k * offsets).sum() - offsets.mean() - 1 / k, 0.1, 9
    )
    assert shape.item() == pytest.approx(expected * 2.0**40, rel=1e-9)
    assert scale.item() == pytest.approx(1.0)


def test_fit_weibull_of_equal_values_is_a_step():
    values = torch.tensor([[3.0, 3.0, 3.0], [1.0, 2.0, 3.0]])
    shape, scale = fit_weibull(values)
    assert shape[0] == torch.inf
    assert scale[0] == 3.0
    assert (shape[1].item(), scale[1].item()) == pytest.approx(by_brent([1.0, 2.0, 3.0]))
    alone, its_value = fit_weibull(torch.tensor([0.7]))
    assert alone == torch.inf
    assert its_value.item() == pytest.approx(0.7)
    steps = weibull_log_survival(torch.tensor([2.9, 3.0, 3.1]), shape[0], scale[0])
    assert steps.tolist() == [0.0, -1.0, -torch.inf]


def test_fit_weibull_computes_in_double_precision():
    values = torch.tensor([1, 2, 5, 9])
    expected = fit_weibull(values.double())
    for dtype in (torch.int64, torch.float32, torch.bfloat16):
        shape, scale = fit_weibull(values.to(dtype))
        assert shape.dtype == scale.dtype == torch.float64
        assert (shape, scale) == expected


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_fit_weibull_refuses_values_that_are_not_positive_and_finite(value):
    with pytest.raises(ValueError, match=f"positive numbers, and {value} is among the values: leave out"):
        fit_weibull(torch.tensor([1.0, value, 2.0]))
    fit_weibull(torch.tensor([1.0, value, 2.0]), torch.tensor([True, False, True]))


def test_fit_weibull_refuses_an_empty_sample():
    with pytest.raises(ValueError, match="a sample without values has no Weibull distribution"):
        fit_weibull(torch.empty(3, 0))
    with pytest.raises(ValueError, match="a sample without values has no Weibull distribution"):
        fit_weibull(torch.ones(2, 2), torch.tensor([[True, True], [False, False]]))
    assert [len(fitted) for fitted in fit_weibull(torch.empty(0, 5))] == [0, 0]


def test_fit_weibull_refuses_a_mask_of_another_shape():
    with pytest.raises(ValueError, match=r"where has shape \(3,\) and values \(2, 3\)"):
        fit_weibull(torch.ones(2, 3), torch.ones(3, dtype=torch.bool))


def test_weibull_log_survival_equals_scipy_and_keeps_its_order():
    x = torch.tensor([0.0, 1e-3, 0.5, 1.0, 2.0, 5.0, 9.0, 1e3, 1e30], dtype=torch.float64)
    shape, scale = torch.tensor([0.7, 3.0, 40.0]).double()[:, None], torch.tensor([2.0, 0.1, 5.0]).double()[:, None]
    with np.errstate(over="ignore"):
        expected = torch.tensor(weibull_min.logsf(x.numpy(), shape.numpy(), scale=scale.numpy()))
    torch.testing.assert_close(weibull_log_survival(x, shape, scale), expected, rtol=1e-12, atol=0)
    hazard = weibull_log_cumulative_hazard(x, shape, scale)
    middle = (expected < -1e-200) & expected.isfinite()
    torch.testing.assert_close(hazard[middle], (-expected[middle]).log(), rtol=1e-12, atol=1e-12)
    assert (hazard.diff(dim=1) > 0).all()
    assert weibull_log_cumulative_hazard(torch.tensor([0.0, torch.inf]), *torch.tensor([9.0, 2.0])).isfinite().all()
    assert weibull_log_survival(torch.tensor(-1.0), *torch.tensor([9.0, 2.0])) == 0.0
