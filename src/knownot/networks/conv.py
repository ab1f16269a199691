"""Convolutional encoder and its mirrored decoder, by blocks of (layers, channels)."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch.nn.functional as F
from torch import Tensor, nn

from knownot.networks.mlp import mlp

Blocks = Sequence[tuple[int, int]]


def pooled_sizes(height: int, width: int, n_blocks: int) -> list[tuple[int, int]]:
    """Sizes of an image before and after each 2x2 max-pooling, from the input down.

    Raises
    ------
    ValueError
        If nothing of the image would be left.

    Examples
    --------
    >>> pooled_sizes(28, 15, 2)
    [(28, 15), (14, 7), (7, 3)]
    """
    sizes = [(height, width)]
    for _ in range(n_blocks):
        height, width = height // 2, width // 2
        if min(height, width) < 1:
            raise ValueError(
                f"images of {sizes[0][0]}x{sizes[0][1]} pixels cannot be halved {n_blocks} times: "
                "give fewer blocks or larger images."
            )
        sizes.append((height, width))
    return sizes


class ConvEncoder(nn.Module):
    """Blocks of 3x3 convolutions with ReLU and 2x2 max-pooling, then linear layers.

    ``blocks=((2, 20), (2, 50)), hidden=(500, 100)`` is Table 1 of the open-set GMVAE paper:
    two conv3-20, maxpool-2, two conv3-50, maxpool-2, FC-500, FC-100, and a linear head.

    Parameters
    ----------
    input_shape : (int, int, int)
        Channels, height, width.
    blocks : sequence of (int, int)
        Number of convolutions and channels of each block.
    hidden : sequence of int
        Widths of the linear layers after the blocks.
    out_features : int
        Width of the linear head.

    Examples
    --------
    >>> import torch
    >>> ConvEncoder((1, 28, 28), ((2, 20), (2, 50)), (500, 100), 20)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 20])
    """

    def __init__(
        self, input_shape: tuple[int, int, int], blocks: Blocks, hidden: Sequence[int], out_features: int
    ) -> None:
        super().__init__()
        channels, height, width = input_shape
        sizes = pooled_sizes(height, width, len(blocks))
        layers: list[nn.Module] = []
        for n_layers, n_channels in blocks:
            for _ in range(n_layers):
                layers += [nn.Conv2d(channels, n_channels, 3, padding=1), nn.ReLU()]
                channels = n_channels
            layers.append(nn.MaxPool2d(2))
        self.trunk = nn.Sequential(*layers)
        self.head = mlp(channels * prod(sizes[-1]), hidden, out_features)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.trunk(x).flatten(1))


class ConvDecoder(nn.Module):
    """The mirror image of :class:`ConvEncoder`: linear layers, then up-sampling and convolutions.

    Max-pooling is mirrored by nearest-neighbour up-sampling to the encoder's sizes, so any
    image size comes back exactly. The last layer is linear.

    Parameters
    ----------
    in_features : int
        Width of the latent code.
    blocks, hidden
        Those of the encoder (not reversed).
    output_shape : (int, int, int)
        Channels, height, width.

    Examples
    --------
    >>> import torch
    >>> ConvDecoder(10, ((1, 8), (1, 16)), (32,), (1, 15, 9))(torch.zeros(2, 10)).shape
    torch.Size([2, 1, 15, 9])
    """

    def __init__(
        self, in_features: int, blocks: Blocks, hidden: Sequence[int], output_shape: tuple[int, int, int]
    ) -> None:
        super().__init__()
        channels, height, width = output_shape
        sizes = pooled_sizes(height, width, len(blocks))
        self._first_shape = (blocks[-1][1] if blocks else channels, *sizes[-1])
        self._sizes = sizes[-2::-1]
        self.head = mlp(in_features, list(reversed(hidden)), prod(self._first_shape))
        self.stages = nn.ModuleList()
        for index in reversed(range(len(blocks))):
            n_layers, n_channels = blocks[index]
            below = blocks[index - 1][1] if index else channels
            layers: list[nn.Module] = []
            for layer in range(n_layers):
                last = layer == n_layers - 1
                layers.append(nn.Conv2d(n_channels, below if last else n_channels, 3, padding=1))
                if not (last and index == 0):
                    layers.append(nn.ReLU())
            self.stages.append(nn.Sequential(*layers))

    def forward(self, z: Tensor) -> Tensor:
        x = self.head(z).unflatten(-1, self._first_shape)
        x = F.relu(x) if len(self.stages) else x
        for size, stage in zip(self._sizes, self.stages, strict=True):
            x = stage(F.interpolate(x, size=size))
        return x
