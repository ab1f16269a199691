"""The softmax classifier against its loss written out, and against the encoders it shares its names with."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from knownot.data import Batch
from knownot.modules.open_gmvae import OpenGMVAE
from knownot.modules.softmax import PhotoNet, SoftmaxNet
from knownot.networks import ConvEncoder, FastConvNet

IMAGES = {"input_shape": (1, 9, 8), "blocks": ((1, 3), (2, 5)), "hidden": (11, 7)}
TABLE = {"input_shape": (4,), "hidden": (11, 7)}


def inputs(shape, n=6):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("weight", [None, [0.5, 1.0, 4.0]])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
@pytest.mark.parametrize("sizes", [IMAGES, TABLE])
def test_softmax_net_loss_is_the_cross_entropy_with_smoothed_targets(sizes, label_smoothing, weight):
    module = SoftmaxNet(n_classes=3, label_smoothing=label_smoothing, class_weight=weight, **sizes).double()
    x, y = inputs(sizes["input_shape"]).double(), torch.tensor([0, 1, 2, 2, 1, 0])
    loss = module.loss(Batch(x, y))
    targets = (1 - label_smoothing) * np.eye(3)[y.numpy()] + label_smoothing / 3
    expected = -(targets * log_softmax(module.encoder(x).detach().numpy(), axis=1)).sum(1)
    assert list(loss.terms) == ["class"]
    np.testing.assert_allclose(loss.terms["class"], expected, rtol=1e-9)
    assert float(loss.total.detach()) == pytest.approx(np.mean(expected * np.array(weight or [1, 1, 1])[y]), rel=1e-9)
    assert "class_weight" not in module.state_dict()
    assert not loss.terms["class"].requires_grad
    loss.total.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())


@pytest.mark.parametrize("sizes", [IMAGES, TABLE])
def test_softmax_net_embedding_is_what_enters_the_last_layer(sizes):
    """Seen from outside, by a hook on the encoder's own forward pass."""
    module, x = SoftmaxNet(n_classes=3, **sizes), inputs(sizes["input_shape"])
    seen = []
    module.classifier.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    logits = module.encoder(x)
    assert module.latent_dim == 7
    torch.testing.assert_close(module.embed(x), seen[0])
    assert (module.embed(x) >= 0).all()
    assert (module.embed(x) > 0).any()
    found = module.evidence(x)
    assert sorted(found) == ["embedding", *module.evidence_names]
    torch.testing.assert_close(found["logits"], logits)
    torch.testing.assert_close(found["embedding"], seen[0])
    assert list(module.evidence(x, ())) == ["embedding"]
    assert sorted(module.evidence(x, ("logits", "deviance"))) == ["embedding", "logits"]


def test_softmax_net_without_hidden_layers_embeds_a_table_as_it_is():
    module, x = SoftmaxNet((4,), 2, hidden=()), inputs((4,))
    torch.testing.assert_close(module.embed(x), x)
    torch.testing.assert_close(module.evidence(x)["logits"], x @ module.classifier.weight.T + module.classifier.bias)
    assert SoftmaxNet((1, 9, 8), 2, blocks=((1, 5),), hidden=()).latent_dim == 5 * 4 * 4


@pytest.mark.parametrize("sizes", [IMAGES, TABLE])
def test_softmax_net_layers_fit_the_encoder_of_a_gmvae(sizes):
    module = SoftmaxNet(n_classes=3, **sizes)
    other = OpenGMVAE(n_classes=3, latent_dim=6, likelihood="gaussian", **sizes).encoder
    mine, theirs = module.encoder.state_dict(), other.state_dict()
    assert list(mine) == list(theirs)
    last = [name for name in mine if mine[name].shape != theirs[name].shape]
    assert last == list(mine)[-2:]
    other.load_state_dict(theirs | {name: mine[name] for name in mine if name not in last})
    x, seen = inputs(sizes["input_shape"]), []
    head = other.head if isinstance(other, ConvEncoder) else other
    head[-1].register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    other(x)
    torch.testing.assert_close(seen[0], module.embed(x))


def test_softmax_net_returns_float32_under_autocast():
    module, x = SoftmaxNet((4,), 3, hidden=(8,)), inputs((4,))
    with torch.autocast("cpu", torch.bfloat16):
        found = module.evidence(x)
        loss = module.loss(Batch(x, torch.zeros(6, dtype=torch.int64)))
        assert module.embed(x).dtype == torch.float32
    assert {value.dtype for value in found.values()} == {torch.float32}
    assert loss.total.dtype == torch.float32


def test_softmax_net_refuses_unusable_arguments():
    with pytest.raises(ValueError, match="n_classes=1 does not work: a softmax classifier learns from what tells"):
        SoftmaxNet((4,), 1)
    for share in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match=r"label_smoothing=.* does not work: give a share from 0 to below 1"):
            SoftmaxNet((4,), 2, label_smoothing=share)


def test_photo_net_learns_from_a_view_for_each_network_and_is_judged_on_the_image_itself():
    seen = []

    def view(x):
        seen.append(x)
        return torch.zeros_like(x) + len(seen)

    networks = [FastConvNet((3, 16, 16), widths=(4, 4)) for _ in range(2)]
    given = []
    for network in networks:
        network.register_forward_pre_hook(lambda _, args: given.append(args[0]))
    module = PhotoNet(networks, 3, views=view)
    batch = Batch(torch.rand(4, 3, 16, 16), torch.tensor([0, 1, 2, 0]))
    module.loss(batch)
    assert all(torch.equal(x, batch.x) for x in seen)
    assert [float(x.mean()) for x in given] == [1.0, 2.0]
    given.clear()
    module.eval().loss(batch)
    assert all(torch.equal(x, batch.x) for x in given)
    assert len(given) == len(seen) == 2
