"""Likelihoods against scipy, quadrature and their own gradients."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import nn

from knownot.probability import (
    DiscretisedLogistic,
    DiscretisedLogisticLikelihood,
    GreyBernoulli,
    IsotropicGaussianLikelihood,
    TruncatedNormal,
    log_mass_unit_interval,
    make_likelihood,
)

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


@pytest.mark.parametrize("name", ["bernoulli", "truncated-gaussian", "gaussian", "isotropic-gaussian"])
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


NAMES = {
    "bernoulli": False,
    "truncated-gaussian": True,
    "gaussian": True,
    "isotropic-gaussian": True,
    "discretised-logistic": False,
}


@pytest.mark.parametrize("name", NAMES)
def test_every_likelihood_says_whether_it_is_a_density(name):
    """A density integrates to one over the values, a probability sums to one over them."""
    likelihood = make_likelihood(name, (1,))
    assert likelihood.is_density is NAMES[name]
    if name == "bernoulli":
        values, step = torch.tensor([0.0, 1.0]), 1.0
    elif name == "discretised-logistic":
        values, step = torch.linspace(0.0, 1.0, 256), 1.0
    else:
        reach = (0.0, 1.0) if name == "truncated-gaussian" else (-20.0, 20.0)
        values = torch.linspace(*reach, 100_001)
        step = (reach[1] - reach[0]) / 100_000
    decoded = torch.full((len(values), 1), 0.3)
    total = step * likelihood.eval()(decoded).log_prob(values[:, None]).double().exp().sum().item()
    assert total == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_likelihoods_are_sums_over_the_event_in_single_precision(name):
    likelihood = make_likelihood(name, (3, 4, 4))
    decoded, x = torch.randn(5, 3, 4, 4), torch.rand(5, 3, 4, 4)
    distribution = likelihood(decoded)
    assert distribution.batch_shape == (5,)
    assert distribution.event_shape == (3, 4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        half = likelihood(decoded.bfloat16()).log_prob(x)
        assert half.dtype == torch.float32
        assert likelihood.deviance(decoded.bfloat16(), x).dtype == torch.float32
    rounded = likelihood(decoded.bfloat16().float())
    torch.testing.assert_close(half, rounded.log_prob(x), rtol=1e-6, atol=1e-4)
    assert rounded.mean.shape == (5, 3, 4, 4)
    assert distribution.sample((2,)).shape == (2, 5, 3, 4, 4)


def test_make_likelihood_refuses_an_unknown_name():
    with pytest.raises(ValueError, match="'poisson' is not known: use 'bernoulli'"):
        make_likelihood("poisson", (3,))


def isotropic(x, mean, variance):
    return stats.norm(mean, np.sqrt(variance)).logpdf(x).reshape(len(x), -1).sum(1)


@pytest.mark.parametrize("variance", ["learned", "batch", 0.02])
def test_isotropic_gaussian_equals_scipy(variance):
    likelihood = IsotropicGaussianLikelihood(variance, initial_variance=0.02).eval()
    x, decoded = torch.rand(4, 2, 3, 3), torch.rand(4, 2, 3, 3)
    assert likelihood.decoder_variance.item() == pytest.approx(0.02)
    np.testing.assert_allclose(
        likelihood(decoded).log_prob(x).detach(), isotropic(x.numpy(), decoded.numpy(), 0.02), rtol=1e-5
    )
    squares = (x - decoded).square().flatten(1).sum(1)
    torch.testing.assert_close(likelihood.deviance(decoded, x).detach(), squares / (2 * 0.02))
    torch.manual_seed(0)
    draws = (likelihood(decoded).rsample((200,)) - decoded).detach().flatten() / math.sqrt(0.02)
    assert stats.kstest(draws.numpy(), "norm").pvalue > 1e-3
    assert torch.equal(likelihood(decoded).mean, decoded)


@pytest.mark.parametrize("log_gamma", [math.log(1e-6), math.log(1e-8), 0.0, 5.0])
def test_a_small_learned_variance_is_what_its_parameter_says(log_gamma):
    likelihood = IsotropicGaussianLikelihood("learned", math.exp(log_gamma))
    gamma = likelihood.decoder_variance
    assert gamma.item() == pytest.approx(math.exp(log_gamma), rel=1e-4)
    (slope,) = torch.autograd.grad(gamma.log(), likelihood.log_variance)
    assert slope.item() == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("wild", [-1e6, 1e6])
def test_a_learned_variance_is_finite_whatever_its_parameter(wild):
    likelihood = IsotropicGaussianLikelihood()
    nn.init.constant_(likelihood.log_variance, wild)
    decoded = torch.zeros(2, 3072, requires_grad=True)
    loss = -likelihood(decoded).log_prob(torch.ones(2, 3072)).sum()
    loss.backward()
    assert loss.isfinite()
    assert decoded.grad.isfinite().all()
    assert likelihood.log_variance.grad.isfinite()


def test_a_learned_variance_comes_to_the_mean_squared_error():
    likelihood = IsotropicGaussianLikelihood("learned", 1.0)
    decoded = 0.01 * torch.randn(50, 20)
    optimiser = torch.optim.Adam(likelihood.parameters(), 0.1)
    for _ in range(160):
        optimiser.zero_grad()
        (-likelihood(decoded).log_prob(torch.zeros(50, 20)).mean()).backward()
        optimiser.step()
    assert likelihood.decoder_variance.item() == pytest.approx(decoded.square().mean().item(), rel=0.02)


def test_the_variance_of_a_batch_is_the_one_of_greatest_likelihood():
    likelihood = IsotropicGaussianLikelihood("batch")
    x, decoded = torch.rand(6, 5), torch.rand(6, 5)
    error = (x - decoded).square().mean().item()
    np.testing.assert_allclose(likelihood(decoded).log_prob(x), isotropic(x.numpy(), decoded.numpy(), error), rtol=1e-5)
    best = likelihood(decoded).log_prob(x).sum().item()
    for factor in (0.9, 1.1):
        assert IsotropicGaussianLikelihood(factor * error)(decoded).log_prob(x).sum().item() < best


def test_the_gradient_at_the_variance_of_a_batch_is_the_same_through_the_error():
    """And, for each sample by itself, that of a Gaussian with this variance."""
    x, decoded = torch.rand(6, 5), torch.rand(6, 5).requires_grad_()
    likelihood = IsotropicGaussianLikelihood("batch")
    (ours,) = torch.autograd.grad(-likelihood(decoded).log_prob(x).mean(), decoded)
    through = 0.5 * 5 * torch.log((x - decoded).square().mean())
    (expected,) = torch.autograd.grad(through, decoded)
    torch.testing.assert_close(ours, expected)
    fixed = IsotropicGaussianLikelihood((x - decoded).square().mean().item())
    weights = torch.arange(6.0)
    gradients = [
        torch.autograd.grad((weights * one(decoded).log_prob(x)).sum(), decoded) for one in (likelihood, fixed)
    ]
    torch.testing.assert_close(*gradients)


def test_the_variance_of_batches_is_remembered_saved_and_used_in_evaluation():
    likelihood = IsotropicGaussianLikelihood("batch", initial_variance=7.0)
    assert likelihood.decoder_variance == 7.0
    errors = []
    for scale in (1.0, 2.0, 3.0, 0.5):
        x = scale * torch.randn(8, 5)
        likelihood(torch.zeros(8, 5)).log_prob(x)
        errors.append(x.square().mean().item())
        assert likelihood.decoder_variance.item() == pytest.approx(np.mean(errors), rel=1e-5)
    for _ in range(200):
        likelihood(torch.zeros(8, 5)).log_prob(torch.full((8, 5), 0.1))
    assert likelihood.decoder_variance.item() == pytest.approx(0.01, rel=1e-3)
    likelihood(torch.zeros(8, 5)).log_prob(torch.full((8, 5), 1.0))
    assert likelihood.decoder_variance.item() == pytest.approx(0.9 * 0.01 + 0.1, rel=1e-3)
    restored = IsotropicGaussianLikelihood("batch")
    restored.load_state_dict(likelihood.state_dict())
    restored.eval()
    x = torch.randn(3, 5)
    expected = isotropic(x.numpy(), np.zeros((3, 5)), likelihood.decoder_variance.item())
    np.testing.assert_allclose(restored(torch.zeros(3, 5)).log_prob(x), expected, rtol=1e-5)
    assert torch.equal(restored.decoder_variance, likelihood.decoder_variance)


def test_a_perfect_batch_has_a_finite_density():
    likelihood = IsotropicGaussianLikelihood("batch").double()
    density = likelihood(torch.ones(2, 3).double()).log_prob(torch.ones(2, 3).double())
    assert density.isfinite().all()
    assert density[0].item() == pytest.approx(0.5 * 3 * (30.0 - math.log(2 * math.pi)), rel=1e-5)


def test_what_can_be_learned_of_an_isotropic_gaussian_is_a_parameter():
    assert [name for name, _ in IsotropicGaussianLikelihood("learned").named_parameters()] == ["log_variance"]
    for variance, names in (("batch", {"batch_variance", "n_batches"}), (0.5, {"log_variance"})):
        likelihood = IsotropicGaussianLikelihood(variance)
        assert list(likelihood.parameters()) == []
        assert set(likelihood.state_dict()) == names
    tiny = IsotropicGaussianLikelihood(1e-20)
    assert tiny.decoder_variance.item() == pytest.approx(1e-20, rel=1e-4, abs=0.0)


@pytest.mark.parametrize("variance", ["fixed", 0.0, -1.0, math.inf, math.nan])
def test_isotropic_gaussian_refuses_what_is_no_variance(variance):
    with pytest.raises(ValueError, match=r"^variance=.* does not work: give 'learned', 'batch' or a number above"):
        IsotropicGaussianLikelihood(variance)
    if not isinstance(variance, str):
        with pytest.raises(ValueError, match=r"^initial_variance=.* does not work: give a number above 0"):
            IsotropicGaussianLikelihood("batch", initial_variance=variance)


def logistic_masses(loc, scale, n_levels):
    """Masses of all levels as differences of scipy's distribution function, edges with their tails."""
    edges = (np.arange(1, n_levels) - 0.5) / (n_levels - 1)
    return np.diff(stats.logistic(loc, scale).cdf(edges), prepend=0.0, append=1.0)


