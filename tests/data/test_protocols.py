from __future__ import annotations

import json

import numpy as np
import pytest

from knownot.data import NAMED, PROTOCOLS, Dataset, load_named, open_set_partition

STANDARD = ("mnist", "svhn", "cifar10", "cifar+10", "cifar+50", "tiny-imagenet")


def test_protocols_name_data_sets_that_can_be_loaded():
    assert set(STANDARD) < set(PROTOCOLS)
    assert len(PROTOCOLS) == 10
    for name, protocol in PROTOCOLS.items():
        assert protocol.name == name
        assert {protocol.dataset, protocol.unknown_dataset or "digits"} <= set(NAMED)


@pytest.mark.parametrize(
    ("name", "n_classes", "n_known", "n_unknown", "n_distinct"),
    [
        ("mnist", 10, 6, 4, 5),
        ("svhn", 10, 6, 4, 4),
        ("cifar10", 10, 6, 4, 4),
        ("cifar+10", 100, 4, 10, 4),
        ("cifar+50", 100, 4, 50, 4),
        ("tiny-imagenet", 200, 20, 180, 5),
    ],
)
def test_protocols_have_five_splits_of_distinct_classes(name, n_classes, n_known, n_unknown, n_distinct):
    protocol = PROTOCOLS[name]
    assert len(protocol.splits) == 5
    # As published, some splits hold the same known classes in another order.
    assert len({frozenset(split.labels) for split in protocol.splits}) == n_distinct
    for split in protocol.splits:
        known, unknown = set(split.labels), set(split.unknown or ())
        assert split.n_classes == len(split.labels) == len(known) == n_known
        assert len(split.unknown or ()) == len(unknown) == n_unknown
        assert unknown <= set(range(n_classes))
        if protocol.unknown_dataset is None:
            assert known | unknown == set(range(n_classes))
            assert not known & unknown
        else:
            assert split.unknown_elsewhere
            assert known <= set(range(10))


def test_protocols_are_as_published():
    def split(name: str, number: int):
        return PROTOCOLS[name].splits[number]

    assert split("mnist", 0).labels == (2, 4, 5, 9, 8, 3)
    assert split("svhn", 4).labels == (4, 9, 2, 7, 1, 0)
    assert split("cifar10", 3).labels == (8, 6, 1, 9, 0, 7)
    assert split("cifar+10", 4).labels == split("cifar+50", 4).labels == (1, 0, 9, 8)
    assert split("cifar+10", 4).unknown == (33, 2, 3, 97, 46, 21, 64, 63, 88, 43)
    for number in range(5):
        assert split("cifar+50", number).unknown[:10] == split("cifar+10", number).unknown
    assert split("cifar+50", 0).unknown[-3:] == (11, 55, 60)
    assert split("cifar+50", 3).unknown[10:13] == (92, 82, 77)
    # Each CIFAR+10 list draws on animals that CIFAR-10 lacks; none of the lists repeats another.
    assert len({split("cifar+10", number).unknown for number in range(5)}) == 5


def test_protocols_of_the_open_set_gmvae():
    names = {name: PROTOCOLS[f"open-gmvae/{name}"] for name in ("fashion-mnist", "cifar10", "mnist-even-odd")}
    fashion = names["fashion-mnist"].splits[0]
    classes = NAMED["fashion-mnist"].class_names
    assert classes is not None
    assert fashion.class_names == tuple(classes[label] for label in fashion.labels)
    assert {classes[int(label)] for label in fashion.unknown or ()} == {"Sandal", "Sneaker", "Ankle boot", "Bag"}
    cifar = names["cifar10"].splits[0]
    assert cifar.class_names == (NAMED["cifar10"].class_names or ())[:6]
    assert cifar.labels == (0, 1, 2, 3, 4, 5)
    digits = names["mnist-even-odd"].splits[0]
    assert dict(zip(digits.class_names, digits.groups, strict=True)) == {"even": (0, 2), "odd": (1, 3)}
    animals = PROTOCOLS["open-gmvae/cifar10-animals-vehicles"].splits[0]
    named = [tuple((NAMED["cifar10"].class_names or ())[int(label)] for label in group) for group in animals.groups]
    assert named == [("cat", "dog"), ("automobile", "truck")]
    for name, protocol in PROTOCOLS.items():
        if name.startswith("open-gmvae/"):
            (split,) = protocol.splits
            assert sorted([*split.labels, *(split.unknown or ())]) == list(range(10))
            assert protocol.n_validation_known + protocol.n_validation_unknown == 10_000


@pytest.mark.parametrize(
    ("name", "counts", "remaining"),
    [
        ("open-gmvae/fashion-mnist", [6000] * 10, 30_000),
        ("open-gmvae/cifar10", [5000] * 10, 24_000),
        ("open-gmvae/mnist-even-odd", [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949], 20_754),
        ("open-gmvae/cifar10-animals-vehicles", [5000] * 10, 16_000),
    ],
)
@pytest.mark.parametrize("real", [False, pytest.param(True, marks=pytest.mark.data)])
def test_protocols_leave_training_sets_of_the_right_size(name, counts, remaining, real):
    protocol = PROTOCOLS[name]
    if real:
        train, test = load_named(protocol.dataset), load_named(protocol.dataset, "test")
    else:
        y = np.repeat(np.arange(10), counts)
        train, test = Dataset(np.zeros((len(y), 1)), y), Dataset(np.zeros((10_000, 1)), np.arange(10_000) % 10)
    assert np.bincount(train.y).tolist() == counts
    cut = open_set_partition(
        train, test, protocol.splits[0], protocol.n_validation_known, protocol.n_validation_unknown
    )
    assert len(cut.train) == remaining
    assert len(cut.validation_known) == protocol.n_validation_known
    assert len(cut.validation_unknown) == protocol.n_validation_unknown
    assert len(cut.test) == len(cut.coded_test()[1]) == 10_000


@pytest.mark.data
def test_protocols_of_tiny_imagenet_are_those_of_the_file(data_root):
    published = json.loads((data_root / "tinyimagenet" / "classes.json").read_text())["osr_known_splits"]
    assert [list(split.labels) for split in PROTOCOLS["tiny-imagenet"].splits] == published
    train, test = load_named("tiny-imagenet"), load_named("tiny-imagenet", "test")
    for split in PROTOCOLS["tiny-imagenet"].splits:
        cut = open_set_partition(train, test, split)
        assert len(cut.train) == 20 * 500
        assert np.bincount(cut.coded_test()[1] + 1).tolist() == [9000] + [50] * 20
