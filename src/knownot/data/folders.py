"""Folders of images: class folders to learn from, single files or flat folders to predict."""

from __future__ import annotations

import math
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from knownot.data.ahead import read_ahead
from knownot.data.arrays import Dataset
from knownot.data.images import UNREADABLE, affordable_size, most_common_size, read_header, read_pixels

Result = TypeVar("Result")
#: Called with how many are done, and of how many.
Progress = Callable[[int, int], None]


def read_folder(
    path: str | os.PathLike[str],
    *,
    image_size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    unreadable: str = "refuse",
    progress: Progress | None = None,
) -> Dataset:
    """Read a folder whose sub-folders are classes: the label of an image is the folder's name.

    A class folder is searched to any depth; hidden files, and files that are no images by their
    ending, are passed over. Images are turned as their EXIF orientation says, 16-bit grey is
    brought to 8 bits, transparency is dropped, and of an animation the first frame is taken.
    Each image is decoded straight into its place in the result, so that memory grows with what
    is kept, not with the size of the files.

    Parameters
    ----------
    path : str or path
        The folder above the class folders.
    image_size : int or (height, width), optional
        Every image is resized to it, without regard to its proportions, bilinearly with
        antialiasing. None: the size most images have, the larger of two equally common ones,
        scaled down where its longer side exceeds 64 pixels so that it has 64 and the shorter one
        8 or more; the ``note`` of the result then says so.
    channels : {1, 3}, optional
        Grey or colour. None: grey where all images are grey, else colour.
    unreadable : {"refuse", "skip"}
        What to do with images that cannot be read: a ValueError that names them, or a warning
        and the ``note`` of the result.
    progress : callable of (done, total), optional
        Called in the calling thread after each image, decoded or found broken. What it raises ends
        the reading.

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
    files, labels = labelled_files(path)
    return _read_files(files, labels, str(Path(path)), image_size, channels, unreadable, progress)


def read_images(
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    image_size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    unreadable: str = "refuse",
    progress: Progress | None = None,
) -> Dataset:
    """Read images without labels, to predict: one file, several, or all that lie in a folder.

    Parameters
    ----------
    path : str, path or sequence of them
        An image, several images, or a folder (its sub-folders are not searched).
    image_size, channels, unreadable, progress
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
    files, name = unlabelled_files(path)
    return _read_files(files, None, name, image_size, channels, unreadable, progress)


def labelled_files(path: str | os.PathLike[str]) -> tuple[list[Path], list[str]]:
    """List the images of a folder of class folders, and their labels, as `read_folder` reads them."""
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
                f"put images (.png, .jpg, .webp, .bmp, ...) into it, or remove it.{_foreign_hint(folder.rglob('*'))}"
            )
        files += inside
        labels += [folder.name] * len(inside)
    return files, labels


