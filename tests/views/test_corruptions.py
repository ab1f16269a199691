import colorsys
import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from knownot.views import CORRUPTIONS, corrupt, filters
from knownot.views.corruptions import SEVERITIES, Chance, _frost_texture, _plasma


def smooth_images(n, size=(32, 32), channels=3):
    """Smooth random images, which blur changes less than noise does."""
    return filters.gaussian_blur(torch.rand(n, channels, *size), 2.0).sub(0.5).mul(3).add(0.5).clamp(0, 1)


def pillow_of(image):
    return Image.fromarray((image.permute(1, 2, 0) * 255).round().byte().numpy())


def test_names_are_those_of_the_paper_in_its_order():
    expected = "gaussian_noise shot_noise impulse_noise defocus_blur glass_blur motion_blur zoom_blur snow frost fog "
    assert (expected + "brightness contrast elastic_transform pixelate jpeg_compression").split() == list(CORRUPTIONS)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_image_is_corrupted_alike_in_every_batch(name):
    x = smooth_images(5)
    state = torch.get_rng_state()
    whole = corrupt(x, name, 3, seed=7)
    parts = torch.cat([corrupt(x[:2], name, 3, seed=7), corrupt(x[2:], name, 3, seed=7, first=2)])
    torch.testing.assert_close(whole, parts, atol=1e-5, rtol=0)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_seed_and_number_decide_the_random_numbers(name):
    x = smooth_images(1).expand(2, -1, -1, -1)
    one, two = corrupt(x, name, 4)
    other = corrupt(x, name, 4, seed=1)[0]
    chance = name not in {"defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression"}
    assert torch.equal(one, two) != chance
    assert torch.equal(one, other) != chance


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize(
    "shape", [(2, 3, 32, 32), (2, 1, 28, 28), (3, 3, 5, 40), (1, 3, 1, 1), (2, 1, 2, 3), (0, 3, 8, 8)]
)
def test_every_size_keeps_shape_and_range(name, severity, shape):
    x = torch.rand(shape)
    before = x.clone()
    found = corrupt(x, name, severity)
    assert found.shape == shape
    assert found.dtype == torch.float32
    assert found.isfinite().all()
    assert not len(x) or 0 <= found.min() <= found.max() <= 1
    assert torch.equal(x, before)


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_black_and_white_images_stay_numbers(name, value):
    assert corrupt(torch.full((1, 3, 16, 16), value), name, 5).isfinite().all()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_memory_format_is_kept(name):
    x = smooth_images(2)
    last = x.contiguous(memory_format=torch.channels_last)
    found = corrupt(last, name, 2)
    assert found.stride() == last.stride()
    assert torch.equal(found, corrupt(x, name, 2))


@pytest.mark.parametrize("name", sorted(set(CORRUPTIONS) - {"glass_blur", "frost", "elastic_transform", "pixelate"}))
def test_higher_severity_changes_more(name):
    x = smooth_images(8)
    changes = [(corrupt(x, name, severity) - x).abs().mean() for severity in SEVERITIES]
    assert changes == sorted(changes)
    assert changes[0] > 0


@pytest.mark.parametrize("severity", SEVERITIES)
def test_noises_have_the_published_strength(severity):
    x = torch.full((20, 3, 32, 32), 0.5)
    found = corrupt(x, "gaussian_noise", severity)
    assert found.std() == pytest.approx((0.04, 0.06, 0.08, 0.09, 0.10)[severity - 1], rel=0.02)
    photons = (500, 250, 100, 75, 50)[severity - 1]
    found = corrupt(x, "shot_noise", severity)
    assert found.mean() == pytest.approx(0.5, abs=0.003)
    assert found.var() == pytest.approx(0.5 / photons, rel=0.03)
    torch.testing.assert_close(found * photons, (found * photons).round())
    found = corrupt(x, "impulse_noise", severity)
    share = (0.01, 0.02, 0.03, 0.05, 0.07)[severity - 1]
    for value in (0.0, 1.0):
        assert (found == value).float().mean() == pytest.approx(share / 2, rel=0.15)
    assert ((found == x) | (found == 0) | (found == 1)).all()


