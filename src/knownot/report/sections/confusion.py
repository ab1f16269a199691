"""The confusion matrix, with the unknown as one column more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from knownot.metrics import UNKNOWN, UNKNOWN_NAME
from knownot.report.charts import heat_map
from knownot.report.counts import Row, is_large, row, shares
from knownot.report.sections.section import Section
from knownot.report.subject import Subject


@dataclass(frozen=True)
class Matrix:
    """True classes against predictions; the rows from ``first_unknown`` on are unknown classes.

    ``pairs`` are the most frequent mistakes, ``chart`` a heat map where the matrix is too large for numbers.
    """

    columns: list[str]
    rows: list[Row]
    first_unknown: int
    pairs: list[tuple[str, str, int]]
    chart: Markup | None


class Confusion(Section):
    """Rows: true classes with samples, each unknown class by name. Columns: predictions."""

    name = "confusion"
    link = "Confusion"

    def applies(self, subject: Subject) -> bool:
        return subject.has("class") and subject.y_true is not None

    def collect(self, subject: Subject) -> Matrix:
        assert subject.y_true is not None and subject.true_names is not None  # noqa: PT018
        columns = [*subject.class_names, UNKNOWN_NAME]
        known = subject.y_true != UNKNOWN
        groups = [(name, c, subject.y_true == c) for c, name in enumerate(subject.class_names)]
        groups = [group for group in groups if group[2].any()]
        first_unknown = len(groups)
        for name in np.unique(subject.true_names[~known]):
            groups.append((str(name), UNKNOWN, ~known & (subject.true_names == name)))
        rows, pairs = [], []
        for name, code, members in groups:
            # Code -1 takes the last place, the column of the unknown.
            counts = np.bincount(subject.y_pred[members] % len(columns), minlength=len(columns))
            right = code % len(columns)
            rows.append(row(name, counts, right))
            pairs += [(name, columns[j], int(c)) for j, c in enumerate(counts) if c and j != right]
        pairs.sort(key=lambda pair: -pair[2])
        chart = None
        if is_large(rows, columns):
            names = [row.name for row in rows]
            chart = heat_map("confusion", shares(rows), names, columns, xlabel="predicted class", ylabel="true class")
        return Matrix(columns, rows, first_unknown, pairs[:10], chart)
