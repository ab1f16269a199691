"""The random views of SimCLR: crop and flip in one interpolation, all changes of colour in one product."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from knownot.views.checks import check_bounds, check_images, check_range, check_share
from knownot.views.formats import in_format_of

# Candidates a crop is drawn from; the first one that fits into the image is taken.
ATTEMPTS = 10
# Weights of red, green and blue in the luma Y of YIQ, which is also the grey that PIL and torchvision compute.
LUMA = (0.299, 0.587, 0.114)


def _colour_matrices() -> Tensor:
    """Matrices that leave of a colour its grey, its chroma, and its chroma turned by a quarter about the grey axis."""
    to_yiq = torch.tensor([LUMA, (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135)]).double()
    grey, chroma = torch.diag(torch.tensor([1.0, 0, 0])), torch.diag(torch.tensor([0.0, 1, 1]))
    # From I to -Q: hue grows from red over green to blue, as in HSV.
    turned = torch.tensor([[0.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    return torch.stack([to_yiq.inverse() @ part.double() @ to_yiq for part in (grey, chroma, turned)]).float()


COLOUR_MATRICES = _colour_matrices()


@dataclass(frozen=True)
class SimCLRViews:
    """One random view of each image: a resized crop, perhaps flipped, with other colours.

    Crops are drawn as by torchvision's ``RandomResizedCrop``: whole pixels, a uniform share of the area, a
    log-uniform aspect ratio; of ten candidates the first that fits into the image, else the largest centred one
    with an aspect that is allowed. A crop is scaled to the size of the image, bilinearly. It is never larger than
    the image, so nothing is made smaller, and no antialiasing is needed.

    Colours are changed as by torchvision's ``ColorJitter``, with two differences. Hue is a rotation about the grey
    axis in YIQ, which keeps the luma, where HSV keeps the largest channel; the two are alike for small angles.
    And values are clamped to [0, 1] once at the end: each change is then linear, the order that torchvision draws
    makes no difference, and one 3 x 3 matrix and one offset for each image are enough. Grey images (C = 1) change
    in brightness and contrast alone.

    Parameters
    ----------
    scale : (float, float), default=(0.2, 1.0)
        Smallest and largest share of the image's area, within (0, 1].
    aspect : (float, float), default=(3/4, 4/3)
        Smallest and largest ratio of the width of a crop to its height.
    brightness, contrast, saturation : float, default=0.4
        Largest change: factors are uniform in [max(0, 1 - value), 1 + value].
    hue : float, default=0.1
        Largest change, as a share of the full circle, at most 0.5.
    jitter : float, default=0.8
        Probability that the colours of an image change.
    grey : float, default=0.2
        Probability that an image becomes grey.
    flip : bool, default=True
        Whether half of the views are mirrored horizontally. Not for digits and letters.

    Raises
    ------
    ValueError
        If a setting is outside its bounds; when called, if x is no float32 batch (N, C, H, W) with one or three
        channels.

    References
    ----------
    Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, 2020.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> view, x = SimCLRViews(), torch.rand(4, 3, 32, 32)
    >>> one, two = view(x), view(x)
    >>> one.shape, torch.equal(one, two)
    (torch.Size([4, 3, 32, 32]), False)
    """

    scale: tuple[float, float] = (0.2, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    jitter: float = 0.8
    grey: float = 0.2
    flip: bool = True

    def __post_init__(self) -> None:
        check_range(self.scale, "scale", 0, 1)
        check_range(self.aspect, "aspect", 0)
        for name in ("brightness", "contrast", "saturation"):
            check_bounds(getattr(self, name), name, 0)
        check_bounds(self.hue, "hue", 0, 0.5)
        check_share(self.jitter, "jitter")
        check_share(self.grey, "grey")

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """One view of each image of a batch (N, C, H, W), in its memory format."""
        check_images(x, channels=(1, 3))
        with torch.autocast(x.device.type, enabled=False):
            flipped = torch.rand(len(x), device=x.device) < (0.5 if self.flip else 0.0)
            view = crop(x, draw_crops(x, self.scale, self.aspect), flipped)
            return in_format_of(x, recolour(view, *self._factors(view)))

    def _factors(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Brightness, contrast, saturation and hue of each image, and which become grey."""
        chance = torch.rand(6, len(x), device=x.device)
        changed = chance[4] < self.jitter

        def factor(strength: float, u: Tensor) -> Tensor:
            low = max(0.0, 1 - strength)
            return torch.where(changed, low + (1 + strength - low) * u, 1.0)

        hue = torch.where(changed, (2 * chance[3] - 1) * self.hue, 0.0)
        return (
            factor(self.brightness, chance[0]),
            factor(self.contrast, chance[1]),
            factor(self.saturation, chance[2]),
            hue,
            chance[5] < self.grey,
        )


