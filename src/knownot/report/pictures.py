"""Images as data URIs, alone and many in one sheet, so that a page needs no other file."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# A base64 sheet of this many bytes stays well below 3 MB in the page.
SHEET_BYTES = 1_100_000

# Enough for a colour image of 32 x 32 pixels without loss; larger ones become JPEG.
PICTURE_BYTES = 3_500


@dataclass(frozen=True)
class SpriteSheet:
    """Many small images in one.

    Attributes
    ----------
    uri : str
        Data URI of the sheet.
    tile : int
        Side of the square each image lies in, pixels.
    width, height : int
        Size of an image, which lies in the upper left of its tile, pixels.
    columns, rows : int
    """

    uri: str
    tile: int
    width: int
    height: int
    columns: int
    rows: int


def as_uint8(images: NDArray[Any]) -> NDArray[np.uint8]:
    """Pixels of 0 to 255 from uint8 or from floats in [0, 1]; what lies outside is clipped, NaN is black.

    Examples
    --------
    >>> as_uint8(np.array([[[[0.0], [0.5], [2.0]]]])).ravel()
    array([  0, 128, 255], dtype=uint8)
    """
    if images.dtype == np.uint8:
        return images
    return np.rint(np.clip(np.nan_to_num(images.astype(np.float64)), 0.0, 1.0) * 255.0).astype(np.uint8)


def picture(image: NDArray[np.uint8], largest: int) -> Image.Image:
    """One image (H, W, C), made smaller where a side exceeds ``largest`` pixels.

    One channel is grey, three are RGB; of any other number the first, or the first three, are shown.
    """
    channels = image.shape[2]
    shown = Image.fromarray(np.ascontiguousarray(image[..., :3] if channels >= 3 else image[..., 0]))
    if max(shown.size) > largest:
        scale = largest / max(shown.size)
        size = (max(1, round(shown.width * scale)), max(1, round(shown.height * scale)))
        shown = shown.resize(size, Image.Resampling.LANCZOS)
    return shown


def data_uri(image: NDArray[Any], largest: int = 96) -> str:
    """One image (H, W, C) as a data URI: PNG, or JPEG where that is much smaller."""
    shown = picture(as_uint8(image[None])[0], largest)
    return _smallest(shown, PICTURE_BYTES)


def sprite_sheet(images: NDArray[Any], largest: int = 48) -> SpriteSheet:
    """Many images (M, H, W, C) in one sheet, tiles on multiples of 8 pixels so that JPEG does not mix them.

    Parameters
    ----------
    images : ndarray, shape (M, H, W, C)
        uint8, or float in [0, 1].
    largest : int
        Images with a longer side are made smaller.
    """
    first = picture(as_uint8(images[:1])[0], largest)
    tile = 8 * -(-max(first.size) // 8)
    columns = int(np.ceil(np.sqrt(len(images))))
    rows = -(-len(images) // columns)
    sheet = Image.new(first.mode, (columns * tile, rows * tile))
    for i, image in enumerate(images):
        sheet.paste(picture(as_uint8(image[None])[0], largest), (i % columns * tile, i // columns * tile))
    return SpriteSheet(_smallest(sheet, SHEET_BYTES), tile, first.width, first.height, columns, rows)


def _smallest(image: Image.Image, limit: int) -> str:
    """Data URI without loss where it fits into ``limit`` bytes, otherwise JPEG of falling quality."""
    encoded, kind = _encoded(image, "PNG", optimize=True), "png"
    for quality in (88, 75, 60, 40):
        if len(encoded) <= limit:
            break
        encoded, kind = _encoded(image, "JPEG", quality=quality, optimize=True), "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"


def _encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()
