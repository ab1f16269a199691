"""Priors: their components, their start, their gradients, and what of them is saved."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from knownot.probability import (
    MixturePrior,
    StandardNormalPrior,
    VampPrior,
    cauchy_schwarz,
    kl_standard_normal,
    mixture_log_prob,
    sample_components,
)


def encoder_of(n_inputs, latent_dim=2):
    network = nn.Sequential(nn.Flatten(), nn.Linear(n_inputs, 2 * latent_dim))
    return network, lambda x: tuple(network(x).chunk(2, -1))


def some_priors():
    yield StandardNormalPrior(3), None
    for covariance in ("shared", "diagonal"):
        for parametrisation in ("free", "network"):
            yield MixturePrior(3, 6, covariance, parametrisation, learn_weights=True), None
    yield VampPrior((4,), 6), encoder_of(4, 3)[1]


def test_standard_normal_prior_is_the_standard_normal_distribution():
    prior = StandardNormalPrior(4)
    assert (prior.latent_dim, prior.n_components) == (4, 1)
    assert list(prior.parameters()) == []
    assert len(prior.state_dict()) == 0
    z = torch.randn(50, 4)
    expected = stats.norm.logpdf(z.numpy()).sum(-1)
    np.testing.assert_allclose(mixture_log_prob(z, prior.components()), expected, rtol=1e-6)
    draws, index = sample_components(prior.components(), 3000)
    assert stats.kstest(draws.flatten().numpy(), "norm").pvalue > 1e-3
    assert index.eq(0).all()


@pytest.mark.parametrize("parametrisation", ["free", "network"])
@pytest.mark.parametrize("covariance", ["shared", "diagonal"])
@pytest.mark.parametrize("learn_weights", [False, True])
def test_mixture_prior_starts_with_means_of_the_spread_variances_of_one_and_equal_weights(
    covariance, parametrisation, learn_weights
):
    prior = MixturePrior(40, 200, covariance, parametrisation, learn_weights, spread=3.0)
    log_weights, means, log_variances = prior.components()
    torch.testing.assert_close(log_weights, torch.full((200,), -math.log(200.0)))
    assert means.shape == (200, 40)
    assert log_variances.shape == (1 if covariance == "shared" else 200, 40)
    assert (log_variances == 0).all()
    assert stats.kstest(means.detach().flatten().numpy() / 3.0, "norm").pvalue > 1e-3
    # No two components are alike, and none differ by more than draws do: |difference|² / (2 spread²) is chi².
    squares = torch.pdist(means.detach()).square() / (2 * 3.0**2)
    assert squares.min() > stats.chi2(40).ppf(1e-10)
    assert squares.max() < stats.chi2(40).isf(1e-10)


@pytest.mark.parametrize("parametrisation", ["free", "network"])
def test_a_single_component_starts_at_a_draw(parametrisation):
    means = torch.cat(
        [MixturePrior(50, 1, "diagonal", parametrisation, spread=0.5).components().means for _ in range(20)]
    )
    assert stats.kstest(means.detach().flatten().numpy() / 0.5, "norm").pvalue > 1e-3


def test_the_network_tells_components_apart_by_weights_of_usual_size():
    """The means are not scaled up from nearly equal ones, which would make its steps as many times larger."""
    for n_components in (10, 200):
        head = MixturePrior(40, n_components, "diagonal", "network").network[-1]
        assert 0.5 < head.weight[:40].std() * math.sqrt(256.0) < 2.0


@pytest.mark.parametrize("covariance", ["shared", "diagonal"])
def test_the_network_is_that_of_one_hot_numbers(covariance):
    prior = MixturePrior(3, 7, covariance, "network")
    for parameter in prior.network.parameters():
        nn.init.normal_(parameter, std=0.05)
    _, means, log_variances = prior.components()
    given = prior.network(torch.eye(7))
    torch.testing.assert_close(means, given[:, :3])
    if covariance == "diagonal":
        torch.testing.assert_close(log_variances, 20.0 * torch.tanh(given[:, 3:] / 20.0))
    widths = [tuple(layer.weight.shape) for layer in prior.network if isinstance(layer, nn.Linear)]
    assert widths == [(784, 7), (256, 784), (3 if covariance == "shared" else 6, 256)]


def test_log_variances_are_bounded_and_weights_normalised():
    prior = MixturePrior(2, 3, "diagonal", learn_weights=True)
    with torch.no_grad():
        prior.raw_log_variances.fill_(1e6)
        prior.logits.copy_(torch.tensor([0.0, 1.0, 2.0]))
    log_weights, _, log_variances = prior.components()
    assert (log_variances == 20.0).all()
    assert log_weights.exp().sum().item() == pytest.approx(1.0)
    torch.testing.assert_close(log_weights.diff(), torch.ones(2))


@pytest.mark.parametrize("parametrisation", ["free", "network"])
@pytest.mark.parametrize("covariance", ["shared", "diagonal"])
def test_every_parameter_of_a_mixture_prior_is_learned(covariance, parametrisation):
    prior = MixturePrior(3, 5, covariance, parametrisation, learn_weights=True)
    mean, log_variance = torch.randn(8, 3), torch.randn(8, 3)
    for loss in (
        lambda p: cauchy_schwarz(mean, log_variance, p).mean(),
        lambda p: -mixture_log_prob(mean, p).mean(),
    ):
        prior.zero_grad()
        loss(prior.components()).backward()
        for name, parameter in prior.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("parametrisation", ["free", "network"])
def test_a_mixture_prior_learns_two_groups_by_either_divergence(parametrisation):
    """Of N(0, 1), the mixture that all start near to, two thirds of the draws are between the groups."""
    sides = torch.tensor([-3.0, 3.0]).repeat_interleave(100)[:, None]
    for divergence in ("kl", "cs"):
        torch.manual_seed(1)
        prior = MixturePrior(1, 4, "diagonal", parametrisation)
        optimiser = torch.optim.Adam(prior.parameters(), 0.05 if parametrisation == "free" else 1e-3)
        for _ in range(100):
            p = prior.components()
            z = sides + torch.randn_like(sides)
            if divergence == "kl":
                loss = -mixture_log_prob(z, p).mean()
            else:
                loss = cauchy_schwarz(sides, torch.zeros_like(sides), p).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        draws, _ = sample_components(prior.components(), 2000)
        assert (draws.abs() > 1.0).float().mean() > 0.8
        assert 0.2 < (draws > 0).float().mean() < 0.8


def test_vamp_prior_has_the_posteriors_of_its_pseudo_inputs_as_components():
    prior = VampPrior((1, 3, 3), 5)
    network, posterior = encoder_of(9)
    log_weights, means, log_variances = prior.components(posterior)
    given = network(prior.raw_pseudo_inputs.clamp(0.0, 1.0))
    torch.testing.assert_close(means, given[:, :2])
    torch.testing.assert_close(log_variances, given[:, 2:])
    torch.testing.assert_close(log_weights.exp(), torch.full((5,), 0.2))
    means.sum().backward()
    assert prior.raw_pseudo_inputs.grad.abs().min() > 0
    assert network[1].weight.grad.abs().max() > 0


def test_the_encoder_is_no_part_of_a_vamp_prior():
    prior = VampPrior((4,), 3)
    prior.components(encoder_of(4)[1])
    assert [name for name, _ in prior.named_parameters()] == ["raw_pseudo_inputs"]
    assert set(prior.state_dict()) == {"raw_pseudo_inputs"}
    assert len(list(prior.modules())) == 1


def test_pseudo_inputs_start_at_the_mean_with_a_little_noise_within_the_range():
    x = torch.rand(50, 1, 6, 6)
    x[:, :, 0] = 0.0
    x[:, :, 1] = 1.0
    prior = VampPrior((1, 6, 6), 300)
    prior.start_from(x, seed=1)
    inputs = prior.pseudo_inputs.detach()
    assert inputs.min() == 0.0
    assert inputs.max() == 1.0
    noise = ((inputs - x.mean(0)) / 0.01)[:, :, 2:]
    assert stats.kstest(noise.flatten().numpy(), "norm").pvalue > 1e-3
    at_edge = inputs[:, :, 0] == 0.0
    assert 0.4 < at_edge.float().mean() < 0.6
    assert (prior.raw_pseudo_inputs >= 0.0).all()
    first = prior.raw_pseudo_inputs.detach().clone()
    prior.start_from(x, seed=1)
    assert torch.equal(first, prior.raw_pseudo_inputs)
    prior.start_from(x, seed=2)
    assert not torch.equal(first, prior.raw_pseudo_inputs)
    table = VampPrior((2,), 4000, value_range=None)
    table.start_from(torch.tensor([[100.0, -5.0], [102.0, -5.0]]), seed=0)
    assert stats.kstest(((table.pseudo_inputs.detach()[:, 0] - 101.0) / 0.01).numpy(), "norm").pvalue > 1e-3
    assert (table.pseudo_inputs[:, 1] + 5.0).abs().max() < 0.1


def test_pseudo_inputs_at_the_edge_of_the_range_can_come_back():
    prior = VampPrior((4,), 1)
    start = torch.tensor([[0.0, -0.5, 1.0, 1.5]])
    with torch.no_grad():
        prior.raw_pseudo_inputs.copy_(start)
    assert prior.pseudo_inputs.tolist() == [[0.0, 0.0, 1.0, 1.0]]
    inwards = torch.tensor([[-1.0, -1.0, 1.0, 1.0]])
    for gradient, expected in ((inwards, inwards), (-inwards, torch.zeros(1, 4))):
        prior.zero_grad()
        prior.pseudo_inputs.backward(gradient)
        assert torch.equal(prior.raw_pseudo_inputs.grad, expected)
    # What a plain clamp could not do: from outside the range to a target inside.
    optimiser = torch.optim.Adam(prior.parameters(), 0.05)
    for _ in range(200):
        optimiser.zero_grad()
        (prior.pseudo_inputs - 0.4).square().sum().backward()
        optimiser.step()
    torch.testing.assert_close(prior.pseudo_inputs, torch.full((1, 4), 0.4), atol=0.02, rtol=0)


def test_pseudo_inputs_start_in_the_middle_before_they_see_samples():
    assert (VampPrior((50,), 20).pseudo_inputs - 0.5).abs().max() < 0.06
    assert (VampPrior((50,), 20, value_range=(-0.5, 0.5)).pseudo_inputs).abs().max() < 0.06
    inside = VampPrior((3,), 2)
    gradient = torch.randn(2, 3)
    inside.pseudo_inputs.backward(gradient)
    assert torch.equal(inside.raw_pseudo_inputs.grad, gradient)


@pytest.mark.parametrize("case", range(6))
def test_priors_are_saved_restored_moved_and_started(case):
    (prior, posterior), (other, _) = list(some_priors())[case], list(some_priors())[case]
    other.load_state_dict(prior.state_dict())
    assert set(prior.state_dict()) == {name for name, _ in prior.named_parameters()}
    for ours, theirs in zip(prior.components(posterior), other.components(posterior), strict=True):
        assert torch.equal(ours, theirs)
    assert len(prior.components(posterior).means) == prior.n_components
    if not isinstance(prior, VampPrior):
        prior.start_from(torch.rand(5, 4), seed=0)
        other.double()
        assert all(part.dtype == torch.float64 for part in other.components())
        # An encoder is taken by any prior.
        assert torch.equal(prior.components(posterior).means, prior.components(lambda x: (x, x)).means)


@pytest.mark.parametrize("case", range(6))
def test_components_are_single_precision_under_autocast(case):
    prior, posterior = list(some_priors())[case]
    with torch.autocast("cpu", torch.bfloat16):
        components = prior.components(posterior)
        assert all(part.dtype == torch.float32 for part in components)
        loss = cauchy_schwarz(torch.zeros(2, 3), torch.zeros(2, 3), components).sum()
    assert loss.isfinite()


def test_the_divergence_of_the_standard_normal_prior_is_that_of_two_gaussians():
    """1/2 sum_d [mu²/(s² + 1) + log((s² + 1)/(2 s))], beside KL: both 0 for the prior itself alone."""
    mean, log_variance = torch.randn(6, 3).double(), torch.randn(6, 3).double()
    s2 = log_variance.exp()
    expected = 0.5 * (mean.square() / (s2 + 1) + torch.log((s2 + 1) / (2 * s2.sqrt()))).sum(-1)
    p = StandardNormalPrior(3).components()
    torch.testing.assert_close(cauchy_schwarz(mean, log_variance, p), expected)
    assert kl_standard_normal(torch.zeros(3), torch.zeros(3)) == 0
    assert cauchy_schwarz(torch.zeros(1, 3), torch.zeros(1, 3), p).item() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StandardNormalPrior(0), "latent_dim=0 does not work: give a whole number, 1 or more"),
        (lambda: MixturePrior(0, 3), "latent_dim=0 does not work"),
        (lambda: MixturePrior(2, 0), "n_components=0 does not work"),
        (lambda: MixturePrior(2, 3, "full"), "covariance='full' is not known: use 'shared' or 'diagonal'"),
        (
            lambda: MixturePrior(2, 3, parametrisation="mlp"),
            "parametrisation='mlp' is not known: use 'free' or 'network'",
        ),
        (lambda: MixturePrior(2, 3, spread=0.0), "spread=0.0 does not work: give a number above 0"),
        (lambda: MixturePrior(2, 3, spread=math.nan), "spread=nan does not work"),
        (lambda: VampPrior((2,), 0), "n_components=0 does not work"),
        (lambda: VampPrior((2,), 3, value_range=(1.0, 0.0)), r"value_range=\(1.0, 0.0\) is empty: give the lower end"),
        (lambda: VampPrior((2,), 3, noise_std=0.0), "noise_std=0.0 does not work: give a number above 0, since"),
        (lambda: VampPrior((2,), 3).components(), r"no posterior was given: call components\(posterior\)"),
        (lambda: VampPrior((2,), 3).start_from(torch.zeros(5, 3), 0), r"shape \(2,\), and the samples are \(5, 3\)"),
        (lambda: VampPrior((2,), 3).start_from(torch.zeros(0, 2), 0), "give at least one sample of that shape"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(make, message):
    with pytest.raises(ValueError, match=message):
        make()
