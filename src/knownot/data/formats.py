"""File formats of published image sets: IDX (MNIST) and packs of JPEG files that share headers."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

IDX_UBYTE = 0x08
PACK_FIELDS = ("headers", "header_len", "header_id", "scans", "offsets", "labels")


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an IDX file of unsigned bytes, plain or compressed with gzip.

    Parameters
    ----------
    path : str or path
        Compressed where it ends in .gz.

    Returns
    -------
    ndarray, uint8
        Of the shape that the file's header says.

    Raises
    ------
    ValueError
        If the file is not of this format or cut short.
    """
    file = Path(path)
    try:
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{file} cannot be read: {error}. Fetch it again.") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != IDX_UBYTE:
        raise ValueError(f"{file} is not an IDX file of unsigned bytes: it begins with {content[:4].hex(' ')!r}.")
    n_axes = content[3]
    start = 4 + 4 * n_axes
    shape = tuple(int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(n_axes))
    if len(content) != start + int(np.prod(shape, dtype=np.int64)):
        raise ValueError(
            f"{file} is cut short or longer than it says: shape {shape} needs {int(np.prod(shape, dtype=np.int64))} "
            f"bytes, {len(content) - start} follow its header. Fetch it again."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()


def read_jpeg_pack(path: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray]:
    """Decode an .npz of JPEG files whose equal headers are stored once.

    File i is ``headers[header_id[i]]`` followed by ``scans[offsets[i]:offsets[i + 1]]``.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    images : ndarray, shape (N, H, W, 3), uint8
        All of one size; grey files become colour.
    labels : ndarray, shape (N,), int64

    Raises
    ------
    ValueError
        If the file is not such a pack.
    """
    file = Path(path)
    try:
        # An open file, since numpy would append .npz to a name without it.
        with file.open("rb") as stream:
            fields = _pack_fields(stream)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, KeyError) as error:
        raise ValueError(f"{file} is not a pack of JPEG files with {', '.join(PACK_FIELDS)}: {error}.") from error
    ends = np.cumsum(fields["header_len"])
    stored = fields["headers"].tobytes()
    headers = [stored[int(end - length) : int(end)] for end, length in zip(ends, fields["header_len"], strict=True)]
    scans, offsets = fields["scans"].tobytes(), fields["offsets"].tolist()
    header_id, labels = fields["header_id"].tolist(), fields["labels"].astype(np.int64)

    def decode(i: int) -> np.ndarray:
        with Image.open(io.BytesIO(headers[header_id[i]] + scans[offsets[i] : offsets[i + 1]])) as image:
            return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))

    n = len(labels)
    if n == 0:
        raise ValueError(f"{file} is a pack without images.")
    images = np.empty((n, *decode(0).shape), dtype=np.uint8)
    # Threads gain nothing here: for small images the time goes into Python, not into the codec.
    for i in range(n):
        images[i] = decode(i)
    return images, labels


def _pack_fields(stream: IO[bytes]) -> dict[str, np.ndarray]:
    with np.load(stream, allow_pickle=False) as pack:
        return {name: pack[name] for name in PACK_FIELDS}
