"""Length of an image's code: by Pillow, and what it must not depend on."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from knownot.data import compressed_bits


def png_bytes(array):
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return len(stream.getvalue())


@pytest.mark.parametrize("channels", [1, 3])
def test_bits_are_those_of_a_png_less_those_of_a_blank_one(channels):
    images = torch.randint(256, (3, channels, 9, 7), dtype=torch.uint8)
    images[1] //= 64
    arrays = images.permute(0, 2, 3, 1).numpy().squeeze()
    expected = [8 * (png_bytes(array) - png_bytes(np.zeros_like(array))) for array in arrays]
    assert compressed_bits(images).tolist() == expected
    assert expected[1] < expected[0]


def test_floats_are_rounded_to_the_levels_of_uint8():
    images = torch.randint(256, (4, 1, 8, 8), dtype=torch.uint8)
    assert compressed_bits(images.float() / 255).tolist() == compressed_bits(images).tolist()


def test_other_numbers_of_channels_are_coded_one_by_one():
    images = torch.randint(256, (2, 4, 8, 8), dtype=torch.uint8)
    expected = sum(compressed_bits(images[:, c : c + 1]) for c in range(4))
    assert compressed_bits(images).tolist() == expected.tolist()


def test_no_images_have_no_bits():
    assert compressed_bits(torch.zeros(0, 1, 8, 8)).shape == (0,)
