from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownot.cli.samples import divide, hold_out, require_label, spelled_like
from knownot.cli.selection import parse_selection


@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    share=st.floats(0, 0.99),
    seed=st.integers(0, 1000),
)
def test_every_known_class_is_divided_by_the_share_and_keeps_a_sample(counts, share, seed):
    y = np.repeat(np.arange(len(counts)), counts)
    known = y != 1
    kept = hold_out(y, known, share, seed)
    assert not kept[~known].any()
    for label, count in enumerate(counts):
        if label != 1:
            assert kept[y == label].sum() == max(1, count - round(share * count))


def test_the_seed_decides_what_is_held_out():
    y, known = np.zeros(50, int), np.ones(50, bool)
    first, again, other = (hold_out(y, known, 0.5, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("share", [-0.1, 1.0, 3.0])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match="is not a share"):
        hold_out(np.zeros(3), np.ones(3, bool), share, 0)


def test_named_sets_bring_their_own_test_set():
    train, test = divide("digits", None, parse_selection("0,1", None), 0.2, 0, "refuse")
    assert set(train.labels.tolist()) == {0, 1}
    assert test is not None
    assert set(test.labels.tolist()) == set(range(10))


def test_groups_name_both_parts(tmp_path):
    x = np.arange(60, dtype=np.float32).reshape(30, 2)
    np.savez(tmp_path / "t.npz", x=x, y=np.repeat([0, 1, 2], 10))
    train, test = divide(str(tmp_path / "t.npz"), None, parse_selection(None, "low=0+1"), 0.2, 0, "refuse")
    assert test is not None
    assert train.labels.tolist() == ["low"] * 16
    assert sorted(test.labels.tolist()) == ["2"] * 10 + ["low"] * 4
    assert len(np.unique(np.concatenate([train.x, test.x]), axis=0)) == 30


def test_nothing_held_out(tmp_path):
    np.savez(tmp_path / "t.npz", x=np.zeros((4, 2), np.float32), y=[0, 0, 1, 1])
    train, test = divide(str(tmp_path / "t.npz"), None, None, 0.0, 0, "refuse")
    assert len(train) == 4
    assert test is None


def test_the_label_of_a_table_is_asked_for(tmp_path):
    table = tmp_path / "table.CSV"
    table.write_text("a,b\n1,2\n")
    require_label(str(table), "b")
    require_label("folder", None)
    with pytest.raises(ValueError, match=r"table.CSV is a table.*--label COL"):
        require_label(str(table), None)


def test_labels_are_spelled_as_the_model_spells_them():
    assert spelled_like(np.array([0, 3]), np.array(["0"])).tolist() == ["0", "3"]
    assert spelled_like(np.array([0, 3]), np.array(["cat"]), ("cat", "dog")).tolist() == ["cat", "3"]
    assert spelled_like(np.array(["5"]), np.array([1])).tolist() == [5]
    assert spelled_like(np.array(["x"]), np.array([1])).tolist() == ["x"]
    assert spelled_like(np.array([2]), np.array([1])).tolist() == [2]
