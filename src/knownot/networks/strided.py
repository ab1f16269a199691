"""Encoder and decoder that halve and double images by strided convolutions, without pooling."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import torch.nn.functional as F
from torch import Tensor, nn


def padded_size(height: int, width: int, n_layers: int) -> tuple[int, int]:
    """The least size at or above an image's that can be halved so many times without a rest.

    Examples
    --------
    >>> padded_size(28, 28, 3), padded_size(32, 20, 3)
    ((32, 32), (32, 24))
    """
    step = 2**n_layers
    return -(-height // step) * step, -(-width // step) * step


class StridedEncoder(nn.Module):
    """Convolutions of stride 2 with ReLU, then one linear layer.

    ``channels=(64, 128, 256)`` is the encoder of "When do VAEs know what they don't know?". Images are padded with
    zeros, evenly at both sides, to a size that can be halved: 28x28 becomes 32x32.

    Parameters
    ----------
    input_shape : (int, int, int)
        Channels, height, width.
    channels : sequence of int
        Of each convolution.
    out_features : int
        Width of the linear layer.

    References
    ----------
    "When do variational autoencoders know what they don't know?", 2019, supplement, section 1. The size of the kernels
    is not stated there; here it is 4x4.

    Examples
    --------
    >>> import torch
    >>> StridedEncoder((1, 28, 28), (8, 16, 32), 20)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 20])
    """

    def __init__(self, input_shape: tuple[int, int, int], channels: Sequence[int], out_features: int) -> None:
        super().__init__()
        image_channels, height, width = input_shape
        rows, columns = padded_size(height, width, len(channels))
        self.padding = _both_sides(columns - width) + _both_sides(rows - height)
        layers: list[nn.Module] = []
        for before, after in pairwise((image_channels, *channels)):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
        self.trunk = nn.Sequential(*layers)
        step = 2 ** len(channels)
        last = channels[-1] if channels else image_channels
        self.head = nn.Linear(last * (rows // step) * (columns // step), out_features)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, self.padding) if any(self.padding) else x
        return self.head(self.trunk(x).flatten(1))


class StridedDecoder(nn.Module):
    """The mirror image of :class:`StridedEncoder`: one linear layer, then transposed convolutions of stride 2.

    What the encoder padded is cut off again. The last layer is linear.

    Parameters
    ----------
    in_features : int
        Width of the latent code.
    channels : sequence of int
        Those of the encoder (not reversed).
    output_shape : (int, int, int)
        Channels, height, width.

    Examples
    --------
    >>> import torch
    >>> StridedDecoder(10, (8, 16, 32), (1, 28, 28))(torch.zeros(2, 10)).shape
    torch.Size([2, 1, 28, 28])
    """

    def __init__(self, in_features: int, channels: Sequence[int], output_shape: tuple[int, int, int]) -> None:
        super().__init__()
        image_channels, height, width = output_shape
        rows, columns = padded_size(height, width, len(channels))
        step = 2 ** len(channels)
        last = channels[-1] if channels else image_channels
        self._first_shape = (last, rows // step, columns // step)
        self._crop = (_both_sides(rows - height)[0], height, _both_sides(columns - width)[0], width)
        self.head = nn.Linear(in_features, prod(self._first_shape))
        layers: list[nn.Module] = []
        for before, after in pairwise((*reversed(channels), image_channels)):
            layers += [nn.ReLU(), nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)]
        self.trunk = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        x = self.trunk(self.head(z).unflatten(-1, self._first_shape))
        top, height, left, width = self._crop
        return x[..., top : top + height, left : left + width]


def _both_sides(n: int) -> tuple[int, int]:
    return n // 2, n - n // 2
