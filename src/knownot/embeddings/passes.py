"""One pass over photos: decode ahead, embed a batch at a time, remember what is done."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from knownot.data.ahead import read_ahead
from knownot.data.folders import Progress, list_failures, reason_of
from knownot.data.images import UNREADABLE
from knownot.embeddings.embedded import Embeddings
from knownot.embeddings.encoders import SHORTER_SIDE, Encoder, as_rows
from knownot.embeddings.journal import KEY_BYTES, Journal
from knownot.embeddings.photos import Photos

#: Embeddings of one picture twice in a batch differ by less than this share of their length, rounding included.
SAME = 0.05


def embed_photos(
    photos: Photos,
    encoder: Encoder,
    batch_size: int | None,
    journal: Path | None,
    unreadable: str,
    progress: Progress | None,
) -> Embeddings:
    """Embed what the journal does not have.

    Parameters
    ----------
    photos : Photos
    encoder : Encoder
    batch_size : int or None
        None: the encoder's own.
    journal : Path or None
        Where batches are kept, to go on from there. None: in a temporary file.
    unreadable : {"refuse", "skip"}
    progress : callable of (done, total), or None

    Returns
    -------
    Embeddings
        To be closed, with ``with``.

    Raises
    ------
    ValueError
        As :func:`knownot.embeddings.embed_to_file`.
    """
    if unreadable not in ("refuse", "skip"):
        raise ValueError(f'unreadable is {unreadable!r}: choose "refuse" or "skip".')
    size = encoder.batch_size if batch_size is None else batch_size
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
        raise ValueError(f"batch_size is {batch_size!r}: give a positive whole number of photos.")
    size = int(size)
    probe = _probe(encoder, size, photos.size)
    # The numbers for one picture tell encoders apart, whatever they are called.
    made_by: dict[str, str | int] = {
        **encoder.description,
        "batch_size": size,
        "side": encoder.side or 0,
        "numbers": hashlib.sha256(probe.tobytes()).hexdigest()[:16],
    }
    n = len(photos)
    groups = [range(start, min(start + size, n)) for start in range(0, n, size)]
    keys = [_key(photos, group) for group in groups]
    kept = Journal(journal, made_by, size, len(probe))
    try:
        found = Embeddings(photos, kept, keys, size, len(probe), dict(encoder.description))
        failures = _earlier_failures(found, groups, encoder.side)
        todo = [place for place, key in enumerate(keys) if key not in kept]
        found.n_resumed = n - sum(len(groups[place]) for place in todo)
        if kept.found:
            found.notes.append(
                f"{found.n_resumed:,} of {n:,} photos were embedded by an unfinished run"
                + ("" if found.n_resumed else ": none is the same, all were embedded anew")
            )
        # Without a journal nothing is kept for a second run, so there is no use in going on.
        stop = unreadable == "refuse" and journal is None
        _embed_batches(found, encoder, [(keys[place], groups[place]) for place in todo], failures, stop, progress)
        _answer_for(found, failures, unreadable)
        bad = np.zeros(n, bool)
        bad[list(failures)] = True
        found.kept = np.flatnonzero(~bad)
    except BaseException:
        kept.__exit__(None, None, None)
        raise
    return found


def _embed_batches(
    found: Embeddings,
    encoder: Encoder,
    todo: Sequence[tuple[bytes, range]],
    failures: dict[int, str],
    stop: bool,
    progress: Progress | None,
) -> None:
    """Decode and embed batches; why photos cannot be read goes into ``failures``, and the first ends it on ``stop``."""
    total = len(found.photos)
    numbers = [i for _, group in todo for i in group]
    done = total - len(numbers)
    if progress is not None:
        progress(done, total)

    def read(place: int) -> Any:
        i = numbers[place]
        try:
            image = found.photos.open(i, encoder.side)
        except UNREADABLE as error:
            return _Unreadable(reason_of(error))
        return encoder.prepare(image)

    with closing(read_ahead(read, len(numbers))) as futures:
        for key, group in todo:
            prepared, fine = [], np.zeros(found.batch_size, bool)
            for place, i in enumerate(group):
                result = next(futures).result()
                if isinstance(result, _Unreadable):
                    failures[i] = result.reason
                    continue
                prepared.append(result)
                fine[place] = True
            if failures and stop:
                return
            rows = np.zeros((found.batch_size, found.width), np.float32)
            if prepared:
                rows[fine] = _encode(encoder, prepared, found.batch_size, found.width)
            if not np.isfinite(rows).all():
                name = _name(found.photos, group[int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])])
                raise ValueError(
                    f"The encoder's numbers for {name} are NaN or infinite: try precision='32-true', or another one."
                )
            found.journal.add(key, fine, rows)
            done += len(group)
            if progress is not None:
                progress(done, total)


@dataclass(frozen=True)
class _Unreadable:
    reason: str


def _encode(encoder: Encoder, prepared: list[Any], size: int, width: int | None) -> np.ndarray:
    """Embed a batch that is filled up to its size, so that no row depends on how many there are."""
    rows = as_rows(encoder.encode(prepared + [prepared[-1]] * (size - len(prepared))), size)
    if width is not None and rows.shape[1] != width:
        raise ValueError(
            f"The encoder returned {rows.shape[1]} numbers a picture, and {width} for another batch: it must always "
            "be as many."
        )
    return rows[: len(prepared)]


def _probe(encoder: Encoder, size: int, pixels: tuple[int, int] | None) -> np.ndarray:
    """Embed noise: how many numbers there are, which, and whether they are the same each time.

    Raises
    ------
    ValueError
        If one picture has two embeddings, as with dropout or random masks.
    """
    width, height = pixels or (SHORTER_SIDE, SHORTER_SIDE)
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    rows = _encode(encoder, [encoder.prepare(picture) for _ in range(min(size, 2))], size, None)
    if size == 1:
        rows = np.concatenate([rows, _encode(encoder, [encoder.prepare(picture)], size, None)])
    if not np.isfinite(rows).all():
        raise ValueError("The encoder returns NaN or infinite numbers: try precision='32-true', or another encoder.")
    if np.linalg.norm(rows[0] - rows[1]) > SAME * np.linalg.norm(rows[0]):
        raise ValueError(
            "The encoder returned two embeddings for one picture, so it draws random numbers: put it into evaluation "
            "mode (model.eval()), or choose one that does not mask its input at random."
        )
    return rows[0]


def _key(photos: Photos, group: range) -> bytes:
    """Tell a batch of photos from all others."""
    known = hashlib.sha256()
    for i in group:
        one = photos.key(i)
        known.update(len(one).to_bytes(8, "little") + one)
    return known.digest()[:KEY_BYTES]


def _earlier_failures(found: Embeddings, groups: list[range], side: int | None) -> dict[int, str]:
    """Reasons of the photos that an earlier run could not read; batches with one that now can be are forgotten."""
    failures: dict[int, str] = {}
    for key, group in zip(found.keys, groups, strict=True):
        if key not in found.journal:
            continue
        fine, _ = found.journal.get(key)
        for i in (i for place, i in enumerate(group) if not fine[place]):
            try:
                found.photos.open(i, side)
            except UNREADABLE as error:
                failures[i] = reason_of(error)
            else:
                found.journal.forget(key)
    return failures


def _answer_for(found: Embeddings, failures: dict[int, str], unreadable: str) -> None:
    """Refuse photos that cannot be read, or note that they were left out."""
    if not failures:
        return
    photos, paths = found.photos, found.photos.paths
    assert paths is not None, "pictures in memory can be read"
    listed = list_failures(list(paths), failures)
    if unreadable == "refuse":
        kept = "" if found.journal.path is None else f" The others are embedded and kept in {found.journal.path}."
        raise ValueError(
            f"{photos.name}: {len(failures)} of {len(photos)} photos cannot be read: {listed}. "
            f"Repair or remove them, or leave them out with unreadable='skip'.{kept}"
        )
    if len(failures) == len(photos):
        raise ValueError(f"{photos.name}: none of {len(photos)} photos can be read: {listed}. Are they photos?")
    note = f"{len(failures)} of {len(photos)} photos cannot be read and were skipped: {listed}"
    found.notes.append(note)
    warnings.warn(f"{photos.name}: {note}.", stacklevel=4)


def _name(photos: Photos, i: int) -> str:
    return f"picture {i} of {photos.name}" if photos.paths is None else str(photos.paths[i])
