"""What is embedded: photos in files, or pictures in memory, one at a time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from knownot.data import Dataset, read_source
from knownot.data.folders import class_folders, labelled_files, unlabelled_files
from knownot.data.images import read_upright
from knownot.data.tables import ENDINGS

Source = str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Dataset
#: An encoder that keeps proportions would need a picture of thousands of pixels of a narrower strip.
MOST_ELONGATED = 100


class Photos(Protocol):
    """Pictures that can be opened by number.

    Attributes
    ----------
    name : str
    labels : ndarray of shape (N,), or None
    paths : sequence of Path, or None
        Files, where there are any.
    size : (int, int) or None
        Width and height, where all have the same.
    """

    @property
    def name(self) -> str: ...
    @property
    def labels(self) -> np.ndarray | None: ...
    @property
    def paths(self) -> Sequence[Path] | None: ...
    @property
    def size(self) -> tuple[int, int] | None: ...
    def __len__(self) -> int: ...

    def key(self, i: int) -> bytes:
        """Tell photo i from all others, and from itself after a change."""

    def open(self, i: int, side: int | None) -> Image.Image:
        """Read photo i: RGB, upright, both sides of ``side`` pixels or more where it has them."""


@dataclass(frozen=True)
class PhotoFiles:
    """Photos in files."""

    paths: Sequence[Path]
    labels: np.ndarray | None
    name: str
    size: None = None

    def __len__(self) -> int:
        return len(self.paths)

    def key(self, i: int) -> bytes:
        path = self.paths[i]
        try:
            found = path.stat()
        except OSError:  # a broken link: unreadable, as opening it will tell
            return os.fsencode(path.absolute())
        return os.fsencode(path.absolute()) + f"|{found.st_size}|{found.st_mtime_ns}".encode()

    def open(self, i: int, side: int | None) -> Image.Image:
        image = read_upright(self.paths[i], side)
        if max(image.size) > MOST_ELONGATED * min(image.size):
            raise ValueError(f"{image.width} x {image.height} pixels are a strip, no photo")
        return image


@dataclass(frozen=True)
class PicturesInMemory:
    """Pictures of an array, such as those of a named data set."""

    data: Dataset
    paths: None = None

    @property
    def name(self) -> str:
        return self.data.name

    @property
    def labels(self) -> np.ndarray | None:
        y, names = self.data.y, self.data.class_names
        return y if y is None or names is None or y.dtype.kind not in "iu" else np.array(names)[y]

    @property
    def size(self) -> tuple[int, int]:
        height, width = self.data.x.shape[1:3]
        return width, height

    def __len__(self) -> int:
        return len(self.data)

    def key(self, i: int) -> bytes:
        return hashlib.sha256(self.data.x[i].tobytes()).digest()

    def open(self, i: int, side: int | None) -> Image.Image:
        pixels = self.data.x[i]
        if pixels.dtype != np.uint8:
            pixels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
        return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).convert("RGB")


def find_photos(source: Source, split: str = "train") -> Photos:
    """Find photos without reading them, where they are files.

    Parameters
    ----------
    source : str, path, sequence of paths, or Dataset
        As :func:`knownot.data.read_source` takes it: a folder of class folders, a flat folder, an image, a named data
        set, an .npz of images. Or several image files; or a data set of images.
    split : {"train", "test"}
        Of a named data set.

    Raises
    ------
    ValueError
        If there are no photos, or it is a table.
    """
    if isinstance(source, Dataset):
        return _pictures(source)
    if not isinstance(source, str | os.PathLike):
        files, name = unlabelled_files(source)
        return PhotoFiles(files, None, name)
    path = Path(source)
    if str(source) != "" and path.is_dir():
        if class_folders(path):
            files, labels = labelled_files(path)
            return PhotoFiles(files, np.array(labels), str(path))
        return PhotoFiles(unlabelled_files(path)[0], None, str(path))
    if path.is_file() and path.suffix.lower() in Image.registered_extensions():
        return PhotoFiles([path], None, str(path))
    if path.is_file() and path.suffix.lower() in ENDINGS:
        raise ValueError(f"{path} is a table: what is embedded are photos. Give a folder of them.")
    return _pictures(read_source(source, split=split))


def _pictures(data: Dataset) -> PicturesInMemory:
    if not data.is_image or data.x.shape[-1] not in (1, 3):
        raise ValueError(
            f"{data.name or 'The data set'} holds samples of shape {data.x.shape[1:]}: what is embedded are pictures, "
            "grey or in colour. Give a folder of photos."
        )
    if not len(data):
        raise ValueError(f"{data.name or 'The data set'} is empty: give photos.")
    return PicturesInMemory(data)