def unlabelled_files(path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> tuple[list[Path], str]:
    """List the images that `read_images` reads, and say what they are called together."""
    foreign = ""
    if isinstance(path, str | os.PathLike):
        root = Path(path)
        files = [root] if root.is_file() else _images_in(_existing_folder(path))
        name, foreign = str(root), "" if files else _foreign_hint(root.iterdir())
    else:
        files = [Path(part) for part in path]
        name = f"{len(files)} images"
    if not files:
        raise ValueError(
            f"{name} holds no images: expected files such as .png, .jpg, .webp or .bmp directly in the folder.{foreign}"
        )
    return files, name


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


def _foreign_hint(found: Iterable[Path]) -> str:
    """Tell what a folder without images holds, such as photos in a phone's own format."""
    endings = Counter(p.suffix.lower() for p in found if p.suffix and not p.name.startswith(".") and p.is_file())
    if not endings:
        return ""
    ending, n = endings.most_common(1)[0]
    return f" It holds {n} files ending in {ending}, which are not read: save images as .jpg or .png first."


def _read_files(
    files: list[Path],
    labels: list[str] | None,
    name: str,
    image_size: int | tuple[int, int] | None,
    channels: int | None,
    unreadable: str,
    progress: Progress | None,
) -> Dataset:
    """Read headers first and pixels second, each image straight into its row of the array that is kept."""
    if unreadable not in ("refuse", "skip"):
        raise ValueError(f'unreadable is {unreadable!r}: choose "refuse" or "skip".')
    if channels not in (None, 1, 3):
        raise ValueError(f"channels is {channels}: choose 1 (grey), 3 (colour) or None (as the images are).")
    size, notes = _wanted_size(image_size), list[str]()
    good, failures = list(range(len(files))), dict[int, str]()
    if size is None or channels is None:
        headers, failures = _call_in_threads(lambda i: read_header(files[i]), len(files))
        good = list(headers)
        channels = channels or (1 if all(header.grey for header in headers.values()) else 3)
        size = size or _automatic_size([header.size for header in headers.values()], notes)
    x = _allocate((len(good), *size, channels), name)
    _, broken = _call_in_threads(lambda row: read_pixels(files[good[row]], x[row]), len(good), progress)
    failures |= {good[row]: reason for row, reason in broken.items()}
    rows = [row for row in range(len(good)) if row not in broken]
    if failures:
        listed = list_failures(files, failures)
        if unreadable == "refuse":
            raise ValueError(
                f"{name}: {len(failures)} of {len(files)} images cannot be read: {listed}. "
                "Repair or remove them, or read with unreadable='skip'."
            )
        if not rows:
            raise ValueError(f"{name}: none of {len(files)} images can be read: {listed}. Are they images?")
        notes.insert(0, f"{len(failures)} of {len(files)} images cannot be read and were skipped: {listed}")
        warnings.warn(f"{name}: {notes[0]}.", stacklevel=3)
        # Moved up one by one: a selection would hold all images twice.
        for place, row in enumerate(rows):
            x[place] = x[row]
    kept = [good[row] for row in rows]
    return Dataset(
        x=x[: len(kept)],
        y=None if labels is None else np.array([labels[i] for i in kept]),
        name=name,
        paths=tuple(str(files[i]) for i in kept),
        note="; ".join(notes),
    )


def _call_in_threads(
    read: Callable[[int], Result], n: int, progress: Progress | None = None
) -> tuple[dict[int, Result], dict[int, str]]:
    """Call ``read`` with 0 … n - 1 in threads: results and reasons of failure, by number."""
    results: dict[int, Result] = {}
    failures: dict[int, str] = {}
    with closing(read_ahead(read, n)) as futures:
        for i, future in enumerate(futures):
            try:
                results[i] = future.result()
            except UNREADABLE as error:
                failures[i] = reason_of(error)
            if progress is not None:
                progress(i + 1, n)
    return results, failures


def reason_of(error: BaseException) -> str:
    """Say why an image cannot be read."""
    return f"{type(error).__name__}: {error}"


def list_failures(files: Sequence[Path], failures: dict[int, str]) -> str:
    """Name the first files that cannot be read, with the reasons."""
    shown = [f"{files[i]} ({failures[i].replace(f' {str(files[i])!r}', '').strip()})" for i in sorted(failures)[:5]]
    return ", ".join(shown) + (f" and {len(failures) - 5} more" if len(failures) > 5 else "")


def _wanted_size(image_size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if image_size is None:
        return None
    size = tuple(image_size) if isinstance(image_size, Iterable) else (image_size, image_size)
    if len(size) != 2 or not all(isinstance(side, int | np.integer) and side >= 1 for side in size):
        raise ValueError(f"image_size is {image_size!r}: give one positive whole number of pixels, or (height, width).")
    return size[0], size[1]


def _automatic_size(sizes: list[tuple[int, int]], notes: list[str]) -> tuple[int, int]:
    """Return the size most images have, scaled down where it is large, which is then noted."""
    if not sizes:
        return 1, 1
    common = most_common_size(sizes)
    size = affordable_size(common)
    if size != common:
        most = "" if sizes.count(common) == len(sizes) else ", the most common size,"
        notes.append(
            f"images of {common[0]} x {common[1]} pixels{most} were resized to {size[0]} x {size[1]} "
            "(height x width); choose another size with image_size"
        )
    return size


def _allocate(shape: tuple[int, ...], name: str) -> np.ndarray:
    try:
        return np.empty(shape, np.uint8)
    except (MemoryError, ValueError) as error:  # ValueError: a size beyond any memory
        raise ValueError(
            f"{name}: {shape[0]} images of {shape[1]} x {shape[2]} pixels need {math.prod(shape) / 2**30:.3g} GiB "
            "of memory, more than is free: choose a smaller image_size."
        ) from error
