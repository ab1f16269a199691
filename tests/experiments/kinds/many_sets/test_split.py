"""The split of a set: nothing of an unknown class is learned from, and a seed decides all draws."""

from __future__ import annotations

import numpy as np
import pytest

from knownot.data import Dataset
from knownot.experiments.kinds.many_sets.split import split


def numbered(counts, name="a set"):
    """A set whose only column is the number of the row, with labels 10, 11, ... in mixed order."""
    labels = np.repeat(10 + np.arange(len(counts)), counts)
    labels = np.random.default_rng(0).permutation(labels)
    return Dataset(np.arange(len(labels), dtype=np.float64)[:, None], labels, name=name)


@pytest.mark.parametrize(
    ("n_classes", "n_unknown"), [(3, 1), (4, 1), (5, 2), (6, 2), (7, 2), (8, 3), (10, 3), (11, 4), (12, 4)]
)
def test_a_third_of_the_classes_is_unknown(n_classes, n_unknown):
    parts = split(numbered([10] * n_classes), 0)
    assert len(parts.unknown) == n_unknown
    assert sorted(parts.known + parts.unknown) == list(range(10, 10 + n_classes))


@pytest.mark.parametrize("seed", range(5))
def test_parts_hold_what_they_should(seed):
    data = numbered([20, 30, 7, 2, 50, 11])
    parts = split(data, seed)
    train, test = (x[:, 0].astype(int) for x in (parts.train_x, parts.test_x))
    assert not set(train) & set(test)
    assert len(set(train)) == len(train)
    assert len(set(test)) == len(test)
    # Not one sample of an unknown class is learned from, and all of them are tested on.
    assert set(data.labels[train]) == set(parts.known)
    assert set(np.flatnonzero(np.isin(data.labels, parts.unknown))) == set(test[parts.test_codes < 0])
    for rows, codes in ((train, parts.train_codes), (test, parts.test_codes)):
        wanted = [parts.known.index(label) if label in parts.known else -1 for label in data.labels[rows].tolist()]
        assert codes.tolist() == wanted
    for code, label in enumerate(parts.known):
        n = int((data.labels == label).sum())
        assert (parts.test_codes == code).sum() == min(max(1, round(0.3 * n)), n - 1)
        assert (parts.train_codes == code).sum() + (parts.test_codes == code).sum() == n


def test_a_seed_gives_the_same_split_and_another_seed_or_name_another():
    data = numbered([40] * 9)
    first, again, other = split(data, 1), split(data, 1), split(data, 2)
    np.testing.assert_array_equal(first.train_x, again.train_x)
    np.testing.assert_array_equal(first.test_codes, again.test_codes)
    assert not np.array_equal(first.train_x, other.train_x)
    hidden = {tuple(split(numbered([40] * 9, name), 0).unknown) for name in "abcdefgh"}
    assert len(hidden) > 1
    assert len({tuple(split(data, seed).unknown) for seed in range(8)}) > 1


def test_of_many_rows_some_are_drawn_first_and_of_many_unknown_ones_some():
    parts = split(numbered([3000, 3000, 3000]), 0, max_rows=1000, max_unknown=50)
    n_known = len(parts.train_x) + int((parts.test_codes >= 0).sum())
    assert (parts.test_codes < 0).sum() == 50
    assert 600 < n_known < 734
    standard = split(numbered([3000, 3000, 3000]), 0)
    facts = standard.facts()
    assert 2500 < facts["train"] + facts["test known"] < 2800
    assert facts["test unknown"] == 4000 - facts["train"] - facts["test known"]
    assert split(numbered([3000] * 3), 0, max_rows=9000).facts()["test unknown"] == 1500


def test_order_says_nothing_of_known_and_unknown():
    parts = split(numbered([100, 100, 100]), 0)
    places = np.flatnonzero(parts.test_codes < 0) / len(parts.test_codes)
    assert 0.3 < places.mean() < 0.7


def test_what_cannot_be_split_is_refused():
    with pytest.raises(ValueError, match="has 2 classes: with one of them unknown"):
        split(numbered([5, 5]), 0)
    with pytest.raises(ValueError, match=r"has one sample of class 1[0-2]: two are needed"):
        split(numbered([1, 1, 1]), 0)
