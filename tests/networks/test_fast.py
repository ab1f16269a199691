"""The fast network: whitening, shapes, what is refused."""

import pytest
import torch

from knownot.networks import FastConvNet
from knownot.networks.fast import BiasNorm, Whitening


def natural_images(n=40, channels=3, side=32, seed=0):
    """Images whose neighbouring pixels are alike, as in photographs."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(n, channels, side // 4, side // 4, generator=generator)
    smooth = torch.nn.functional.interpolate(noise, size=(side, side), mode="bicubic").clamp(0, 1)
    return (0.8 * smooth + 0.2 * torch.rand(n, channels, side, side, generator=generator)).clamp(0, 1)


@pytest.mark.parametrize(("channels", "stride"), [(3, 1), (1, 1), (3, 2)])
def test_whitening_gives_uncorrelated_responses_of_variance_one(channels, stride):
    x = natural_images(channels=channels)
    layer = Whitening(channels, stride)
    layer.start_from(x, seed=0)
    found = layer(x).detach()
    n = layer.out_channels // 2
    assert torch.allclose(found[:, :n], -found[:, n:], atol=1e-5)
    rows = found[:, :n].permute(0, 2, 3, 1).flatten(0, 2).double()
    covariance = torch.cov(rows.T)
    if stride == 1:  # else only a part of the many patches is looked at
        assert torch.allclose(covariance, torch.eye(n, dtype=torch.float64), atol=0.05)
    off = covariance - torch.diag(covariance.diag())
    assert off.abs().max() < 0.05
    assert (covariance.diag() > 0.8).all()


def test_whitening_is_the_same_whatever_the_scale_of_grey():
    x = natural_images()
    one, other = Whitening(3), Whitening(3)
    one.start_from(x, seed=0)
    other.start_from(0.2 + 0.5 * x, seed=0)
    assert torch.allclose(one(x), other(0.2 + 0.5 * x), atol=1e-3)


def test_whitening_of_images_of_one_colour_is_finite():
    layer = Whitening(3)
    layer.start_from(torch.full((4, 3, 16, 16), 0.5), seed=0)
    assert layer(torch.rand(2, 3, 16, 16)).isfinite().all()


def test_bias_norm_is_batch_normalisation_with_a_bias():
    norm, plain = BiasNorm(3), torch.nn.BatchNorm2d(3, momentum=0.2)
    with torch.no_grad():
        norm.shift.copy_(torch.tensor([0.1, -0.2, 0.3]))
        plain.bias.copy_(8 * norm.shift)
    x = torch.randn(5, 3, 4, 4)
    assert torch.allclose(norm(x), plain(x), atol=1e-6)
    assert torch.allclose(norm.eval()(x), plain.eval()(x), atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "places"), [((3, 32, 32), 3), ((1, 28, 28), 3), ((3, 64, 64), 3), ((3, 96, 64), 3), ((3, 17, 17), 2)]
)
def test_fast_network_keeps_the_grid_of_larger_images_small(shape, places):
    network = FastConvNet(shape, (4, 8, 16))
    features, kept = network.stages(torch.rand(2, *shape), ("layer3",))
    assert features.shape == (2, 16)
    assert max(kept["layer3"].shape[2:]) == places
    assert torch.equal(features, kept["layer3"].amax((2, 3)))
    assert network.stage_names == ("layer1", "layer2", "layer3")


def test_fast_network_at_its_default_widths_takes_what_is_said():
    macs = []
    network = FastConvNet((3, 32, 32))
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(lambda m, _, out: macs.append(m.weight.numel() * out.shape[2] * out.shape[3]))
    network(torch.zeros(1, 3, 32, 32))
    assert 0.11e9 < sum(macs) < 0.13e9


def test_fast_network_refuses_images_that_are_too_small():
    with pytest.raises(ValueError, match="images of 8x40 pixels are too small, or too long and narrow, for 3 stages"):
        FastConvNet((3, 8, 40))
