import colorsys
from itertools import permutations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageEnhance

from knownot.views import SimCLRViews
from knownot.views.simclr import LUMA, crop, draw_crops, recolour

STILL = {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0, "grey": 0}
WHOLE = {"scale": (1, 1), "aspect": (1, 1), "flip": False}


def factors(n, **changed):
    """Arguments of recolour that change nothing but what is named."""
    values = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0, "grey": False} | changed
    return {name: torch.as_tensor(value).expand(n) for name, value in values.items()}


def grey_of(image):
    return sum(weight * channel for weight, channel in zip(LUMA, image, strict=True))


BY_HAND = {
    "brightness": lambda image, f: (image * f).clamp(0, 1),
    "contrast": lambda image, f: (f * image + (1 - f) * grey_of(image).mean()).clamp(0, 1),
    "saturation": lambda image, f: (f * image + (1 - f) * grey_of(image)).clamp(0, 1),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_change_is_its_formula_image_by_image(name):
    x, f = torch.rand(6, 3, 7, 5), torch.tensor([0.0, 0.4, 0.9, 1.0, 1.4, 3.0])
    found = recolour(x, **factors(6, **{name: f}))
    for n in range(6):
        torch.testing.assert_close(found[n], BY_HAND[name](x[n], f[n]))


@pytest.mark.parametrize(
    ("name", "enhance"),
    [("brightness", ImageEnhance.Brightness), ("contrast", ImageEnhance.Contrast), ("saturation", ImageEnhance.Color)],
)
@pytest.mark.parametrize("f", [0.6, 1.0, 1.4])
def test_change_is_that_of_pillow(name, enhance, f):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    expected = np.asarray(enhance(Image.fromarray(pixels)).enhance(f)).astype(float)
    x = torch.tensor(pixels).permute(2, 0, 1)[None] / 255
    found = recolour(x, **factors(1, **{name: f}))[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(found - expected).max() <= 2  # Pillow rounds down, and the mean to a whole number


def test_order_of_changes_makes_no_difference():
    x = 0.4 + 0.1 * torch.rand(1, 3, 8, 8)  # nothing is clamped on the way
    values = {"brightness": 1.2, "contrast": 0.7, "saturation": 1.3}
    found = recolour(x, **factors(1, **values, hue=0.08))
    for order in permutations([*values, "hue"]):
        by_hand = x
        for name in order:
            if name == "hue":
                by_hand = recolour(by_hand, **factors(1, hue=0.08))
            else:
                by_hand = BY_HAND[name](by_hand[0], values[name])[None]
        torch.testing.assert_close(found, by_hand)


def test_grey_is_the_luma_after_all_changes():
    x = 0.3 + 0.4 * torch.rand(2, 3, 6, 6)
    colour = recolour(x, **factors(2, brightness=1.1, contrast=0.8, saturation=1.2, hue=0.05))
    found = recolour(x, **factors(2, brightness=1.1, contrast=0.8, saturation=1.2, hue=0.05, grey=True))
    torch.testing.assert_close(found, torch.stack([grey_of(one).expand(3, 6, 6) for one in colour]))


@pytest.mark.parametrize("turn", [-0.1, -0.03, 0.05, 0.1])
def test_hue_turns_as_far_as_in_hsv(turn):
    """The hue of muted colours moves by the angle of HSV, on average; luma and greys stay."""
    x = 0.5 + 0.15 * (torch.rand(1, 3, 20, 20) - 0.5)
    found = recolour(x, **factors(1, hue=turn))
    torch.testing.assert_close(grey_of(found[0]), grey_of(x[0]))
    pairs = zip(x[0].flatten(1).T.tolist(), found[0].flatten(1).T.tolist(), strict=True)
    moved = [(colorsys.rgb_to_hsv(*b)[0] - colorsys.rgb_to_hsv(*a)[0] + 0.5) % 1 - 0.5 for a, b in pairs]
    assert np.median(moved) == pytest.approx(turn, abs=0.02)
    greys = torch.rand(1, 1, 4, 4).expand(1, 3, 4, 4)
    torch.testing.assert_close(recolour(greys, **factors(1, hue=turn)), greys)


def test_third_of_the_circle_makes_red_green():
    red = torch.tensor([0.8, 0.3, 0.3]).view(1, 3, 1, 1)
    assert recolour(red, **factors(1, hue=1 / 3)).flatten().argmax() == 1
    assert recolour(red, **factors(1, hue=-1 / 3)).flatten().argmax() == 2


def test_grey_images_change_in_brightness_and_contrast():
    x = torch.rand(3, 1, 6, 4)
    found = recolour(x, **factors(3, brightness=1.3, contrast=0.7, saturation=0.2, hue=0.3, grey=True))
    for n in range(3):
        torch.testing.assert_close(found[n], (1.3 * (0.7 * x[n] + 0.3 * x[n].mean())).clamp(0, 1))


@pytest.mark.parametrize("shape", [(8, 3, 32, 32), (8, 1, 20, 33), (3, 3, 1, 1), (4, 3, 2, 9)])
def test_crop_is_interpolate_of_the_crop(shape):
    x = torch.rand(shape)
    crops = draw_crops(x, (0.1, 1.0), (0.5, 2.0))
    flipped = torch.rand(len(x)) < 0.5
    found = crop(x, crops, flipped)
    for n, (top, left, h, w) in enumerate(crops.T.int().tolist()):
        part = x[n : n + 1, :, top : top + h, left : left + w]
        expected = F.interpolate(part, shape[2:], mode="bilinear")[0]
        torch.testing.assert_close(found[n], expected.flip(2) if flipped[n] else expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [(32, 32), (20, 60), (60, 20), (3, 4), (1, 1), (1, 50)])
@pytest.mark.parametrize("scale", [(0.2, 1.0), (0.001, 0.01), (1, 1)])
def test_crops_are_inside_the_image(size, scale):
    top, left, h, w = draw_crops(torch.empty(1000, 1, *size), scale, (3 / 4, 4 / 3))
    for start, length, side in ((top, h, size[0]), (left, w, size[1])):
        assert (start >= 0).all()
        assert (length >= 1).all()
        assert (start + length <= side).all()
        assert torch.equal(start, start.round())


def crops_one_by_one(n, size, scale, aspect, rng):
    """The sampling of RandomResizedCrop, in a loop."""
    for _ in range(n):
        for _ in range(10):
            area = size[0] * size[1] * rng.uniform(*scale)
            ratio = np.exp(rng.uniform(*np.log(aspect)))
            w, h = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
            if 0 < w <= size[1] and 0 < h <= size[0]:
                yield rng.integers(size[0] - h + 1), rng.integers(size[1] - w + 1), h, w
                break
        else:
            w, h = size[1], size[0]
            if w / h < aspect[0]:
                h = round(w / aspect[0])
            elif w / h > aspect[1]:
                w = round(h * aspect[1])
            yield (size[0] - h) // 2, (size[1] - w) // 2, h, w


@pytest.mark.parametrize("size", [(32, 32), (16, 40), (10, 100)])
def test_crops_are_drawn_as_by_torchvision(size):
    found = draw_crops(torch.empty(20_000, 1, *size), (0.2, 1.0), (3 / 4, 4 / 3)).numpy()
    expected = np.array(list(crops_one_by_one(20_000, size, (0.2, 1.0), (3 / 4, 4 / 3), np.random.default_rng(0)))).T
    shares = np.linspace(0.05, 0.95, 7)
    for one, other in zip(found, expected, strict=True):
        assert np.abs(np.quantile(one, shares) - np.quantile(other, shares)).max() <= 1
        assert one.mean() == pytest.approx(other.mean(), abs=0.15)


def test_factors_are_uniform_and_as_frequent_as_asked():
    x = torch.rand(20_000, 3, 1, 1)
    brightness, contrast, saturation, hue, grey = SimCLRViews(brightness=1.5)._factors(x)
    changed = brightness != 1
    assert changed.float().mean() == pytest.approx(0.8, abs=0.02)
    assert torch.equal(hue != 0, changed)
    assert grey.float().mean() == pytest.approx(0.2, abs=0.02)
    for found, low, high in ((brightness, 0, 2.5), (contrast, 0.6, 1.4), (saturation, 0.6, 1.4), (hue, -0.1, 0.1)):
        expected = np.linspace(low, high, 5)[1:-1]
        np.testing.assert_allclose(np.quantile(found[changed], [0.25, 0.5, 0.75]), expected, atol=0.02 * (high - low))


def test_half_of_the_views_are_mirrored():
    x = torch.linspace(0, 1, 8).expand(2000, 1, 8, 8).contiguous()
    seen = SimCLRViews(scale=(1, 1), aspect=(1, 1), **STILL)(x)
    mirrored = (seen - x.flip(3)).abs().amax((1, 2, 3)) < 1e-5
    assert (mirrored | ((seen - x).abs().amax((1, 2, 3)) < 1e-5)).all()
    assert mirrored.float().mean() == pytest.approx(0.5, abs=0.05)


def test_views_without_any_change_are_the_images():
    x = torch.rand(5, 3, 32, 32)
    torch.testing.assert_close(SimCLRViews(**WHOLE, **STILL)(x), x, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(6, 3, 32, 32), (6, 1, 28, 20), (1, 3, 1, 1), (0, 3, 8, 8), (2, 3, 3, 100)])
@pytest.mark.parametrize("last", [False, True])
def test_shape_range_and_format_are_kept(shape, last):
    x = torch.rand(shape)
    if last:
        x = x.contiguous(memory_format=torch.channels_last)
    before = x.clone()
    found = SimCLRViews()(x)
    assert found.shape == x.shape
    assert not len(x) or found.stride() == x.stride()
    assert found.dtype == torch.float32
    assert not len(x) or 0 <= found.min() <= found.max() <= 1
    assert torch.equal(x, before)


def test_memory_format_does_not_change_views():
    x = torch.rand(5, 3, 12, 9)
    found = []
    for one in (x, x.contiguous(memory_format=torch.channels_last), x.transpose(2, 3).contiguous().transpose(2, 3)):
        torch.manual_seed(3)
        found.append(SimCLRViews()(one))
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[0], found[2])


def test_autocast_and_gradients_change_nothing():
    x = torch.rand(5, 3, 12, 9, requires_grad=True)
    torch.manual_seed(3)
    expected = SimCLRViews()(x)
    torch.manual_seed(3)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(SimCLRViews()(x), expected)
    assert not expected.requires_grad


@pytest.mark.parametrize(
    "setting",
    [
        {"scale": (0, 1)},
        {"scale": (0.5, 0.2)},
        {"scale": (0.5, 2)},
        {"aspect": (0, 1)},
        {"brightness": -0.1},
        {"hue": 0.6},
        {"jitter": 1.1},
        {"grey": float("nan")},
    ],
)
def test_setting_outside_its_bounds_is_named(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        SimCLRViews(**setting)


def test_images_need_one_or_three_channels():
    with pytest.raises(ValueError, match="1 or 3 are needed"):
        SimCLRViews()(torch.rand(2, 32, 32, 3))
