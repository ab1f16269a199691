"""How many samples of each known class are accepted, beside what was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from knownot.report.counts import MOST_IN_TABLE
from knownot.report.sections.section import Section
from knownot.report.subject import Subject
from knownot.report.wording import asked_percent

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class ClassCoverage:
    """Acceptance of one class, with its binomial interval; ``missed``: that lies below the target."""

    name: str
    samples: int
    accepted: float
    low: float
    high: float
    missed: bool


class Coverage(Section):
    """A row for each known class with samples, the least accepted ones where there are very many."""

    name = "coverage"
    link = "Acceptance"

    def applies(self, subject: Subject) -> bool:
        rejects = not np.all(np.isneginf(subject.sample_threshold)) if subject.has("nearest_class") else True
        return subject.has("class") and subject.known is not None and bool(subject.known.any()) and rejects

    def collect(self, subject: Subject) -> dict[str, Any]:
        rows = class_coverage(subject)
        return {
            "rows": sorted(rows, key=lambda row: row.accepted)[:MOST_IN_TABLE] if len(rows) > MOST_IN_TABLE else rows,
            "n_classes": len(rows),
            "n_missed": sum(row.missed for row in rows),
            "target": None if subject.accept is None else asked_percent(subject.accept),
            "per_class": getattr(subject.estimator, "class_offsets_", None) is not None,
        }


def class_coverage(subject: Subject) -> list[ClassCoverage]:
    """Acceptance of each known class with samples."""
    assert subject.y_true is not None and subject.accepted is not None  # noqa: PT018
    rows = []
    for c, name in enumerate(subject.class_names):
        members = subject.y_true == c
        n, k = int(members.sum()), int((members & subject.accepted).sum())
        if not n:
            continue
        interval = binomtest(k, n).proportion_ci(_CONFIDENCE, method="exact")
        missed = subject.accept is not None and interval.high < subject.accept
        rows.append(ClassCoverage(name, n, k / n, float(interval.low), float(interval.high), missed))
    return rows
