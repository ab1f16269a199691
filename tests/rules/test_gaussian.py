"""Densities of classes against SciPy and scikit-learn."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from knownot.rules import ClassGaussian, ClassMixture, Mahalanobis, RelativeMahalanobis
from knownot.rules.whitening import Whitening


def unequal(n=200, d=3, seed=0):
    """Two classes of different shape and size."""
    random = np.random.default_rng(seed)
    y = (np.arange(n) % 4 == 0).astype(int)
    rows = random.normal(size=(n, d)) * np.where(y[:, None], [3.0, 0.5, 1.0], [1.0, 2.0, 0.3]) + 4.0 * y[:, None]
    return torch.from_numpy(rows), torch.from_numpy(y)


def test_mahalanobis_is_minus_half_the_squared_distance_to_the_nearest_mean():
    z, y = unequal()
    verdict = Mahalanobis().fit(z, y).evaluate(z)
    whitening = Whitening.fit(z, y)
    squared = torch.cdist(whitening(z), whitening.means).square()
    torch.testing.assert_close(verdict.knownness, -0.5 * squared.min(1).values)
    torch.testing.assert_close(verdict.logits, -0.5 * squared + torch.tensor([0.75, 0.25]).double().log())


def test_relative_mahalanobis_subtracts_the_distance_to_the_mean_of_all():
    z, y = unequal()
    background = Whitening.fit(z, torch.zeros_like(y))
    plain, relative = (rule.fit(z, y).evaluate(z) for rule in (Mahalanobis(), RelativeMahalanobis()))
    torch.testing.assert_close(relative.knownness, plain.knownness + 0.5 * background(z).square().sum(1))
    torch.testing.assert_close(relative.logits, plain.logits)


def test_relative_mahalanobis_forgives_what_is_odd_where_classes_do_not_differ():
    random = np.random.default_rng(0)
    y = torch.arange(400) % 2
    z = torch.from_numpy(random.normal(size=(400, 2))) + 8.0 * y[:, None] * torch.tensor([1.0, 0.0])
    odd, between = torch.tensor([[0.0, 4.5], [4.0, 0.0]]).double()
    knownness = {
        r: r.fit(z, y).evaluate(torch.stack([odd, between])).knownness for r in (Mahalanobis(), RelativeMahalanobis())
    }
    plain, relative = knownness.values()
    assert plain[0] < plain[1], "far in the second column"
    assert relative[0] > relative[1] + 3.0, "which tells no classes apart"


def test_gaussian_is_the_density_of_scipy_after_whitening():
    z, y = unequal()
    rule = ClassGaussian().fit(z, y)
    whitening = Whitening.fit(z, y)
    mapped, expected = whitening(z).numpy(), []
    for c in range(2):
        members = whitening(z[y == c]).numpy()
        share = len(members) / (len(members) + 3)
        covariance = share * np.cov(members.T, bias=True) + (1 - share) * np.eye(3)
        expected.append(multivariate_normal(members.mean(0), covariance).logpdf(mapped))
    density = np.stack(expected, 1)
    verdict = rule.evaluate(z)
    np.testing.assert_allclose(verdict.knownness, density.max(1), rtol=1e-8)
    np.testing.assert_allclose(verdict.logits, density + np.log([0.75, 0.25]), rtol=1e-8)


def test_gaussian_in_the_unit_of_the_embeddings_needs_the_jacobian():
    """Mapped back, the density integrates to 1: of one column, by a sum over a grid."""
    z = torch.randn(500, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 7.0
    rule = ClassGaussian().fit(z, torch.zeros(500, dtype=torch.int64))
    grid = torch.linspace(-80, 80, 20001, dtype=torch.float64)[:, None]
    log_jacobian = math.log(abs(float(rule.whitening_.matrix)))
    density = (rule.evaluate(grid).knownness + log_jacobian).exp()
    assert float(density.sum() * 160 / 20000) == pytest.approx(1.0, abs=1e-6)


def test_gaussian_tells_classes_by_their_shape_alone():
    random = np.random.default_rng(0)
    y = torch.arange(1000) % 2
    z = torch.from_numpy(random.normal(size=(1000, 2)) * np.where(y[:, None], 5.0, 0.5))
    accuracy = {rule: (rule.fit(z, y).score(z)[0] == y).double().mean() for rule in (ClassGaussian(), Mahalanobis())}
    gaussian, shared = accuracy.values()
    assert gaussian > 0.95
    assert shared < 0.7


def test_gaussian_of_a_class_of_one_is_the_pooled_one():
    z, y = unequal()
    z, y = torch.cat([z, z[:1] + 20.0]), torch.cat([y, torch.tensor([2])])
    rule = ClassGaussian().fit(z, y)
    away = rule.evaluate(z[-1:] + 0.0).logits[0, 2]
    # One member and three columns: covariance 3/4 of the unit matrix.
    expected = -0.5 * 3 * math.log(2 * math.pi * 0.75) + math.log(1 / 201)
    assert float(away) == pytest.approx(expected, abs=1e-6)


def test_mixture_is_scikit_learns():
    z, y = unequal(400)
    rule = ClassMixture(n_components=3).fit(z, y)
    mapped, expected = Whitening.fit(z, y)(z).numpy(), []
    for c, k in ((0, 3), (1, 3)):
        members = mapped[y == c]
        peer = GaussianMixture(k, covariance_type="diag", reg_covar=0.05, random_state=0).fit(members)
        expected.append(peer.score_samples(mapped))
    density = np.stack(expected, 1)
    verdict = rule.evaluate(z)
    np.testing.assert_allclose(verdict.knownness, density.max(1), rtol=1e-8)
    np.testing.assert_allclose(verdict.logits, density + np.log([0.75, 0.25]), rtol=1e-8)


@pytest.mark.parametrize(("n", "expected"), [(1, 1), (39, 1), (40, 2), (59, 2), (60, 3), (900, 3)])
def test_mixture_has_a_component_for_twenty_members(n, expected):
    z = torch.randn(n, 2, generator=torch.Generator().manual_seed(0))
    rule = ClassMixture().fit(z, torch.zeros(n, dtype=torch.int64))
    assert len(rule.owners_) == expected
    assert torch.isfinite(rule.evaluate(z).knownness).all()


def test_mixture_finds_the_gap_inside_a_class():
    generator = torch.Generator().manual_seed(0)
    z = torch.cat([torch.randn(100, 2, generator=generator) - 9.0, torch.randn(100, 2, generator=generator) + 9.0])
    y = torch.zeros(200, dtype=torch.int64)
    gap, member = torch.zeros(1, 2), z[:1]
    for rule, finds in ((ClassMixture(2), True), (ClassGaussian(), False)):
        knownness = rule.fit(z, y).evaluate(torch.cat([gap, member])).knownness
        assert bool(knownness[0] < knownness[1] - 3.0) is finds


@pytest.mark.parametrize("n_components", [0, -1, 2.5, "two"])
def test_mixture_refuses_what_is_no_number_of_components(n_components):
    with pytest.raises(ValueError, match=f"n_components={n_components!r} does not work: give a whole number"):
        ClassMixture(n_components).fit(*unequal())


@pytest.mark.parametrize(
    "rule", [Mahalanobis(), RelativeMahalanobis(), ClassGaussian(), ClassMixture()], ids=lambda r: r.name
)
def test_learns_from_embeddings_that_carry_gradients(rule):
    z, y = unequal()
    assert not any(tensor.requires_grad for tensor in rule.fit(z.requires_grad_(), y).state().values())
