"""The hierarchical reconstruction net against its equations, layer by layer."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from knownot.networks.reconstruction import CROSR_CIFAR, CROSR_MNIST, HierarchicalReconstructionNet


def convolutions(part):
    return [(m.in_channels, m.out_channels, m.kernel_size) for m in part.modules() if isinstance(m, nn.Conv2d)]


def linears(part):
    return [(m.in_features, m.out_features) for m in part.modules() if isinstance(m, nn.Linear)]


def test_crosr_mnist_has_the_published_layers():
    net = HierarchicalReconstructionNet((1, 28, 28), 6, **CROSR_MNIST)
    main = convolutions(net.stages) + convolutions(net.head)
    assert main == [(1, 100, (3, 3))] + 4 * [(100, 100, (3, 3))]
    assert linears(net.head) == [(100 * 7 * 7, 500), (500, 6)]
    assert sum(isinstance(m, nn.MaxPool2d) for m in net.modules()) == 2
    assert convolutions(net.bottlenecks) == 2 * [(100, 32, (1, 1))]


def test_crosr_cifar_has_thirteen_weight_layers_and_five_connections():
    net = HierarchicalReconstructionNet((3, 32, 32), 6, **CROSR_CIFAR)
    assert len(convolutions(net.stages)) + len(linears(net.head)) == 13
    logits, codes, reconstruction = net(torch.rand(2, 3, 32, 32))
    assert logits.shape == (2, 6)
    assert [z.shape[1:] for z in codes] == [(32, s, s) for s in (16, 8, 4, 2, 1)]
    assert reconstruction.shape == (2, 3, 32, 32)


def test_reconstruction_net_follows_the_equations_on_images():
    net = HierarchicalReconstructionNet((2, 6, 4), 3, ((2, 5), (1, 7)), (9,), 4, top=((1, 8),)).double()
    x = torch.rand(3, 2, 6, 4).double()
    w = {name: p.detach() for name, p in net.named_parameters()}

    def layer(name, value, padding=0):
        return F.conv2d(value, w[f"{name}.weight"], w[f"{name}.bias"], padding=padding)

    x_1 = F.max_pool2d(layer("stages.0.2", layer("stages.0.0", x, 1).relu(), 1).relu(), 2)
    x_2 = F.max_pool2d(layer("stages.1.0", x_1, 1).relu(), 2)
    features = layer("head.0", x_2, 1).relu().flatten(1)
    hidden = (features @ w["head.3.0.weight"].T + w["head.3.0.bias"]).relu()
    z_1, z_2 = layer("bottlenecks.0.0", x_1).relu(), layer("bottlenecks.1.0", x_2).relu()
    # x~_1 = g_2(h~_2(z_2)), brought from 1x1 to 3x2 pixels; x~_0 = g_1(x~_1 + h~_1(z_1)), to 6x4.
    back_1 = layer("decoders.1", layer("expansions.1", z_2).expand(-1, -1, 3, 2), 1).relu()
    summed = back_1 + layer("expansions.0", z_1)
    back_0 = layer("decoders.0", summed.repeat_interleave(2, 2).repeat_interleave(2, 3), 1)

    logits, codes, reconstruction = net(x)
    torch.testing.assert_close(logits, hidden @ w["head.3.2.weight"].T + w["head.3.2.bias"])
    torch.testing.assert_close(codes[0], z_1)
    torch.testing.assert_close(codes[1], z_2)
    torch.testing.assert_close(reconstruction, back_0)


def test_reconstruction_net_follows_the_equations_on_tables():
    net = HierarchicalReconstructionNet((6,), 3, ((1, 5), (1, 4)), (), 2).double()
    x = torch.randn(7, 6).double()
    w = {name: p.detach() for name, p in net.named_parameters()}

    def layer(name, value):
        return value @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    x_1 = layer("stages.0.0", x).relu()
    x_2 = layer("stages.1.0", x_1).relu()
    z_1, z_2 = layer("bottlenecks.0.0", x_1).relu(), layer("bottlenecks.1.0", x_2).relu()
    back_1 = layer("decoders.1", layer("expansions.1", z_2)).relu()
    logits, codes, reconstruction = net(x)
    torch.testing.assert_close(logits, layer("head.1.0", x_2))
    torch.testing.assert_close(codes, [z_1, z_2])
    torch.testing.assert_close(reconstruction, layer("decoders.0", back_1 + layer("expansions.0", z_1)))


@pytest.mark.parametrize("size", [(8, 8), (15, 9), (29, 20), (7, 33)])
def test_reconstruction_net_returns_images_of_any_size(size):
    net = HierarchicalReconstructionNet((3, *size), 2, ((1, 4), (2, 6)), (8,), 5, top=((1, 6),))
    logits, codes, reconstruction = net(torch.rand(2, 3, *size))
    assert logits.shape == (2, 2)
    assert [z.shape[1] for z in codes] == [5, 5]
    assert reconstruction.shape == (2, 3, *size)


@pytest.mark.parametrize("shape", [(1, 12, 10), (6,)])
def test_reconstruction_net_has_a_gradient_for_every_parameter(shape):
    net = HierarchicalReconstructionNet(shape, 3, ((2, 16), (1, 16)), (16,), 8, top=((1, 16),))
    logits, _, reconstruction = net(torch.rand(64, *shape))
    (logits.square().sum() + reconstruction.square().sum()).backward()
    assert all(float(p.grad.abs().sum()) > 0 for p in net.parameters())


def test_crosr_cifar_keeps_the_signal_through_thirteen_layers():
    """With torch's own initialisation the logits of different images would hardly differ."""
    net = HierarchicalReconstructionNet((3, 32, 32), 6, **CROSR_CIFAR)
    with torch.no_grad():
        logits = net.encode(torch.rand(16, 3, 32, 32))[0]
    assert float(logits.std(0).mean()) > 1e-2


def test_reconstruction_net_refuses_what_cannot_be_built():
    with pytest.raises(ValueError, match="blocks is empty"):
        HierarchicalReconstructionNet((1, 8, 8), 2, ())
    with pytest.raises(ValueError, match="28x28 pixels cannot be halved 5 times"):
        HierarchicalReconstructionNet((3, 28, 28), 2, **CROSR_CIFAR)
    for wrong in ({"bottleneck_dim": 0}, {"blocks": ((0, 4),)}, {"hidden": (0,)}, {"top": ((1, -1),)}):
        with pytest.raises(ValueError, match="numbers of layers and widths are at least 1"):
            HierarchicalReconstructionNet((1, 8, 8), 2, **wrong)
