"""The fifteen common corruptions of images, in five severities, by which robustness is measured.

They are those of Hendrycks and Dietterich (Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations, 2019) with the constants of CIFAR-10-C. Written anew on batches, they are alike, not equal to the bit:

- the constants, many of them in pixels, are those for images of 32 x 32 pixels at every size, so a larger image is
  corrupted less for its size;
- frost has a drawn texture of ice crystals in place of photographs;
- values stay floats in between; only JPEG compression rounds them to 8 bits;
- glass blur is what the published code does when it is run: a pixel becomes a copy of its neighbour (two NumPy views
  cannot be swapped as the code means to).
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

from knownot.views import filters
from knownot.views.checks import check_images, check_whole
from knownot.views.formats import in_format_of

SEVERITIES = (1, 2, 3, 4, 5)
GREY = (0.299, 0.587, 0.114)
FROST_SIDE = 256


class Chance:
    """Random numbers of each image of a batch, from a seed and the number of the image alone.

    So an image is corrupted in the same way in any batch and on any device. They are drawn on the CPU, one image
    after the other.
    """

    def __init__(self, seed: int, first: int, like: Tensor) -> None:
        self.seed, self.numbers, self.device = seed, range(first, first + len(like)), like.device
        self.draws = 0

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """(N, *shape) in [low, high)."""
        return low + (high - low) * self._drawn(shape, lambda _, source: torch.rand(shape, generator=source))

    def normal(self, *shape: int) -> Tensor:
        """(N, *shape), standard normal."""
        return self._drawn(shape, lambda _, source: torch.randn(shape, generator=source))

    def whole(self, low: int, high: int, *shape: int) -> Tensor:
        """(N, *shape), int64 from low to high - 1."""
        return self._drawn(shape, lambda _, source: torch.randint(low, high, shape, generator=source)).long()

    def poisson(self, rate: Tensor) -> Tensor:
        """Counts with a rate each; rates are (N, ...)."""
        rate = rate.cpu()
        return self._drawn(rate.shape[1:], lambda i, source: torch.poisson(rate[i], generator=source))

    def _drawn(self, shape: Sequence[int], draw: Callable[[int, torch.Generator], Tensor]) -> Tensor:
        self.draws += 1
        source = torch.Generator()
        found = torch.empty(len(self.numbers), *shape)
        for i, number in enumerate(self.numbers):
            key = hashlib.blake2b(f"{self.seed} {number} {self.draws}".encode(), digest_size=7).digest()
            source.manual_seed(int.from_bytes(key, "little"))
            found[i] = draw(i, source)
        return found.to(self.device)


def gaussian_noise(x: Tensor, level: int, chance: Chance) -> Tensor:
    """Noise of a sensor in poor light."""
    scale = (0.04, 0.06, 0.08, 0.09, 0.10)[level]
    return x + scale * chance.normal(*x.shape[1:])


def shot_noise(x: Tensor, level: int, chance: Chance) -> Tensor:
    """Counts of few photons."""
    photons = (500, 250, 100, 75, 50)[level]
    return chance.poisson(x * photons) / photons


def impulse_noise(x: Tensor, level: int, chance: Chance) -> Tensor:
    """Salt and pepper: values that are 0 or 1."""
    share = (0.01, 0.02, 0.03, 0.05, 0.07)[level]
    u = chance.uniform(*x.shape[1:])
    return torch.where(u < share, (u < share / 2).to(x), x)


def defocus_blur(x: Tensor, level: int, chance: Chance) -> Tensor:
    """A lens out of focus."""
    radius, sigma = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))[level]
    return filters.filtered(x, filters.disk(radius, sigma), "mirror")


def glass_blur(x: Tensor, level: int, chance: Chance) -> Tensor:
    """Frosted glass: pixels that show what is next to them, left or above."""
    sigma, rounds = ((0.05, 1), (0.25, 1), (0.4, 1), (0.25, 2), (0.4, 2))[level]
    n, channels, height, width = x.shape
    x = filters.gaussian_blur(x, sigma)
    rows, columns = torch.arange(height, device=x.device)[:, None], torch.arange(width, device=x.device)
    still = (rows < 2) | (columns < 2)
    for _ in range(rounds):
        up, left = chance.whole(0, 2, 2, height, width).masked_fill(still, 0).unbind(1)
        sources = ((rows - up) * width + columns - left).flatten(1)
        x = x.flatten(2).gather(2, sources[:, None].expand(-1, channels, -1)).view(n, channels, height, width)
    return filters.gaussian_blur(x, sigma)


def motion_blur(x: Tensor, level: int, chance: Chance) -> Tensor:
    """A camera that moves."""
    radius, sigma = ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))[level]
    return filters.motion_blur(x, radius, sigma, chance.uniform(low=-45, high=45))


def zoom_blur(x: Tensor, level: int, chance: Chance) -> Tensor:
    """A camera that comes closer."""
    factors = np.arange(1, (1.06, 1.11, 1.16, 1.21, 1.26)[level], 0.01)
    total = x.clone()
    for factor in factors:
        total += filters.zoomed(x, float(factor))
    return total / (len(factors) + 1)


def snow(x: Tensor, level: int, chance: Chance) -> Tensor:
    """Flakes that fall, and a bleached scene."""
    mean, deviation, zoom, least, radius, sigma, kept = (
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    )[level]
    flakes = filters.zoomed(mean + deviation * chance.normal(1, *x.shape[2:]), zoom)
    flakes = torch.where(flakes < least, 0.0, flakes).clamp_(max=1)
    flakes = filters.motion_blur(flakes, radius, sigma, chance.uniform(low=-135, high=-45))
    grey = x if x.shape[1] == 1 else (x * x.new_tensor(GREY)[:, None, None]).sum(1, keepdim=True)
    bleached = kept * x + (1 - kept) * torch.maximum(x, 1.5 * grey + 0.5)
    return bleached + flakes + flakes.rot90(2, (2, 3))


def frost(x: Tensor, level: int, chance: Chance) -> Tensor:
    """Ice crystals on the lens."""
    kept, ice = ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))[level]
    texture = _frost_texture().to(x.device)
    places = []
    for side in x.shape[2:]:
        start = chance.whole(0, FROST_SIDE)
        line = torch.arange(side, device=x.device) + start[:, None]
        places.append(filters.reflected(line, FROST_SIDE, "symmetric"))
    crystals = texture[:, places[0][:, :, None], places[1][:, None, :]].transpose(0, 1)
    if x.shape[1] == 1:
        crystals = crystals.mean(1, keepdim=True)
    return kept * x + ice * crystals


def fog(x: Tensor, level: int, chance: Chance) -> Tensor:
    """Clouds, as a plasma fractal."""
    strength, decay = ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))[level]
    brightest = x.amax((1, 2, 3), keepdim=True)
    clouds = _plasma(max(x.shape[2:]), decay, chance)[:, None, : x.shape[2], : x.shape[3]]
    return (x + strength * clouds) * brightest / (brightest + strength)


def brightness(x: Tensor, level: int, chance: Chance) -> Tensor:
    """More light: V of HSV is raised."""
    more = (0.05, 0.1, 0.15, 0.2, 0.3)[level]
    value = x.amax(1, keepdim=True)
    raised = (value + more).clamp(max=1)
    return torch.where(value > 0, x * (raised / value), raised)


def contrast(x: Tensor, level: int, chance: Chance) -> Tensor:
    """Less contrast, in each channel about its mean."""
    factor = (0.75, 0.5, 0.4, 0.3, 0.15)[level]
    mean = x.mean((2, 3), keepdim=True)
    return mean + factor * (x - mean)


def elastic_transform(x: Tensor, level: int, chance: Chance) -> Tensor:
    """Three points of the image move, and pixels by a smooth random field."""
    strength, sigma, reach = (
        (0, 0, 32 * 0.08),
        (32 * 0.05, 32 * 0.2, 32 * 0.07),
        (32 * 0.08, 32 * 0.06, 32 * 0.06),
        (32 * 0.1, 32 * 0.04, 32 * 0.05),
        (32 * 0.1, 32 * 0.03, 32 * 0.03),
    )[level]
    height, width = x.shape[2:]
    third, (middle, centre) = max(1, min(height, width) // 3), (width // 2, height // 2)
    corners = ((middle + third, centre + third), (middle + third, centre - third), (middle - third, centre - third))
    source = x.new_tensor(corners).double()
    target = source + chance.uniform(3, 2, low=-reach, high=reach)
    back = torch.linalg.solve(F.pad(target, (0, 1), value=1.0), source.expand_as(target)).to(x)
    pixels = torch.ones(height, width, 3, device=x.device)
    pixels[..., 0], pixels[..., 1] = torch.arange(width), torch.arange(height)[:, None]
    places = pixels.flatten(0, 1) @ back
    # cv2.warpAffine mirrors about the outermost pixels, SciPy about the borders.
    bent = _sampled(x, places.view(len(x), height, width, 2), "mirror")
    if not strength:
        return bent
    way = filters.gaussian_blur(chance.uniform(2, height, width, low=-1, high=1), sigma, 3.0, "symmetric") * strength
    return _sampled(bent, pixels[..., :2] + way.permute(0, 2, 3, 1), "symmetric")


def pixelate(x: Tensor, level: int, chance: Chance) -> Tensor:
    """Fewer pixels."""
    ratio = (0.95, 0.9, 0.85, 0.75, 0.65)[level]
    height, width = (max(1, int(side * ratio)) for side in x.shape[2:])
    return filters.box_resized(filters.box_resized(x, (height, width)), (x.shape[2], x.shape[3]))


def jpeg_compression(x: Tensor, level: int, chance: Chance) -> Tensor:
    """JPEG of low quality, through Pillow, one image after the other."""
    quality = (80, 65, 58, 50, 40)[level]
    images = (x.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    found = np.empty_like(images)
    for image, place in zip(images, found, strict=True):
        file = io.BytesIO()
        Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image).save(file, "JPEG", quality=quality)
        place[...] = np.asarray(Image.open(file)).reshape(image.shape)
    return torch.from_numpy(found).to(x.device).permute(0, 3, 1, 2).float() / 255


_BY_NAME: dict[str, Callable[[Tensor, int, Chance], Tensor]] = {
    function.__name__: function
    for function in (
        *(gaussian_noise, shot_noise, impulse_noise),
        *(defocus_blur, glass_blur, motion_blur, zoom_blur),
        *(snow, frost, fog, brightness),
        *(contrast, elastic_transform, pixelate, jpeg_compression),
    )
}
CORRUPTIONS: tuple[str, ...] = tuple(_BY_NAME)


@torch.no_grad()
def corrupt(x: Tensor, name: str, severity: int, seed: int = 0, first: int = 0) -> Tensor:
    """Corrupt images as CIFAR-10-C does.

    Parameters
    ----------
    x : Tensor of shape (N, C, H, W)
        Images, float32 in [0, 1], C = 1 or 3, on any device.
    name : str
        One of :data:`CORRUPTIONS`.
    severity : {1, 2, 3, 4, 5}
        How much.
    seed : int, default=0
        Of the random numbers. The random state of torch is neither read nor changed.
    first : int, default=0
        Number of the first image in its data set. Random numbers of an image depend on the seed and its number
        alone, so batches of any size give the same images.

    Returns
    -------
    Tensor of shape (N, C, H, W)
        In [0, 1], in the memory format of x.

    Raises
    ------
    ValueError
        If there is no such corruption or severity, or x is no such batch.

    References
    ----------
    Hendrycks and Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and Perturbations, 2019.

    Examples
    --------
    >>> x = torch.full((2, 3, 32, 32), 0.5)
    >>> corrupt(x, "gaussian_noise", severity=3).std().round(decimals=2)
    tensor(0.0800)
    """
    check_images(x, channels=(1, 3))
    if name not in _BY_NAME:
        raise ValueError(f"There is no corruption {name!r}; give one of {', '.join(CORRUPTIONS)}.")
    if severity not in SEVERITIES:
        raise ValueError(f"severity={severity!r}; give a whole number from 1 to 5.")
    check_whole(seed, "seed")
    check_whole(first, "first")
    if not len(x):
        return x.clone()
    with torch.autocast(x.device.type, enabled=False):
        found = _BY_NAME[name](x.contiguous(), int(severity) - 1, Chance(seed, first, x))
        return in_format_of(x, found.clamp(0, 1))


def _sampled(x: Tensor, places: Tensor, border: filters.Border) -> Tensor:
    """Bilinear values at places (N, H, W, 2) of x and y in pixels."""
    sides = x.new_tensor([x.shape[3], x.shape[2]])
    ends = border == "mirror"
    grid = 2 * places / (sides - 1).clamp(min=1) - 1 if ends else (2 * places + 1) / sides - 1
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=ends)


def _plasma(side: int, decay: float, chance: Chance) -> Tensor:
    """Heights in [0, 1] on a square, a power of two wide, by the diamond-square algorithm; periodic."""
    step = whole = 2 ** max(1, math.ceil(math.log2(side)))
    heights = torch.zeros(len(chance.numbers), whole, whole, device=chance.device)
    wibble = 100.0

    def between(corners: Tensor) -> Tensor:
        return corners / 4 + wibble * chance.uniform(*corners.shape[1:], low=-wibble, high=wibble)

    while step >= 2:
        half = step // 2
        corners = heights[:, ::step, ::step]
        below = corners + corners.roll(-1, 1)
        heights[:, half::step, half::step] = between(below + below.roll(-1, 2))
        centres = heights[:, half::step, half::step]
        heights[:, ::step, half::step] = between(centres + centres.roll(1, 1) + corners + corners.roll(-1, 2))
        heights[:, half::step, ::step] = between(centres + centres.roll(1, 2) + corners + corners.roll(-1, 1))
        step, wibble = half, wibble / decay
    heights -= heights.amin((1, 2), keepdim=True)
    return heights / heights.amax((1, 2), keepdim=True)


@cache
def _frost_texture() -> Tensor:
    """Feathers of ice on a window, (3, FROST_SIDE, FROST_SIDE), always the same ones."""
    rng, side = np.random.default_rng(0), 2 * FROST_SIDE
    image = Image.new("L", (side, side), 40)
    draw = ImageDraw.Draw(image)
    for _ in range(260):
        x, y = rng.uniform(0, side, 2)
        angle, length, light = rng.uniform(0, 2 * math.pi), rng.uniform(20, 90), rng.integers(110, 256)
        across, down = math.cos(angle), math.sin(angle)
        draw.line((x, y, x + length * across, y + length * down), fill=int(light), width=3)
        for along in np.arange(4, length, 5):
            barb = 0.45 * (length - along)
            for turn in (angle - 1.05, angle + 1.05):
                start = (x + along * across, y + along * down)
                end = (start[0] + barb * math.cos(turn), start[1] + barb * math.sin(turn))
                draw.line((*start, *end), fill=int(light * rng.uniform(0.6, 1)), width=2)
    small = image.filter(ImageFilter.GaussianBlur(1)).resize((FROST_SIDE, FROST_SIDE), Image.Resampling.BOX)
    ice = torch.from_numpy(np.array(small)).float() / 255
    return ice * torch.tensor([0.85, 0.95, 1.0])[:, None, None]
