"""Pictures in the page are the samples' own pixels, and small."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from knownot.report.pictures import data_uri, sprite_sheet


def decoded(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


def test_sprite_sheet_lays_tiles_where_the_script_looks_for_them():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (11, 10, 7, 3), dtype=np.uint8)
    sheet = sprite_sheet(images)
    pixels = decoded(sheet.uri)
    assert (sheet.tile, sheet.width, sheet.height, sheet.columns, sheet.rows) == (16, 7, 10, 4, 3)
    for i, image in enumerate(images):
        top, left = i // 4 * 16, i % 4 * 16
        np.testing.assert_array_equal(pixels[top : top + 10, left : left + 7], image)


def test_sprite_sheet_is_compressed_below_the_limit():
    images = np.random.default_rng(0).random((1500, 40, 40, 3))
    sheet = sprite_sheet(images)
    assert sheet.uri.startswith("data:image/jpeg")
    assert len(sheet.uri) < 2_600_000


@pytest.mark.parametrize("shape", [(9, 5, 1), (9, 5, 2), (9, 5, 3), (9, 5, 4), (300, 200, 3)])
def test_data_uri_shows_any_number_of_channels(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    pixels = decoded(data_uri(image))
    assert max(pixels.shape[:2]) == min(96, max(shape))
    if shape[0] == 9:
        np.testing.assert_array_equal(pixels, image[..., 0] if shape[2] < 3 else image[..., :3])
