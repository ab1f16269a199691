"""Image files: what their headers say, and their pixels at the size that is kept."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

#: Pixels of the longer and the shorter side, where images are too large for their size to be kept unasked.
LONGER_SIDE, SHORTER_SIDE = 64, 8
GREY_MODES = {"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N"}
EXIF_ORIENTATION, TURNED = 0x0112, {5, 6, 7, 8}
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What Pillow raises for files that are cut short, of another kind, or too large.
UNREADABLE = (
    UnidentifiedImageError,
    OSError,
    SyntaxError,
    ValueError,
    RuntimeError,
    MemoryError,
    Image.DecompressionBombError,
)


class Header(NamedTuple):
    """Height and width of an image as it is displayed, and whether it is grey."""

    size: tuple[int, int]
    grey: bool


def read_header(file: Path) -> Header:
    """Read size and kind of an image without decoding its pixels."""
    with Image.open(file) as image:
        width, height = image.size
        # Pillow turns a TIFF itself, and says its size as it will be.
        if width != height and image.format != "TIFF" and _orientation_in_header(image, file) in TURNED:
            width, height = height, width
        return Header((height, width), image.mode in GREY_MODES)


def read_pixels(file: Path, out: np.ndarray) -> None:
    """Decode an image into ``out``, (H, W, 1) or (H, W, 3) uint8: upright, resized, in 8 bits, first frame.

    A JPEG is decoded at a half, a quarter or an eighth of its size, where that is still twice the
    size that is kept: a photo of 12 megapixels then needs one megabyte, not forty.
    """
    height, width, channels = out.shape
    mode = "L" if channels == 1 else "RGB"
    with Image.open(file) as image:
        size = (height, width) if _orientation(image) in TURNED else (width, height)
        drafted = image.draft("L" if mode == "L" else None, (2 * size[0], 2 * size[1]))
        image.load()
        # Read again: a TIFF has been turned by now.
        orientation = _orientation(image)
        size = (height, width) if orientation in TURNED else (width, height)
        pixels: Image.Image = _to_eight_bits(image)
        if pixels.mode != mode:
            pixels = pixels.convert(mode)
        if pixels.size != size:
            box = None if drafted is None else drafted[1]
            pixels = pixels.resize(size, Image.Resampling.BILINEAR, box, reducing_gap=3.0)
        if orientation in UPRIGHT:
            pixels = pixels.transpose(UPRIGHT[orientation])
        out[:] = np.asarray(pixels).reshape(out.shape)


def read_upright(file: Path, side: int | None = None) -> Image.Image:
    """Decode a photo in colour and upright, in its proportions, no larger than it is needed.

    Parameters
    ----------
    file : Path
    side : int, optional
        Pixels that both sides keep where the photo has them. A JPEG is decoded at a half, a quarter or an
        eighth of its size, others are shrunk by a whole number after decoding. None: the photo's own size.

    Returns
    -------
    PIL.Image.Image
        Of mode RGB: 16-bit grey in 8 bits, transparency dropped, the first frame of an animation.

    Raises
    ------
    OSError, ValueError, ...
        One of `UNREADABLE`.
    """
    with Image.open(file) as image:
        if side is not None:
            image.draft(None, (side, side))
        image.load()
        # Read after loading, which turns a TIFF.
        orientation = _orientation(image)
        pixels = _to_eight_bits(image).convert("RGB")
        if side is not None and (factor := min(pixels.size) // side) > 1:
            pixels = pixels.reduce(factor)
        return pixels.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else pixels


def most_common_size(sizes: list[tuple[int, int]]) -> tuple[int, int]:
    """Return the size most images have, the larger of two equally common ones."""
    counts = Counter(sizes)
    return max(counts, key=lambda size: (counts[size], size[0] * size[1], size))


def affordable_size(size: tuple[int, int]) -> tuple[int, int]:
    """Scale a size down so that its longer side has at most 64 pixels.

    Examples
    --------
    >>> affordable_size((3024, 4032)), affordable_size((28, 20))
    ((48, 64), (28, 20))
    """
    longer = max(size)
    if longer <= LONGER_SIDE:
        return size
    height, width = (max(SHORTER_SIDE, round(side * LONGER_SIDE / longer)) for side in size)
    return height, width


def _to_eight_bits(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ValueError("floating-point pixels have no agreed range; save it with 8 or 16 bits")
    if not image.mode.startswith("I"):
        return image
    values = np.asarray(image)
    # Pillow would clip 16 bits at 255 rather than scale them.
    eight_bits = values if image.mode == "I" and values.max() <= 255 else values // 257
    return Image.fromarray(np.clip(eight_bits, 0, 255).astype(np.uint8))


def _orientation(image: Image.Image) -> int:
    return image.getexif().get(EXIF_ORIENTATION, 1)


def _orientation_in_header(image: Image.Image, file: Path) -> int:
    # Pillow decodes a PNG to see whether EXIF follows the pixels.
    if image.format == "PNG" and not _metadata_follow_pixels(file):
        return Image.Image.getexif(image).get(EXIF_ORIENTATION, 1)
    return _orientation(image)


def _metadata_follow_pixels(file: Path) -> bool:
    """Whether text or EXIF of a PNG comes after its pixels, as few programs write it."""
    past_pixels = False
    with file.open("rb") as stream:
        stream.seek(8)  # behind the signature
        while len(start := stream.read(8)) == 8:
            length, kind = int.from_bytes(start[:4], "big"), start[4:]
            past_pixels = past_pixels or kind == b"IDAT"
            if past_pixels and kind in (b"eXIf", b"tEXt", b"zTXt", b"iTXt"):
                return True
            stream.seek(length + 4, os.SEEK_CUR)
    return False