@pytest.mark.parametrize("n_levels", [2, 5, 256])
@pytest.mark.parametrize("scale", [0.003, 0.05, 0.7, 30.0])
@pytest.mark.parametrize("loc", [-0.3, 0.0, 0.4, 1.0, 1.2])
def test_discretised_logistic_equals_scipy_and_sums_to_one(loc, scale, n_levels):
    levels = torch.linspace(0.0, 1.0, n_levels, dtype=torch.float64)
    ours = DiscretisedLogistic(*torch.tensor([loc, math.log(scale)], dtype=torch.float64), n_levels)
    masses = ours.log_prob(levels).exp()
    np.testing.assert_allclose(masses, logistic_masses(loc, scale, n_levels), rtol=1e-9, atol=1e-15)
    assert masses.sum().item() == pytest.approx(1.0, rel=1e-12)
    single = DiscretisedLogistic(*torch.tensor([loc, math.log(scale)]), n_levels)
    assert single.log_prob(levels.float()).exp().sum().item() == pytest.approx(1.0, rel=1e-5)


def test_discretised_logistic_is_exact_in_its_far_tails():
    """There the plain difference of two distribution functions is 0, and its logarithm -inf."""
    loc, scale = 0.0, 0.001
    ours = DiscretisedLogistic(torch.tensor(loc), torch.tensor(scale).log())
    # F(b) - F(a) is exp(-a) - exp(-b) to first order, for a and b in the upper tail.
    low, high = (127.5 / 255) / scale, (128.5 / 255) / scale
    assert ours.log_prob(torch.tensor(128 / 255)).item() == pytest.approx(-low + math.log1p(-math.exp(low - high)))
    loc = torch.tensor([-1e4, 0.5, 1e4], requires_grad=True)
    for log_scale in (-20.0, 0.0, 20.0):
        log_scale = torch.tensor(log_scale, requires_grad=True)
        for value in (0.0, 0.5, 1.0):
            masses = DiscretisedLogistic(loc, log_scale).log_prob(torch.tensor(value))
            assert masses.isfinite().all()
            gradients = torch.autograd.grad(masses.sum(), (loc, log_scale))
            assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("value", [0.0, 3 / 7, 1.0])
