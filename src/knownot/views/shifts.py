"""Mirror images and shifts by whole pixels: exact and quick, for natural images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from knownot.views.checks import check_images, check_whole
from knownot.views.formats import in_format_of, pixels


@dataclass(frozen=True)
class FlipsAndShifts:
    """Images mirrored at random and shifted by whole pixels, as codes that train CIFAR-10 in seconds do.

    What enters at a border is the reflection of what is inside (without the outermost pixel twice). Pixels are
    copied, never interpolated.

    Parameters
    ----------
    pixels : int, default=2
        Largest shift in each direction, uniform over whole pixels; less than the sides of the images.
    flip : bool, default=True
        Whether half of the images are mirrored horizontally. Not for digits and letters.
    cutout : int, default=0
        Side in pixels of a square, inside the image at a random place, that is replaced by the mean colour of the
        image; 0 for none. A side larger than the image is cut to it.

    Raises
    ------
    ValueError
        If a setting is no whole number of 0 or more; when called, if x is no float32 batch (N, C, H, W), or its sides
        are not larger than the shift.

    References
    ----------
    DeVries and Taylor, Improved Regularization of Convolutional Neural Networks with Cutout, 2017.

    Examples
    --------
    >>> _ = torch.manual_seed(1)
    >>> FlipsAndShifts(pixels=1, flip=False)(torch.tensor([[[[0.1, 0.2], [0.3, 0.4]]]]))
    tensor([[[[0.2000, 0.1000],
              [0.4000, 0.3000]]]])
    """

    pixels: int = 2
    flip: bool = True
    cutout: int = 0

    def __post_init__(self) -> None:
        check_whole(self.pixels, "pixels")
        check_whole(self.cutout, "cutout")

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """One view of each image of a batch (N, C, H, W), in its memory format."""
        check_images(x)
        n, channels, height, width = x.shape
        if self.pixels >= min(height, width):
            raise ValueError(
                f"Images of {height} x {width} pixels cannot be shifted by pixels={self.pixels}; "
                f"give at most {min(height, width) - 1}."
            )
        rows = self._sources(x, height)
        columns = self._sources(x, width)
        if self.flip:
            columns = torch.where(torch.rand(n, 1, device=x.device) < 0.5, columns.flip(1), columns)
        sources = (rows[:, :, None] * width + columns[:, None, :]).flatten(1)
        found = pixels(x).gather(2, sources[:, None].expand(-1, channels, -1)).view(x.shape)
        if self.cutout:
            inside = self._cut(x, height)[:, None, :, None] & self._cut(x, width)[:, None, None, :]
            found = torch.where(inside, found.mean((2, 3), keepdim=True), found)
        return in_format_of(x, found)

    def _sources(self, x: Tensor, side: int) -> Tensor:
        """Where each row, or column, of each image comes from, (N, side)."""
        shift = torch.randint(-self.pixels, self.pixels + 1, (len(x), 1), device=x.device)
        reflected = (torch.arange(side, device=x.device) + shift).abs()
        return side - 1 - (side - 1 - reflected).abs()

    def _cut(self, x: Tensor, side: int) -> Tensor:
        """Which rows, or columns, of each image the square covers, (N, side)."""
        length = min(self.cutout, side)
        start = torch.randint(side - length + 1, (len(x), 1), device=x.device)
        place = torch.arange(side, device=x.device) - start
        return (place >= 0) & (place < length)
