"""How large an encoder is where the user leaves it open."""

from __future__ import annotations

from collections.abc import Sequence

from knownot.networks.conv import Blocks

# Images with fewer pixels a side than this get a network of few layers.
SMALL_IMAGE = 16


def default_sizes(input_shape: Sequence[int]) -> tuple[Blocks, tuple[int, ...]]:
    """Convolution blocks and linear layers that suit samples of a shape.

    Images get those of Table 1 of the open-set GMVAE paper; images of less than 16 pixels,
    which halve only a few times, fewer layers and more channels.

    Parameters
    ----------
    input_shape : sequence of int
        (F,) for tables, (C, H, W) for images.

    Returns
    -------
    blocks : tuple of (int, int)
        Number of convolutions and channels of each block; empty for tables.
    hidden : tuple of int
        Widths of the linear layers.

    Examples
    --------
    >>> default_sizes((1, 28, 28))
    (((2, 20), (2, 50)), (500, 100))
    >>> default_sizes((1, 8, 8))
    (((1, 32), (1, 64)), (256,))
    >>> default_sizes((13,))
    ((), (256, 128))
    """
    if len(input_shape) == 1:
        return (), (256, 128)
    if max(input_shape[1:]) < SMALL_IMAGE:
        return ((1, 32), (1, 64)), (256,)
    return ((2, 20), (2, 50)), (500, 100)
