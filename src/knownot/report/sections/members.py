"""Members of clusters: those that lie in theirs most and least certainly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from knownot.report.examples import Example, examples
from knownot.report.sections.section import Section
from knownot.report.subject import Subject


@dataclass(frozen=True)
class Cluster:
    """Some members of one cluster: the most certain ones, and the least certain of the others."""

    name: str
    certain: list[Example]
    uncertain: list[Example]


class Members(Section):
    """Galleries of the largest clusters."""

    name = "members"
    link = "Members"

    def applies(self, subject: Subject) -> bool:
        return subject.has("cluster", "probability")

    def collect(self, subject: Subject) -> dict[str, Any]:
        return {
            "clusters": galleries(subject, most=4 if subject.images is None else 6),
            "n_clusters": len(np.unique(subject.columns["cluster"])),
        }


def galleries(subject: Subject, most: int, most_clusters: int = 20) -> list[Cluster]:
    """Members of the largest clusters by certainty."""
    column, probability = subject.columns["cluster"], subject.columns["probability"]
    clusters, counts = np.unique(column, return_counts=True)
    largest = np.sort(np.argsort(-counts, kind="stable")[:most_clusters])
    found = []
    for cluster in clusters[largest]:
        index = np.flatnonzero(column == cluster)
        order = index[np.argsort(-probability[index], kind="stable")]
        certain, others = order[:most], order[most:][::-1]
        found.append(Cluster(str(cluster), examples(subject, certain), examples(subject, others[:most])))
    return found
