"""Residual networks: published sizes, another implementation, all image sizes."""

import re

import pytest
import torch
from torch import nn

from knownot.networks import ResNet

# Of torchvision's models, with a linear layer for 1,000 classes and a 7x7 stem.
PUBLISHED = {18: 11_689_512, 34: 21_797_672, 50: 25_557_032}


def n_parameters(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("depth", PUBLISHED)
def test_parameters_are_as_many_as_published(depth):
    with torch.device("meta"):
        large = ResNet((3, 224, 224), depth, out_features=1000)
        small = ResNet((3, 32, 32), depth)
    assert n_parameters(large) == PUBLISHED[depth]
    fully_connected = 1000 * large.n_features + 1000
    assert n_parameters(small) == PUBLISHED[depth] - fully_connected - 64 * 3 * (7 * 7 - 3 * 3)
    assert large.n_features == (2048 if depth == 50 else 512)


def test_a_resnet_18_for_small_images_has_11168832_parameters():
    with torch.device("meta"):
        assert n_parameters(ResNet((3, 32, 32))) == 11_168_832


def _name_of_theirs(name):
    """What `transformers` calls a parameter of ours."""
    name = re.sub(r"^stem\.0", "embedder.embedder.convolution", name)
    name = re.sub(r"^stem\.1", "embedder.embedder.normalization", name)
    stage = re.match(r"layer(\d)\.(\d+)\.(residual|skip)\.(\d+)\.(.*)", name)
    if not stage:
        return name
    number, block, part, index, rest = stage.groups()
    head = f"encoder.stages.{int(number) - 1}.layers.{block}"
    kind = "convolution" if int(index) % 3 == 0 else "normalization"
    return f"{head}.shortcut.{kind}.{rest}" if part == "skip" else f"{head}.layer.{int(index) // 3}.{kind}.{rest}"


@pytest.mark.parametrize("depth", [18, 50])
def test_outputs_are_those_of_another_implementation(depth):
    transformers = pytest.importorskip("transformers")
    expansion = 4 if depth == 50 else 1
    config = transformers.ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8 * expansion * 2**i for i in range(4)],
        depths=[3, 4, 6, 3] if depth == 50 else [2, 2, 2, 2],
        layer_type="bottleneck" if depth == 50 else "basic",
    )
    theirs = transformers.ResNetModel(config).eval()
    ours = ResNet((3, 97, 64), depth, width=8).eval()
    for p in theirs.parameters():
        nn.init.normal_(p, std=0.2)
    state = theirs.state_dict()
    ours.load_state_dict({name: state.pop(_name_of_theirs(name)) for name in ours.state_dict()})
    assert not state
    x = torch.randn(2, 3, 97, 64)
    with torch.inference_mode():
        expected = theirs(x, output_hidden_states=True)
        features, kept = ours.stages(x, keep=ours.stage_names)
        torch.testing.assert_close(ours(x), features)
    torch.testing.assert_close(features, expected.pooler_output.flatten(1), rtol=1e-4, atol=1e-4)
    for ours_, theirs_ in zip(kept.values(), expected.hidden_states[1:], strict=True):
        torch.testing.assert_close(ours_, theirs_, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("depth", [18, 34, 50])
@pytest.mark.parametrize("stem", ["small", "large"])
def test_images_of_any_size_work(depth, stem):
    for channels, height, width in [(1, 1, 1), (2, 7, 5), (1, 28, 28), (3, 33, 9)]:
        network = ResNet((channels, height, width), depth, width=4, out_features=6, stem=stem)
        x = torch.rand(2, channels, height, width)
        features, kept = network.stages(x, keep=["layer2", "layer4"])
        assert features.shape == (2, network.n_features)
        assert list(kept) == ["layer2", "layer4"]
        assert network(x).shape == (2, 6)
        assert network(x).isfinite().all()


@pytest.mark.parametrize(
    ("size", "layer1"), [((28, 28), 28), ((64, 64), 64), ((95, 95), 95), ((40, 96), 10), ((224, 224), 56)]
)
def test_the_stem_follows_the_longer_side(size, layer1):
    network = ResNet((1, *size), width=2)
    _, kept = network.stages(torch.zeros(1, 1, *size), keep=("layer1", "layer4"))
    assert kept["layer1"].shape[2] == layer1
    assert kept["layer4"].shape[2] == -(-layer1 // 8)


def test_gradients_at_a_stage_are_those_of_the_loss_and_the_head_follows():
    """What attribution does: from the features through the head to a loss, then back to the stage."""
    network = ResNet((1, 12, 12), width=4, out_features=3)
    x = torch.rand(4, 1, 12, 12)
    features, kept = network.stages(x, keep=("layer4", "layer3"))
    loss = network.head(features).square().sum()
    at_layer4, at_layer3 = torch.autograd.grad(loss, [kept["layer4"], kept["layer3"]], retain_graph=True)
    # The average over positions sends the same gradient to each.
    assert at_layer4.shape == kept["layer4"].shape
    torch.testing.assert_close(at_layer4, at_layer4[:, :, :1, :1].expand_as(at_layer4))
    assert at_layer3.abs().sum() > 0
    loss.backward()
    assert all(p.grad is not None for p in network.parameters())


def test_the_network_learns():
    torch.manual_seed(1)
    network = ResNet((1, 8, 8), width=4, out_features=2)
    x = torch.randn(64, 1, 8, 8)
    y = torch.arange(64) % 2
    x[y == 1, :, :4] += 1.0
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(30):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(x), y).backward()
        optimiser.step()
    assert (network.eval()(x).argmax(1) == y).float().mean() > 0.95


def test_blocks_begin_as_what_skips_them_and_signals_keep_their_scale():
    network = ResNet((3, 32, 32), depth=50, width=8)
    x = torch.randn(8, 3, 32, 32)
    block = network.layer1[1]
    inside = network.layer1[0](network.stem(x))
    torch.testing.assert_close(block(inside), inside)
    weight = network.layer2[0].residual[3].weight
    assert float(weight.detach().std()) == pytest.approx((2 / (weight.shape[0] * 9)) ** 0.5, rel=0.1)
    assert 0.1 < network(x).std().item() < 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (13,)}, "a ResNet reads images"),
        ({"input_shape": (1, 0, 28)}, "each at least 1"),
        ({"depth": 20}, "depth=20 does not work: choose 18, 34 or 50"),
        ({"width": 0}, "width=0 does not work: give a whole number"),
        ({"width": 2.5}, "width=2.5 does not work"),
        ({"out_features": 0}, "out_features=0 does not work"),
        ({"stem": "medium"}, "stem='medium' does not work: choose 'auto', 'small' or 'large'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ResNet(**{"input_shape": (1, 28, 28)} | arguments)


@pytest.mark.parametrize("keep", ["layer4", ("layer5",), ("conv5",)])
def test_stages_that_there_are_not_are_refused(keep):
    with pytest.raises(ValueError, match="give a tuple of names from layer1, layer2, layer3, layer4"):
        ResNet((1, 8, 8), width=2).stages(torch.zeros(1, 1, 8, 8), keep)
