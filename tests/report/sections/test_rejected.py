"""Rejected shares and galleries equal what a count by hand finds."""

from __future__ import annotations

import numpy as np
import pytest

from knownot.report import gather, wording
from knownot.report.sections.rejected import galleries, refusals


@pytest.fixture(scope="module")
def subject(image_classifier, digits):
    return gather(image_classifier, digits[0][900:], digits[1][900:])


def knownness(gallery):
    return [example.facts["knownness"] for example in gallery.examples]


def test_galleries_hold_the_most_surprising_samples(subject, image_classifier, digits):
    refused, accepted, most_unknown = galleries(subject, most=3)
    scores, known = subject.knownness, digits[1][900:] < 6
    below = image_classifier.predict(digits[0][900:]) == -1
    for gallery, expected in (
        (refused, np.sort(scores[known & below])),
        (accepted, -np.sort(-scores[~known & ~below])),
        (most_unknown, np.sort(scores[below])),
    ):
        assert gallery.total == len(expected)
        assert knownness(gallery) == [wording.number(v) for v in expected[:3]]
    assert [example.is_known for example in refused.examples] == [True] * 3
    assert [example.is_known for example in accepted.examples] == [False] * 3


def test_galleries_of_a_density_hold_the_least_known(density, digits):
    X = digits[0][900:]
    (least,) = galleries(gather(density, X), most=5)
    assert least.title == "Least known of all samples"
    assert least.total == 897
    assert knownness(least) == [wording.number(v) for v in np.sort(density.score_samples(X))[:5]]


def test_refusals_equal_a_count_by_hand(subject, image_classifier, digits):
    X, y = digits[0][900:], digits[1][900:]
    rows = refusals(subject)
    assert [row.name for row in rows] == list("0123456789")
    for row in rows:
        members = y == int(row.name)
        assert row.n == members.sum()
        assert row.share == pytest.approx(np.mean(image_classifier.predict(X[members]) == -1))
        assert row.is_known == (int(row.name) < 6)
        assert row.p_value == wording.p_text(np.median(image_classifier.p_values(X[members])))


def test_refusals_go_by_the_nearest_class_without_labels(image_classifier, density, digits):
    X = digits[0][900:]
    rows = refusals(gather(image_classifier, X))
    nearest, predicted = image_classifier.nearest_class(X), image_classifier.predict(X)
    assert [row.name for row in rows] == list("012345")
    for row in rows:
        assert row.share == pytest.approx(np.mean(predicted[nearest == int(row.name)] == -1))
    assert refusals(gather(density, X)) == []


def test_refusals_of_a_density_go_by_the_labels(density, digits):
    X, y = digits[0][900:], np.where(digits[1][900:] < 6, digits[1][900:], -1)
    rows = refusals(gather(density, X, y))
    assert [row.name for row in rows] == [*"012345", "unknown"]
    for row, label in zip(rows, [0, 1, 2, 3, 4, 5, -1], strict=True):
        assert row.share == pytest.approx(np.mean(density.predict(X[y == label]) == -1))
        assert row.is_known == (label != -1)
