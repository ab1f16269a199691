"""Folders of images: class folders to learn from, single files or flat folders to predict."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from knownot.data.arrays import Dataset

GREY_MODES = {"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N"}
EXIF_ORIENTATION, TURNED = 0x0112, {5, 6, 7, 8}
# What Pillow raises for files that are cut short, foreign, or larger than it deems safe.
UNREADABLE = (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError)
Result = TypeVar("Result")


class _Header(NamedTuple):
    size: tuple[int, int]
    grey: bool


def read_folder(
    path: str | os.PathLike[str],
    *,
    image_size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    unreadable: str = "refuse",
) -> Dataset:
    """Read a folder whose sub-folders are classes: the label of an image is the folder's name.

    A class folder is searched to any depth; hidden files, and files that are no images by their
    ending, are passed over. Images are turned as their EXIF orientation says, 16-bit grey is
    brought to 8 bits, transparency is dropped, and of an animation the first frame is taken.

    Parameters
    ----------
    path : str or path
        The folder above the class folders.
    image_size : int or (height, width), optional
        Every image is resized to it, without regard to its proportions, bilinearly with
        antialiasing. None: the size most images have, the larger of two equally common ones.
    channels : {1, 3}, optional
        Grey or colour. None: grey where all images are grey, else colour.
    unreadable : {"refuse", "skip"}
        What to do with images that cannot be read: a ValueError that names them, or a warning
        and the ``note`` of the result.

    Returns
    -------
    Dataset
        ``x`` (N, H, W, C) uint8, ``y`` str, ``paths``; classes and files in alphabetical order.

    Raises
    ------
    ValueError
        If there is no such folder, no class folder, a class folder without images, images beside
        the class folders, or an unreadable image.
    """
    root = _existing_folder(path)
    loose, folders = _images_in(root), class_folders(root)
    if not folders:
        if loose:
            raise ValueError(
                f"{root} holds {len(loose)} images but no class folders: labels are the names of folders, "
                "so put the images of each class into a folder of its own; "
                "read_images reads images without labels."
            )
        raise ValueError(
            f"{root} holds no class folders with images: make one folder for each class and put its images inside."
        )
    if loose:
        raise ValueError(
            f"{root} mixes {len(loose)} images, first {loose[0].name}, with {len(folders)} class folders: "
            "images without a class folder have no label; move them into class folders or out of here."
        )
    files: list[Path] = []
    labels: list[str] = []
    for folder in folders:
        inside = _images_in(folder, deep=True)
        if not inside:
            raise ValueError(
                f"{root} has a class folder without images, {folder.name!r}: "
                "put images (.png, .jpg, .webp, .bmp, ...) into it, or remove it."
            )
        files += inside
        labels += [folder.name] * len(inside)
    return _read(files, labels, str(root), image_size, channels, unreadable)


def read_images(
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    image_size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    unreadable: str = "refuse",
) -> Dataset:
    """Read images without labels, to predict: one file, several, or all that lie in a folder.

    Parameters
    ----------
    path : str, path or sequence of them
        An image, several images, or a folder (its sub-folders are not searched).
    image_size, channels, unreadable
        As in `read_folder`. To predict, give those of the training images.

    Returns
    -------
    Dataset
        ``x`` (N, H, W, C) uint8, ``y`` None, ``paths`` in the order read.

    Raises
    ------
    ValueError
        If there are no images, or an unreadable one.
    """
    if isinstance(path, str | os.PathLike):
        root = Path(path)
        files = [root] if root.is_file() else _images_in(_existing_folder(path))
        name = str(root)
    else:
        files = [Path(part) for part in path]
        name = f"{len(files)} images"
    if not files:
        raise ValueError(
            f"{name} holds no images: expected files such as .png, .jpg, .webp or .bmp directly in the folder."
        )
    return _read(files, None, name, image_size, channels, unreadable)


def class_folders(root: Path) -> list[Path]:
    """List the sub-folders that can be classes: neither hidden nor left behind by an archiver."""
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith((".", "__")))


def _existing_folder(path: str | os.PathLike[str]) -> Path:
    root = Path(path)
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise ValueError(f"{root} {what}: give a folder of images.")
    return root


def _images_in(folder: Path, deep: bool = False) -> list[Path]:
    endings = {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    found = folder.rglob("*") if deep else folder.iterdir()
    return sorted(
        p
        for p in found
        if p.suffix.lower() in endings
        and not any(part.startswith((".", "__")) for part in p.relative_to(folder).parts)
        and p.is_file()
    )


def _read(
    files: list[Path],
    labels: list[str] | None,
    name: str,
    image_size: int | tuple[int, int] | None,
    channels: int | None,
    unreadable: str,
) -> Dataset:
    """Read sizes first and pixels second, so that images are never all held in full size."""
    if unreadable not in ("refuse", "skip"):
        raise ValueError(f'unreadable is {unreadable!r}: choose "refuse" or "skip".')
    if channels not in (None, 1, 3):
        raise ValueError(f"channels is {channels}: choose 1 (grey), 3 (colour) or None (as the images are).")
    wanted = _wanted_size(image_size)
    headers, failures = _each(_header, files)
    pixels: dict[int, np.ndarray] = {}
    if headers:
        height, width = wanted or _most_common_size([header.size for header in headers.values()])
        depth = channels or (1 if all(header.grey for header in headers.values()) else 3)
        mode = "L" if depth == 1 else "RGB"
        good = list(headers)
        decoded, broken = _each(lambda file: _pixels(file, height, width, mode), [files[i] for i in good])
        pixels = {good[i]: image for i, image in decoded.items()}
        failures |= {good[i]: reason for i, reason in broken.items()}
    note = ""
    if failures:
        listed = _listing(files, failures)
        if unreadable == "refuse":
            raise ValueError(
                f"{name}: {len(failures)} of {len(files)} images cannot be read: {listed}. "
                "Repair or remove them, or read with unreadable='skip'."
            )
        if not pixels:
            raise ValueError(f"{name}: none of {len(files)} images can be read: {listed}. Are they images?")
        note = f"{len(failures)} of {len(files)} images cannot be read and were skipped: {listed}"
        warnings.warn(f"{name}: {note}.", stacklevel=3)
    kept = sorted(pixels)
    x = np.stack([pixels.pop(i) for i in kept])
    return Dataset(
        x=x[..., None] if x.ndim == 3 else x,
        y=None if labels is None else np.array([labels[i] for i in kept]),
        name=name,
        paths=tuple(str(files[i]) for i in kept),
        note=note,
    )


def _listing(files: list[Path], failures: dict[int, str]) -> str:
    shown = [f"{files[i]} ({failures[i]})" for i in sorted(failures)[:5]]
    return ", ".join(shown) + (f" and {len(failures) - 5} more" if len(failures) > 5 else "")


def _each(read: Callable[[Path], Result], files: list[Path]) -> tuple[dict[int, Result], dict[int, str]]:
    """Apply ``read`` to each file: results and reasons of failure, by position."""

    def attempt(file: Path) -> Result | str:
        try:
            return read(file)
        except UNREADABLE as error:
            return f"{type(error).__name__}: {error}".replace(f" {str(file)!r}", "").strip()

    # Pillow decodes outside the interpreter's lock.
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        results = list(pool.map(attempt, files))
    return (
        {i: result for i, result in enumerate(results) if not isinstance(result, str)},
        {i: result for i, result in enumerate(results) if isinstance(result, str)},
    )


def _header(file: Path) -> _Header:
    with Image.open(file) as image:
        width, height = image.size
        if image.getexif().get(EXIF_ORIENTATION) in TURNED:
            width, height = height, width
        return _Header((height, width), image.mode in GREY_MODES)


def _pixels(file: Path, height: int, width: int, mode: str) -> np.ndarray:
    with Image.open(file) as opened:
        image: Image.Image = ImageOps.exif_transpose(opened)
        if image.mode == "F":
            raise ValueError("floating-point pixels have no agreed range; save it with 8 or 16 bits")
        if image.mode.startswith("I"):
            values = np.asarray(image)
            # Pillow would clip 16 bits at 255 rather than scale them.
            eight_bits = values if image.mode == "I" and values.max() <= 255 else values // 257
            image = Image.fromarray(np.clip(eight_bits, 0, 255).astype(np.uint8))
        image = image.convert(mode)
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        return np.array(image)


def _wanted_size(image_size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if image_size is None:
        return None
    size = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"image_size is {image_size!r}: give one positive number of pixels, or (height, width).")
    return size[0], size[1]


def _most_common_size(sizes: list[tuple[int, int]]) -> tuple[int, int]:
    counts = Counter(sizes)
    return max(counts, key=lambda size: (counts[size], size[0] * size[1], size))
