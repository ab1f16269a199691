"""A mixture of Gaussians against SciPy and scikit-learn."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp, softmax
from scipy.stats import multivariate_normal
from sklearn.datasets import make_blobs
from sklearn.mixture import GaussianMixture as Reference

from knownot.data import Batch, InMemoryBatches
from knownot.modules import DensityModule, GaussianMixture, GenerativeModule, MixtureModule
from knownot.training import TrainingPlan, train


def some_mixture(floor=0.01):
    torch.manual_seed(0)
    module = GaussianMixture((3,), 4, floor)
    with torch.no_grad():
        module.logits.normal_()
        module.raw_log_variances.normal_()
    return module


def joint(module, x):
    """log pi_k + log N(x; mu_k, floor + exp(raw)), written out."""
    pi = softmax(module.logits.detach().numpy())
    variances = module.variance_floor + np.exp(module.raw_log_variances.detach().numpy())
    means = module.means.detach().numpy()
    return np.stack(
        [np.log(pi[k]) + multivariate_normal(means[k], np.diag(variances[k])).logpdf(x) for k in range(4)], 1
    )


def test_gaussian_mixture_has_the_density_of_scipy():
    module, x = some_mixture(), np.random.default_rng(0).normal(size=(50, 3)) * 3
    with torch.no_grad():
        found = module.log_prob(torch.from_numpy(x))
        shares = module.responsibilities(torch.from_numpy(x))
    np.testing.assert_allclose(found, logsumexp(joint(module, x), axis=1), rtol=1e-6)
    np.testing.assert_allclose(shares, softmax(joint(module, x), axis=1), atol=1e-6)
    assert isinstance(module, DensityModule)
    assert isinstance(module, MixtureModule)
    assert isinstance(module, GenerativeModule)


def test_gaussian_mixture_loss_is_the_mean_of_minus_the_density():
    module, x = some_mixture(), torch.randn(20, 3)
    loss = module.loss(Batch(x, torch.full((20,), -1)))
    torch.testing.assert_close(loss.total, -module.log_prob(x).mean())


def test_gaussian_mixture_samples_have_its_mean_and_variance():
    module = some_mixture()
    with torch.no_grad():
        x = module.sample(200_000).double().numpy()
    pi, means = softmax(module.logits.detach().numpy()), module.means.detach().numpy()
    variances = module.variance_floor + np.exp(module.raw_log_variances.detach().numpy())
    mean = pi @ means
    np.testing.assert_allclose(x.mean(0), mean, atol=0.02)
    np.testing.assert_allclose(x.var(0), pi @ (variances + means**2) - mean**2, rtol=0.03)


def test_gaussian_mixture_learns_as_well_as_em():
    X, _ = make_blobs(1200, centers=4, n_features=3, random_state=3)
    x = torch.from_numpy(X).float()
    reference = Reference(4, covariance_type="diag", random_state=0).fit(X[:900])
    module = GaussianMixture((3,), 4)
    module.start_from(x[:900], 0)
    batches = InMemoryBatches(x[:900], None, 64, shuffle=True)
    train(module, batches, InMemoryBatches(x[900:], None, 300), TrainingPlan(15, learning_rate=1e-2, seed=0))
    with torch.no_grad():
        assert module.log_prob(x[900:]).mean().item() > reference.score(X[900:]) - 0.02


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_components": 0}, "n_components=0 does not work"),
        ({"n_components": 2, "variance_floor": 0.0}, r"variance_floor=0\.0 does not work"),
    ],
)
def test_gaussian_mixture_refuses_what_is_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        GaussianMixture((3,), **arguments)


def test_gaussian_mixture_needs_as_many_samples_as_components():
    with pytest.raises(ValueError, match="5 components need at least 5 training samples, but there are 3"):
        GaussianMixture((2,), 5).start_from(torch.randn(3, 2), 0)
