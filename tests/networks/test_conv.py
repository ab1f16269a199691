"""Convolutional encoder and decoder: the paper's layers, and any image size."""

import pytest
import torch
from torch import nn

from knownot.networks import ConvDecoder, ConvEncoder


def test_conv_encoder_has_the_layers_of_table_1():
    encoder = ConvEncoder((1, 28, 28), ((2, 20), (2, 50)), (500, 100), 20)
    convs = [(m.in_channels, m.out_channels, m.kernel_size) for m in encoder.modules() if isinstance(m, nn.Conv2d)]
    assert convs == [(1, 20, (3, 3)), (20, 20, (3, 3)), (20, 50, (3, 3)), (50, 50, (3, 3))]
    linear = [(m.in_features, m.out_features) for m in encoder.modules() if isinstance(m, nn.Linear)]
    assert linear == [(50 * 7 * 7, 500), (500, 100), (100, 20)]
    assert isinstance(list(encoder.modules())[-1], nn.Linear), "heads are linear (Assumption 1)"


def test_conv_decoder_mirrors_the_encoder():
    decoder = ConvDecoder(10, ((2, 20), (2, 50)), (500, 100), (1, 28, 28))
    convs = [(m.in_channels, m.out_channels) for m in decoder.modules() if isinstance(m, nn.Conv2d)]
    assert convs == [(50, 50), (50, 20), (20, 20), (20, 1)]
    linear = [(m.in_features, m.out_features) for m in decoder.modules() if isinstance(m, nn.Linear)]
    assert linear == [(10, 100), (100, 500), (500, 50 * 7 * 7)]
    assert float(decoder(torch.randn(64, 10)).detach().min()) < 0, "the last layer has no ReLU"


@pytest.mark.parametrize("size", [(8, 8), (15, 9), (28, 20), (32, 32)])
def test_conv_decoder_returns_images_of_any_size(size):
    shape = (3, *size)
    code = ConvEncoder(shape, ((1, 4), (1, 6)), (16,), 5)(torch.rand(2, *shape))
    assert code.shape == (2, 5)
    assert ConvDecoder(5, ((1, 4), (1, 6)), (16,), shape)(code).shape == (2, *shape)


def test_conv_encoder_refuses_images_too_small_for_its_blocks():
    with pytest.raises(ValueError, match="2x8 pixels cannot be halved 2 times"):
        ConvEncoder((1, 2, 8), ((1, 4), (1, 4)), (), 2)


def test_conv_decoder_without_blocks_is_linear_at_the_end():
    torch.manual_seed(0)
    assert float(ConvDecoder(5, (), (16,), (1, 4, 4))(torch.randn(32, 5)).detach().min()) < 0
