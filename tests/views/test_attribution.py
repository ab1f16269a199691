import pytest
import torch
import torch.nn.functional as F
from torch import nn

from knownot.views import aggregate, gradcam, layercam
from knownot.views.attribution import scaled_up


@pytest.fixture
def pair():
    return torch.randn(3, 5, 4, 6), torch.randn(3, 5, 4, 6)


@pytest.mark.parametrize("sign", [1, -1])
def test_layercam_is_its_equation(pair, sign):
    A, g = pair
    expected = torch.zeros(3, 4, 6)
    for n in range(3):
        for i in range(4):
            for j in range(6):
                expected[n, i, j] = max(
                    0, sum(max(0, sign * float(g[n, k, i, j])) * float(A[n, k, i, j]) for k in range(5))
                )
    torch.testing.assert_close(layercam(A, g, sign=sign), expected)


@pytest.mark.parametrize("sign", [1, -1])
def test_gradcam_is_its_equation(pair, sign):
    A, g = pair
    weights = torch.einsum("nkij->nk", sign * g) / 24
    torch.testing.assert_close(gradcam(A, g, sign=sign), torch.einsum("nk,nkij->nij", weights, A).clamp(min=0))


def test_layercam_finds_the_place_that_decides():
    """A network whose output is the sum over one quarter of the image points there."""
    net = nn.Conv2d(1, 4, 3, padding=1)
    A = net(torch.rand(2, 1, 8, 8)).relu() + 0.1
    g = torch.autograd.grad(A[:, :, 4:, :4].sum(), A)[0]
    found = layercam(A, g)
    assert (found[:, 4:, :4] > 0).all()
    assert found.sum() == pytest.approx(float(found[:, 4:, :4].sum()))


def test_maps_are_float32_under_bfloat16(pair):
    A, g = (value.bfloat16() for value in pair)
    assert layercam(A, g).dtype == gradcam(A, g).dtype == torch.float32


@pytest.mark.parametrize(("A", "g"), [((2, 3, 4, 4), (2, 3, 4, 5)), ((2, 3, 4), (2, 3, 4))])
@pytest.mark.parametrize("cam", [layercam, gradcam])
def test_shapes_that_do_not_fit_are_named(cam, A, g):
    with pytest.raises(ValueError, match="must have one shape"):
        cam(torch.zeros(A), torch.zeros(g))


@pytest.mark.parametrize("cam", [layercam, gradcam])
def test_sign_is_one_or_minus_one(cam, pair):
    with pytest.raises(ValueError, match="sign=0"):
        cam(*pair, sign=0)


@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (3, 5), (40, 7)])
def test_scaling_up_is_bilinear(shape):
    maps = torch.rand(3, *shape)
    expected = F.interpolate(maps[:, None], (32, 20), mode="bilinear")[:, 0]
    torch.testing.assert_close(scaled_up(maps, (32, 20)), expected, atol=1e-6, rtol=1e-5)


def test_aggregate_sums_maps_of_maximum_one():
    maps = [torch.rand(3, 4, 4) * 1e-6, torch.rand(3, 2, 3) * 1e4]
    expected = torch.zeros(3, 8, 10)
    for found in maps:
        for n in range(3):
            large = F.interpolate(found[None, None, n], (8, 10), mode="bilinear")[0, 0]
            expected[n] += large / large.max()
    torch.testing.assert_close(aggregate(maps, (8, 10)), expected)


def test_map_of_zeros_stays_zero():
    found = aggregate([torch.zeros(2, 4, 4), torch.stack([torch.zeros(2, 2), torch.eye(2)])], (4, 4))
    assert (found[0] == 0).all()
    assert found[1].max() == 1


def test_aggregate_needs_maps_of_one_batch():
    with pytest.raises(ValueError, match=r"one \(N, h, w\) or more"):
        aggregate([], (4, 4))
    with pytest.raises(ValueError, match="all of one N"):
        aggregate([torch.zeros(2, 4, 4), torch.zeros(3, 4, 4)], (4, 4))
