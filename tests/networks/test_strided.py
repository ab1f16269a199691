"""Strided encoder and decoder: the paper's layers, any image size, and that padding changes nothing else."""

import pytest
import torch
from torch import nn

from knownot.networks import StridedDecoder, StridedEncoder
from knownot.networks.strided import padded_size


def test_layers_are_those_of_the_paper():
    encoder, decoder = StridedEncoder((1, 28, 28), (64, 128, 256), 128), StridedDecoder(64, (64, 128, 256), (1, 28, 28))
    convolutions = [(m.in_channels, m.out_channels, m.stride) for m in encoder.modules() if isinstance(m, nn.Conv2d)]
    assert convolutions == [(1, 64, (2, 2)), (64, 128, (2, 2)), (128, 256, (2, 2))]
    assert (encoder.head.in_features, encoder.head.out_features) == (4 * 4 * 256, 128)
    transposed = [(m.in_channels, m.out_channels) for m in decoder.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert transposed == [(256, 128), (128, 64), (64, 1)]
    assert (decoder.head.in_features, decoder.head.out_features) == (64, 4 * 4 * 256)


@pytest.mark.parametrize("size", [(28, 28), (32, 32), (15, 9), (8, 20), (1, 1)])
def test_images_of_any_size_come_back(size):
    shape = (3, *size)
    code = StridedEncoder(shape, (4, 6), 5)(torch.rand(2, *shape))
    assert code.shape == (2, 5)
    assert StridedDecoder(5, (4, 6), shape)(code).shape == (2, *shape)


def test_padding_is_even_zeros_at_both_sides():
    torch.manual_seed(0)
    small, x = StridedEncoder((1, 28, 26), (4, 6, 8), 5), torch.rand(2, 1, 28, 26)
    large = StridedEncoder((1, 32, 32), (4, 6, 8), 5)
    large.load_state_dict(small.state_dict())
    padded = torch.zeros(2, 1, 32, 32)
    padded[:, :, 2:30, 3:29] = x
    torch.testing.assert_close(small(x), large(padded))


def test_decoder_cuts_off_what_the_encoder_padded():
    torch.manual_seed(0)
    small, z = StridedDecoder(5, (4, 6, 8), (1, 28, 26)), torch.randn(2, 5)
    large = StridedDecoder(5, (4, 6, 8), (1, 32, 32))
    large.load_state_dict(small.state_dict())
    torch.testing.assert_close(small(z), large(z)[:, :, 2:30, 3:29])


def test_last_layer_is_linear():
    torch.manual_seed(0)
    assert float(StridedDecoder(5, (4,), (1, 8, 8))(torch.randn(64, 5)).detach().min()) < 0


def test_sizes_that_can_be_halved_are_kept():
    assert padded_size(32, 64, 3) == (32, 64)
    assert padded_size(33, 1, 2) == (36, 4)