def test_discretised_logistic_has_right_gradients(value):
    loc, log_scale = torch.randn(6).double().requires_grad_(), torch.randn(6).double().requires_grad_()
    value = torch.full((6,), value).double()
    assert torch.autograd.gradcheck(lambda m, s: DiscretisedLogistic(m, s, 8).log_prob(value), (loc, log_scale))


def test_values_between_levels_count_as_the_nearest():
    ours = DiscretisedLogistic(torch.tensor(0.4), torch.tensor(-2.0), 5)
    near = ours.log_prob(torch.tensor([0.01, 0.24, 0.26, 0.9]))
    torch.testing.assert_close(near, ours.log_prob(torch.tensor([0.0, 0.25, 0.25, 1.0])))


@pytest.mark.parametrize("scale", [0.0005, 0.004, 0.008, 0.1, 2.0, 1e5])
@pytest.mark.parametrize("loc", [-0.5, 0.0, 0.302, 0.97, 3.0])
def test_mean_of_discretised_logistic_is_that_of_its_levels(loc, scale):
    ours = DiscretisedLogistic(torch.tensor(loc), torch.tensor(scale).log())
    expected = logistic_masses(loc, scale, 256) @ np.linspace(0, 1, 256)
    assert ours.mean.dtype == torch.float32
    # Half a level at most; of a smooth function the midpoint rule has an error of its slope / 24, in squared levels.
    tolerance = (1 / 255) ** 2 / (48 * scale) + 1e-7 if scale > 1.9 / 255 else 0.5 / 255
    assert ours.mean.item() == pytest.approx(expected, abs=tolerance)


