"""Acceptance of each class: counts by hand, the exact interval, and where the section is shown."""

import numpy as np
from scipy.stats import beta

from knownot.report import gather, render
from knownot.report.sections.coverage import Coverage, class_coverage


def test_coverage_equals_a_count_by_hand(image_classifier, digits, outline_of):
    X, y = digits[0][900:], digits[1][900:]
    predicted = image_classifier.predict(X)
    subject = gather(image_classifier, X, y, projections=())
    rows = class_coverage(subject)
    assert [row.name for row in rows] == list("012345")
    for c, row in enumerate(rows):
        n, k = (y == c).sum(), ((y == c) & (predicted != -1)).sum()
        assert (row.samples, row.accepted) == (n, k / n)
        # Clopper and Pearson.
        assert np.isclose(row.low, beta.ppf(0.025, k, n - k + 1) if k else 0)
        assert np.isclose(row.high, beta.ppf(0.975, k + 1, n - k) if k < n else 1)
        assert row.missed == (row.high < 0.95)
    data = Coverage().collect(subject)
    assert data["n_missed"] == sum(row.missed for row in rows)
    text = outline_of(render(subject)).text
    assert "One threshold holds for all classes" in text
    assert "95 % should be accepted of all of them together" in text


def test_coverage_is_not_shown_without_known_labels_or_threshold(image_classifier, density, digits):
    X, y = digits[0][900:], digits[1][900:]
    assert not Coverage().applies(gather(image_classifier, X, projections=()))
    assert not Coverage().applies(gather(image_classifier, X, np.full(len(X), -1), projections=()))
    assert not Coverage().applies(gather(density, X, y, projections=()))
