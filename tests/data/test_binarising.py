"""Pixels drawn once by a seed, and anew for each batch."""

import math

import numpy as np
import pytest
import torch

from knownot.data import arrays, binarise, binarising, draw_pixels


def ramp(n=400):
    """Images of all 256 grey values, each n times."""
    return np.tile(np.arange(256, dtype=np.uint8).reshape(1, 16, 16), (n, 1, 1))


def test_pixels_are_white_with_the_probability_of_their_grey_value():
    grey = ramp()
    shares = (binarise(grey, 0) == 255).mean(0).ravel()
    p = np.arange(256) / 255
    assert shares[0] == 0.0
    assert shares[255] == 1.0
    z = (shares - p)[1:-1] / np.sqrt(p * (1 - p) / len(grey))[1:-1]
    assert np.abs(z).max() < 4.5
    # Their squares have the mean 1 where draws are independent.
    assert np.square(z).mean() == pytest.approx(1.0, abs=4 * math.sqrt(2 / 254))
    assert abs(z.mean()) < 4 / math.sqrt(254)


def test_draws_are_fixed():
    """The first numbers of numpy's PCG64, whatever the machine."""
    draws = np.array([0.6369616873, 0.2697867138, 0.0409735239, 0.0165276355, 0.8132702392, 0.9127555773])
    for grey in (0.0, 0.02, 0.3, 0.65, 0.9, 1.0):
        expected = np.where(draws < grey, 255, 0)
        np.testing.assert_array_equal(binarise(np.full((1, 2, 3), grey), 0).ravel(), expected)
    # A number that is drawn is not below itself: black has no chance, also where 0 is drawn.
    first = np.random.default_rng(0).random()
    assert binarise(np.full((1, 1, 1), first), 0).item() == 0
    assert binarise(np.full((1, 1, 1), np.nextafter(first, 1)), 0).item() == 255
    grey = ramp(3)
    np.testing.assert_array_equal(binarise(grey, 7), binarise(grey, 7))
    np.testing.assert_array_equal(binarise(grey, np.int64(7)), binarise(grey, 7))
    assert (binarise(grey, 7) != binarise(grey, 8)).any()
    # And are the global generators' no business.
    np.random.seed(1)  # noqa: NPY002
    np.testing.assert_array_equal(binarise(grey, 7), binarise(grey.copy(), 7))


def test_all_forms_of_images_have_the_same_pixels():
    grey = ramp(5)
    expected = binarise(grey, 3)
    assert expected.dtype == np.uint8
    assert set(np.unique(expected)) == {0, 255}
    np.testing.assert_array_equal(binarise(grey / 255, 3), expected)
    np.testing.assert_array_equal(binarise((grey / 255).astype(np.float32), 3), expected)
    np.testing.assert_array_equal(binarise(np.asfortranarray(grey), 3), expected)
    np.testing.assert_array_equal(binarise(grey[..., None], 3)[..., 0], expected)
    for dtype in (torch.uint8, torch.float32, torch.float64):
        tensor = torch.from_numpy(grey) if dtype is torch.uint8 else torch.from_numpy(grey / 255).to(dtype)
        for shape in ((5, 16, 16), (5, 1, 16, 16)):
            found = binarise(tensor.reshape(shape), 3)
            assert found.dtype == torch.uint8
            assert found.shape == shape
            np.testing.assert_array_equal(found.numpy().reshape(expected.shape), expected)
    assert binarise(torch.rand(2, 1, 4, 4, requires_grad=True), 0).requires_grad is False
    half = torch.rand(2, 1, 8, 8).bfloat16()
    np.testing.assert_array_equal(binarise(half, 0), binarise(half.double(), 0))


def test_pixels_do_not_depend_on_the_images_behind_or_on_chunks(monkeypatch):
    grey = ramp(10)
    expected = binarise(grey, 3)
    np.testing.assert_array_equal(binarise(grey[:4], 3), expected[:4])
    monkeypatch.setattr(binarising, "CHUNK", 3)
    assert arrays.CHUNK != 3
    np.testing.assert_array_equal(binarise(grey, 3), expected)
    np.testing.assert_array_equal(binarise(torch.from_numpy(grey), 3), expected)


def test_what_is_black_or_white_stays_so():
    drawn = binarise(ramp(2), 0)
    for seed in range(5):
        np.testing.assert_array_equal(binarise(drawn, seed), drawn)


@pytest.mark.parametrize(
    ("x", "seed", "message"),
    [
        (np.zeros((4, 784), np.uint8), 0, r"x has shape \(4, 784\): images are"),
        (np.full((1, 2, 2), 1.5), 0, r"values from 1\.5 to 1\.5: grey values must lie in \[0, 1\]"),
        (np.full((1, 2, 2), -0.5), 0, r"values from -0\.5"),
        (np.full((1, 2, 2), np.nan), 0, "x holds 4 NaN"),
        (np.zeros((1, 2, 2), np.int64), 0, "x holds images of int64: give uint8"),
        (np.zeros((1, 2, 2)), -1, "seed=-1 does not work"),
        (np.zeros((1, 2, 2)), None, "seed=None does not work"),
        (np.zeros((1, 2, 2)), True, "seed=True does not work"),
    ],
)
def test_images_that_cannot_be_drawn_are_refused(x, seed, message):
    with pytest.raises(ValueError, match=message):
        binarise(x, seed)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_new_pixels_have_the_probability_of_their_grey_value(dtype):
    p = torch.tensor([0.0, 1.0, 0.004, 0.1, 0.5, 0.9, 0.996], dtype=dtype)
    n = 200_000
    drawn = draw_pixels(p.expand(n, 7))
    assert drawn.dtype == dtype
    assert drawn.shape == (n, 7)
    assert set(drawn.double().unique().tolist()) == {0.0, 1.0}
    shares, p = drawn.double().mean(0), p.double()
    error = (p * (1 - p) / n).sqrt()
    assert ((shares - p).abs() <= 4.5 * error).all()


def test_new_pixels_are_new_and_repeatable():
    grey = torch.rand(4, 1, 8, 8, requires_grad=True)
    torch.manual_seed(5)
    first, second = draw_pixels(grey), draw_pixels(grey)
    assert (first != second).any()
    assert not first.requires_grad
    torch.manual_seed(5)
    assert (draw_pixels(grey) == first).all()
    assert draw_pixels(torch.empty(2, 3, device="meta")).device.type == "meta"


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(2, dtype=torch.uint8), r"x is torch.uint8: give a tensor of grey values in \[0, 1\]"),
        (np.zeros(2), "x is ndarray"),
    ],
)
def test_what_has_no_probabilities_is_refused(x, message):
    with pytest.raises(ValueError, match=message):
        draw_pixels(x)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_pixels_stay_on_their_device():
    grey = torch.from_numpy(ramp(3)).cuda()
    drawn = binarise(grey, 3)
    assert drawn.device == grey.device
    assert (drawn.cpu() == binarise(grey.cpu(), 3)).all()
    assert draw_pixels(grey / 255).device == grey.device
