import math

import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform, map_coordinates

from knownot.views import GentleViews
from knownot.views.gentle import warp

STILL = {"degrees": 0, "shift": 0, "scale": (1, 1), "shear": 0}


def numbers(*values):
    return [torch.tensor([value]) for value in values]


@pytest.mark.parametrize("size", [(28, 28), (12, 21)])
@pytest.mark.parametrize(
    ("padding", "mode"), [("zeros", "grid-constant"), ("border", "nearest"), ("reflection", "reflect")]
)
def test_warp_is_that_of_scipy(size, padding, mode):
    x, rng = torch.rand(6, 2, *size), np.random.default_rng(0)
    angle, slant, factor = rng.uniform(-0.5, 0.5, 6), rng.uniform(-0.3, 0.3, 6), rng.uniform(0.7, 1.3, 6)
    moved = rng.uniform(-3, 3, (2, 6))
    found = warp(x, *(torch.tensor(v).float() for v in (angle, slant, factor, moved)), padding=padding)
    for n in range(6):
        c, s = math.cos(angle[n]), math.sin(angle[n])
        forward = factor[n] * np.array([[c, -s], [s, c]]) @ np.array([[1, math.tan(slant[n])], [0, 1]])  # of (x, y)
        back = np.linalg.inv(forward)[::-1, ::-1]  # of (row, column)
        centre = (np.array(size) - 1) / 2
        offset = centre - back @ (centre + moved[::-1, n])
        for channel in range(2):
            expected = affine_transform(x[n, channel].numpy().astype(float), back, offset, order=1, mode=mode)
            np.testing.assert_allclose(found[n, channel], expected, atol=1e-4)


def test_quarter_turn_is_rot90():
    x = torch.rand(1, 1, 8, 8)
    found = warp(x, *numbers(math.pi / 2, 0.0, 1.0), torch.zeros(2, 1))
    torch.testing.assert_close(found, x.rot90(-1, (2, 3)), atol=1e-5, rtol=0)


def test_distortion_is_that_of_scipy():
    x, way = torch.rand(2, 1, 14, 10), 2 * torch.randn(2, 2, 14, 10)
    ones, zeros = torch.ones(2), torch.zeros(2)
    found = warp(x, zeros, zeros, ones, torch.zeros(2, 2), way, "border")
    rows, columns = np.mgrid[:14, :10]
    for n in range(2):
        places = [rows + way[n, 1].numpy(), columns + way[n, 0].numpy()]
        np.testing.assert_allclose(found[n, 0], map_coordinates(x[n, 0], places, order=1, mode="nearest"), atol=1e-4)


def test_elastic_moves_pixels_smoothly_by_its_strength(monkeypatch):
    seen = []
    monkeypatch.setattr("knownot.views.gentle.warp", lambda x, *rest: seen.append(rest[4]) or x.clone())
    GentleViews(elastic=2)(torch.rand(500, 1, 29, 29))
    way = seen[0]
    assert way[:, :, ::7, ::7].std() == pytest.approx(2, abs=0.05)
    assert way.diff(dim=3).abs().mean() < 0.4


def test_views_without_any_change_are_the_images():
    x = torch.rand(5, 3, 17, 28)
    torch.testing.assert_close(GentleViews(**STILL)(x), x, atol=1e-5, rtol=0)


def test_settings_are_the_bounds(monkeypatch):
    seen = []
    monkeypatch.setattr("knownot.views.gentle.warp", lambda x, *rest: seen.append(rest) or x.clone())
    GentleViews(degrees=30, shift=0.2, scale=(0.5, 2), shear=45)(torch.rand(5000, 1, 10, 20))
    angle, slant, factor, moved = seen[0][:4]
    bounds = ((angle, -math.pi / 6, math.pi / 6), (slant, -math.pi / 4, math.pi / 4), (factor, 0.5, 2))
    for found, low, high in (*bounds, (moved[0], -4, 4), (moved[1], -2, 2)):
        expected = np.linspace(low, high, 5)
        np.testing.assert_allclose(np.quantile(found, np.linspace(0, 1, 5)), expected, atol=0.03 * (high - low))


def test_erasing_blackens_a_rectangle_in_some_images():
    x = torch.ones(2000, 1, 30, 20)
    black = GentleViews(**STILL, erasing=0.4)(x)[:, 0] < 0.5
    some = black.any((1, 2))
    assert some.float().mean() == pytest.approx(0.4, abs=0.04)
    for one in black[some][:200]:
        rows, columns = one.any(1).sum(), one.any(0).sum()
        assert one.sum() == rows * columns
        assert 0.01 <= one.float().mean() <= 0.22
        assert 0.2 <= columns / rows <= 5
    assert black.any(0).all()  # every pixel has its turn


@pytest.mark.parametrize("shape", [(5, 3, 8, 6), (0, 1, 28, 28), (1, 1, 1, 1), (2, 4, 40, 3)])
@pytest.mark.parametrize("last", [False, True])
def test_shape_range_and_format_are_kept(shape, last):
    x = torch.rand(shape)
    if last:
        x = x.contiguous(memory_format=torch.channels_last)
    before = x.clone()
    found = GentleViews(elastic=1, erasing=0.5)(x)
    assert found.shape == x.shape
    assert not len(x) or (found.stride() == x.stride() and 0 <= found.min() <= found.max() <= 1)
    assert torch.equal(x, before)


@pytest.mark.parametrize(
    "setting",
    [
        *({"degrees": -1}, {"shift": 2}, {"scale": (1.2, 0.8)}, {"shear": 90}),
        *({"elastic": -1}, {"erasing": 2}, {"padding": "black"}),
    ],
)
def test_setting_outside_its_bounds_is_named(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        GentleViews(**setting)
