"""Clusters: sizes and agreement with labels equal what a count by hand finds."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from knownot.report import gather, render
from knownot.report.sections.clusters import Clusters, contingency, sizes
from knownot.report.sections.members import Members


@pytest.fixture(scope="module")
def said(clusterer, digits):
    return clusterer.assess(digits[0][900:])


def test_sizes_equal_a_count_by_hand(clusterer, digits, said):
    rows = sizes(gather(clusterer, digits[0][900:]))
    assert [int(row.name) for row in rows] == np.unique(said["cluster"]).tolist()
    for row in rows:
        mine = said["cluster"] == int(row.name)
        assert row.n == mine.sum()
        assert row.share == pytest.approx(mine.mean())
        assert row.probability == f"{said['probability'][mine].mean():.3f}"


def test_contingency_equals_a_count_by_hand(clusterer, digits, said):
    y = digits[1][900:].copy()
    y[y == 9] = -1
    table = contingency(gather(clusterer, digits[0][900:], y, names={3: "three"}))
    assert table.columns == ["0", "1", "2", "three", "4", "5", "6", "7", "8"]
    for row in table.rows:
        mine = y[said["cluster"] == int(row.name)]
        assert [cell.count for cell in row.cells] == [np.sum(mine == label) for label in range(9)]
    assert table.sentence == f"{np.sum(y == -1)} samples without a label are left out."
    assert contingency(gather(clusterer, digits[0][900:])) is None
    assert contingency(gather(clusterer, digits[0][900:], np.full(897, -1))) is None


def test_clusters_print_sizes_labels_and_agreement(clusterer, digits, outline_of):
    subject = gather(clusterer, digits[0][900:], digits[1][900:], projections=("PCA",))
    text = outline_of(render(subject)).text
    assert "Adjusted Rand index " + f"{subject.metrics['adjusted_rand']:.3f}" in text
    assert "Mutual information " + f"{subject.metrics['mutual_information']:.3f}" in text
    assert "Clusters and labels" in text
    assert "Colours are clusters." in text
    assert "threshold" not in text
    nameless = outline_of(render(gather(clusterer, digits[0][900:], projections=("PCA",)))).text
    assert "Clusters and labels" not in nameless
    assert "Samples 897 without labels" in nameless


def test_clusters_need_no_probability(clusterer, digits, outline_of):
    subject = gather(clusterer, digits[0][900:], digits[1][900:], projections=())
    columns = {"cluster": subject.columns["cluster"] * 7 - 1}
    made = dataclasses.replace(subject, columns=columns)
    assert Clusters().applies(made)
    text = outline_of(render(made)).text
    assert "probability" not in text
    assert not Members().applies(made)


def test_clusters_and_labels_in_large_numbers_become_a_heat_map(clusterer, digits):
    subject = gather(clusterer, digits[0][900:], np.arange(897) % 35, projections=())
    assert contingency(subject).chart
    text = render(subject)
    assert 'class="matrix"' not in text
    assert 'class="chart chart-contingency"' in text
