"""What methods learn from and are tested on."""

from __future__ import annotations

import numpy as np
import pytest

from knownot.data import PROTOCOLS, load_named
from knownot.experiments.kinds.protocol.parts import load_closed, load_outside, load_protocol, resized

pytestmark = pytest.mark.usefixtures("images")


@pytest.mark.parametrize("number", [1, 3, 5])
def test_load_protocol_takes_the_published_split_whole(number):
    parts = load_protocol("cifar10", number, {}, 0)
    known = PROTOCOLS["cifar10"].splits[number - 1].labels
    train, test = load_named("cifar10", "train"), load_named("cifar10", "test")
    assert (len(parts.train_codes), len(parts.test_codes)) == (180, 120)
    # In the order of the split, not of the labels.
    for code, label in enumerate(known):
        assert np.array_equal(parts.train_x[parts.train_codes == code], train.x[train.labels == label])
        assert np.array_equal(parts.test_x[parts.test_codes == code], test.x[test.labels == label])
    assert np.array_equal(parts.test_x[~parts.known], test.x[~np.isin(test.labels, known)])
    assert parts.facts == {
        "samples": {"train": 180, "test known": 72, "test unknown": 48},
        "image": [16, 16, 3],
        "split": number,
        "known_classes": [str(label) for label in known],
        "unknown_classes": [label for label in range(10) if label not in known],
    }


def test_load_protocol_takes_unknown_classes_from_another_set():
    parts = load_protocol("cifar+10", 2, {}, 0)
    elsewhere = load_named("cifar100", "test")
    unknown = PROTOCOLS["cifar+10"].splits[1].unknown
    assert len(unknown) == 10
    assert np.array_equal(parts.test_x[~parts.known], elsewhere.x[np.isin(elsewhere.labels, unknown)])
    assert parts.facts["samples"] == {"train": 120, "test known": 48, "test unknown": 120}
    assert load_protocol("cifar+50", 1, {}, 0).facts["samples"]["test unknown"] == 600


def test_load_protocol_of_svhn_and_tiny_imagenet():
    assert load_protocol("svhn", 1, {}, 0).facts["samples"] == {"train": 180, "test known": 72, "test unknown": 48}
    samples = load_protocol("tiny-imagenet", 1, {}, 0).facts["samples"]
    assert samples == {"train": 120, "test known": 240, "test unknown": 2160}


def test_load_protocol_takes_no_more_than_asked_for():
    at_most = {"train": 50, "test": 40, "pixels": 8}
    parts = load_protocol("cifar10", 1, at_most, 0)
    assert (parts.train_x.shape, parts.test_x.shape) == ((50, 8, 8, 3), (40, 8, 8, 3))
    assert (parts.train_x.dtype, len(parts.test_codes)) == (np.uint8, 40)
    again, other = load_protocol("cifar10", 1, at_most, 0), load_protocol("cifar10", 1, at_most, 1)
    assert np.array_equal(parts.train_x, again.train_x)
    assert not np.array_equal(parts.train_x, other.train_x)
    # Whatever is tested, the same is learned from: trained models are shared by it.
    fewer = load_protocol("cifar10", 1, {**at_most, "test": 3}, 0)
    assert np.array_equal(parts.train_x, fewer.train_x)
    # Images are not made larger.
    assert load_protocol("cifar10", 1, {"pixels": 64}, 0).train_x.shape == (180, 16, 16, 3)


@pytest.mark.parametrize(
    ("protocol", "number", "sentence"),
    [
        ("cifar11", 1, "there is no protocol 'cifar11': use one of mnist, svhn"),
        ("cifar10", 0, "cifar10 has no split 0: use 1 to 5"),
        ("cifar10", 6, "cifar10 has no split 6: use 1 to 5"),
    ],
)
def test_load_protocol_refuses_what_there_is_not(protocol, number, sentence):
    with pytest.raises(ValueError, match=sentence):
        load_protocol(protocol, number, {}, 0)


def test_load_closed_takes_all_classes_or_some():
    parts = load_closed("cifar10", None, {}, 0)
    assert (len(parts.train_codes), len(parts.test_codes), parts.test_codes.max()) == (300, 120, 9)
    assert parts.known.all()
    some = load_closed("cifar10", [7, 2], {}, 0)
    train = load_named("cifar10", "train")
    assert np.array_equal(some.train_x[some.train_codes == 0], train.x[train.labels == 2])
    assert np.array_equal(some.train_x[some.train_codes == 1], train.x[train.labels == 7])


def test_load_closed_refuses_classes_without_training_images(monkeypatch):
    from knownot.data import NAMED, NamedSet

    whole = NAMED["tiny-imagenet"].find

    def find(folder, split):
        parts = whole(folder, split)
        kept = parts.y < 80 if split == "train" else parts.y >= 0
        return parts._replace(x=parts.x[kept], y=parts.y[kept])

    monkeypatch.setitem(NAMED, "tiny-imagenet", NamedSet("tiny", find, ""))
    with pytest.raises(
        ValueError, match="lacks training images of 20 of 100 classes, label 80 among them: put the who"
    ):
        load_closed("tiny-imagenet", range(100), {}, 0)
    assert load_closed("tiny-imagenet", range(80), {}, 0).train_codes.max() == 79


def test_load_outside_has_the_shape_of_the_known():
    x = load_outside("mnist", (16, 16, 3), None, 0)
    assert (x.shape, x.dtype) == ((120, 16, 16, 3), np.uint8)
    assert (x[..., 0] == x[..., 2]).all()
    assert np.array_equal(load_outside("svhn", (16, 16, 3), None, 0), load_named("svhn", "test").x)
    assert len(load_outside("mnist", (16, 16, 3), 7, 0)) == 7
    with pytest.raises(ValueError, match="svhn is in colour, and what is known is grey"):
        load_outside("svhn", (14, 14, 1), None, 0)


def test_resized_is_pillows_bilinear_filter():
    from PIL import Image

    x = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    theirs = np.stack([np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.BILINEAR)) for image in x])
    assert np.abs(resized(x, 32).astype(int) - theirs).max() <= 1
    assert resized(x, 8, 12).shape == (3, 8, 12, 3)
    assert resized(x[:0], 8).shape == (0, 8, 8, 3)
