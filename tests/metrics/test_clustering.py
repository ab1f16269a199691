"""Accuracies of clusterings against brute force."""

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.cluster import contingency_matrix

from knownot.metrics import clustering_accuracy, majority_accuracy, representative_accuracy

labelled = st.integers(1, 30).flatmap(
    lambda n: st.tuples(*(st.lists(st.integers(0, top), min_size=n, max_size=n) for top in (3, 4)))
)


def matched_by_brute_force(y, labels):
    """All ways to give each cluster another class, or none."""
    classes, clusters = sorted(set(y)), sorted(set(labels))
    classes += [None] * len(clusters)
    return max(
        sum(dict(zip(clusters, chosen, strict=True))[v] == truth for truth, v in zip(y, labels, strict=True))
        for chosen in set(itertools.permutations(classes, len(clusters)))
    ) / len(y)


@given(
    st.integers(1, 12).flatmap(
        lambda n: st.tuples(*(st.lists(st.integers(0, top), min_size=n, max_size=n) for top in (2, 3)))
    )
)
def test_clustering_accuracy_is_the_best_matching(both):
    y, labels = both
    assert clustering_accuracy(y, labels) == pytest.approx(matched_by_brute_force(y, labels))
    assert clustering_accuracy(labels, y) == pytest.approx(matched_by_brute_force(labels, y))


def test_clustering_accuracy_knows_no_names():
    rng = np.random.default_rng(0)
    y, labels = rng.integers(0, 5, 200), rng.integers(0, 8, 200)
    expected = clustering_accuracy(y, labels)
    names, places = np.array(["v", "a", "z", "k", "m"]), rng.permutation(8) * 7 - 3
    assert clustering_accuracy(names[y], places[labels]) == expected
    assert clustering_accuracy(torch.from_numpy(y), torch.from_numpy(labels)) == expected
    assert clustering_accuracy(y, (y + 2) % 5) == 1.0
    # A cluster for each sample: one of each class is right.
    assert clustering_accuracy(y, np.arange(200)) == 5 / 200
    # One cluster: the largest class is right.
    assert clustering_accuracy(y, np.zeros(200)) == np.bincount(y).max() / 200


def majority_by_definition(y, labels, train_y, train_labels):
    right = 0
    for truth, v in zip(y, labels, strict=True):
        votes = Counter(c for c, u in zip(train_y, train_labels, strict=True) if u == v)
        right += bool(votes) and truth == min(votes, key=lambda c: (-votes[c], c))
    return right / len(y)


@given(labelled, labelled)
def test_majority_accuracy_is_its_definition(test, train):
    expected = majority_by_definition(*test, *train)
    assert majority_accuracy(*test, *train) == pytest.approx(expected)
    assert majority_accuracy(*test) == pytest.approx(majority_by_definition(*test, *test))


def test_majority_accuracy_is_purity_without_training_samples():
    rng = np.random.default_rng(0)
    y, labels = rng.integers(0, 5, 200), rng.integers(0, 8, 200)
    assert majority_accuracy(y, labels) == pytest.approx(contingency_matrix(y, labels).max(0).sum() / 200)
    assert majority_accuracy(y, labels) == majority_accuracy(y, labels, y, labels)
    assert majority_accuracy(y, np.arange(200)) == 1.0
    assert majority_accuracy(y, labels) >= clustering_accuracy(y, labels)


def test_clusters_without_training_samples_count_as_wrong():
    assert majority_accuracy([0, 0, 0, 0], [1, 2, 3, 9], train_y=[0, 0], train_labels=[2, 8]) == 0.25
    # Names that sort before and behind those of the training set.
    assert majority_accuracy(["a", "a"], ["0", "z"], ["a"], ["m"]) == 0.0
    # A class that no training sample has.
    assert majority_accuracy(["a", "b"], [0, 0], ["b"], [0]) == 0.5


def represented_by_definition(y, probabilities):
    right = 0
    for truth, row in zip(y, probabilities, strict=True):
        v = row.tolist().index(max(row.tolist()))
        column = [other[v] for other in probabilities.tolist()]
        right += y[column.index(max(column))] == truth
    return right / len(y)


@given(st.integers(1, 30), st.integers(1, 6), st.integers(0, 999), st.booleans())
def test_representative_accuracy_is_the_rule_of_the_paper(n, n_clusters, seed, rounded):
    rng = np.random.default_rng(seed)
    y, probabilities = rng.integers(0, 4, n), rng.dirichlet(np.full(n_clusters, 0.5), n)
    if rounded:  # ties
        probabilities = np.eye(n_clusters)[probabilities.argmax(1)]
    assert representative_accuracy(y, probabilities) == pytest.approx(represented_by_definition(y, probabilities))


def test_the_representative_need_not_belong_to_the_cluster():
    """The paper looks for the highest probability of cluster i in the whole set, here 0.45 of the first sample."""
    probabilities = [[0.55, 0.45, 0.0], [0.3, 0.4, 0.3], [0.9, 0.1, 0.0]]
    assert representative_accuracy(["b", "b", "b"], probabilities) == 1.0
    assert representative_accuracy(["b", "a", "a"], probabilities) == pytest.approx(1 / 3)


def test_representative_accuracy_reads_tensors():
    rng = np.random.default_rng(0)
    y, probabilities = rng.integers(0, 4, 300), rng.dirichlet(np.full(16, 0.3), 300)
    for dtype in (torch.float64, torch.bfloat16):
        tensor = torch.tensor(probabilities, dtype=dtype, requires_grad=True)
        expected = represented_by_definition(y, tensor.detach().double().numpy())
        assert representative_accuracy(torch.from_numpy(y), tensor) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: clustering_accuracy([], []), r"y has shape \(0,\)"),
        (lambda: clustering_accuracy([0, 1], [0]), "labels has 1 entries for 2 samples"),
        (lambda: clustering_accuracy([0, 1], [[0], [1]]), r"labels has shape \(2, 1\)"),
        (lambda: majority_accuracy([0], [0, 1]), "labels has 2 entries for 1 samples"),
        (lambda: majority_accuracy([0], [0], train_y=[0]), "train_labels is missing"),
        (lambda: majority_accuracy([0], [0], train_labels=[0]), "train_y is missing"),
        (lambda: majority_accuracy([0], [0], [0, 1], [0]), "train_labels has 1 entries for 2 samples"),
        (lambda: majority_accuracy([0], [0], ["a"], [0]), "train_y holds strings, the labels it is compared with are"),
        (lambda: majority_accuracy([0], [0], [0], ["a"]), "train_labels holds strings"),
        (lambda: representative_accuracy([0, 1], [[1.0, 0.0]]), "y has 2 entries for 1 samples"),
        (lambda: representative_accuracy([0], [1.0]), r"probabilities has shape \(1,\)"),
        (lambda: representative_accuracy([0], [[np.nan, 1.0]]), "1 of 1 rows of probabilities have NaN"),
        (lambda: representative_accuracy([0], [[-1.0, 2.0]]), "smallest entry of -1 .* give q"),
        (lambda: representative_accuracy([0, 1], [[0.5, 0.5], [0.7, 0.5]]), r"up to 0\.2 off 1 in sum"),
        (lambda: representative_accuracy([0, 1], [[0.5, 0.5], [0.3, 0.5]]), r"up to 0\.2 off 1 in sum"),
    ],
)
def test_clusterings_that_are_none_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
