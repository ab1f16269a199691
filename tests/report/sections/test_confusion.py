"""The confusion matrix counts what a count by hand counts."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from knownot.report import gather, render
from knownot.report.sections.confusion import Confusion


def test_confusion_counts_equal_a_count_by_hand(image_classifier, digits):
    X, y = digits[0][900:], digits[1][900:]
    predicted = image_classifier.predict(X)
    matrix = Confusion().collect(gather(image_classifier, X, y))
    assert matrix.columns == [*"012345", "unknown"]
    assert [row.name for row in matrix.rows] == list("0123456789")
    assert matrix.first_unknown == 6
    for label, row in enumerate(matrix.rows):
        counts = [int(np.sum((y == label) & (predicted == (c if c < 6 else -1)))) for c in range(7)]
        assert [cell.count for cell in row.cells] == counts
        assert row.total == sum(counts)
        right = label if label < 6 else 6
        kinds = ["none" if not n else "right" if c == right else "wrong" for c, n in enumerate(counts)]
        assert [cell.kind for cell in row.cells] == kinds
        np.testing.assert_allclose([cell.share for cell in row.cells], np.array(counts) / sum(counts))
    wrong = {(a, b): n for a, b, n in matrix.pairs}
    assert wrong["9", "3"] == np.sum((y == 9) & (predicted == 3))


class Guess(BaseEstimator):
    """A classifier of very many classes that knows the first feature to be the class."""

    def __init__(self, n_classes):
        self.n_classes = n_classes
        self.classes_, self.offset_ = np.arange(n_classes), -0.5

    def fit(self, X, y):
        return self

    def assess(self, X):
        nearest = X[:, 0].astype(int)
        return {"class": nearest, "nearest_class": nearest, "knownness": X[:, 1], "embedding": X}


@pytest.mark.parametrize("n_classes", [40, 300])
def test_confusion_of_many_classes_is_a_heat_map(n_classes, outline_of):
    rng = np.random.default_rng(0)
    y = rng.integers(0, n_classes, 2000)
    X = np.column_stack([np.where(rng.random(2000) < 0.9, y, 0), rng.random((2000, 2))])
    names = {i: f"class number {i}" for i in range(n_classes)}
    subject = gather(Guess(n_classes), X, y, names=names, projections=("PCA",))
    text = render(subject)
    assert 'class="matrix"' not in text
    assert "The most frequent mistakes stand below" in text
    assert outline_of(text).open == []
    matrix = Confusion().collect(subject)
    assert matrix.chart
    assert len(matrix.rows) == len(np.unique(y))
    counts = np.array([n for _, _, n in matrix.pairs])
    mistakes = np.bincount(y[(X[:, 0] == 0) & (y > 0)])
    np.testing.assert_array_equal(counts, np.sort(mistakes)[::-1][:10])
