"""Likelihoods against scipy, quadrature and their own gradients."""

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from knownot.probability import GreyBernoulli, TruncatedNormal, log_mass_unit_interval, make_likelihood

LOCS = [-3.0, -0.4, 0.0, 0.3, 1.0, 1.6, 4.0]
SCALES = [0.05, 0.1, 0.7, 5.0]


def truncnorm(loc, scale):
    return stats.truncnorm(-loc / scale, (1 - loc) / scale, loc, scale)


def test_grey_bernoulli_is_binary_cross_entropy():
    x, mean = torch.tensor([0.0, 0.25, 1.0]).double(), torch.tensor([0.1, 0.6, 0.9]).double()
    expected = x * mean.log() + (1 - x) * (1 - mean).log()
    torch.testing.assert_close(GreyBernoulli(logits=torch.logit(mean)).log_prob(x), expected)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("loc", LOCS)
def test_truncated_normal_equals_scipy(loc, scale):
    x = np.linspace(0.0, 1.0, 11)
    ours = TruncatedNormal(torch.tensor(loc).double(), torch.tensor(scale).double())
    np.testing.assert_allclose(ours.log_prob(torch.tensor(x)), truncnorm(loc, scale).logpdf(x), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ours.mean, truncnorm(loc, scale).mean(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("loc", LOCS)
def test_truncated_normal_integrates_to_one(loc):
    ours = TruncatedNormal(torch.tensor(loc), torch.tensor(0.3))
    mass, _ = integrate.quad(lambda x: float(ours.log_prob(torch.tensor(x)).exp()), 0, 1)
    assert mass == pytest.approx(1.0, abs=1e-4)


def test_log_mass_unit_interval_stays_finite_in_float32():
    loc = torch.tensor([1.6, -0.6, 30.0, 0.5], requires_grad=True)
    log_scale = torch.full((4,), np.log(0.1), requires_grad=True)
    log_mass = log_mass_unit_interval(loc, log_scale.exp())
    reference = [stats.norm.logsf(6.0), stats.norm.logsf(6.0), stats.norm.logsf(290.0), 0.0]
    np.testing.assert_allclose(log_mass.detach(), reference, rtol=1e-5, atol=1e-5)
    log_mass.sum().backward()
    assert torch.isfinite(loc.grad).all()
    assert torch.isfinite(log_scale.grad).all()


@pytest.mark.parametrize(("loc", "scale"), [(0.3, 0.2), (1.4, 0.3), (0.5, 10.0)])
def test_truncated_normal_samples_follow_the_distribution_of_scipy(loc, scale):
    torch.manual_seed(0)
    draws = TruncatedNormal(torch.tensor(loc), torch.tensor(scale)).rsample((4000,))
    assert stats.kstest(draws.numpy(), truncnorm(loc, scale).cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", ["bernoulli", "truncated-gaussian", "gaussian"])
def test_deviance_is_zero_for_a_perfect_reconstruction_and_positive_otherwise(name):
    x = torch.rand(5, 1, 3, 3)
    likelihood = make_likelihood(name, (1, 3, 3))
    perfect = torch.logit(x) if name == "bernoulli" else x
    torch.testing.assert_close(likelihood.deviance(perfect, x), torch.zeros(5), atol=2e-5, rtol=0)
    assert (likelihood.deviance(perfect + 0.5, x) > 0.01).all()


def test_bernoulli_deviance_is_the_loss_less_the_entropy_of_the_greys():
    x, decoded = torch.rand(4, 1, 2, 2), torch.randn(4, 1, 2, 2)
    likelihood = make_likelihood("bernoulli", (1, 2, 2))
    entropy = stats.bernoulli(x.numpy()).entropy().reshape(4, -1).sum(1)
    np.testing.assert_allclose(
        likelihood.deviance(decoded, x).detach(), -likelihood(decoded).log_prob(x).numpy() - entropy, rtol=1e-4
    )


def test_make_likelihood_refuses_an_unknown_name():
    with pytest.raises(ValueError, match="'poisson' is not known: use 'bernoulli'"):
        make_likelihood("poisson", (3,))
