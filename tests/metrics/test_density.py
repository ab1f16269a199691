"""Bits per dimension of densities and masses that are known."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from knownot.metrics import bits_per_dim


def test_bits_of_grey_values_under_a_density_and_its_masses_are_the_same():
    """A smooth density over [0, 1], and the masses it gives to the 256 grey values."""
    grey = np.arange(40, 200)
    mean, std = 0.48, 0.2
    masses = norm.cdf((grey + 1) / 256, mean, std) - norm.cdf(grey / 256, mean, std)
    densities = norm.pdf((grey + 0.5) / 256, mean, std)
    found = bits_per_dim(np.log(densities), 1)
    np.testing.assert_allclose(found, bits_per_dim(np.log(masses), 1, "mass"), atol=1e-3)
    np.testing.assert_allclose(found, bits_per_dim(np.log(densities), 1, "density"))


def test_noise_of_eight_bits_needs_eight():
    assert bits_per_dim(784 * math.log(1 / 256), 784, "mass") == pytest.approx(8.0)
    # The even density over [0, 1] says the same.
    assert bits_per_dim(0.0, 784) == 8.0


def test_offsets_are_added():
    log_prob = np.linspace(-3000, 2000, 7)
    plain = -np.log2(np.e) * log_prob / 3072
    for offset, bits in (("density", 8), ("mass", 0), ("when-vaes-know", 4), (2.5, 2.5), (np.float32(1), 1), (0, 0)):
        np.testing.assert_allclose(bits_per_dim(log_prob, 3072, offset), plain + bits, rtol=1e-12)


def test_bits_keep_the_shape_and_infinities():
    assert bits_per_dim(np.zeros((2, 3)), np.int64(4)).shape == (2, 3)
    assert np.ndim(bits_per_dim(-1.0, 4)) == 0
    np.testing.assert_array_equal(bits_per_dim([-np.inf, np.inf, -1e308], 1), [np.inf, -np.inf, 1e308 / math.log(2)])


def test_bits_of_tensors():
    log_prob = torch.tensor([-1200.0, 300.0], requires_grad=True)
    expected = bits_per_dim(np.array([-1200.0, 300.0]), 784)
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        found = bits_per_dim(log_prob.to(dtype), 784)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, expected, rtol=0.01 if dtype is torch.bfloat16 else 1e-7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], 4), r"log_prob has shape \(0,\)"),
        (([0.0, np.nan], 4), "1 of 2 entries of log_prob are NaN"),
        (([0.0], 0), "n_dimensions=0 does not work: give the number of real values"),
        (([0.0], 2.0), r"n_dimensions=2\.0 does not work"),
        (([0.0], True), "n_dimensions=True does not work"),
        (([0.0], 4, "glow"), "offset='glow' is not an offset: choose 'density', 'mass', 'when-vaes-know'"),
        (([0.0], 4, np.inf), "offset=inf is not an offset"),
        (([0.0], 4, None), "offset=None is not an offset"),
    ],
)
def test_what_has_no_bits_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        bits_per_dim(*arguments)
