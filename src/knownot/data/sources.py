"""One door for whatever a user names: a data set, a folder, a table, arrays."""

from __future__ import annotations

import difflib
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from knownot.data.arrays import Dataset, check_finite, check_labels, image_tensor, table_dtype
from knownot.data.folders import Progress, class_folders, read_folder, read_images
from knownot.data.named import NAMED, known_name, load_named
from knownot.data.tables import ENDINGS, PATH, read_table


def read_source(
    source: str | os.PathLike[str],
    label: str | None = None,
    *,
    split: str = "train",
    columns: Sequence[str] | None = None,
    image_size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    unreadable: str = "refuse",
    missing: str = "keep",
    progress: Progress | None = None,
) -> Dataset:
    """Read what ``source`` is, by looking at it.

    ===============================  ============================================
    source                           read by
    ===============================  ============================================
    a name such as ``"digits"``      `load_named` (``"./digits"`` is the folder)
    a folder of class folders        `read_folder`
    a flat folder, an image file     `read_images`, unlabelled
    a .csv, .tsv or .parquet file    `read_table`
    an .npz file                     `read_npz`
    ===============================  ============================================

    Parameters
    ----------
    source : str or path
    label : str, optional
        The label column of a table, or the array of labels in an .npz (there ``"y"`` if None).
    split : {"train", "test"}
        Of a named set.
    columns : sequence of str, optional
        Feature columns of a table, in order.
    image_size, channels, unreadable
        Of folders and image files.
    missing : {"keep", "refuse", "skip"}
        Of tables.
    progress : callable of (done, total), optional
        Of folders and image files: called after each image.

    Returns
    -------
    Dataset

    Raises
    ------
    ValueError
        If it is none of these, or its reader refuses it.

    Examples
    --------
    >>> read_source("digits")
    Dataset('digits', 1347 samples of shape (8, 8, 1), 10 classes)
    """
    path = Path(source)
    ending = path.suffix.lower()
    if isinstance(source, str) and known_name(source) is not None:
        return load_named(source, split)
    is_folder = str(source) != "" and path.is_dir()
    if is_folder or (path.is_file() and ending in Image.registered_extensions()):
        read = read_folder if is_folder and class_folders(path) else read_images
        return read(path, image_size=image_size, channels=channels, unreadable=unreadable, progress=progress)
    if path.is_file() and ending in ENDINGS:
        return read_table(path, label, columns, missing=missing)
    if path.is_file() and ending == ".npz":
        return read_npz(path, label)
    near = difflib.get_close_matches(str(source).lower(), list(NAMED), n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    what = f"ends in {ending or 'nothing'}, which no reader knows" if path.is_file() else "is neither a name nor there"
    raise ValueError(
        f"{str(source)!r} {what}. Give the name of a data set ({', '.join(NAMED)}), a folder of class folders of "
        f"images, a folder of images, an image, a table ({', '.join(ENDINGS)}), or an .npz file with arrays x and y."
        f"{guess}"
    )


def read_npz(path: str | os.PathLike[str], label: str | None = None) -> Dataset:
    """Read arrays ``x`` and, where they are there, ``y`` and ``path`` from an .npz file.

    Parameters
    ----------
    path : str or path
    label : str, optional
        Name of the array of labels. None: ``y``, if there.

    Returns
    -------
    Dataset
        ``x`` (N, H, W, C) uint8 or float32 in [0, 1] for images, which have 3 or 4 axes; for tables
        (N, F) float32 where the file holds float32 or less, else float64, and NaN where values are missing. Of
        tables, ``paths`` from an array ``path`` of text.

    Raises
    ------
    ValueError
        If the file is no such archive, or its arrays do not fit.
    """
    file = Path(path)
    try:
        # Not pickles: an array of objects would run code when it is loaded. And an open file of our own, since
        # numpy leaves its own open where the archive is broken.
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
            names = content.files
            wanted = label or "y"
            if "x" not in names or (label is not None and label not in names):
                absent = "x" if "x" not in names else label
                raise ValueError(
                    f"it has no array {absent!r}, only {', '.join(names) or 'none'}; "
                    "save it with np.savez(path, x=samples, y=labels)"
                )
            x, y = content["x"], content[wanted] if wanted in names else None
            paths = _paths(content, len(x)) if wanted != PATH else None
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{file} cannot be read: {error}.") from error
    try:
        labels = None if y is None else check_labels(y, len(x))
        if x.ndim in (3, 4):
            images = image_tensor(x, "x").permute(0, 2, 3, 1).numpy()
            return Dataset(images, labels, name=str(file))
        if x.ndim != 2 or x.dtype.kind not in "fiub":
            raise ValueError(f"x is {x.dtype} of shape {x.shape}: images have 3 or 4 axes, tables 2, of numbers.")
        x = x.astype(table_dtype(x.dtype), copy=False)
        check_finite(x, "x", allow_nan=True)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    return Dataset(x, labels, name=str(file), paths=paths)


def _paths(content: Mapping[str, np.ndarray], n: int) -> tuple[str, ...] | None:
    """Files of the rows, where an archive names them."""
    try:
        found = content[PATH]
    except (KeyError, ValueError):  # ValueError: an array of objects, which is not read
        return None
    return tuple(found.tolist()) if found.dtype.kind == "U" and found.shape == (n,) else None
