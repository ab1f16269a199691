"""Mixup, CutMix and GradMix: each image of a batch with part of another one.

The mixed image replaces the first view of a sample, and the second view of the same sample stays its positive.
So in all three the base image keeps the larger part: where the published Mixup and CutMix draw the partner's share
from [0, 1], it is folded here to at most one half.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from knownot.views.attribution import scaled_up
from knownot.views.checks import check_images, check_maps, check_positive, check_range
from knownot.views.formats import in_format_of, memory_format, pixels


class Mixed(NamedTuple):
    """A mixed batch."""

    x: Tensor
    """The mixed images, (N, C, H, W)."""
    partner: Tensor
    """Index in the batch of the image that was mixed in, (N,) int64; never the image's own, but in a batch of one."""
    weight: Tensor
    """Share of the partner in each mixed image, one number for the batch."""


@dataclass(frozen=True)
class Mixup:
    """Mixup: a weighted mean of two images.

    The share of the partner is s = min(l, 1 - l) with l from Beta(alpha, alpha), one for a batch.

    Parameters
    ----------
    alpha : float, default=1.0
        Positive. Larger values bring s closer to one half; with 1 it is uniform on [0, 1/2].

    Raises
    ------
    ValueError
        If alpha is not positive; when called, if x is no float32 batch (N, C, H, W).

    References
    ----------
    Zhang et al., mixup: Beyond Empirical Risk Minimization, 2018.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> mixed = Mixup()(torch.rand(4, 3, 8, 8))
    >>> mixed.x.shape, bool(mixed.weight <= 0.5)
    (torch.Size([4, 3, 8, 8]), True)
    """

    alpha: float = 1.0

    needs_attribution: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_positive(self.alpha, "alpha")

    def __call__(self, x: Tensor, attribution: Tensor | None = None) -> Mixed:
        """Mix a batch (N, C, H, W); the attribution is not used."""
        check_images(x)
        partner = partners(x)
        share = _folded_beta(self.alpha, x)
        return Mixed(in_format_of(x, torch.lerp(x, x[partner], share).clamp_(0, 1)), partner, share)


@dataclass(frozen=True)
class CutMix:
    """CutMix: a rectangle of an image is replaced by the same rectangle of another one.

    The area share of the rectangle is s = min(l, 1 - l) with l from Beta(alpha, alpha), its sides are those of the
    image times the square root of s, rounded, at least one pixel; one size for a batch. Its centre is uniform over
    the pixels of the image, one for each sample. Where the published one cuts the rectangle off at the border, here
    it is shifted inside, so that the weight, the share of pixels replaced, is exact for every image.

    Parameters
    ----------
    alpha : float, default=1.0
        Positive. Larger values bring s closer to one half; with 1 it is uniform on [0, 1/2].

    Raises
    ------
    ValueError
        If alpha is not positive; when called, if x is no float32 batch (N, C, H, W).

    References
    ----------
    Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features, 2019.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> x = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 1, 8, 8) / 4
    >>> mixed = CutMix()(x)
    >>> bool(((mixed.x != x).float().mean((1, 2, 3)) == mixed.weight).all())
    True
    """

    alpha: float = 1.0

    needs_attribution: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_positive(self.alpha, "alpha")

    def __call__(self, x: Tensor, attribution: Tensor | None = None) -> Mixed:
        """Mix a batch (N, C, H, W); the attribution is not used."""
        check_images(x)
        partner = partners(x)
        size = _sides(x, float(_folded_beta(self.alpha, x)) ** 0.5)
        window = _Window(x, size, _random_places(x))
        return Mixed(window.pasted(x, window.of(x[partner])), partner, window.share)


