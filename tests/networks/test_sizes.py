"""Default sizes of networks: they fit the samples they are given for."""

import pytest
import torch

from knownot.networks import ConvEncoder, mlp
from knownot.networks.sizes import default_sizes


@pytest.mark.parametrize("side", [4, 8, 15, 16, 28, 32])
def test_default_sizes_fit_images_of_every_size(side):
    blocks, hidden = default_sizes((3, side, side))
    assert ConvEncoder((3, side, side), blocks, hidden, 7)(torch.zeros(2, 3, side, side)).shape == (2, 7)


def test_default_sizes_of_small_images_and_tables():
    large, small = default_sizes((1, 28, 28)), default_sizes((1, 15, 15))
    assert large == (((2, 20), (2, 50)), (500, 100)) == default_sizes((3, 16, 15))
    assert small == (((1, 32), (1, 64)), (256,))
    assert default_sizes((9,)) == ((), (256, 128))
    assert mlp(9, default_sizes((9,))[1], 2)(torch.zeros(1, 9)).shape == (1, 2)
