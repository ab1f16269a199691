"""Small generated images in place of published data sets."""

from __future__ import annotations

import numpy as np
import pytest

from knownot.data import NAMED, NamedSet
from knownot.data.named_files import Parts

N_TEST = 12


def drawn(name: str, split: str, n_classes: int, n: int, side: int, channels: int) -> Parts:
    """Images whose class is a pattern of their own, and some noise."""
    patterns = np.random.default_rng([len(name), 1]).integers(40, 216, (n_classes, side, side, channels))
    random = np.random.default_rng([len(name), split == "train"])
    labels = np.repeat(np.arange(n_classes), n)
    random.shuffle(labels)
    noise = random.integers(-40, 41, (len(labels), side, side, channels))
    return Parts((patterns[labels] + noise).clip(0, 255).astype(np.uint8), labels.astype(np.int64))


def generated(name: str, n_classes: int, n_train: int, side: int = 16, channels: int = 3) -> NamedSet:
    """A named data set of drawn images."""

    def find(_folder, split):
        return drawn(name, split, n_classes, n_train if split == "train" else N_TEST, side, channels)

    return NamedSet(name, find, "")


@pytest.fixture
def images(monkeypatch) -> None:
    """Published names with a few generated images each, 12 of every class in the test sets."""
    for named in (
        generated("cifar10", 10, 30),
        generated("cifar100", 100, 1),
        generated("svhn", 10, 30),
        generated("tiny-imagenet", 200, 6),
        generated("mnist", 10, 30, 14, 1),
    ):
        monkeypatch.setitem(NAMED, named.title, named)