@pytest.mark.parametrize("severity", SEVERITIES)
def test_brightness_raises_v_of_hsv(severity):
    x = torch.rand(1, 3, 6, 6)
    x[0, :, 0, 0] = 0
    found = corrupt(x, "brightness", severity)[0].flatten(1).T
    for before, after in zip(x[0].flatten(1).T.tolist(), found.tolist(), strict=True):
        h, s, v = colorsys.rgb_to_hsv(*before)
        expected = colorsys.hsv_to_rgb(h, s, min(1, v + (0.05, 0.1, 0.15, 0.2, 0.3)[severity - 1]))
        np.testing.assert_allclose(after, expected, atol=1e-5)


def test_contrast_moves_each_channel_to_its_mean():
    x = torch.rand(2, 3, 8, 8)
    means = x.mean((2, 3), keepdim=True)
    torch.testing.assert_close(corrupt(x, "contrast", 5), means + 0.15 * (x - means))


@pytest.mark.parametrize("severity", SEVERITIES)
def test_glass_blur_is_the_published_loop(severity, monkeypatch):
    """The loop over pixels, with NumPy views on both sides of the swap, given the same random numbers."""
    sigma, rounds = ((0.05, 1), (0.25, 1), (0.4, 1), (0.25, 2), (0.4, 2))[severity - 1]
    x, drawn = torch.rand(1, 3, 32, 32), torch.randint(0, 2, (rounds, 1, 2, 32, 32))
    order = iter(drawn)
    monkeypatch.setattr(Chance, "whole", lambda *_: next(order).clone())
    image = ndimage.gaussian_filter(x[0].permute(1, 2, 0).numpy(), (sigma, sigma, 0), mode="nearest")
    for ways in drawn[:, 0].numpy():
        for h in range(31, 1, -1):
            for w in range(31, 1, -1):
                a, b = h - ways[0, h, w], w - ways[1, h, w]
                image[h, w], image[a, b] = image[a, b], image[h, w]
    expected = ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="nearest")
    np.testing.assert_allclose(corrupt(x, "glass_blur", severity)[0].permute(1, 2, 0), expected, atol=1e-5)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_zoom_blur_is_the_mean_of_zooms_by_scipy(severity):
    x = smooth_images(1)
    factors = np.arange(1, (1.06, 1.11, 1.16, 1.21, 1.26)[severity - 1], 0.01)
    total = x[0].numpy().astype(float)
    for factor in factors:
        cut = int(np.ceil(32 / factor))
        top = (32 - cut) // 2
        large = ndimage.zoom(x[0, :, top : top + cut, top : top + cut].numpy(), (1, factor, factor), order=1)
        start = (large.shape[1] - 32) // 2
        total = total + large[:, start : start + 32, start : start + 32]
    np.testing.assert_allclose(corrupt(x, "zoom_blur", severity)[0], total / (len(factors) + 1), atol=1e-4)


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("size", [(32, 32), (28, 48)])
def test_pixelate_is_that_of_pillow(severity, size):
    x = (torch.rand(2, 3, *size) * 255).round() / 255
    ratio = (0.95, 0.9, 0.85, 0.75, 0.65)[severity - 1]
    found = corrupt(x, "pixelate", severity)
    for one, image in zip(found, x, strict=True):
        small = pillow_of(image).resize((int(size[1] * ratio), int(size[0] * ratio)), Image.Resampling.BOX)
        expected = np.asarray(small.resize((size[1], size[0]), Image.Resampling.BOX))
        assert np.abs(one.permute(1, 2, 0).numpy() * 255 - expected).max() < 1.01  # rounded twice


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_that_of_pillow(channels):
    x = (smooth_images(2, (20, 30), channels) * 255).round() / 255
    for one, image in zip(corrupt(x, "jpeg_compression", 5), x, strict=True):
        file = io.BytesIO()
        picture = pillow_of(image.expand(3, -1, -1))
        (picture.convert("L") if channels == 1 else picture).save(file, "JPEG", quality=40)
        expected = np.asarray(Image.open(file)).reshape(20, 30, channels)
        assert np.array_equal((one * 255).round().byte().permute(1, 2, 0), expected)


