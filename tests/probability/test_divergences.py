"""Divergences against quadrature, closed forms of single Gaussians, and Monte Carlo with its error."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from knownot.probability import (
    Components,
    cauchy_schwarz,
    cauchy_schwarz_mixtures,
    diagonal_gaussian,
    kl_sampled,
    kl_standard_normal,
    log_overlap,
    mixture_log_prob,
    mixture_self_overlap,
)


def mixture(n_components, latent_dim, shared=False, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    log_weights = torch.randn(n_components, generator=generator).double().log_softmax(0)
    means = torch.randn(n_components, latent_dim, generator=generator).double()
    log_variances = torch.randn(1 if shared else n_components, latent_dim, generator=generator).double()
    return Components(log_weights.to(dtype), means.to(dtype), log_variances.to(dtype))


def density(p):
    """Density of a mixture by scipy, of arrays (..., d)."""
    scales = (0.5 * p.log_variances.expand_as(p.means)).exp().numpy()
    weights, means = p.log_weights.exp().numpy(), p.means.numpy()
    return lambda z: sum(w * stats.norm.pdf(z, m, s).prod(-1) for w, m, s in zip(weights, means, scales, strict=True))


def log_integral(f, g, latent_dim):
    """log∫fg by adaptive quadrature in one dimension, on a grid in two.

    The trapezoidal rule is exact to rounding for smooth functions that vanish at the ends of the grid.
    """
    if latent_dim == 1:
        found, _ = integrate.quad(
            lambda z: float(f(np.array([z])) * g(np.array([z]))), -30, 30, epsabs=0, epsrel=1e-11, limit=500
        )
        return math.log(found)
    axis = np.linspace(-30, 30, 601)
    z = np.stack(np.meshgrid(axis, axis), -1)
    return math.log(integrate.trapezoid(integrate.trapezoid(f(z) * g(z), axis), axis))


def by_quadrature(q, p):
    """-log∫qp + 1/2 log∫q² + 1/2 log∫p²."""
    d, q, p = p.latent_dim, density(q), density(p)
    return -log_integral(q, p, d) + 0.5 * (log_integral(q, q, d) + log_integral(p, p, d))


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("latent_dim", [1, 2])
@pytest.mark.parametrize("seed", [0, 1])
def test_cauchy_schwarz_equals_quadrature(seed, latent_dim, shared):
    q, p = mixture(1, latent_dim, seed=seed), mixture(3, latent_dim, shared, seed=seed + 10)
    expected = by_quadrature(q, p)
    assert cauchy_schwarz(q.means, q.log_variances, p).item() == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("shared", [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize("latent_dim", [1, 2])
def test_cauchy_schwarz_of_mixtures_equals_quadrature(latent_dim, shared):
    q, p = mixture(3, latent_dim, shared[0], seed=2), mixture(4, latent_dim, shared[1], seed=3)
    expected = by_quadrature(q, p)
    assert cauchy_schwarz_mixtures(q, p).item() == pytest.approx(expected, rel=1e-8)
    assert cauchy_schwarz_mixtures(p, q).item() == pytest.approx(expected, rel=1e-8)


@given(seed=st.integers(0, 10**6), k=st.integers(1, 4), n=st.integers(1, 4), d=st.integers(1, 5), shared=st.booleans())
def test_cauchy_schwarz_of_mixtures_is_a_divergence(seed, k, n, d, shared):
    q, p = mixture(n, d, seed=seed), mixture(k, d, shared, seed=seed + 1)
    divergence = cauchy_schwarz_mixtures(q, p).item()
    assert divergence > 0.0
    assert cauchy_schwarz_mixtures(p, q).item() == pytest.approx(divergence, rel=1e-10, abs=1e-12)
    assert cauchy_schwarz_mixtures(p, p).item() == pytest.approx(0.0, abs=1e-12)
    assert cauchy_schwarz_mixtures(q, q).item() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("shared", [False, True])
def test_cauchy_schwarz_of_a_batch_equals_that_of_each_as_a_mixture_of_one(shared):
    p, rows = mixture(6, 3, shared), mixture(5, 3, seed=4)
    divergences = cauchy_schwarz(rows.means, rows.log_variances, p)
    assert divergences.shape == (5,)
    for i in range(5):
        one = Components(torch.zeros(1).double(), rows.means[i : i + 1], rows.log_variances[i : i + 1])
        assert divergences[i].item() == pytest.approx(cauchy_schwarz_mixtures(one, p).item(), rel=1e-10)
    stacked = cauchy_schwarz(torch.stack((rows.means,) * 2), torch.stack((rows.log_variances,) * 2), p)
    torch.testing.assert_close(stacked, torch.stack((divergences,) * 2))


def test_cauchy_schwarz_of_shared_variances_equals_that_of_the_same_written_out():
    p, rows = mixture(6, 3, shared=True), mixture(5, 3, seed=4)
    expanded = p._replace(log_variances=p.log_variances.expand(6, 3))
    torch.testing.assert_close(
        cauchy_schwarz(rows.means, rows.log_variances, p), cauchy_schwarz(rows.means, rows.log_variances, expanded)
    )


def test_cauchy_schwarz_takes_the_self_overlap_as_it_is_given():
    p, rows = mixture(6, 3), mixture(5, 3, seed=4)
    expected = cauchy_schwarz(rows.means, rows.log_variances, p)
    once = mixture_self_overlap(p)
    torch.testing.assert_close(cauchy_schwarz(rows.means, rows.log_variances, p, once), expected)
    torch.testing.assert_close(cauchy_schwarz(rows.means, rows.log_variances, p, once + 2.0), expected + 1.0)


@pytest.mark.parametrize("shared", [False, True])
def test_cauchy_schwarz_has_right_gradients(shared):
    p, rows = mixture(4, 3, shared), mixture(5, 3, seed=4)
    inputs = [tensor.requires_grad_() for tensor in (rows.means, rows.log_variances, *p)]
    assert torch.autograd.gradcheck(lambda m, v, *parts: cauchy_schwarz(m, v, Components(*parts)), inputs)
    weights = [rows.log_weights.requires_grad_()]
    assert torch.autograd.gradcheck(
        lambda m, v, w, nu, t, own: cauchy_schwarz_mixtures(Components(own, m, v), Components(w, nu, t)),
        inputs + weights,
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shared", [False, True])
def test_cauchy_schwarz_is_finite_for_extreme_parameters(shared, dtype):
    corners = torch.tensor([[-20.0, 20.0, 0.0, -20.0], [20.0, 20.0, -20.0, -20.0]])
    log_variance = corners.repeat(3, 10).to(dtype).requires_grad_()
    mean = (1e4 * torch.randn(6, 40)).to(dtype).requires_grad_()
    means = torch.cat((mean.detach()[:2], (1e-4 * torch.randn(3, 40)).to(dtype))).requires_grad_()
    log_variances = corners[:1].repeat(1 if shared else 5, 10).to(dtype).requires_grad_()
    p = Components(torch.full((5,), -math.log(5.0), dtype=dtype), means, log_variances)
    value = cauchy_schwarz(mean, log_variance, p)
    assert value.dtype == torch.float64
    assert value.isfinite().all()
    for gradient in torch.autograd.grad(value.sum(), (mean, log_variance, means, log_variances)):
        assert gradient.isfinite().all()


@pytest.mark.parametrize("shared", [False, True])
def test_cauchy_schwarz_in_single_precision_is_right_to_five_digits_of_a_nat(shared):
    rows, p = mixture(30, 40, seed=1, dtype=torch.float32), mixture(50, 40, shared, dtype=torch.float32)
    double = Components(*(tensor.double() for tensor in p))
    expected = cauchy_schwarz(rows.means.double(), rows.log_variances.double(), double)
    ours = cauchy_schwarz(rows.means, rows.log_variances, p)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-10 if shared else 2e-5)


def as_printed(mean, log_variance, p):
    """Equation 58 for lambda = 1, word for word, for one q and equal weights."""
    normal = lambda x, m, variance: stats.norm.pdf(x, m, np.sqrt(variance)).prod(-1)  # noqa: E731
    mean, s2 = mean.numpy(), log_variance.exp().numpy()
    means, t2 = p.means.numpy(), p.log_variances.expand_as(p.means).exp().numpy()
    of_both = sum(normal(mean, m, s2 + v) for m, v in zip(means, t2, strict=True))
    of_p = sum(normal(m, other, 2 * v) for m in means for other, v in zip(means, t2, strict=True))
    return -np.log(of_both) + np.log(of_p) + np.log(len(means)) - np.log(2 * np.sqrt(s2) * np.sqrt(np.pi)).sum()


@pytest.mark.parametrize("shared", [False, True])
def test_the_printed_equations_can_be_had_as_they_are(shared):
    p, rows = mixture(4, 3, shared), mixture(5, 3, seed=4)
    p = p._replace(log_weights=torch.full((4,), 0.25).double().log())
    ours = cauchy_schwarz(rows.means, rows.log_variances, p, as_printed=True)
    expected = [as_printed(m, v, p) for m, v in zip(rows.means, rows.log_variances, strict=True)]
    np.testing.assert_allclose(ours, expected, rtol=1e-10)
    given_once = mixture_self_overlap(p, as_printed=True)
    torch.testing.assert_close(cauchy_schwarz(rows.means, rows.log_variances, p, given_once, as_printed=True), ours)


def test_as_printed_a_distribution_diverges_from_itself_and_width_pays():
    p = mixture(1, 3)
    of_itself = cauchy_schwarz(p.means, p.log_variances, p, as_printed=True).item()
    assert of_itself == pytest.approx(-0.5 * float((p.log_variances + math.log(4 * math.pi)).sum()))
    assert abs(of_itself) > 0.1
    assert cauchy_schwarz(p.means, p.log_variances, p).item() == pytest.approx(0.0, abs=1e-12)
    wider = p.log_variances + torch.linspace(-5.0, 15.0, 41).double()[:, None]
    means = p.means.expand_as(wider)
    assert (cauchy_schwarz(means, wider, p, as_printed=True).diff() < 0).all()
    right = cauchy_schwarz(means, wider, p)
    assert right.argmin() == 10  # where the variances are those of p
    assert (right[:11].diff() < 0).all()
    assert (right[10:].diff() > 0).all()


def test_kl_sampled_is_an_unbiased_estimate():
    mean, log_variance = torch.randn(3, 2).double(), torch.randn(3, 2).double()
    z = diagonal_gaussian(mean, log_variance).rsample((20_000,))
    standard = Components(torch.zeros(1).double(), torch.zeros(1, 2).double(), torch.zeros(1, 2).double())
    estimates = kl_sampled(z, mean, log_variance, mixture_log_prob(z, standard))
    assert estimates.shape == (20_000, 3)
    error = estimates.std(0) / math.sqrt(20_000)
    assert ((estimates.mean(0) - kl_standard_normal(mean, log_variance)).abs() < 4 * error).all()


def test_kl_sampled_is_exact_where_prior_and_posterior_are_one():
    mean, log_variance = torch.randn(5, 4), torch.randn(5, 4)
    z = diagonal_gaussian(mean, log_variance).rsample()
    for i in range(5):
        own = Components(torch.zeros(1), mean[i : i + 1], log_variance[i : i + 1])
        rows = (z[i : i + 1], mean[i : i + 1], log_variance[i : i + 1])
        assert kl_sampled(*rows, mixture_log_prob(z[i : i + 1], own)).item() == pytest.approx(0.0, abs=1e-5)
    half = kl_sampled(z.bfloat16(), mean.bfloat16(), log_variance.bfloat16(), torch.zeros(5))
    assert half.dtype == torch.float32


def test_mixtures_of_different_widths_are_refused():
    with pytest.raises(ValueError, match="the codes have 3 dimensions, the components 2"):
        cauchy_schwarz_mixtures(mixture(2, 3), mixture(2, 2))
    with pytest.raises(ValueError, match="the codes have 3 dimensions, the components 2"):
        cauchy_schwarz(torch.zeros(1, 3), torch.zeros(1, 3), mixture(2, 2))
    broken = mixture(2, 3)._replace(log_variances=torch.zeros(4, 3))
    for pair in ((broken, mixture(2, 3)), (mixture(2, 3, shared=True), broken)):
        with pytest.raises(ValueError, match=r"give \(K,\), \(K, d\)"):
            cauchy_schwarz_mixtures(*pair)


def test_a_gaussian_overlaps_a_mixture_by_its_density_smeared_out():
    """∫qp is E_q[p(z)], by Monte Carlo with its error."""
    p, q = mixture(4, 2, seed=5), mixture(1, 2, seed=6)
    draws = diagonal_gaussian(q.means[0], q.log_variances[0]).sample((50_000,))
    densities = mixture_log_prob(draws, p).exp()
    error = (densities.std() / math.sqrt(50_000)).item()
    assert log_overlap(q.means, q.log_variances, p).exp().item() == pytest.approx(
        densities.mean().item(), abs=4 * error
    )
