from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownot.data import Dataset, OpenSetSplit, open_set_partition, open_set_split


def numbered(y: np.ndarray, name: str = "numbered") -> Dataset:
    """Samples whose one feature is their position."""
    return Dataset(np.arange(len(y), dtype=np.float32)[:, None], y, name)


@st.composite
def labelled(draw):
    n_classes = draw(st.integers(2, 8))
    y = np.array(draw(st.lists(st.integers(0, n_classes - 1), min_size=1, max_size=60)) + list(range(n_classes)))
    known = draw(st.lists(st.integers(0, n_classes - 1), min_size=1, max_size=n_classes, unique=True))
    return y, known


@given(labelled())
def test_open_set_split_codes_are_positions_among_the_known_classes(case):
    y, known = case
    split = OpenSetSplit(known)
    codes = split.apply(y)
    assert codes.dtype == np.int64
    assert codes.tolist() == [known.index(label) if label in known else -1 for label in y.tolist()]
    assert (split.is_known(y) == ~split.is_unknown(y)).all()
    as_text = OpenSetSplit([f"class {label}" for label in known])
    assert as_text.apply(np.array([f"class {label}" for label in y])).tolist() == codes.tolist()


def test_open_set_split_groups_join_labels():
    split = OpenSetSplit({"even": (0, 2), "odd": (1, 3), "seven": 7}, unknown=(4, 5))
    assert split.apply(np.arange(9)).tolist() == [0, 1, 0, 1, -1, -1, -1, 2, -1]
    assert split.is_unknown(np.arange(9)).tolist() == [False] * 4 + [True, True] + [False] * 3
    assert split.class_names == ("even", "odd", "seven")
    assert split.labels == (0, 2, 1, 3, 7)
    assert split.groups == ((0, 2), (1, 3), (7,))
    assert split.n_classes == 3
    assert OpenSetSplit({"pets": ["cat", "dog"], "wild": "fox"}).apply(["fox", "dog", "elk"]).tolist() == [1, 0, -1]


def test_open_set_split_compares_labels_of_any_number_type():
    split = OpenSetSplit(np.array([3, 1]))
    for y in (np.array([1, 2, 3], np.uint8), [1.0, 2.0, 3.0], np.array([1, 2, 3], object)):
        assert split.apply(y).tolist() == [1, -1, 0]
    assert split == OpenSetSplit([3, 1])
    assert split != OpenSetSplit([1, 3])


@pytest.mark.parametrize(
    ("known", "unknown", "message"),
    [
        ([], None, "at least one known class"),
        ({"empty": ()}, None, "a label for each"),
        ([1, 1], None, "The labels 1 stand in more than one place"),
        ({"a": (1, 2), "b": (2,)}, None, "The labels 2 stand"),
        ([1, 2], [2, 3], "or is unknown"),
    ],
)
def test_open_set_split_refuses_contradictions(known, unknown, message):
    with pytest.raises(ValueError, match=message):
        OpenSetSplit(known, unknown)


def test_open_set_split_with_unknown_elsewhere_needs_unknown():
    with pytest.raises(ValueError, match="list the unknown classes of the other data set"):
        OpenSetSplit([1], unknown_elsewhere=True)
    assert OpenSetSplit([1], [1, 2], unknown_elsewhere=True).unknown == (1, 2)


@given(labelled(), st.data())
def test_open_set_partition_has_each_sample_once_and_where_it_belongs(case, data):
    y, known = case
    split = OpenSetSplit(known)
    n_known = data.draw(st.integers(0, int(split.is_known(y).sum()) - 1))
    n_unknown = data.draw(st.integers(0, int(split.is_unknown(y).sum())))
    test = numbered(y[::-1])
    cut = open_set_partition(numbered(y), test, split, n_known, n_unknown, seed=data.draw(st.integers(0, 99)))
    assert len(cut.validation_known) == n_known
    assert len(cut.validation_unknown) == n_unknown
    assert len(cut.train) == split.is_known(y).sum() - n_known
    places = np.concatenate([part.x[:, 0] for part in (cut.train, cut.validation_known, cut.validation_unknown)])
    assert len(set(places)) == len(places)
    for part, is_known in ((cut.train, True), (cut.validation_known, True), (cut.validation_unknown, False)):
        assert (split.is_known(part.y) == is_known).all()
        assert (y[part.x[:, 0].astype(int)] == part.y).all()
    assert cut.test is test
    x, codes = cut.coded_test()
    assert (x == test.x).all()
    assert (codes == split.apply(test.y)).all()
    x, codes = cut.coded_validation()
    assert len(x) == n_known + n_unknown
    assert (codes >= 0).sum() == n_known


