"""Mixtures of Gaussians against scipy and scikit-learn, their samples against their distribution."""

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import logsumexp
from sklearn.mixture import GaussianMixture
from torch.utils._python_dispatch import TorchDispatchMode

from knownot.probability import Components, check_components, mixture_log_prob, sample_components


def mixture(n_components, latent_dim, shared=False, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    log_weights = torch.randn(n_components, generator=generator).double().log_softmax(0)
    means = 2.0 * torch.randn(n_components, latent_dim, generator=generator).double()
    log_variances = torch.randn(1 if shared else n_components, latent_dim, generator=generator).double()
    return Components(log_weights.to(dtype), means.to(dtype), log_variances.to(dtype))


class LargestTensor(TorchDispatchMode):
    """Numbers in the largest tensor that any operation gives, views aside."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, torch.Tensor):
                self.numbers = max(self.numbers, tensor.untyped_storage().nbytes() // tensor.element_size())
        return result


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("n_components", "latent_dim"), [(1, 1), (1, 4), (5, 1), (6, 3)])
def test_mixture_log_prob_equals_scipy(n_components, latent_dim, shared):
    p = mixture(n_components, latent_dim, shared)
    z = torch.randn(4, 7, latent_dim).double()
    expected = logsumexp(
        [
            float(w) + stats.norm.logpdf(z, mean, (0.5 * log_variance).exp()).sum(-1)
            for w, mean, log_variance in zip(p.log_weights, p.means, p.log_variances.expand_as(p.means), strict=True)
        ],
        axis=0,
    )
    np.testing.assert_allclose(mixture_log_prob(z, p), expected, rtol=1e-12)
    np.testing.assert_allclose(mixture_log_prob(z[0, 0], p), expected[0, 0], rtol=1e-12)


def test_mixture_log_prob_equals_scikit_learn():
    x = np.random.default_rng(0).normal(size=(200, 3)) * [1.0, 5.0, 0.1]
    theirs = GaussianMixture(4, covariance_type="diag", random_state=0).fit(x)
    weights, means, variances = (torch.tensor(a) for a in (theirs.weights_, theirs.means_, theirs.covariances_))
    ours = mixture_log_prob(torch.tensor(x), Components(weights.log(), means, variances.log()))
    np.testing.assert_allclose(ours, theirs.score_samples(x), rtol=1e-10)


@pytest.mark.parametrize("shared", [False, True])
def test_mixture_log_prob_has_right_gradients(shared):
    inputs = [torch.randn(2, 3, 4).double(), *mixture(5, 4, shared)]
    for tensor in inputs:
        tensor.requires_grad_()
    assert torch.autograd.gradcheck(lambda z, *parts: mixture_log_prob(z, Components(*parts)), inputs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_mixture_log_prob_computes_in_double_precision_also_under_autocast(dtype):
    p, z = mixture(20, 30, dtype=dtype), (10 * torch.randn(6, 30)).to(dtype)
    expected = mixture_log_prob(z.double(), Components(*(tensor.double() for tensor in p)))
    with torch.autocast("cpu", torch.bfloat16):
        ours = mixture_log_prob(z, p)
    assert ours.dtype == torch.float64
    torch.testing.assert_close(ours, expected, rtol=0, atol=0)


def test_mixture_log_prob_is_finite_for_extreme_parameters():
    for log_variance in (-20.0, 20.0):
        p = Components(torch.zeros(2), torch.tensor([[1e4, -1e4], [0.0, 1e-4]]), torch.full((1, 2), log_variance))
        z = torch.tensor([[1e4, -1e4], [-1e4, 1e4], [0.0, 0.0]], requires_grad=True)
        density = mixture_log_prob(z, p)
        density.sum().backward()
        assert density.isfinite().all()
        assert z.grad.isfinite().all()


def test_shared_variances_are_not_expanded():
    p, z = mixture(300, 40, shared=True), torch.randn(20, 40).double()
    with LargestTensor() as largest:
        mixture_log_prob(z, p)
    assert largest.numbers <= 300 * 40
    with LargestTensor() as largest:
        sample_components(p, 50)
    assert largest.numbers <= 300 * 40


@pytest.mark.parametrize("shared", [False, True])
def test_samples_follow_the_mixture(shared):
    p = mixture(3, 2, shared, seed=3)
    z, index = sample_components(p, 20_000)
    assert z.shape == (20_000, 2)
    assert index.shape == (20_000,)
    shares = index.bincount(minlength=3) / len(index)
    error = (p.log_weights.exp() * (1 - p.log_weights.exp()) / len(index)).sqrt()
    assert ((shares - p.log_weights.exp()).abs() < 4 * error).all()
    for k in range(3):
        std = (0.5 * p.log_variances.expand_as(p.means)[k]).exp()
        for j in range(2):
            draws = z[index == k, j].numpy()
            assert stats.kstest(draws, stats.norm(float(p.means[k, j]), float(std[j])).cdf).pvalue > 1e-3


def test_samples_are_float32_or_better_and_have_gradients():
    half = mixture(3, 2, dtype=torch.bfloat16)
    assert sample_components(half, 4)[0].dtype == torch.float32
    p = mixture(3, 2)
    assert sample_components(p, 4)[0].dtype == torch.float64
    p.means.requires_grad_()
    p.log_variances.requires_grad_()
    z, index = sample_components(p, 40)
    slopes = torch.autograd.grad(z.sum(), (p.means, p.log_variances))
    torch.testing.assert_close(slopes[0], index.bincount(minlength=3).double()[:, None].expand(3, 2))
    expected = 0.5 * torch.zeros(3, 2).double().index_add(0, index, (z - p.means[index]).detach())
    torch.testing.assert_close(slopes[1], expected)


def test_components_know_their_sizes():
    assert (mixture(3, 2).n_components, mixture(3, 2).latent_dim) == (3, 2)
    assert mixture(3, 2, shared=True).share_variances
    assert not mixture(3, 2).share_variances
    assert mixture(1, 2).share_variances


@pytest.mark.parametrize(
    ("shapes", "found"),
    [
        (((3,), (3, 2), (2, 2)), r"log_variances \(2, 2\)"),
        (((3,), (3, 2), (3, 1)), r"log_variances \(3, 1\)"),
        (((3,), (3, 2), (2,)), r"log_variances \(2,\)"),
        (((2,), (3, 2), (3, 2)), r"log_weights of shape \(2,\)"),
        (((3,), (3,), (3,)), r"means \(3,\)"),
    ],
)
def test_components_whose_shapes_do_not_fit_are_refused(shapes, found):
    components = Components(*(torch.zeros(shape) for shape in shapes))
    for call in (check_components, lambda p: mixture_log_prob(torch.zeros(2), p), lambda p: sample_components(p, 1)):
        with pytest.raises(ValueError, match=found + r".*: give \(K,\)") as error:
            call(components)
        assert "(K, d) or (1, d)" in str(error.value)


def test_codes_of_another_width_are_refused():
    with pytest.raises(ValueError, match="the codes have 5 dimensions, the components 2: give both the same"):
        mixture_log_prob(torch.zeros(1, 5), mixture(3, 2))