def draw_crops(x: Tensor, scale: tuple[float, float], aspect: tuple[float, float]) -> Tensor:
    """Crops as torchvision draws them, one for each image.

    Parameters
    ----------
    x : Tensor of shape (N, C, H, W)
        The images.
    scale : (float, float)
        Bounds of the share of the area.
    aspect : (float, float)
        Bounds of width divided by height.

    Returns
    -------
    Tensor of shape (4, N)
        Top, left, height and width in whole pixels, as float32.
    """
    height, width = x.shape[2:]
    u = torch.rand(2, ATTEMPTS, len(x), device=x.device)
    area = height * width * (scale[0] + (scale[1] - scale[0]) * u[0])
    low, high = map(math.log, aspect)
    ratio = (low + (high - low) * u[1]).exp_()
    h, w = (area / ratio).sqrt_().round_(), (area * ratio).sqrt_().round_()
    fits = (h > 0) & (h <= height) & (w > 0) & (w <= width)
    first = fits.byte().argmax(0, keepdim=True)
    # The largest centred crop where no candidate fits.
    ratio_all = min(max(width / height, aspect[0]), aspect[1])
    h_all, w_all = max(1, round(min(height, width / ratio_all))), max(1, round(min(width, height * ratio_all)))
    some = fits.any(0)
    h, w = torch.where(some, h.gather(0, first)[0], h_all), torch.where(some, w.gather(0, first)[0], w_all)
    v = torch.rand(2, len(x), device=x.device)
    top = torch.where(some, (v[0] * (height - h + 1)).floor_().minimum(height - h), (height - h_all) // 2)
    left = torch.where(some, (v[1] * (width - w + 1)).floor_().minimum(width - w), (width - w_all) // 2)
    return torch.stack([top, left, h, w])


def crop(x: Tensor, crops: Tensor, flipped: Tensor) -> Tensor:
    """Crops scaled bilinearly to the size of the image, some of them mirrored, in one interpolation.

    Parameters
    ----------
    x : Tensor of shape (N, C, H, W)
        The images.
    crops : Tensor of shape (4, N)
        Top, left, height and width in pixels.
    flipped : Tensor of shape (N,)
        True where a crop is mirrored horizontally.

    Returns
    -------
    Tensor of shape (N, C, H, W)
        What ``F.interpolate(mode="bilinear")`` makes of each crop: pixels outside the crop are not mixed in.
    """
    height, width = x.shape[2:]
    top, left, h, w = crops[:, :, None]
    across = (torch.arange(width, device=x.device) + 0.5) / width
    across = torch.where(flipped[:, None], 1 - across, across)
    down = (torch.arange(height, device=x.device) + 0.5) / height
    columns = left + (across * w - 0.5).clamp_(min=0).minimum(w - 1)
    rows = top + (down * h - 0.5).clamp_(min=0).minimum(h - 1)
    grid = x.new_empty(len(x), height, width, 2)
    grid[..., 0] = ((2 * columns + 1) / width - 1)[:, None, :]
    grid[..., 1] = ((2 * rows + 1) / height - 1)[:, :, None]
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def recolour(x: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor, hue: Tensor, grey: Tensor) -> Tensor:
    """Change the colours of each image, clamped to [0, 1] at the end.

    With the luma Y of a pixel and the mean luma of the image, contrast c and saturation s give
    ``c (s x + (1 - s) Y) + (1 - c) mean(Y)``. Hue turns what is left of x without its luma, and brightness
    multiplies all. None of the four changes what another one needs, so they have no order.

    Parameters
    ----------
    x : Tensor of shape (N, C, H, W)
        The images, C = 1 or 3. With C = 1 saturation, hue and grey have no meaning.
    brightness, contrast, saturation : Tensor of shape (N,)
        Factors; 1 changes nothing.
    hue : Tensor of shape (N,)
        Share of the full circle; 0 changes nothing, 1/3 makes red green.
    grey : Tensor of shape (N,)
        True where an image becomes grey.

    Returns
    -------
    Tensor of shape (N, C, H, W)
        In [0, 1].
    """
    mean = x.mean((2, 3))
    kept = brightness * contrast
    offset = brightness * (1 - contrast)
    if x.shape[1] == 1:
        return torch.addcmul((offset[:, None] * mean)[..., None, None], x, kept[:, None, None, None]).clamp_(0, 1)
    basis = COLOUR_MATRICES.to(x.device)
    offset = (offset * (mean @ basis[0, 0]))[:, None, None]
    chroma = torch.where(grey, 0.0, kept * saturation)
    angle = 2 * math.pi * hue
    share = torch.stack([kept, chroma * angle.cos(), chroma * angle.sin()], 1)
    matrices = (share @ basis.flatten(1)).view(-1, 3, 3)
    return torch.bmm(matrices, x.flatten(2)).add_(offset).clamp_(0, 1).view(x.shape)