@dataclass(frozen=True)
class GradMix:
    """GradMix: a small copy of another image is pasted on the place that the network looks at.

    The whole partner is scaled down, with antialiasing, to sides of ``ratio`` times those of the image, rounded, at
    least one pixel; one size for a batch. It is pasted centred on the pixel where the attribution map, scaled up
    bilinearly, is largest; at the border it is shifted inside, so that the weight, the share of pixels replaced, is
    exact for every image. Where a map is the same everywhere or not finite, the place is random.

    Parameters
    ----------
    ratio : (float, float), default=(0.1, 0.5)
        Smallest and largest ratio of sides, within (0, 1]; drawn uniformly.

    Raises
    ------
    ValueError
        If the ratios are not in order within (0, 1]; when called, if x is no float32 batch (N, C, H, W), or the
        attribution is missing or not (N, h, w).

    References
    ----------
    Informed Mixing – Improving Open Set Recognition with Deep Dynamic Data Augmentation, section 3.2.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> x, attribution = torch.zeros(2, 1, 8, 8), torch.zeros(2, 4, 4)
    >>> x[1], attribution[:, 1, 2] = 1.0, 1.0
    >>> mixed = GradMix(ratio=(0.25, 0.25))(x, attribution)
    >>> mixed.x[0, 0].nonzero()
    tensor([[2, 4],
            [2, 5],
            [3, 4],
            [3, 5]])
    >>> mixed.weight
    tensor(0.0625)
    """

    ratio: tuple[float, float] = (0.1, 0.5)

    needs_attribution: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_range(self.ratio, "ratio", 0, 1)

    def __call__(self, x: Tensor, attribution: Tensor | None = None) -> Mixed:
        """Mix a batch (N, C, H, W) by its attribution (N, h, w)."""
        check_images(x)
        if attribution is None:
            raise ValueError("GradMix needs attribution maps (N, h, w); compute them with layercam or gradcam.")
        check_maps(attribution, x)
        partner = partners(x)
        low, high = self.ratio
        size = _sides(x, low + (high - low) * float(torch.rand((), device=x.device)))
        window = _Window(x, size, _most_activated(attribution.detach(), x))
        small = F.interpolate(x, size, mode="bilinear", antialias=True).clamp_(0, 1).flatten(2)
        return Mixed(window.pasted(x, small[partner]), partner, window.share)


def partners(x: Tensor) -> Tensor:
    """Another sample for each of a batch: a random permutation without fixed points.

    It is a random cycle through the batch. In a batch of one, the partner is the sample itself.

    Parameters
    ----------
    x : Tensor of shape (N, ...)
        The batch.

    Returns
    -------
    Tensor of shape (N,)
        Indices, int64, on the device of x.

    Examples
    --------
    >>> partners(torch.zeros(2, 3))
    tensor([1, 0])
    """
    order = torch.randperm(len(x), device=x.device)
    return torch.empty_like(order).scatter_(0, order, order.roll(1))


class _Window:
    """A rectangle of one size in every image of a batch, each at its own place and all inside.

    Indices of the pixels are arithmetic on the coordinates, so the work is that of the pixels inside.
    """

    def __init__(self, x: Tensor, size: tuple[int, int], centre: Tensor) -> None:
        (height, width), (h, w) = x.shape[2:], size
        self.size = size
        self.share = x.new_tensor(h * w / (height * width))
        top = (centre // width - (h - 1) // 2).clamp(0, height - h)
        left = (centre % width - (w - 1) // 2).clamp(0, width - w)
        rows = top[:, None] + torch.arange(h, device=x.device)
        columns = left[:, None] + torch.arange(w, device=x.device)
        self.inside = (rows[:, :, None] * width + columns[:, None, :]).flatten(1)[:, None].expand(-1, x.shape[1], -1)

    def of(self, x: Tensor) -> Tensor:
        """The pixels inside, (N, C, h * w)."""
        return pixels(x).gather(2, self.inside)

    def pasted(self, x: Tensor, patch: Tensor) -> Tensor:
        """A copy of x, in its memory format, with a patch (N, C, h * w) inside."""
        out = x.clone(memory_format=memory_format(x))
        pixels(out).scatter_(2, self.inside, patch)
        return out


def _sides(x: Tensor, ratio: float) -> tuple[int, int]:
    """Sides of the images times a ratio, at least one pixel."""
    height, width = (max(1, round(ratio * side)) for side in x.shape[2:])
    return height, width


def _random_places(x: Tensor) -> Tensor:
    """A pixel of each image, as an index into H * W."""
    return torch.randint(x.shape[2] * x.shape[3], (len(x),), device=x.device)


def _most_activated(maps: Tensor, x: Tensor) -> Tensor:
    """The pixel of each image where its map is largest, as an index into H * W."""
    large = scaled_up(maps, (x.shape[2], x.shape[3])).flatten(1)
    flat = maps.float().flatten(1)
    # Of what is not finite no place is the largest.
    tells = (flat.amax(1) > flat.amin(1)) & flat.isfinite().all(1)
    return torch.where(tells, large.argmax(1), _random_places(x))


def _folded_beta(alpha: float, x: Tensor) -> Tensor:
    """min(l, 1 - l) with l from Beta(alpha, alpha), a scalar on the device of x."""
    a = x.new_tensor(alpha)
    share = torch.distributions.Beta(a, a, validate_args=False).sample()
    return torch.minimum(share, 1 - share)
