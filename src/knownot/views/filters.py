"""Padding, blur, zoom and motion of batches (N, C, H, W), with the conventions of SciPy, Pillow and ImageMagick."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Border = Literal["nearest", "mirror", "symmetric"]


def reflected(places: Tensor, side: int, border: Border) -> Tensor:
    """Places on an endless line of pixels, as places in a row of ``side`` pixels.

    ``nearest`` is a a | a b c | c c, ``mirror`` c b | a b c | b a, ``symmetric`` b a | a b c | c b.
    """
    if border == "nearest" or side == 1:
        return places.clamp(0, side - 1)
    period = 2 * side - (2 if border == "mirror" else 0)
    within = places.remainder(period)
    return torch.minimum(within, period - within - (0 if border == "mirror" else 1))


def padded(x: Tensor, margin: int, border: Border) -> Tensor:
    """Images with a margin on all sides, of any width."""
    for dimension in (2, 3):
        side = x.shape[dimension]
        places = torch.arange(-margin, side + margin, device=x.device)
        x = x.index_select(dimension, reflected(places, side, border))
    return x


def filtered(x: Tensor, kernel: Tensor, border: Border) -> Tensor:
    """Correlation of every channel with one square kernel of odd side."""
    n, channels, height, width = x.shape
    wide = padded(x, len(kernel) // 2, border).flatten(0, 1)[:, None]
    return F.conv2d(wide, kernel.to(x)[None, None]).view(n, channels, height, width)


def gaussian_weights(sigma: float, radius: int) -> Tensor:
    """A normalised Gaussian on the whole numbers from -radius to radius."""
    weights = torch.exp(-(torch.arange(-radius, radius + 1, dtype=torch.float64) ** 2) / (2 * sigma**2))
    return weights / weights.sum()


def gaussian_blur(x: Tensor, sigma: float, truncate: float = 4.0, border: Border = "nearest") -> Tensor:
    """Gaussian blur as ``scipy.ndimage.gaussian_filter`` does it, cut off at ``truncate`` standard deviations."""
    radius = int(truncate * sigma + 0.5)
    weights = gaussian_weights(sigma, radius).to(x)
    n, channels, height, width = x.shape
    wide = padded(x, radius, border).flatten(0, 1)[:, None]
    found = F.conv2d(F.conv2d(wide, weights[None, None, None, :]), weights[None, None, :, None])
    return found.view(n, channels, height, width)


def disk(radius: float, sigma: float) -> Tensor:
    """A disk of equal weights, blurred by a Gaussian of 3 x 3 pixels: the kernel of a lens out of focus."""
    reach = int(radius)
    line = torch.arange(-reach - 1, reach + 2, dtype=torch.float64)
    flat = (line[:, None] ** 2 + line**2 <= radius**2).double()
    weights = gaussian_weights(sigma, 1)
    return F.conv2d((flat / flat.sum())[None, None], weights[:, None][None, None] * weights, padding=1)[0, 0]


def zoomed(x: Tensor, factor: float) -> Tensor:
    """The centre of each image, magnified to the size of the image, as ``scipy.ndimage.zoom`` does with order 1."""
    sides = x.shape[2:]
    cut = [math.ceil(side / factor) for side in sides]
    top, left = ((side - part) // 2 for side, part in zip(sides, cut, strict=True))
    size = [round(part * factor) for part in cut]
    large = F.interpolate(x[:, :, top : top + cut[0], left : left + cut[1]], size, mode="bilinear", align_corners=True)
    top, left = ((all_of - side) // 2 for all_of, side in zip(size, sides, strict=True))
    return large[:, :, top : top + sides[0], left : left + sides[1]]


def motion_blur(x: Tensor, radius: int, sigma: float, degrees: Tensor) -> Tensor:
    """Motion blur as by ImageMagick: half a Gaussian along a line, in steps of one pixel.

    Parameters
    ----------
    x : Tensor of shape (N, C, H, W)
        The images.
    radius : int
        The line has ``2 * radius + 1`` pixels.
    sigma : float
        Standard deviation of the Gaussian along it.
    degrees : Tensor of shape (N,)
        Direction of the line in each image, clockwise from the right.

    Returns
    -------
    Tensor of shape (N, C, H, W)
        The blurred images; beyond a border, its pixels go on.
    """
    n, channels, height, width = x.shape
    weights = gaussian_weights(sigma, 2 * radius)[2 * radius :]
    weights = weights / weights.sum()
    angle = torch.deg2rad(degrees.double())
    rows, columns = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
    found = torch.zeros_like(x, memory_format=torch.contiguous_format)
    for step, weight in enumerate(weights.tolist()):
        down, right = ((step * part - 0.5).ceil().long().to(x.device)[:, None] for part in (angle.sin(), angle.cos()))
        sources = (rows + down).clamp(0, height - 1)[:, :, None] * width + (columns + right).clamp(0, width - 1)[
            :, None
        ]
        seen = x.flatten(2).gather(2, sources.flatten(1)[:, None].expand(-1, channels, -1))
        found += weight * seen.view(n, channels, height, width)
    return found


def box_resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Images resized as by Pillow's BOX filter: a mean of the pixels whose centres are nearest."""
    rows, columns = (_box_weights(one, other).to(x) for one, other in zip(x.shape[2:], size, strict=True))
    return rows @ x @ columns.mT


def _box_weights(source: int, target: int) -> Tensor:
    """(target, source), each row a mean."""
    scale = source / target
    centres = (np.arange(target) + 0.5) * scale
    # Where a centre lies on a border to the last bit, Pillow may decide otherwise; no size of 2^k pixels has such.
    distance = (np.arange(source) + 0.5 - centres[:, None]) / max(scale, 1.0)
    inside = ((distance > -0.5) & (distance <= 0.5)).astype(float)
    return torch.tensor(inside / inside.sum(1, keepdims=True))
