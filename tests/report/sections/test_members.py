"""Members of clusters are those that the clusterer is most and least sure of."""

from __future__ import annotations

import numpy as np
import pytest

from knownot.report import gather, render, wording
from knownot.report.sections.members import Members, galleries


@pytest.fixture(scope="module")
def said(clusterer, digits):
    return clusterer.assess(digits[0][900:])


def test_galleries_hold_the_most_and_the_least_certain_members(clusterer, digits, said):
    found = galleries(gather(clusterer, digits[0][900:]), most=4)
    assert len(found) == len(np.unique(said["cluster"]))
    for cluster in found:
        probability = np.sort(said["probability"][said["cluster"] == int(cluster.name)])
        certain = [example.facts["probability"] for example in cluster.certain]
        uncertain = [example.facts["probability"] for example in cluster.uncertain]
        assert certain == [wording.number(p) for p in probability[::-1][:4]]
        assert uncertain == [wording.number(p) for p in probability[: max(0, min(4, len(probability) - 4))]]


def test_galleries_are_of_the_largest_clusters(clusterer, digits, said):
    found = galleries(gather(clusterer, digits[0][900:]), most=4, most_clusters=3)
    counts = np.bincount(said["cluster"])
    assert sorted(counts[int(cluster.name)] for cluster in found) == sorted(counts)[-3:]


def test_members_of_many_clusters_say_that_some_are_left_out(clusterer, digits, outline_of):
    many = type(clusterer)(30).fit(digits[0][:900])
    text = outline_of(render(gather(many, digits[0][900:], projections=()), [Members()])).text
    n = len(np.unique(many.assess(digits[0][900:])["cluster"]))
    assert f"The 20 largest of {n} clusters." in text
    few = outline_of(render(gather(clusterer, digits[0][900:], projections=()), [Members()])).text
    assert "largest of" not in few.split("Members of the clusters")[1]
