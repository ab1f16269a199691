"""Overlaps of mixtures against brute force, with their hand-written gradients, in every precision."""

import math

import numpy as np
import pytest
import torch

from knownot.probability import Components, log_overlap, mixture_self_overlap, overlaps

SIZES = [(1, 1, 1), (5, 1, 3), (4, 6, 1), (7, 5, 4)]


def drawn(n, k, d, shared=False, seed=0, dtype=torch.float64):
    """Means and log-variances of n Gaussians, and a mixture of k."""
    generator = torch.Generator().manual_seed(seed)
    shapes = ((n, d), (n, d), (k,), (k, d), (1 if shared else k, d))
    mean, log_variance, logits, means, log_variances = (torch.randn(s, generator=generator).double() for s in shapes)
    tensors = (2.0 * mean, log_variance - 1.0, logits.log_softmax(0), 2.0 * means, log_variances)
    mean, log_variance, *parts = (tensor.to(dtype) for tensor in tensors)
    return mean, log_variance, Components(*parts)


def log_pairs(mean, log_variance, means, log_variances):
    """log N(mean_n; means_k, s_n^2 + t_k^2) by broadcasting in float64, (N, K)."""
    mean, s2 = mean.double()[:, None], log_variance.double().exp()[:, None]
    means, t2 = means.double(), log_variances.double().exp()
    squares = (mean - means).square() / (s2 + t2)
    return -0.5 * (squares + (s2 + t2).log() + math.log(2 * math.pi)).sum(-1)


def brute_overlap(mean, log_variance, p):
    return torch.logsumexp(log_pairs(mean, log_variance, p.means, p.log_variances) + p.log_weights.double(), 1)


def brute_self_overlap(p):
    log_variances = p.log_variances.expand_as(p.means)
    pairs = log_pairs(p.means, log_variances, p.means, log_variances)
    weights = p.log_weights.double()
    return torch.logsumexp((pairs + weights + weights[:, None]).flatten(), 0)


def with_gradients(function, tensors):
    """Values, and gradients of their sum weighted by 1, 2, 3, ..."""
    tensors = [tensor.detach().clone().requires_grad_() for tensor in tensors]
    value = function(*tensors)
    weights = torch.arange(1.0, value.numel() + 1.0, dtype=value.dtype).view_as(value)
    return value.detach(), torch.autograd.grad((weights * value).sum(), tensors)


def of_parts(function):
    return lambda *tensors: function(*tensors[:-3], Components(*tensors[-3:]))


@pytest.fixture(params=["whole", "pieces"])
def pieces(request, monkeypatch):
    """All at once, or in pieces of 2 rows with products of 2 variances at most."""
    if request.param == "pieces":
        monkeypatch.setattr(overlaps._Pieces, "__init__", in_pairs_of_rows(overlaps._Pieces.__init__))
        monkeypatch.setattr(overlaps, "_n_factors", lambda s2, t2: 2)


def in_pairs_of_rows(original):
    def init(self, n_rows, columns):
        original(self, n_rows, columns)
        self.size = min(2, self.size)

    return init


@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("n", "k", "d"), SIZES)
def test_log_overlap_equals_brute_force(n, k, d, shared):
    mean, log_variance, p = drawn(n, k, d, shared)
    expected = brute_overlap(mean, log_variance, p)
    torch.testing.assert_close(log_overlap(mean, log_variance, p), expected, rtol=1e-12, atol=0)


@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("n", "k", "d"), SIZES)
def test_mixture_self_overlap_equals_brute_force(n, k, d, shared):
    _, _, p = drawn(n, k, d, shared)
    torch.testing.assert_close(mixture_self_overlap(p), brute_self_overlap(p), rtol=1e-12, atol=0)


@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("n", "k", "d"), SIZES)
def test_gradients_equal_finite_differences(n, k, d, shared):
    mean, log_variance, p = drawn(n, k, d, shared)
    inputs = [tensor.requires_grad_() for tensor in (mean, log_variance, *p)]
    assert torch.autograd.gradcheck(of_parts(log_overlap), inputs)
    assert torch.autograd.gradcheck(of_parts(mixture_self_overlap), inputs[2:])