def test_every_draw_has_its_own_numbers():
    chance = Chance(0, 0, torch.zeros(2))
    draws = [chance.uniform(), chance.uniform(), Chance(0, 2, torch.zeros(2)).uniform()]
    assert len({float(u) for draw in draws for u in draw}) == 6
    again = Chance(0, 1, torch.zeros(2))
    assert again.uniform()[0] == draws[0][1]
    assert again.uniform()[0] == draws[1][1]


def test_motion_blur_is_a_sum_along_a_line():
    x, degrees = torch.rand(3, 2, 12, 9), torch.tensor([0.0, 37.0, -90.0])
    found = filters.motion_blur(x, 2, 1.5, degrees)
    weights = np.exp(-(np.arange(5) ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    for n, angle in enumerate(np.deg2rad(degrees.numpy())):
        for row in range(12):
            for column in range(9):
                expected = 0
                for i, weight in enumerate(weights):
                    down, right = (int(np.ceil(i * part - 0.5)) for part in (np.sin(angle), np.cos(angle)))
                    place = x[n, :, np.clip(row + down, 0, 11), np.clip(column + right, 0, 8)]
                    expected = expected + weight * place
                torch.testing.assert_close(found[n, :, row, column], expected.float())


@pytest.mark.parametrize(("border", "mode"), [("nearest", "nearest"), ("mirror", "mirror"), ("symmetric", "reflect")])
@pytest.mark.parametrize("sigma", [0.05, 0.8, 6.4])
def test_gaussian_blur_is_that_of_scipy(border, mode, sigma):
    x = torch.rand(2, 1, 9, 14)
    expected = ndimage.gaussian_filter(x.numpy(), (0, 0, sigma, sigma), mode=mode, truncate=3.0)
    np.testing.assert_allclose(filters.gaussian_blur(x, sigma, 3.0, border), expected, atol=1e-5)


def test_disk_is_a_kernel():
    for radius, sigma in ((0.3, 0.4), (1, 0.2), (1.5, 0.1)):
        kernel = filters.disk(radius, sigma)
        assert kernel.sum() == pytest.approx(1)
        assert torch.equal(kernel, kernel.mT)
    assert (filters.disk(1, 1e-3) > 0.1).sum() == 5
    assert (filters.disk(1.5, 1e-3) > 0.1).sum() == 9


def test_plasma_is_rough_and_smooth():
    """It fills [0, 1], neighbours are alike, and a slower decay is rougher."""
    clouds = [_plasma(64, decay, Chance(0, 0, torch.zeros(20))) for decay in (3, 1.75)]
    for found in clouds:
        assert found.shape == (20, 64, 64)
        assert torch.equal(found.amin((1, 2)), torch.zeros(20))
        assert torch.equal(found.amax((1, 2)), torch.ones(20))
    steps = [found.diff(dim=2).abs().mean() for found in clouds]
    assert steps[0] < steps[1] < 0.15


def test_frost_is_ice_and_no_photograph():
    texture = _frost_texture()
    assert texture.shape == (3, 256, 256)
    assert 0.2 < texture.mean() < 0.7
    assert texture.std() > 0.1
    assert torch.equal(texture, _frost_texture.__wrapped__())


def test_what_there_is_not_is_refused():
    x = torch.rand(1, 3, 8, 8)
    with pytest.raises(ValueError, match="no corruption 'rain'; give one of gaussian_noise"):
        corrupt(x, "rain", 1)
    for severity in (0, 6, 2.5, "3"):
        with pytest.raises(ValueError, match="from 1 to 5"):
            corrupt(x, "fog", severity)
    with pytest.raises(ValueError, match="seed=-1"):
        corrupt(x, "fog", 1, seed=-1)
    with pytest.raises(ValueError, match="1 or 3 are needed"):
        corrupt(torch.rand(1, 2, 8, 8), "fog", 1)