def test_mean_of_discretised_logistic_is_never_outside():
    for side in (-1.0, 1.0):
        loc = side * torch.linspace(1e9, 2e9, 101, dtype=torch.float64)
        mean = DiscretisedLogistic(loc, torch.tensor(-7.0)).mean
        assert ((mean >= 0.0) & (mean <= 1.0)).all()


@pytest.mark.parametrize(("loc", "scale"), [(0.3, 0.1), (-0.1, 0.4), (0.9, 0.02)])
def test_samples_of_discretised_logistic_have_its_masses(loc, scale):
    ours = DiscretisedLogistic(torch.tensor([loc, loc]), torch.tensor(scale).log(), 11)
    draws = ours.sample((5000,))
    assert draws.shape == (5000, 2)
    index = (draws * 10).round().long()
    torch.testing.assert_close(draws, index / 10)
    expected = logistic_masses(loc, scale, 11) * 10_000
    counts = index.flatten().bincount(minlength=11).numpy()
    likely = expected > 5
    assert counts[~likely].sum() <= 5 * (expected[~likely].sum() + 1)
    assert (np.abs(counts - expected)[likely] < 4.5 * np.sqrt(expected[likely])).all()


def test_discretised_logistic_likelihood_has_a_scale_for_each_channel():
    likelihood = DiscretisedLogisticLikelihood((3, 4, 4), initial_scale=0.2)
    assert likelihood.log_scale.shape == (3, 1, 1)
    assert DiscretisedLogisticLikelihood((5,)).log_scale.shape == (5,)
    with torch.no_grad():
        likelihood.log_scale.copy_(torch.tensor([0.05, 0.1, 0.2]).log()[:, None, None])
    x, decoded = torch.randint(256, (2, 3, 4, 4)) / 255, torch.rand(2, 3, 4, 4)
    expected = 0.0
    for channel, scale in enumerate((0.05, 0.1, 0.2)):
        one = DiscretisedLogistic(decoded[:, channel], torch.tensor(scale).log())
        expected = expected + one.log_prob(x[:, channel]).sum((1, 2))
    torch.testing.assert_close(likelihood(decoded).log_prob(x), expected)
    likelihood(decoded).log_prob(x).sum().backward()
    assert (likelihood.log_scale.grad != 0).all()
    nn.init.constant_(likelihood.log_scale, -1e6)
    assert likelihood(decoded).log_prob(x).isfinite().all()


def test_deviance_of_discretised_logistic_is_zero_at_the_best_decoding():
    likelihood = DiscretisedLogisticLikelihood((1, 2, 2), n_levels=6)
    index = torch.randint(6, (40, 1, 2, 2))
    index[0] = torch.tensor([[0, 5], [2, 3]])
    x = index / 5
    best = torch.where(index == 0, -50.0, torch.where(index == 5, 50.0, x))
    torch.testing.assert_close(likelihood.deviance(best, x), torch.zeros(40), atol=1e-5, rtol=0)
    assert (likelihood.deviance(best.clamp(-0.2, 1.2) + 0.2, x) > 1e-3).all()
    grid = torch.linspace(-2.0, 3.0, 2001)[:, None, None, None].expand(-1, 1, 2, 2)
    for row in x:
        losses = -likelihood(grid).base_dist.log_prob(row)
        expected = -likelihood(row[None] + 0.13).log_prob(row[None]) - losses.min(0).values.sum()
        torch.testing.assert_close(likelihood.deviance(row[None] + 0.13, row[None]), expected[:1], atol=1e-4, rtol=1e-4)


def test_discretised_logistic_likelihood_refuses_what_cannot_be():
    with pytest.raises(ValueError, match="n_levels=1 does not work: give 2 or more, 256 for 8-bit images"):
        DiscretisedLogisticLikelihood((3,), n_levels=1)
    with pytest.raises(ValueError, match=r"initial_scale=0.0 does not work: give a number above 0"):
        DiscretisedLogisticLikelihood((3,), initial_scale=0.0)
