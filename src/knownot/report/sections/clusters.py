"""Clusters: their sizes, and how they agree with labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from knownot.metrics import UNKNOWN
from knownot.report.charts import heat_map
from knownot.report.counts import Row, is_large, row, shares
from knownot.report.sections.section import Section
from knownot.report.subject import Subject
from knownot.report.wording import thousands


@dataclass(frozen=True)
class Size:
    """How many samples lie in one cluster, and how sure that is."""

    name: str
    n: int
    share: float
    probability: str


@dataclass(frozen=True)
class Contingency:
    """Clusters against labels; ``chart`` is a heat map where the table is too large for numbers."""

    columns: list[str]
    rows: list[Row]
    sentence: str
    chart: Markup | None


class Clusters(Section):
    """Sizes, and a contingency table with the labels."""

    name = "clusters"
    link = "Clusters"

    def applies(self, subject: Subject) -> bool:
        return subject.has("cluster")

    def collect(self, subject: Subject) -> dict[str, Any]:
        return {"sizes": sizes(subject), "contingency": contingency(subject)}


def sizes(subject: Subject) -> list[Size]:
    """Samples and mean probability of each cluster that holds any."""
    column, probability = subject.columns["cluster"], subject.columns.get("probability")
    found = []
    for cluster, n in zip(*np.unique(column, return_counts=True), strict=True):
        mean = "" if probability is None else f"{probability[column == cluster].mean():.3f}"
        found.append(Size(str(cluster), int(n), float(n / len(subject)), mean))
    return found


def contingency(subject: Subject) -> Contingency | None:
    """Labels of the samples of each cluster; None without labels."""
    if subject.y_true is None:
        return None
    labelled = subject.y_true != UNKNOWN
    if not labelled.any():
        return None
    clusters, codes = subject.columns["cluster"][labelled], subject.y_true[labelled]
    columns = subject.class_names
    rows = [row(str(c), np.bincount(codes[clusters == c], minlength=len(columns))) for c in np.unique(clusters)]
    without = int((~labelled).sum())
    sentence = f"{thousands(without)} samples without a label are left out." if without else ""
    chart = None
    if is_large(rows, columns):
        names = [row.name for row in rows]
        chart = heat_map("contingency", shares(rows), names, columns, xlabel="label", ylabel="cluster")
    return Contingency(columns, rows, sentence, chart)
