from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.base import OutlierMixin
from sklearn.metrics import roc_auc_score

from knownot.cli.judging import judge_classes, judge_clusters, judge_density, shown


class Ruler:
    """Knows classes 0 and 1 at those places of a line; knownness is minus the distance."""

    classes_ = np.array([0, 1])
    offset_ = -0.25

    def nearest_class(self, x, *, return_knownness):
        assert return_knownness, "one pass gives both"
        nearest = np.clip(np.rint(x[:, 0]), 0, 1).astype(int)
        return nearest, -np.abs(x[:, 0] - nearest)


def test_judge_classes_counts_what_becomes_of_each_class():
    x = np.array([[0.0], [0.1], [0.4], [0.9], [1.0], [5.0], [1.1]])
    y = np.array([0, 0, 0, 0, 1, 7, 7])
    metrics, rows = judge_classes(Ruler(), x, y)
    assert [row["label"] for row in rows] == [0, 1, 7]
    assert [row["known"] for row in rows] == [True, True, False]
    zero, one, seven = rows
    assert (zero["right"], zero["wrong"], zero["rejected"]) == pytest.approx((0.5, 0.25, 0.25))
    assert (one["right"], one["wrong"], one["rejected"]) == (1, 0, 0)
    assert (seven["right"], seven["wrong"], seven["rejected"]) == (0, 0.5, 0.5)
    assert metrics["acceptance"] == pytest.approx(4 / 5)
    assert metrics["unknown_rejection"] == 0.5


def test_judge_classes_puts_known_classes_first():
    _, rows = judge_classes(Ruler(), np.array([[0.0], [1.0]]), np.array([-5, 1]))
    assert [row["label"] for row in rows] == [1, -5]


class Near(OutlierMixin):
    """Accepts what is at most 1 away from 0."""

    def assess(self, x):
        return {"known": np.abs(x[:, 0]) <= 1, "knownness": -np.abs(x[:, 0]), "p_value": np.ones(len(x))}


X = np.array([[0.0], [0.5], [-2.0], [0.9], [3.0], [4.0]])
KNOWN = np.array([True, True, True, False, False, False])


def test_judge_density_compares_known_and_unknown():
    metrics, rows = judge_density(Near(), X, KNOWN, np.array(["a", "a", "b", "c", "c", "c"]))
    assert metrics == pytest.approx(
        {
            "auroc": roc_auc_score(KNOWN, -np.abs(X[:, 0])),
            "acceptance": 2 / 3,
            "log_density": -2.5 / 3,
            "unknown_rejection": 2 / 3,
        }
    )
    assert [row["label"] for row in rows] == ["a", "b", "c"]
    assert [row["known"] for row in rows] == [True, True, False]
    assert [row["accepted"] for row in rows] == pytest.approx([1, 0, 1 / 3])


def test_judge_density_leaves_out_what_it_cannot_tell():
    metrics, rows = judge_density(Near(), X, np.ones(6, bool))
    assert set(metrics) == {"acceptance", "log_density"}
    assert rows == []
    assert set(judge_density(Near(), X, np.zeros(6, bool))[0]) == {"unknown_rejection"}


def test_judge_clusters_matches_clusters_and_labels_in_the_best_way():
    rng = np.random.default_rng(0)
    y, clusters = rng.integers(4, size=200), rng.integers(4, size=200)
    clusters[:120] = (y[:120] + 1) % 4
    metrics, rows = judge_clusters(clusters, y)
    best = max(np.mean(np.array(places)[clusters] == y) for places in permutations(range(4)))
    assert metrics["accuracy"] == pytest.approx(best)
    same_y, same_cluster = y[:, None] == y, clusters[:, None] == clusters
    pairs = np.triu_indices(200, 1)
    a, b = same_y[pairs], same_cluster[pairs]
    expected = a.mean() * b.mean()
    assert metrics["ari"] == pytest.approx(((a & b).mean() - expected) / ((a.mean() + b.mean()) / 2 - expected))
    joint = np.histogram2d(y, clusters, bins=4)[0] / 200
    of_y, of_clusters = joint.sum(1), joint.sum(0)
    shared = entropy(of_y) + entropy(of_clusters) - entropy(joint.ravel())
    assert metrics["nmi"] == pytest.approx(shared / ((entropy(of_y) + entropy(of_clusters)) / 2))
    for row in rows:
        inside = y[clusters == row["cluster"]]
        assert row["samples"] == len(inside)
        assert row["label"] == np.bincount(inside).argmax()
        assert row["purity"] == pytest.approx((inside == row["label"]).mean())


def test_judge_clusters_without_labels_counts():
    metrics, rows = judge_clusters(np.array([5, 5, 2]))
    assert metrics == {}
    assert rows == [{"cluster": 5, "samples": 2, "share": 2 / 3}, {"cluster": 2, "samples": 1, "share": 1 / 3}]


def test_shown_has_a_part_for_each_kind_of_finding():
    assert shown({}) == []
    assert len(shown({"metrics": {"auroc": 0.5}, "by_class": []})) == 1
    assert len(shown({"clusters": [{"cluster": 0, "samples": 1, "share": 1.0}]})) == 1
