"""Views of digits, letters and drawings, where a mirror image or a crop would be another sign."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from knownot.views.checks import check_bounds, check_images, check_range, check_share
from knownot.views.formats import in_format_of

Padding = Literal["zeros", "border", "reflection"]
# Points a side of the coarse grid that elastic distortion moves.
ELASTIC_POINTS = 5
# Bounds of the area share and of the ratio of sides of what is erased.
ERASED_AREA = (0.02, 0.2)
ERASED_ASPECT = (0.3, 1 / 0.3)


@dataclass(frozen=True)
class GentleViews:
    """Images rotated, slanted, scaled and shifted a little, perhaps distorted, in one interpolation.

    Everything is drawn uniformly for each image. Interpolation is bilinear, without antialiasing, which the small
    changes of scale do not need.

    Parameters
    ----------
    degrees : float, default=15
        Largest rotation about the centre, either way, at most 180.
    shift : float, default=0.1
        Largest shift, either way, as a share of the width and of the height.
    scale : (float, float), default=(0.85, 1.15)
        Smallest and largest factor of size.
    shear : float, default=10
        Largest horizontal slant in degrees, either way, below 90.
    elastic : float, default=0
        Strength of elastic distortion in pixels: the standard deviation by which each of 5 x 5 points, spread over
        the image, moves in x and in y. Between the points the movement is bicubic, so it is smooth.
    erasing : float, default=0
        Probability that a rectangle of 2 to 20 % of the area becomes 0 (black).
    padding : {"zeros", "border", "reflection"}, default="zeros"
        What enters at the borders: 0, the nearest pixel inside, or the reflection. Ink that is dark on white paper
        needs "border".

    Raises
    ------
    ValueError
        If a setting is outside its bounds; when called, if x is no float32 batch (N, C, H, W).

    References
    ----------
    Simard et al., Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis, 2003
    (elastic distortion); Zhong et al., Random Erasing Data Augmentation, 2020.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> x = torch.zeros(2, 1, 28, 28)
    >>> x[:, :, 10:18, 10:18] = 1.0
    >>> GentleViews()(x).shape
    torch.Size([2, 1, 28, 28])
    """

    degrees: float = 15
    shift: float = 0.1
    scale: tuple[float, float] = (0.85, 1.15)
    shear: float = 10
    elastic: float = 0
    erasing: float = 0
    padding: Padding = "zeros"

    def __post_init__(self) -> None:
        check_bounds(self.degrees, "degrees", 0, 180)
        check_bounds(self.shift, "shift", 0, 1)
        check_range(self.scale, "scale", 0)
        check_bounds(self.shear, "shear", 0, 89)
        check_bounds(self.elastic, "elastic", 0)
        check_share(self.erasing, "erasing")
        if self.padding not in get_args(Padding):
            raise ValueError(f"padding={self.padding!r}; give one of {', '.join(map(repr, get_args(Padding)))}.")

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """One view of each image of a batch (N, C, H, W), in its memory format."""
        check_images(x)
        with torch.autocast(x.device.type, enabled=False):
            u = 2 * torch.rand(5, len(x), device=x.device) - 1
            low, high = self.scale
            moved = u[3:] * self.shift * x.new_tensor([[x.shape[3]], [x.shape[2]]])
            angle, slant = math.radians(self.degrees) * u[0], math.radians(self.shear) * u[1]
            distortion = None
            if self.elastic:
                points = torch.randn(len(x), 2, ELASTIC_POINTS, ELASTIC_POINTS, device=x.device)
                distortion = F.interpolate(points * self.elastic, x.shape[2:], mode="bicubic", align_corners=True)
            factor = low + (high - low) * (u[2] + 1) / 2
            found = warp(x, angle, slant, factor, moved, distortion, self.padding).clamp_(0, 1)
            if self.erasing:
                found.masked_fill_(self._erased(x), 0.0)
            return in_format_of(x, found)

    def _erased(self, x: Tensor) -> Tensor:
        """Pixels of a random rectangle in some of the images, (N, 1, H, W)."""
        height, width = x.shape[2:]
        u = torch.rand(5, len(x), device=x.device)
        area = height * width * (ERASED_AREA[0] + (ERASED_AREA[1] - ERASED_AREA[0]) * u[0])
        ratio = ERASED_ASPECT[0] * (ERASED_ASPECT[1] / ERASED_ASPECT[0]) ** u[1]
        h = (area / ratio).sqrt().round().clamp(1, height)[:, None]
        w = (area * ratio).sqrt().round().clamp(1, width)[:, None]
        row = torch.arange(height, device=x.device) - (u[2, :, None] * (height - h + 1)).floor().minimum(height - h)
        column = torch.arange(width, device=x.device) - (u[3, :, None] * (width - w + 1)).floor().minimum(width - w)
        inside = ((row >= 0) & (row < h))[:, None, :, None] & ((column >= 0) & (column < w))[:, None, None, :]
        return inside & (u[4] < self.erasing)[:, None, None, None]


def warp(
    x: Tensor,
    angle: Tensor,
    slant: Tensor,
    factor: Tensor,
    moved: Tensor,
    distortion: Tensor | None = None,
    padding: Padding = "zeros",
) -> Tensor:
    """Images scaled, slanted, rotated about their centres, and moved, in this order and in one interpolation.

    Parameters
    ----------
    x : Tensor of shape (N, C, H, W)
        The images.
    angle : Tensor of shape (N,)
        Rotation in radians, clockwise as the image is seen.
    slant : Tensor of shape (N,)
        Horizontal shear in radians; positive ones move the lower part to the right.
    factor : Tensor of shape (N,)
        Factor of size.
    moved : Tensor of shape (2, N)
        Shift in pixels, to the right and down.
    distortion : Tensor of shape (N, 2, H, W), optional
        How many pixels further to the right, and down, each pixel of the result looks in the image.
    padding : {"zeros", "border", "reflection"}, default="zeros"
        What enters at the borders.

    Returns
    -------
    Tensor of shape (N, C, H, W)
        The images, changed.
    """
    height, width = x.shape[2:]
    across = torch.arange(width, device=x.device) + (1 - width) / 2 - moved[0, :, None, None]
    down = (torch.arange(height, device=x.device) + (1 - height) / 2)[:, None] - moved[1, :, None, None]
    cos, sin, slope = angle.cos(), angle.sin(), slant.tan()
    # From a pixel of the result back to the image: the inverse of rotation times shear times scale.
    xx, xy, yx, yy = ((part / factor)[:, None, None] for part in (cos + slope * sin, sin - slope * cos, -sin, cos))
    grid = x.new_empty(len(x), height, width, 2)
    grid[..., 0] = xx * across + xy * down
    grid[..., 1] = yx * across + yy * down
    if distortion is not None:
        grid += distortion.permute(0, 2, 3, 1)
    grid *= 2 / x.new_tensor([width, height])
    return F.grid_sample(x, grid, mode="bilinear", padding_mode=padding, align_corners=False)
