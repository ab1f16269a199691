"""Residual networks for images of any size, with the activations of their stages at hand."""

from __future__ import annotations

import numbers
from collections.abc import Collection, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

# Blocks of each stage, and whether they are bottlenecks.
_DEPTHS: dict[int, tuple[tuple[int, ...], bool]] = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
}
# Images of fewer pixels on their longer side keep their size through the stem.
_LARGE_IMAGE = 96


class ResNet(nn.Module):
    """ResNet-18, -34 or -50: a trunk of four stages, and a head.

    The trunk ends in features averaged over positions. ``stages`` gives these together with the activations of
    stages on the way, so that attribution takes both from one pass and applies ``head`` itself; calling the network
    does both. Bottlenecks halve the size in their 3x3 convolution.

    Parameters
    ----------
    input_shape : (int, int, int)
        Channels, height, width; images of any size from 1 pixel.
    depth : {18, 34, 50}
        Layers.
    width : int
        Channels of the first stage, at least 1; each further stage has twice as many as the one before, and those
        of ResNet-50 give four times as many as they compute with.
    out_features : int, optional
        Width of a linear layer on the features, ``head``. Default: none, the head hands them on.
    stem : {"auto", "small", "large"}
        What the image passes first: "small" is a 3x3 convolution that keeps the size, "large" a 7x7 convolution
        and max-pooling, which quarter it. "auto" is "large" where the longer side has 96 pixels or more.

    Attributes
    ----------
    n_features : int
        Width of the features, F: 512 at depth 18 and 34, 2048 at depth 50, in proportion to ``width``.
    stage_names : tuple of str
        "layer1" to "layer4", what ``stages`` may keep.

    Raises
    ------
    ValueError
        If an argument is not as above.

    References
    ----------
    He et al., "Deep residual learning for image recognition", CVPR 2016.
    The last scale of each block starts at 0: Goyal et al., "Accurate, large minibatch SGD", 2017, section 5.1.

    Examples
    --------
    >>> import torch
    >>> network = ResNet((1, 28, 28), depth=18, width=8, out_features=16)
    >>> network(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 16])
    >>> features, kept = network.stages(torch.zeros(2, 1, 28, 28), keep=("layer3", "layer4"))
    >>> features.shape, kept["layer4"].shape
    (torch.Size([2, 64]), torch.Size([2, 64, 4, 4]))
    """

    stage_names = ("layer1", "layer2", "layer3", "layer4")

    def __init__(
        self,
        input_shape: Sequence[int],
        depth: int = 18,
        width: int = 64,
        out_features: int | None = None,
        stem: str = "auto",
    ) -> None:
        super().__init__()
        if len(input_shape) != 3 or not all(_is_count(size) for size in input_shape):
            raise ValueError(
                f"input_shape={tuple(input_shape)!r} does not work: a ResNet reads images, "
                "so give channels, height and width, each at least 1."
            )
        if depth not in _DEPTHS:
            raise ValueError(f"depth={depth!r} does not work: choose 18, 34 or 50.")
        if stem not in ("auto", "small", "large"):
            raise ValueError(f"stem={stem!r} does not work: choose 'auto', 'small' or 'large'.")
        for name, value in (("width", width), ("out_features", 1 if out_features is None else out_features)):
            if not _is_count(value):
                raise ValueError(f"{name}={value!r} does not work: give a whole number of at least 1.")
        self.input_shape, self.depth, self.width = tuple(input_shape), depth, width
        large = max(input_shape[1:]) >= _LARGE_IMAGE if stem == "auto" else stem == "large"
        self.stem = _stem(input_shape[0], width, large)
        n_blocks, bottleneck = _DEPTHS[depth]
        channels = width
        for number, n in enumerate(n_blocks):
            inner = width * 2**number
            blocks: list[nn.Module] = []
            for index in range(n):
                stride = 2 if index == 0 and number > 0 else 1
                blocks.append(_Block(channels, inner, stride, bottleneck))
                channels = inner * (4 if bottleneck else 1)
            self.add_module(self.stage_names[number], nn.Sequential(*blocks))
        self.n_features = channels
        self.head: nn.Module = nn.Identity() if out_features is None else nn.Linear(channels, out_features)
        self.apply(_initialise)

    def stages(self, x: Tensor, keep: Collection[str] = ()) -> tuple[Tensor, dict[str, Tensor]]:
        """Features, before the head, and activations at the end of some stages, from one pass.

        Parameters
        ----------
        x : Tensor, shape (N, C, H, W)
        keep : collection of str
            Some of "layer1" to "layer4": the output of the last block of each, after its ReLU. In the counting of
            the paper, "layer2" is conv3, "layer3" conv4, "layer4" conv5.

        Returns
        -------
        features : Tensor, shape (N, F)
        kept : dict of str to Tensor, (N, channels, height, width) each
            In the order of the stages, part of the graph of ``features``.

        Raises
        ------
        ValueError
            If there is no such stage.
        """
        wrong = [name for name in ((keep,) if isinstance(keep, str) else keep) if name not in self.stage_names]
        if isinstance(keep, str) or wrong:
            raise ValueError(f"keep={keep!r} does not work: give a tuple of names from {', '.join(self.stage_names)}.")
        kept = {}
        x = self.stem(x)
        for name in self.stage_names:
            x = self.get_submodule(name)(x)
            if name in keep:
                kept[name] = x
        return x.mean((2, 3)), kept

    def forward(self, x: Tensor) -> Tensor:
        features, _ = self.stages(x)
        return self.head(features)


class _Block(nn.Module):
    """Two 3x3 convolutions, or a 3x3 one between two of 1x1, and what skips them."""

    def __init__(self, channels: int, inner: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        out = inner * (4 if bottleneck else 1)
        # Kernel, channels and stride of each convolution.
        plan = [(1, inner, 1), (3, inner, stride), (1, out, 1)] if bottleneck else [(3, inner, stride), (3, out, 1)]
        layers: list[nn.Module] = []
        below = channels
        for kernel, width, step in plan:
            layers += [_convolution(below, width, kernel, step), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            below = width
        self.residual = nn.Sequential(*layers[:-1])
        self.skip: nn.Module = nn.Identity()
        if stride > 1 or channels != out:
            self.skip = nn.Sequential(_convolution(channels, out, 1, stride), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.skip(x) + self.residual(x))


def _stem(channels: int, width: int, large: bool) -> nn.Sequential:
    layers: list[nn.Module] = [_convolution(channels, width, 7 if large else 3, 2 if large else 1)]
    layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.MaxPool2d(3, 2, padding=1)) if large else nn.Sequential(*layers)


def _convolution(below: int, width: int, kernel: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(below, width, kernel, stride, padding=kernel // 2, bias=False)


def _initialise(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(layer, _Block):
        # Every block begins as what skips it.
        nn.init.zeros_(layer.residual[-1].weight)  # type: ignore[arg-type]


def _is_count(value: object) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= 1
