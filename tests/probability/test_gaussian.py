"""Diagonal Gaussians against torch.distributions and brute force."""

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from knownot.probability import (
    diagonal_gaussian,
    kl_standard_normal,
    pairwise_log_prob,
    soft_bound,
    soft_clip,
)


def test_kl_standard_normal_equals_torch():
    generator = torch.Generator().manual_seed(0)
    mean, log_variance = torch.randn(2, 7, 5, generator=generator).double()
    standard = Independent(Normal(torch.zeros(7, 5).double(), torch.ones(7, 5).double()), 1)
    expected = kl_divergence(diagonal_gaussian(mean, log_variance), standard)
    torch.testing.assert_close(kl_standard_normal(mean, log_variance), expected)


def test_diagonal_gaussian_of_half_precision_gives_float32_densities():
    q = diagonal_gaussian(torch.zeros(2, 3, dtype=torch.bfloat16), torch.zeros(2, 3, dtype=torch.bfloat16))
    assert q.log_prob(torch.zeros(2, 3)).dtype == torch.float32


def test_pairwise_log_prob_equals_broadcasting_far_from_the_origin():
    generator = torch.Generator().manual_seed(1)
    z = torch.randn(50, 10, generator=generator) + 300.0
    means = torch.randn(7, 10, generator=generator) + 300.0
    log_variances = torch.randn(7, 10, generator=generator) - 4.0
    expected = diagonal_gaussian(means.double(), log_variances.double()).log_prob(z.double()[:, None])
    torch.testing.assert_close(pairwise_log_prob(z, means, log_variances), expected, rtol=1e-6, atol=1e-3)


def test_soft_bound_is_the_identity_in_the_middle_and_never_overflows():
    healthy = torch.linspace(-3.4, 3.4, 50)
    torch.testing.assert_close(soft_bound(healthy), healthy, rtol=0.011, atol=1e-6)
    wild = soft_bound(torch.tensor([-1e30, 1e30], requires_grad=True))
    assert torch.isfinite(wild.exp()).all()


def test_soft_clip_is_the_identity_but_for_the_last_nats_and_never_leaves_its_bounds():
    middle = torch.linspace(-20.0, 20.0, 81).double().requires_grad_()
    torch.testing.assert_close(soft_clip(middle), middle, rtol=0, atol=5e-5)
    torch.testing.assert_close(
        torch.autograd.grad(soft_clip(middle).sum(), middle)[0], torch.ones_like(middle), rtol=0, atol=5e-5
    )
    edges = torch.tensor([-1e30, -31.0, -29.0, 29.0, 31.0, 1e30])
    clipped = soft_clip(edges)
    assert clipped[0] == -30.0
    assert clipped[-1] == 30.0
    assert (clipped.diff() > 0).all()
    assert soft_clip(torch.tensor([-9.0, 9.0]), -2.0, 5.0).tolist() == pytest.approx([-2.0, 5.0], abs=0.02)
    assert soft_clip(edges.bfloat16()).dtype == torch.float32
    assert torch.autograd.gradcheck(soft_clip, torch.linspace(-35.0, 35.0, 40).double().requires_grad_())


def test_pairwise_log_prob_of_shared_variances_equals_that_of_the_same_written_out():
    z, means, log_variances = torch.randn(5, 3), torch.randn(4, 3), torch.randn(1, 3)
    expected = pairwise_log_prob(z, means, log_variances.expand(4, 3))
    torch.testing.assert_close(pairwise_log_prob(z, means, log_variances), expected)
