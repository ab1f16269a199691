"""Embeddings of photos, kept in a file, and what stands beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from knownot.data.tables import PATH
from knownot.embeddings.journal import Journal
from knownot.embeddings.photos import Photos

LABEL = "label"


def column_names(width: int) -> list[str]:
    """Name the numbers of an embedding so that they sort in order.

    Examples
    --------
    >>> column_names(2), column_names(1001)[-1]
    (['e000', 'e001'], 'e1000')
    """
    digits = max(3, len(str(width - 1)))
    return [f"e{i:0{digits}d}" for i in range(width)]


@dataclass
class Embeddings:
    """Embeddings of photos in a journal: read a batch at a time.

    Attributes
    ----------
    kept : ndarray of int
        Numbers of the photos that could be read.
    notes : list of str
        What a reader must know of them.
    n_resumed : int
        Photos that an earlier run had embedded.
    """

    photos: Photos
    journal: Journal
    keys: list[bytes]
    batch_size: int
    width: int
    description: dict[str, str]
    kept: np.ndarray = field(default_factory=lambda: np.arange(0))
    notes: list[str] = field(default_factory=list)
    n_resumed: int = 0

    def __len__(self) -> int:
        return len(self.kept)

    def __enter__(self) -> Embeddings:
        return self

    def __exit__(self, *_: object) -> None:
        self.journal.__exit__(None, None, None)

    @property
    def labels(self) -> np.ndarray | None:
        """Labels of all photos."""
        return self.photos.labels

    @property
    def feature_names(self) -> list[str]:
        """Names of the numbers of an embedding."""
        return column_names(self.width)

    @property
    def made_by(self) -> str:
        """How they were made, in words."""
        return ", ".join(f"{name} {value}" for name, value in self.description.items())

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Numbers of photos and their rows, without those that could not be read."""
        for batch, key in enumerate(self.keys):
            fine, rows = self.journal.get(key)
            if fine.any():
                yield np.flatnonzero(fine) + batch * self.batch_size, rows[fine]

    def beside(self, places: np.ndarray) -> dict[str, list[Any]]:
        """What stands beside the embeddings in a table: paths and labels, where there are any."""
        columns: dict[str, list[Any]] = {}
        if self.photos.paths is not None:
            columns[PATH] = [str(self.photos.paths[i]) for i in places]
        if self.labels is not None:
            columns[LABEL] = self.labels[places].tolist()
        return columns
