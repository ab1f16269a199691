"""Classes hidden in turn: what a fold holds, with scikit-learn's tools, odd labels, mistakes."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_iris
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score

from knownot import EmbeddingClassifier
from knownot.data import LeaveClassesOut, hidden_groups, hold_back


def told_apart(model, X, y):
    """AUROC of classes that the model learned against those that it did not."""
    return roc_auc_score(np.isin(y, model.classes_), model.decision_function(X))


@given(st.integers(2, 60), st.integers(0, 1000))
def test_groups_hide_each_class_equally_often_and_leave_one(n_classes, seed):
    groups = hidden_groups(n_classes, np.random.RandomState(seed))
    times = np.bincount(np.concatenate(groups), minlength=n_classes)
    assert (times == (1 if n_classes <= 6 else 2)).all()
    assert all(0 < len(np.unique(group)) == len(group) < n_classes for group in groups)
    assert len(groups) == (n_classes if n_classes <= 6 else 6)


def test_one_class_cannot_be_hidden():
    assert hidden_groups(1, np.random.RandomState(0)) == []


@given(st.lists(st.integers(0, 6), min_size=1, max_size=80), st.floats(0.01, 0.99))
def test_held_back_is_the_share_of_each_class_and_never_its_last(labels, share):
    y = np.unique(labels, return_inverse=True)[1]
    held = hold_back(y, share, np.random.RandomState(0))
    for c, count in enumerate(np.bincount(y)):
        assert held[y == c].sum() == min(max(1, round(share * count)), count - 1)


def test_held_back_is_drawn_at_random():
    y = np.repeat([0, 1], 50)
    one, other = (hold_back(y, 0.5, np.random.RandomState(seed)) for seed in (0, 1))
    assert (one != other).sum() > 20
    assert one[:50].tolist() != sorted(one[:50])


@given(st.lists(st.integers(0, 9), min_size=4, max_size=90), st.integers(0, 99))
def test_a_fold_hides_all_of_some_classes_and_parts_the_others(labels, seed):
    y = np.array([f"class {label}" for label in labels])
    cv = LeaveClassesOut(random_state=seed)
    if len(np.unique(y)) < 2:
        return
    folds = list(cv.split(y, y))
    assert len(folds) == cv.get_n_splits(y, y)
    hidden_times = dict.fromkeys(y, 0)
    for train, test in folds:
        np.testing.assert_array_equal(np.sort(np.r_[train, test]), np.arange(len(y)))
        hidden = set(y) - set(y[train])
        assert hidden
        for label in hidden:
            hidden_times[label] += 1
        for label in set(y[train]):
            n, held = (y == label).sum(), (y[test] == label).sum()
            assert held == min(max(1, round(0.3 * n)), n - 1)
    assert len(set(hidden_times.values())) == 1


def test_same_seed_same_folds():
    y = np.arange(100) % 10
    one, again, other = (
        [train.tolist() for train, _ in LeaveClassesOut(random_state=seed).split(y, y)] for seed in (3, 3, 4)
    )
    assert one == again != other


@pytest.mark.parametrize(
    "labels",
    [
        list("abc") * 10,
        pd.Series(list("abc") * 10, index=range(100, 130)),
        pd.Series(list("abc") * 10).astype("category"),
        pd.Series(list("abc") * 10, dtype="string"),
        torch.arange(30) % 3,
        np.arange(30) % 3 == 1,
        np.arange(30) % 3 - 1.0,
    ],
    ids=lambda labels: type(labels).__name__,
)
def test_labels_of_any_kind(labels):
    folds = list(LeaveClassesOut(random_state=0).split(np.zeros((30, 2)), labels))
    values = np.asarray(labels)
    assert [len(set(values) - set(values[train])) for train, _ in folds] == [1] * len(np.unique(values))


def test_given_groups_are_hidden_in_their_order():
    y = np.repeat(["a", "b", "c", "d"], 10)
    cv = LeaveClassesOut([["c"], ("a", "d"), {"b"}], test_size=0.5, random_state=0)
    assert cv.get_n_splits(y, y) == 3
    left = [sorted(set(y[train])) for train, _ in cv.split(y, y)]
    assert left == [["a", "b", "d"], ["b", "c"], ["a", "c", "d"]]
    assert [len(train) for train, _ in cv.split(y, y)] == [15, 10, 15]


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        (LeaveClassesOut([["z"]]), r"the group \['z'\] of classes to hide does not work: name classes of y"),
        (LeaveClassesOut([["a", "z"]]), r"the group \['a', 'z'\] of classes"),
        (LeaveClassesOut([["a", "b", "c"]]), "and leave at least one"),
        (LeaveClassesOut([[]]), r"the group \[\] of classes"),
        (LeaveClassesOut([[1]]), r"the group \[1\] of classes"),
        (LeaveClassesOut([]), r"groups=\[\] does not work: give lists of classes to hide together"),
        (LeaveClassesOut(["a", "b"]), r"groups=\['a', 'b'\] does not work"),
        (LeaveClassesOut("ab"), "groups='ab' does not work"),
        (LeaveClassesOut(3), "groups=3 does not work"),
        (LeaveClassesOut([0, 1]), r"groups=\[0, 1\] does not work"),
        (LeaveClassesOut(test_size=0), "test_size=0 does not work: give a share above 0 and below 1"),
        (LeaveClassesOut(test_size=1.0), r"test_size=1\.0 does not work"),
        (LeaveClassesOut(test_size=float("nan")), "test_size=nan does not work"),
        (LeaveClassesOut(test_size="half"), "test_size='half' does not work"),
        (LeaveClassesOut(random_state="x"), "'x' cannot be used to seed"),
    ],
)
def test_settings_that_do_not_work(cv, message):
    y = np.repeat(["a", "b", "c"], 10)
    with pytest.raises(ValueError, match=message):
        list(cv.split(y, y))


def test_labels_that_do_not_work():
    X = np.zeros((6, 2))
    with pytest.raises(ValueError, match="LeaveClassesOut hides classes, so it needs their labels: give y"):
        list(LeaveClassesOut().split(X))
    with pytest.raises(ValueError, match="needs their labels"):
        LeaveClassesOut().get_n_splits(X)
    with pytest.raises(ValueError, match="y holds 1 class, and none would be left if it were hidden"):
        list(LeaveClassesOut().split(X, ["a"] * 6))
    with pytest.raises(ValueError, match="X has 6 samples but y has 4 labels"):
        list(LeaveClassesOut().split(X, [0, 0, 1, 1]))
    with pytest.raises(ValueError, match="y has 1 missing labels"):
        list(LeaveClassesOut().split(X, ["a", "b", None, "a", "b", "a"]))


def test_with_cross_val_score_and_a_grid_search():
    X, y = load_iris(return_X_y=True, as_frame=True)
    y = y.map({0: "setosa", 1: "versicolor", 2: "virginica"})
    cv = LeaveClassesOut(random_state=0)
    model = EmbeddingClassifier("neighbours", random_state=0)
    scores = cross_val_score(model, X, y, cv=cv, scoring=told_apart)
    by_hand = [told_apart(model.fit(X.iloc[a], y.iloc[a]), X.iloc[b], y.iloc[b]) for a, b in cv.split(X, y)]
    np.testing.assert_array_equal(scores, by_hand)
    search = GridSearchCV(model, {"rule": ["neighbours", "linear"]}, cv=cv, scoring=told_apart).fit(X, y)
    assert search.best_params_ == {"rule": "neighbours"}
    assert search.n_splits_ == 3
