"""A linear classifier and trees against scikit-learn; trees that were tampered with."""

import math
import warnings

import numpy as np
import pytest
import torch
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_class_weight

from knownot.rules import Forest, Linear


def data(n=300, d=4, n_classes=3, seed=0):
    random = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    rows = random.normal(size=(n, d)) + 2.0 * np.random.default_rng(9).normal(size=(n_classes, d))[y]
    return torch.from_numpy(rows.astype(np.float32)), torch.from_numpy(y)


def shares(logits, n_trees):
    """The votes of the trees behind logits, without the half vote for each class."""
    n_classes = logits.shape[1]
    return (np.exp(logits.numpy()) * (n_trees + 0.5 * n_classes) - 0.5) / n_trees


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 5.0, 1: 1.0, 2: 0.1}])
def test_linear_is_logistic_regression(class_weight):
    (z, y), (queries, _) = data(), data(seed=1)
    verdict = Linear(inverse_penalty=0.3, class_weight=class_weight).fit(z, y).evaluate(queries)
    peer = LogisticRegression(C=0.3, max_iter=300, class_weight=class_weight).fit(z.double().numpy(), y.numpy())
    expected = peer.decision_function(queries.double().numpy())
    np.testing.assert_allclose(verdict.logits, expected, atol=1e-4)
    np.testing.assert_allclose(verdict.knownness, np.log(np.exp(expected).sum(1)), atol=1e-4)


def test_linear_of_two_classes_gives_half_to_each_and_of_one_nothing():
    (z, y), (queries, _) = data(n_classes=2), data(seed=1)
    verdict = Linear().fit(z, y).evaluate(queries)
    peer = LogisticRegression(max_iter=300).fit(z.double().numpy(), y.numpy())
    np.testing.assert_allclose(
        torch.softmax(verdict.logits, 1), peer.predict_proba(queries.double().numpy()), atol=1e-5
    )
    torch.testing.assert_close(verdict.logits.sum(1), torch.zeros(300), atol=1e-5, rtol=0)
    one = Linear().fit(z, torch.zeros_like(y)).evaluate(queries)
    assert one.logits.shape == (300, 1)
    assert (one.knownness == 0).all()


@pytest.mark.parametrize("penalty", [0, -1.0, float("nan"), "small"])
def test_linear_refuses_what_is_no_penalty(penalty):
    with pytest.raises(ValueError, match=f"inverse_penalty={penalty!r} does not work: give a number above 0"):
        Linear(penalty).fit(*data())


@pytest.mark.parametrize("class_weight", [None, "balanced", "balanced_subsample", {0: 5.0, 1: 1.0, 2: 0.1}])
def test_forest_is_extremely_randomised_trees(class_weight):
    (z, y), (queries, _) = data(), data(seed=1)
    verdict = Forest(30, class_weight, random_state=4).fit(z, y).evaluate(queries)
    peer = ExtraTreesClassifier(30, class_weight=class_weight, random_state=4).fit(z.numpy(), y.numpy())
    np.testing.assert_allclose(shares(verdict.logits, 30), peer.predict_proba(queries.numpy()), atol=1e-6)
    p = verdict.logits.exp().max(1).values
    torch.testing.assert_close(verdict.knownness, (p / (1 - p)).log())


def test_forest_of_many_rows_grows_each_tree_on_some_of_them():
    z, y = data(9000)
    forest = Forest(5).fit(z, y)
    peer = ExtraTreesClassifier(5, random_state=0, bootstrap=True, max_samples=4000).fit(z.numpy(), y.numpy())
    np.testing.assert_allclose(shares(forest.evaluate(z[:99]).logits, 5), peer.predict_proba(z[:99].numpy()), atol=1e-6)
    assert (
        forest.state()["children"].shape[0]
        < 0.7 * Forest(5).fit(z[:4000], y[:4000]).state()["children"].shape[0] * 9 / 4
    )