def test_open_set_partition_depends_on_the_seed_alone():
    y = np.arange(100) % 4
    data, split = numbered(y), OpenSetSplit([0, 1])

    def cut(seed: int, n_unknown: int) -> np.ndarray:
        return open_set_partition(data, data, split, 20, n_unknown, seed).validation_known.x[:, 0]

    assert (cut(0, 10) == cut(0, 10)).all()
    assert (cut(0, 10) == cut(0, 0)).all()
    assert (cut(0, 10) != cut(1, 10)).any()


def test_open_set_partition_leaves_out_classes_that_are_not_listed():
    y = np.arange(40) % 4
    cut = open_set_partition(numbered(y), numbered(y), OpenSetSplit([0], unknown=[2]), 0, 10)
    assert set(cut.validation_unknown.y) == {2}
    x, codes = cut.coded_test()
    assert set(x[:, 0] % 4) == {0, 2}
    assert (codes == np.where(x[:, 0] % 4 == 0, 0, -1)).all()


def test_open_set_partition_takes_unknown_classes_of_another_data_set():
    here, there = numbered(np.arange(40) % 4), numbered(np.arange(50) % 5, "there")
    split = OpenSetSplit([1, 3], unknown=[1, 4], unknown_elsewhere=True)
    cut = open_set_partition(here, here, split, 5, unknown_test=there)
    assert set(cut.test.y) == {1, 3}
    assert cut.test_unknown is not None
    assert set(cut.test_unknown.y) == {1, 4}
    x, codes = cut.coded_test()
    assert len(x) == len(codes) == 40
    assert np.bincount(codes + 1).tolist() == [20, 10, 10]
    with pytest.raises(ValueError, match="give its test set as unknown_test"):
        open_set_partition(here, here, split)
    with pytest.raises(ValueError, match="not marked with unknown_elsewhere=True"):
        open_set_partition(here, here, OpenSetSplit([1]), unknown_test=there)
    with pytest.raises(ValueError, match="The data have no class 9"):
        open_set_partition(here, here, OpenSetSplit([1], [9], unknown_elsewhere=True), unknown_test=there)


def test_open_set_partition_refuses_impossible_numbers():
    data = numbered(np.arange(40) % 4)
    with pytest.raises(ValueError, match=r"n_validation_known is 10, but numbered can give 0 to 9 \(10 known and 30"):
        open_set_partition(data, data, OpenSetSplit([0]), 10)
    with pytest.raises(ValueError, match="n_validation_unknown is 31, but numbered can give 0 to 30"):
        open_set_partition(data, data, OpenSetSplit([0]), 1, 31)
    with pytest.raises(ValueError, match="The data have no class 7; their classes are 0, 1, 2, 3"):
        open_set_partition(data, data, OpenSetSplit([0, 7]))
    with pytest.raises(ValueError, match="unlabelled has no labels"):
        open_set_partition(Dataset(np.zeros((3, 1)), name="unlabelled"), data, OpenSetSplit([0]))


def test_open_set_split_chooses_among_the_classes_that_occur():
    letters = numbered(np.array(["cat", "dog", "fox", "elk", "cat"]))
    assert open_set_split(letters, known=["fox", "cat"]).unknown == ("dog", "elk")
    assert open_set_split(letters, known={"pets": ("cat", "dog")}, unknown=["elk"]).unknown == ("elk",)
    with pytest.raises(ValueError, match=r"The data have no class 'cats'.*Did you mean 'cat'"):
        open_set_split(letters, known=["cats"])
    with pytest.raises(ValueError, match="n_known is 5, but there are 4 classes"):
        open_set_split(letters, n_known=5)
    for both in ({}, {"known": ["cat"], "n_known": 1}):
        with pytest.raises(ValueError, match="either known"):
            open_set_split(letters, **both)


@given(n_known=st.integers(1, 6), seed=st.integers(0, 50))
def test_open_set_split_drawn_covers_all_classes_once(n_known, seed):
    y = np.arange(30) % 6
    split = open_set_split(y, n_known=n_known, seed=seed)
    assert len(split.labels) == n_known
    assert list(split.labels) == sorted(split.labels)
    assert sorted(split.labels + (split.unknown or ())) == list(range(6))
    assert split == open_set_split(y, n_known=n_known, seed=seed)
    assert split.is_unknown(y).sum() == 30 - 5 * n_known


def test_open_set_split_draws_reach_every_class():
    assert {label for seed in range(40) for label in open_set_split(np.arange(6), n_known=2, seed=seed).labels} == set(
        range(6)
    )
