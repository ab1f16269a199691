"""Photos to embeddings, in memory or in a table."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from knownot.data import Dataset
from knownot.data.folders import Progress
from knownot.data.tables import PATH
from knownot.embeddings.embedded import LABEL
from knownot.embeddings.encoders import Encoder, Pictures, as_encoder
from knownot.embeddings.passes import embed_photos
from knownot.embeddings.photos import Source, find_photos
from knownot.embeddings.tables import require_table, write_table


def embed(
    source: Source,
    encoder: str | Callable[[Pictures], Any] | Encoder,
    *,
    pooling: str = "auto",
    batch_size: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    side: int | None = None,
    split: str = "train",
    unreadable: str = "refuse",
    progress: Progress | None = None,
) -> Dataset:
    """Embed photos through a pretrained encoder: one row of numbers a photo.

    Photos are turned as their EXIF orientation says and decoded in threads at about twice the size that the encoder
    sees, a few ahead: beside the rows, memory does not grow with their number. A row does not depend on the photos
    beside it: batches that are short are filled up with their last photo.

    Parameters
    ----------
    source : str, path, sequence of paths, or Dataset
        A folder of class folders, whose names are the labels; a flat folder, an image or several; a named data set
        such as ``"cifar10"``; an .npz or a :class:`~knownot.data.Dataset` of images.
    encoder : str, callable or Encoder
        The name of a vision model on the Hugging Face hub, a folder that ``save_pretrained`` wrote, or a function that
        takes a list of Pillow images (RGB, upright, of different sizes) and returns an array or tensor (N, d). Names
        need the extra ``encoders``.
    pooling : {"auto", "pooler", "cls", "mean"}
        How the output of a named model becomes one row. "auto" is right for most: image features of CLIP and SigLIP,
        the class token of ViT and DeiT, else the model's own pooled output; `knownot.embeddings.pooling` has the list.
    batch_size : int, optional
        Photos at once. None: 16 on a CPU and for functions, 64 on a GPU.
    device : str, default "auto"
        Where a named model computes: "auto", "cpu", "cuda", "mps" or such as "cuda:1".
    precision : {"auto", "32-true", "bf16-mixed"}
        Of a named model. "auto": bfloat16 where the hardware computes in it.
    side : int, optional
        Pixels that both sides of a decoded photo have at least, where it has them. None: twice what the model's image
        processor needs; 512 for a function.
    split : {"train", "test"}
        Of a named data set.
    unreadable : {"refuse", "skip"}
        Photos that cannot be read: a ValueError at the first batch with any, or a warning and the ``note``.
    progress : callable of (done, total), optional
        Called after each batch, in photos.

    Returns
    -------
    Dataset
        ``x`` (N, d) float32, ``y`` str or int or None, ``paths``, ``feature_names`` "e000" and so on. Its ``note``
        says how the embeddings were made.

    Raises
    ------
    ValueError
        If there are no photos, the encoder cannot be loaded, returns what is no embedding or not the same
        one twice, or photos cannot be read.

    See Also
    --------
    knownot.embeddings.embed_to_file : Write a table, and go on after an interruption.

    Examples
    --------
    >>> from knownot.data import read_source
    >>> def rows_and_columns(images):
    ...     pixels = np.stack([np.asarray(image.convert("L"), float) for image in images])
    ...     return np.concatenate([pixels.mean(1), pixels.mean(2)], axis=1)
    >>> embed(read_source("digits"), rows_and_columns).x.shape
    (1347, 16)
    """
    photos = find_photos(source, split)
    loaded = as_encoder(encoder, pooling=pooling, device=device, precision=precision, side=side)
    with embed_photos(photos, loaded, batch_size, None, unreadable, progress) as found:
        x = np.empty((len(found), found.width), np.float32)
        done = 0
        for _, rows in found.batches():
            x[done : done + len(rows)] = rows
            done += len(rows)
        beside = found.beside(found.kept)
        return Dataset(
            x,
            np.array(beside[LABEL]) if LABEL in beside else None,
            name=photos.name,
            feature_names=tuple(found.feature_names),
            paths=tuple(map(str, beside[PATH])) if PATH in beside else None,
            note="; ".join([found.made_by, *found.notes]),
        )


def embed_to_file(
    source: Source,
    encoder: str | Callable[[Pictures], Any] | Encoder,
    out: str | os.PathLike[str],
    *,
    pooling: str = "auto",
    batch_size: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    side: int | None = None,
    split: str = "train",
    unreadable: str = "refuse",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Embed photos into a table, as `knownot embed` does; a run that was interrupted is continued.

    While it runs, embeddings are kept in ``OUT.unfinished``. The same call goes on from there, and the table is
    the same to the last bit. Photos that are new or have changed meanwhile are embedded, what is known of others is
    used; an unfinished run by another encoder, or with other settings, is refused. Memory does not grow with
    the number of photos, but for their names.

    Parameters
    ----------
    source, encoder, pooling, batch_size, device, precision, side, split, progress
        As in :func:`embed`.
    out : path
        The table: .parquet, .csv or .npz. It appears whole or not at all.
    unreadable : {"refuse", "skip"}
        Photos that cannot be read: a ValueError at the end, when all others are embedded and kept, so that "skip" is
        then quickly done; or a warning.

    Returns
    -------
    dict
        ``photos`` and ``dimensions`` of the table, ``resumed`` (photos that an earlier run had embedded), ``skipped``,
        ``notes``, and how they were made: ``encoder``, ``revision``, ``pooling``, ``precision``, ``device``.

    Raises
    ------
    ValueError
        As :func:`embed`; and if ``out`` is no such table, or an unfinished run is in the way.

    Examples
    --------
    >>> import tempfile
    >>> from knownot.data import read_source, read_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = Path(folder, "digits.csv")
    ...     facts = embed_to_file("digits", lambda images: np.stack([np.ravel(i.convert("L")) for i in images]), table)
    ...     read_table(table, "label").x.shape, facts["resumed"]
    ((1347, 64), 0)
    """
    table = Path(out)
    require_table(table)
    if table.is_dir() or not table.parent.is_dir():
        raise ValueError(f"{table} cannot be written: give a file in a folder that is there.")
    photos = find_photos(source, split)
    loaded = as_encoder(encoder, pooling=pooling, device=device, precision=precision, side=side)
    with embed_photos(photos, loaded, batch_size, journal_of(table), unreadable, progress) as found:
        write_table(table, found)
        found.journal.remove()
        return {
            "photos": len(found),
            "dimensions": found.width,
            "resumed": found.n_resumed,
            "skipped": len(photos) - len(found),
            "notes": found.notes,
            **found.description,
        }


def journal_of(table: Path) -> Path:
    """Where an unfinished run keeps what it has embedded.

    Examples
    --------
    >>> journal_of(Path("photos.parquet")).name
    'photos.parquet.unfinished'
    """
    return table.with_name(table.name + ".unfinished")