def test_forest_of_one_class_and_of_classes_of_one():
    z, y = data(12)
    assert torch.isfinite(Forest().fit(z, torch.zeros_like(y)).evaluate(z).knownness).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rule in (Forest(), Linear()):
            assert rule.fit(z, torch.arange(12)).score(z)[0].tolist() == list(range(12))


def test_forest_knows_nothing_of_a_row_with_nan():
    z, y = data()
    forest = Forest(20).fit(z, y)
    broken = z[:9].clone()
    broken[4, 2] = torch.nan
    verdict, expected = forest.evaluate(broken), forest.evaluate(z[:9])
    assert torch.isnan(verdict.knownness).tolist() == [i == 4 for i in range(9)]
    rest = torch.arange(9) != 4
    assert torch.equal(verdict.knownness[rest], expected.knownness[rest])
    assert torch.equal(verdict.logits[rest], expected.logits[rest])


def test_forest_refuses_rows_of_another_width():
    z, y = data()
    with pytest.raises(ValueError, match=r"z has shape \(300, 3\), but the forest was fitted on 4 columns"):
        Forest(5).fit(z, y).evaluate(z[:, :3])


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("children", (0, 0), 10**6),
        ("children", (0, 1), 0),
        ("children", (0, 0), -2),
        ("children", (0, 1), -1),
        ("features", 0, 4),
        ("features", 0, -2),
        ("sizes", 0, 10**12),
        ("sizes", 0, 1),
        ("n_features", (), 0),
    ],
)
def test_forest_refuses_damaged_trees(name, place, value):
    """A tree is compiled code on raw indices: a wrong one would read beyond its memory, or never end."""
    state = {key: tensor.clone() for key, tensor in Forest(5).fit(*data()).state().items()}
    state[name][place] = value
    with pytest.raises(ValueError, match="the trees of this forest are damaged"):
        Forest(5).restore(state)


@pytest.mark.parametrize("name", ["children", "features", "thresholds", "shares", "depths", "sizes"])
def test_forest_refuses_trees_that_are_cut_off(name):
    state = dict(Forest(5).fit(*data()).state())
    state[name] = state[name][:-1]
    with pytest.raises(ValueError, match="the trees of this forest are damaged"):
        Forest(5).restore(state)


def test_a_child_in_the_next_tree_is_no_child():
    state = {key: tensor.clone() for key, tensor in Forest(2).fit(*data()).state().items()}
    state["children"][0, 1] = int(state["sizes"][0])
    with pytest.raises(ValueError, match="the trees of this forest are damaged"):
        Forest(2).restore(state)


@pytest.mark.parametrize("n_trees", [0, -3, 2.5, None])
def test_forest_refuses_what_is_no_number_of_trees(n_trees):
    with pytest.raises(ValueError, match=f"n_trees={n_trees!r} does not work: give a whole number of at least 1"):
        Forest(n_trees).fit(*data())


@pytest.mark.parametrize("cls", [Linear, Forest])
def test_weights_of_classes(cls):
    z, y = data()
    y = torch.where(torch.arange(300) < 280, 0, y)
    n_rare = [int((cls(class_weight=w).fit(z, y).score(z)[0] > 0).sum()) for w in (None, {1: 50.0, 2: 50.0, 0: 1.0})]
    assert n_rare[1] >= n_rare[0]
    balanced = dict(enumerate(compute_class_weight("balanced", classes=np.arange(3), y=y.numpy())))
    one, other = (cls(class_weight=w).fit(z, y).evaluate(z).logits for w in ("balanced", balanced))
    torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    for wrong in ("even", 3, [1.0, 2.0, 3.0]):
        with pytest.raises(ValueError, match="is not known: use 'balanced'"):
            cls(class_weight=wrong).fit(z, y)
    for wrong in ({7: 1.0}, {"a": 1.0}, {0: -1.0}, {0: 0}, {0: math.nan}, {0: math.inf}, {0.5: 1.0}):
        with pytest.raises(ValueError, match="its keys are class indices from 0 to 2, its values above 0"):
            cls(class_weight=wrong).fit(z, y)