@pytest.mark.parametrize("shared", [False, True])
def test_gradients_of_many_components_equal_those_of_brute_force(shared):
    """As many as need several pieces, and so far apart that pairs of different components weigh 1e-12."""
    mean, log_variance, p = drawn(50, 130, 40, shared)
    for ours, brute, inputs in (
        (log_overlap, brute_overlap, (mean, log_variance, *p)),
        (mixture_self_overlap, brute_self_overlap, p),
    ):
        value, gradients = with_gradients(of_parts(ours), inputs)
        expected_value, expected = with_gradients(of_parts(brute), inputs)
        torch.testing.assert_close(value, expected_value, rtol=1e-12, atol=0)
        for gradient, of_brute in zip(gradients, expected, strict=True):
            torch.testing.assert_close(gradient, of_brute, rtol=1e-8, atol=1e-12 * float(of_brute.abs().max()))


def test_some_gradients_alone_equal_those_of_all():
    mean, log_variance, p = drawn(4, 5, 3)
    for shared in (False, True):
        p = p._replace(log_variances=p.log_variances[:1] if shared else p.log_variances)
        everything = [tensor.detach().requires_grad_() for tensor in (mean, log_variance, *p)]
        expected = torch.autograd.grad(log_overlap(*everything[:2], Components(*everything[2:])).sum(), everything)
        expected_self = torch.autograd.grad(mixture_self_overlap(Components(*everything[2:])), everything[2:])
        for i in range(5):
            tensors = [tensor.detach().requires_grad_(i == j) for j, tensor in enumerate((mean, log_variance, *p))]
            of_one = Components(*tensors[2:])
            (alone,) = torch.autograd.grad(log_overlap(*tensors[:2], of_one).sum(), tensors[i])
            torch.testing.assert_close(alone, expected[i], rtol=0, atol=0)
            if i >= 2:
                (alone,) = torch.autograd.grad(mixture_self_overlap(of_one), tensors[i])
                torch.testing.assert_close(alone, expected_self[i - 2], rtol=0, atol=0)


@pytest.mark.parametrize("shared", [False, True])
def test_single_precision_keeps_six_digits_and_gives_gradients_of_its_kind(shared):
    mean, log_variance, p = drawn(30, 60, 40, shared, dtype=torch.float32)
    for ours, brute, inputs in (
        (log_overlap, brute_overlap, (mean, log_variance, *p)),
        (mixture_self_overlap, brute_self_overlap, p),
    ):
        value, gradients = with_gradients(of_parts(ours), inputs)
        expected_value, expected = with_gradients(of_parts(brute), [tensor.double() for tensor in inputs])
        assert value.dtype == torch.float64
        torch.testing.assert_close(value, expected_value, rtol=1e-12 if shared else 1e-6, atol=0)
        for gradient, of_brute in zip(gradients, expected, strict=True):
            assert gradient.dtype == torch.float32
            atol = 1e-5 * float(of_brute.abs().max())
            torch.testing.assert_close(gradient.double(), of_brute, rtol=1e-4, atol=atol)


