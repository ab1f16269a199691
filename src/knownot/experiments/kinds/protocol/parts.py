"""What methods learn from and what they are tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from knownot.data import PROTOCOLS, Dataset, load_named, open_set_partition

Images = NDArray[np.uint8]
Codes = NDArray[np.int64]
_CHUNK = 4096


@dataclass(frozen=True)
class Parts:
    """Samples of one experiment at one seed.

    Attributes
    ----------
    train_x, train_codes
        Known classes alone, coded 0 to C - 1.
    test_x, test_codes
        The code of unknown samples is -1.
    facts : dict
        What the JSON of a result says of them.
    """

    train_x: Images
    train_codes: Codes
    test_x: Images
    test_codes: Codes
    facts: dict[str, Any]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which test samples are of a known class."""
        return self.test_codes >= 0


def load_protocol(protocol: str, number: int, at_most: Mapping[str, int], seed: int) -> Parts:
    """Read a protocol: all training images of the known classes, test images of known and unknown ones.

    Parameters
    ----------
    protocol : str
        Name in :data:`knownot.data.PROTOCOLS`.
    number : int
        Of the published split, from 1.
    at_most : mapping of str to int
        Most samples of "train" and "test", and most "pixels" of a side.
    seed : int
        Decides which samples are drawn, and nothing where all are taken.

    Raises
    ------
    ValueError
        If there is no such protocol or split, or its data are not at hand.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"there is no protocol {protocol!r}: use one of {', '.join(PROTOCOLS)}.")
    published = PROTOCOLS[protocol]
    if not 1 <= number <= len(published.splits):
        raise ValueError(f"{protocol} has no split {number}: use 1 to {len(published.splits)}.")
    elsewhere = published.unknown_dataset
    partition = open_set_partition(
        load_named(published.dataset, "train"),
        load_named(published.dataset, "test"),
        published.splits[number - 1],
        unknown_test=None if elsewhere is None else load_named(elsewhere, "test"),
    )
    split = partition.split
    test_x, test_codes = partition.coded_test()
    parts = limited(partition.train.x, split.apply(partition.train.labels), test_x, test_codes, at_most, seed)
    parts.facts.update(split=number, known_classes=list(split.class_names), unknown_classes=list(split.unknown or ()))
    return parts


def load_closed(dataset: str, classes: Sequence[int] | None, at_most: Mapping[str, int], seed: int) -> Parts:
    """Read a data set of which all classes, or all of some, are known.

    Parameters
    ----------
    dataset : str
        Name in :data:`knownot.data.NAMED`.
    classes : sequence of int, optional
        Labels of the classes that are used. Default: all.
    at_most, seed
        As of :func:`load_protocol`.

    Raises
    ------
    ValueError
        If the data are not at hand, or lack training images of a class.
    """
    train, test = (load_named(dataset, part) for part in ("train", "test"))
    used = np.unique(test.labels if classes is None else np.array(classes))
    train, test = (part.select(np.isin(part.labels, used)) for part in (train, test))
    lacking = np.setdiff1d(used, train.labels)
    if len(lacking):
        raise ValueError(
            f"{dataset} lacks training images of {len(lacking)} of {len(used)} classes, label {lacking[0]} among them: "
            "put the whole data set into the folder that KNOWNOT_DATA names."
        )
    codes = (np.searchsorted(used, part.labels).astype(np.int64) for part in (train, test))
    train_codes, test_codes = codes
    return limited(train.x, train_codes, test.x, test_codes, at_most, seed)


def limited(
    train_x: Images, train_codes: Codes, test_x: Images, test_codes: Codes, at_most: Mapping[str, int], seed: int
) -> Parts:
    """No more samples and pixels than a preset says."""
    random = np.random.default_rng([seed, 2])
    rows = _drawn(len(train_codes), at_most.get("train"), random)
    train_x, train_codes = train_x[rows], train_codes[rows]
    rows = _drawn(len(test_codes), at_most.get("test"), random)
    test_x, test_codes = test_x[rows], test_codes[rows]
    side = at_most.get("pixels", max(train_x.shape[1:3]))
    if side < max(train_x.shape[1:3]):
        train_x, test_x = resized(train_x, side), resized(test_x, side)
    n_known = int((test_codes >= 0).sum())
    counts = {"train": len(train_codes), "test known": n_known, "test unknown": len(test_codes) - n_known}
    return Parts(train_x, train_codes, test_x, test_codes, {"samples": counts, "image": list(train_x.shape[1:])})


def load_outside(dataset: str, shape: Sequence[int], most: int | None, seed: int) -> Images:
    """Test images of another data set, in the shape (height, width, channels) of those that are known."""
    data: Dataset = load_named(dataset, "test")
    x = data.x[_drawn(len(data), most, np.random.default_rng([seed, 2]))]
    height, width, channels = shape
    if x.shape[1:3] != (height, width):
        x = resized(x, height, width)
    if x.shape[3] == channels:
        return x
    if x.shape[3] != 1:
        raise ValueError(f"{dataset} is in colour, and what is known is grey: use a data set of grey images.")
    return np.repeat(x, channels, axis=3)


def resized(x: Images, height: int, width: int | None = None) -> Images:
    """Images (N, H, W, C) of another size, by antialiased bilinear interpolation."""
    size = (height, height if width is None else width)
    found = np.empty((len(x), *size, x.shape[3]), np.uint8)
    for start in range(0, len(x), _CHUNK):
        part = torch.from_numpy(x[start : start + _CHUNK]).permute(0, 3, 1, 2).float()
        scaled = F.interpolate(part, size, mode="bilinear", antialias=True, align_corners=False)
        found[start : start + _CHUNK] = scaled.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    return found


def _drawn(n: int, most: int | None, random: np.random.Generator) -> NDArray[np.int64]:
    """Rows in their order, no more than asked for."""
    return np.sort(random.permutation(n)[:most])
