"""Some classes are unknown: the same samples for every method."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knownot.data import Dataset

_UNKNOWN_SHARE, _TEST_SHARE = 1 / 3, 0.3
MAX_ROWS, MAX_UNKNOWN = 4_000, 1_500
Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Samples to learn from, and to be tested on.

    Attributes
    ----------
    train_x, train_codes
        Known classes alone, coded 0 to C - 1.
    test_x, test_codes
        Held-out samples of the known classes, and samples of the unknown ones, whose code is -1.
    known, unknown : list
        Labels of the classes; the place of a known one is its code.
    """

    train_x: Floats
    train_codes: Codes
    test_x: Floats
    test_codes: Codes
    known: list[int]
    unknown: list[int]

    def facts(self) -> dict[str, Any]:
        """For the JSON of a result."""
        n_unknown = int((self.test_codes < 0).sum())
        return {
            "columns": self.train_x.shape[1],
            "train": len(self.train_x),
            "test known": len(self.test_x) - n_unknown,
            "test unknown": n_unknown,
            "known classes": self.known,
            "unknown classes": self.unknown,
        }


def split(data: Dataset, seed: int, max_rows: int = MAX_ROWS, max_unknown: int = MAX_UNKNOWN) -> Split:
    """Cut a set as the seed and its name say.

    A third of the classes, rounded, is unknown. Of each known class 30 % of the samples are held out.

    Parameters
    ----------
    data : Dataset
        Labelled with whole numbers, of three classes or more.
    seed : int
    max_rows : int
        Of more, so many are drawn first.
    max_unknown : int
        Most unknown samples in the test part.

    Returns
    -------
    Split

    Raises
    ------
    ValueError
        If there are fewer than three classes, or a known class has a single sample.
    """
    # The name as well, so that a seed does not hide the first class of every set.
    random = np.random.default_rng([seed, zlib.crc32(data.name.encode())])
    rows = np.sort(random.permutation(len(data))[:max_rows])
    x, labels = data.x[rows], data.labels[rows]
    classes = np.unique(labels)
    if len(classes) < 3:
        raise ValueError(
            f"{data.name} has {len(classes)} classes: with one of them unknown, two or more must be left, so use a set "
            "of three or more."
        )
    n_unknown = max(1, round(_UNKNOWN_SHARE * len(classes)))
    order = random.permutation(len(classes))
    known, unknown = np.sort(classes[order[n_unknown:]]), np.sort(classes[order[:n_unknown]])
    train, test = [], []
    for label in known:
        members = random.permutation(np.flatnonzero(labels == label))
        if len(members) < 2:
            raise ValueError(f"{data.name} has one sample of class {label}: two are needed, one to learn from.")
        n_test = min(max(1, round(_TEST_SHARE * len(members))), len(members) - 1)
        test.append(members[:n_test])
        train.append(members[n_test:])
    strange = random.permutation(np.flatnonzero(np.isin(labels, unknown)))[:max_unknown]
    # In no order that a method could learn from.
    learned, tested = (np.sort(np.concatenate(parts)) for parts in (train, [*test, strange]))
    codes = np.where(np.isin(labels, known), np.searchsorted(known, labels), -1).astype(np.int64)
    return Split(x[learned], codes[learned], x[tested], codes[tested], known.tolist(), unknown.tolist())
