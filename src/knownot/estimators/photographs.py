"""Networks and views by name, and how long they are trained: what estimators of photographs share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from knownot.networks import FastConvNet, ResNet
from knownot.networks.sizes import SMALL_IMAGE
from knownot.views import FlipsAndShifts, GentleViews, SimCLRViews

NETWORKS = ("fast", "resnet18", "resnet34", "resnet50")
VIEWS = ("photos", "shifts", "digits", "simclr", "none")
_FAST_WIDTHS = (64, 256, 256)
_RESNET_WIDTH = 64
# Views of images that a training sees where nobody says how long: enough for some 90 % on CIFAR-10.
_TARGET_IMAGES = 300_000


def choose_network(name: str, input_shape: Sequence[int], *, plain: bool) -> str:
    """The network that "auto" stands for: "fast" for images, but "plain" for tiny ones and tables.

    Parameters
    ----------
    name : str
    input_shape : sequence of int
        (F,) for tables, (C, H, W) for images.
    plain : bool
        Whether the user gave the layers of "plain".

    Raises
    ------
    ValueError
        If there is no such network, or it does not take such samples.
    """
    names = ("auto", "plain", *NETWORKS)
    if name not in names:
        raise ValueError(f"network={name!r} is not known: use one of {', '.join(map(repr, names))}.")
    if name == "auto":
        large = len(input_shape) == 3 and min(input_shape[1:]) >= SMALL_IMAGE
        return "fast" if large and not plain else "plain"
    if name == "plain":
        return name
    if len(input_shape) != 3:
        raise ValueError(f"network={name!r} takes images, and X is a table: use network='plain' or 'auto'.")
    if plain:
        raise ValueError(f"blocks and hidden are of network='plain', and network={name!r}: give width instead of them.")
    return name


def make_network(name: str, input_shape: Sequence[int], width: float = 1.0) -> FastConvNet | ResNet:
    """A network for images by its name.

    Parameters
    ----------
    name : {"fast", "resnet18", "resnet34", "resnet50"}
    input_shape : (int, int, int)
    width : float
        Factor of the channels.

    Raises
    ------
    ValueError
        If ``width`` leaves no channel, or the images are too small.
    """
    if not 0.0 < width < np.inf:
        raise ValueError(f"width={width!r} does not work: give a factor above 0, such as 0.5.")
    channels, height, columns = input_shape
    shape = (channels, height, columns)
    if name == "fast":
        widths = [max(8, round(width * w)) for w in _FAST_WIDTHS]
        # Small images halve only a few times.
        n_stages = max(1, (min(height, columns) - 1).bit_length() - 1)
        return FastConvNet(shape, widths[:n_stages])
    return ResNet(shape, depth=int(name.removeprefix("resnet")), width=max(4, round(width * _RESNET_WIDTH)))


def choose_views(
    name: str, input_shape: Sequence[int], auto: str = "photos"
) -> tuple[Callable[[Tensor], Tensor] | None, bool]:
    """Views by their name, and whether an image and its mirror image mean the same.

    Parameters
    ----------
    name : {"auto", "photos", "shifts", "digits", "simclr", "none"}
    input_shape : (int, int, int)
    auto : {"photos", "simclr"}
        What "auto" stands for on photographs; on grey images it is "shifts".

    Raises
    ------
    ValueError
        If there are no such views.
    """
    if name not in ("auto", *VIEWS):
        raise ValueError(f"views={name!r} is not known: use one of {', '.join(map(repr, ('auto', *VIEWS)))}.")
    in_colour, side = input_shape[0] == 3, max(input_shape[1:])
    if name == "auto":
        name = auto if in_colour else "shifts"
    # Two pixels of 32, and as much of larger images.
    pixels = max(1, round(side / 16))
    views: dict[str, tuple[Callable[[Tensor], Tensor] | None, bool]] = {
        "photos": (FlipsAndShifts(pixels, cutout=side // 4), True),
        "shifts": (FlipsAndShifts(pixels, flip=False), False),
        "digits": (GentleViews(), False),
        "simclr": (SimCLRViews(flip=in_colour), in_colour),
        "none": (None, False),
    }
    return views[name]


def photo_batch_size(n_samples: int) -> int:
    """Batch size for networks on photographs."""
    return int(np.clip(n_samples // 20, 16, 512))


def photo_epochs(n_samples: int) -> int:
    """Epochs of a network on photographs."""
    return int(np.clip(round(_TARGET_IMAGES / n_samples), 10, 60))