@pytest.mark.parametrize("shared", [False, True])
def test_half_precision_and_autocast_change_nothing_but_the_inputs(shared):
    mean, log_variance, p = drawn(5, 6, 7, shared, dtype=torch.bfloat16)
    single = (mean.float(), log_variance.float(), Components(*(tensor.float() for tensor in p)))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(log_overlap(mean, log_variance, p), log_overlap(*single), rtol=0, atol=0)
        torch.testing.assert_close(mixture_self_overlap(p), mixture_self_overlap(single[2]), rtol=0, atol=0)
        _, gradients = with_gradients(of_parts(log_overlap), (mean, log_variance, *p))
    _, expected = with_gradients(of_parts(log_overlap), (*single[:2], *single[2]))
    for gradient, of_single in zip(gradients, expected, strict=True):
        assert gradient.dtype == torch.bfloat16
        torch.testing.assert_close(gradient, of_single.bfloat16(), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("spread", [1e4, 1e-4])
def test_extreme_parameters_give_finite_values_and_gradients(shared, spread, dtype):
    generator = torch.Generator().manual_seed(0)
    corners = torch.tensor([-20.0, 20.0])
    for case in range(4):
        d = 40
        # All variances large, all small, and both mixed within a component and between components.
        signs = torch.randint(2, (30 + 20, d), generator=generator) if case > 1 else torch.full((50, d), case)
        log_variance, log_variances = corners[signs].to(dtype).split((30, 20))
        means = spread * (2.0 * torch.randint(2, (50, d), generator=generator) - 1.0).to(dtype)
        if case == 3:
            means[30:] = means[:20]  # where a Gaussian meets a component, and two components meet
            means[31] = means[30]
        mean, means = means.split((30, 20))
        p = Components(torch.zeros(20, dtype=dtype), means, log_variances[: 1 if shared else 20])
        for function, inputs in ((log_overlap, (mean, log_variance, *p)), (mixture_self_overlap, p)):
            value, gradients = with_gradients(of_parts(function), inputs)
            assert value.isfinite().all()
            assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("log_variance", [-20.0, 20.0, 0.0])
def test_products_of_many_variances_stay_in_range(log_variance, shared):
    """Their logarithms add up to 800, where float32 ends at 88 and float64 at 709."""
    for dtype in (torch.float32, torch.float64):
        row = torch.full((1, 40), log_variance, dtype=dtype)
        p = Components(torch.zeros(1, dtype=dtype), torch.zeros(1, 40, dtype=dtype), row)
        p = p if shared else Components(*(torch.cat((tensor, tensor)) for tensor in p))
        expected = -20.0 * (log_variance + math.log(4 * math.pi)) + (0.0 if shared else math.log(2.0))
        assert log_overlap(torch.zeros_like(row), row, p).item() == pytest.approx(expected, rel=1e-6, abs=1e-9)
        expected += 0.0 if shared else math.log(2.0)
        assert mixture_self_overlap(p).item() == pytest.approx(expected, rel=1e-6)


def test_far_from_the_origin_nothing_is_lost():
    mean, log_variance, p = drawn(6, 7, 5, shared=True)
    moved = p._replace(means=p.means + 2.0**20)
    there = log_overlap(mean + 2.0**20, log_variance, moved)
    torch.testing.assert_close(there, log_overlap(mean, log_variance, p), rtol=1e-9, atol=0)
    torch.testing.assert_close(mixture_self_overlap(moved), mixture_self_overlap(p), rtol=1e-9, atol=0)
    # Two narrow components that are one and the same: |a|^2 is 1e17 here.
    means = torch.tensor([[1e4], [1e4], [-1e4]]).double()
    twice = Components(torch.tensor([0.25, 0.25, 0.5]).log().double(), means, torch.full((1, 1), -20.0).double())
    value = mixture_self_overlap(twice).item()
    assert value == pytest.approx(10.0 - 0.5 * math.log(4 * math.pi) - math.log(2.0), abs=0.5)


@pytest.mark.parametrize("shared", [False, True])
def test_a_component_without_weight_does_not_count(shared):
    mean, log_variance, p = drawn(4, 5, 3, shared)
    rest = Components(*(tensor[1:] if len(tensor) > 1 else tensor for tensor in p))
    rest = rest._replace(log_weights=rest.log_weights.log_softmax(0))
    without = p._replace(log_weights=torch.cat((torch.tensor([-math.inf]).double(), rest.log_weights)))
    torch.testing.assert_close(log_overlap(mean, log_variance, without), log_overlap(mean, log_variance, rest))
    torch.testing.assert_close(mixture_self_overlap(without), mixture_self_overlap(rest))
    for function, inputs in ((log_overlap, (mean, log_variance, *without)), (mixture_self_overlap, without)):
        _, gradients = with_gradients(of_parts(function), inputs)
        assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("shared", [False, True])
def test_what_is_not_a_number_is_passed_on_and_raises_nothing(shared):
    mean, log_variance, p = drawn(4, 5, 3, shared)
    mean[1, 0] = torch.nan
    assert log_overlap(mean, log_variance, p).isnan().tolist() == [False, True, False, False]
    p.log_variances[0, 0] = torch.nan
    assert log_overlap(mean, log_variance, p).isnan().all()
    assert mixture_self_overlap(p).isnan()


@pytest.mark.parametrize("shared", [False, True])
def test_leading_dimensions_are_kept(shared):
    mean, log_variance, p = drawn(6, 5, 3, shared)
    flat = log_overlap(mean, log_variance, p)
    torch.testing.assert_close(log_overlap(mean.view(2, 3, 3), log_variance.view(2, 3, 3), p), flat.view(2, 3))
    torch.testing.assert_close(log_overlap(mean[0], log_variance[0], p), flat[0])
    assert log_overlap(mean[:0], log_variance[:0], p).shape == (0,)


def test_nothing_of_size_n_k_d_is_kept_or_made_at_once(monkeypatch):
    monkeypatch.setattr(overlaps, "_CPU_PIECE", 4000)
    mean, log_variance, p = drawn(60, 50, 40)
    value = log_overlap(mean.requires_grad_(), log_variance, Components(*(t.requires_grad_() for t in p)))
    assert sum(tensor.numel() for tensor in value.grad_fn.next_functions[0][0].saved_tensors) < 20_000
    sizes = overlaps._Pieces(60, p.means.T)
    assert [rows.stop - rows.start for rows in sizes] == [2] * 30
    assert sizes.buffers(slice(0, 2))[0].shape == (2, 40, 2, 50)
    assert sizes.buffers(slice(4, 5), slice(4, None))[1].shape == (40, 1, 46)


@pytest.mark.parametrize("shared", [False, True])
def test_without_gradients_the_values_are_the_same(shared):
    mean, log_variance, p = drawn(6, 7, 3, shared)
    p = Components(*(tensor.requires_grad_() for tensor in p))
    with torch.no_grad():
        without = log_overlap(mean, log_variance, p), mixture_self_overlap(p)
    torch.testing.assert_close(without, (log_overlap(mean, log_variance, p), mixture_self_overlap(p)))
    assert not without[1].requires_grad


def test_pairs_are_of_the_precision_of_the_inputs():
    """In double precision they would take twice the time."""
    for dtype in (torch.float32, torch.float64):
        mean, log_variance, p = drawn(3, 4, 2, dtype=dtype)
        value = log_overlap(mean.requires_grad_(), log_variance, p)
        saved = value.grad_fn.next_functions[0][0].saved_tensors
        assert {tensor.dtype for tensor in saved} == {dtype}


def test_the_printed_self_overlap_doubles_one_variance():
    _, _, p = drawn(1, 6, 3)
    pairs = log_pairs(p.means, p.log_variances - 1e9, p.means, p.log_variances + math.log(2.0))
    expected = torch.logsumexp((pairs + p.log_weights + p.log_weights[:, None]).flatten(), 0)
    torch.testing.assert_close(mixture_self_overlap(p, as_printed=True), expected)
    shared = p._replace(log_variances=p.log_variances[:1])
    torch.testing.assert_close(mixture_self_overlap(shared, as_printed=True), mixture_self_overlap(shared))


def test_means_without_log_variances_of_their_own_are_refused():
    _, _, p = drawn(1, 5, 3)
    with pytest.raises(
        ValueError, match=r"means have shape \(2, 3\), their log-variances \(1, 3\): give every mean its"
    ):
        log_overlap(torch.zeros(2, 3), torch.zeros(1, 3), p)
    with pytest.raises(ValueError, match="the codes have 2 dimensions, the components 3"):
        log_overlap(torch.zeros(2, 2), torch.zeros(2, 2), p)
    with pytest.raises(ValueError, match=r"log_variances \(2, 3\)"):
        mixture_self_overlap(p._replace(log_variances=torch.zeros(2, 3)))


def test_numbers_of_factors_follow_the_range_of_the_type():
    for dtype, one, expected in ((torch.float32, 20.0, 4), (torch.float64, 20.0, 34), (torch.float64, 400.0, 1)):
        s2 = torch.full((50, 1), one, dtype=dtype).exp()
        assert overlaps._n_factors(s2, s2) == expected
        assert overlaps._n_factors(1.0 / s2, 1.0 / s2) >= expected
    ones = torch.ones(50, 3)
    assert overlaps._n_factors(ones, ones) == 50
    assert overlaps._n_factors(ones * torch.nan, ones) == overlaps._n_factors(ones * torch.inf, ones) == 1
    np.testing.assert_allclose(
        overlaps._log_products(torch.full((7, 2), 3.0), 3), np.full(2, 7 * math.log(3.0)), rtol=1e-6
    )
