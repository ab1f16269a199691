"""Deep hierarchical reconstruction net: a classifier whose every stage also leads back to the input.

Yoshihashi et al., "Classification-Reconstruction Learning for Open-Set Recognition", CVPR 2019.
With x_0 the input and x_l the output of stage l, the classifier and the way back are

    x_l = f_l(x_{l-1}),   z_l = h_l(x_l),   x~_{l-1} = g_l(x~_l + h~_l(z_l)),   x~_L = 0,

the paper's equations with the index of g moved by one, so that everything with index l has the
size of x_l. The logits come from x_L, the reconstruction is x~_0.

Published: five 3x3 convolutions of 100 channels with ReLU for MNIST, max-pooling after every two,
then linear layers of 500 and C; a plain net of thirteen weight layers, and a DenseNet, for
CIFAR-10; a lateral connection z_l after every pooling, each of 32 dimensions. Not published in
such detail that there is one way to build it, and assumed here: h_l is a 1x1 convolution and
ReLU, h~_l a 1x1 convolution, g_l one 3x3 convolution after nearest-neighbour up-sampling, with
ReLU but for the last, which is linear; the classifier's weights start as in He et al. (2015), and
there is no batch normalisation. The plain net for CIFAR-10 is taken to be VGG's configuration B,
its linear layers cut to 512; the DenseNet is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from knownot.networks.conv import Blocks, pooled_sizes
from knownot.networks.mlp import mlp

CROSR_MNIST: dict[str, Any] = {
    "blocks": ((2, 100), (2, 100)),
    "top": ((1, 100),),
    "hidden": (500,),
    "bottleneck_dim": 32,
}
CROSR_CIFAR: dict[str, Any] = {
    "blocks": ((2, 64), (2, 128), (2, 256), (2, 512), (2, 512)),
    "top": (),
    "hidden": (512, 512),
    "bottleneck_dim": 32,
}


class HierarchicalReconstructionNet(nn.Module):
    """Classifier with a bottleneck at every stage, from which the input is reconstructed.

    ``**CROSR_MNIST`` and ``**CROSR_CIFAR`` are the networks of the paper; see the head of this
    file for what of them is published. For tables the stages are linear layers, without pooling.

    Parameters
    ----------
    input_shape : tuple of int
        (F,) for tables, (C, H, W) for images.
    n_classes : int
        Number of logits, C.
    blocks : sequence of (int, int)
        Number of layers and of channels of each stage f_l, which ends in a 2x2 max-pooling and has
        a bottleneck behind it. For tables, linear layers and their width.
    hidden : sequence of int
        Widths of the linear layers between the convolutions and the logits.
    bottleneck_dim : int
        Channels of every z_l.
    top : sequence of (int, int)
        Layers of the classifier alone, behind the last stage: no pooling, no bottleneck.

    Raises
    ------
    ValueError
        If there is no stage, the images are too small for so many, or a size is below 1.

    Examples
    --------
    >>> import torch
    >>> net = HierarchicalReconstructionNet((1, 28, 28), 6, **CROSR_MNIST)
    >>> logits, codes, reconstruction = net(torch.zeros(2, 1, 28, 28))
    >>> logits.shape, [tuple(z.shape) for z in codes], reconstruction.shape
    (torch.Size([2, 6]), [(2, 32, 14, 14), (2, 32, 7, 7)], torch.Size([2, 1, 28, 28]))
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        n_classes: int,
        blocks: Blocks = ((2, 100), (2, 100)),
        hidden: Sequence[int] = (500,),
        bottleneck_dim: int = 32,
        top: Blocks = (),
    ) -> None:
        super().__init__()
        if not blocks:
            raise ValueError("blocks is empty, but the input is reconstructed from stages: give at least one.")
        sizes = [*(number for block in (*blocks, *top) for number in block), *hidden, bottleneck_dim]
        if min(sizes) < 1:
            raise ValueError(
                f"blocks={blocks!r}, top={top!r}, hidden={hidden!r}, bottleneck_dim={bottleneck_dim!r} does not "
                "work: numbers of layers and widths are at least 1."
            )
        image = len(input_shape) == 3
        self._sizes = pooled_sizes(input_shape[1], input_shape[2], len(blocks)) if image else []
        widths = [input_shape[0], *(width for _, width in blocks)]

        self.stages = nn.ModuleList()
        for (n_layers, width), below in zip(blocks, widths, strict=False):
            pooling = [nn.MaxPool2d(2)] if image else []
            self.stages.append(nn.Sequential(*_layers(below, n_layers, width, image), *pooling))
        above: list[nn.Module] = []
        width = widths[-1]
        for n_layers, top_width in top:
            above += _layers(width, n_layers, top_width, image)
            width = top_width
        pixels = prod(self._sizes[-1]) if image else 1
        linear = mlp(width * pixels, hidden, n_classes)
        self.head = nn.Sequential(*above, nn.Flatten(), linear)

        self.bottlenecks = nn.ModuleList(
            nn.Sequential(_connection(width, bottleneck_dim, image), nn.ReLU()) for width in widths[1:]
        )
        self.expansions = nn.ModuleList(_connection(bottleneck_dim, width, image) for width in widths[1:])
        self.decoders = nn.ModuleList(_layer(width, below, image) for below, width in pairwise(widths))
        # The default of torch lets ten convolutions with ReLU fade the signal to nothing; on the way
        # back and before the logits, where no such depth is left, it starts near zero as it should.
        for part in (self.stages, *above, linear[:-1]):
            part.apply(_initialise)

    def encode(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits (N, C) and z_1 … z_L, each (N, bottleneck_dim) or (N, bottleneck_dim, height, width)."""
        codes = []
        for stage, bottleneck in zip(self.stages, self.bottlenecks, strict=True):
            x = stage(x)
            codes.append(bottleneck(x))
        return self.head(x), codes

    def decode(self, codes: Sequence[Tensor]) -> Tensor:
        """Reconstruction x~_0 from z_1 … z_L, shape as the input."""
        x: Tensor | None = None
        for index in reversed(range(len(self.stages))):
            lateral = self.expansions[index](codes[index])
            x = lateral if x is None else x + lateral
            if self._sizes:
                x = F.interpolate(x, size=self._sizes[index])
            x = self.decoders[index](x)
            x = F.relu(x) if index else x
        assert x is not None
        return x

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
        logits, codes = self.encode(x)
        return logits, codes, self.decode(codes)


def _layer(below: int, width: int, image: bool) -> nn.Module:
    return nn.Conv2d(below, width, 3, padding=1) if image else nn.Linear(below, width)


def _layers(below: int, n_layers: int, width: int, image: bool) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for index in range(n_layers):
        layers += [_layer(below if index == 0 else width, width, image), nn.ReLU()]
    return layers


def _connection(below: int, width: int, image: bool) -> nn.Module:
    return nn.Conv2d(below, width, 1) if image else nn.Linear(below, width)


def _initialise(layer: nn.Module) -> None:
    # The default of torch lets ten convolutions with ReLU fade the signal to nothing.
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
