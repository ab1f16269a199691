"""ROC and OSCR curves."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from knownot.metrics import Curve, oscr_curve, roc_curve
from knownot.report.charts import INK, KNOWN, LINE, SURFACE, svg
from knownot.report.sections.section import Section
from knownot.report.subject import Subject


class Curves(Section):
    """The ROC curve, and the OSCR curve where there are classes."""

    name = "curves"
    link = "Curves"

    def applies(self, subject: Subject) -> bool:
        return subject.has("knownness") and subject.has_both

    def collect(self, subject: Subject) -> dict[str, Markup]:
        charts = {"roc": roc_chart(subject)}
        return charts | {"oscr": oscr_chart(subject)} if subject.has("nearest_class") else charts


def roc_chart(subject: Subject) -> Markup:
    """ROC curve with the point of the threshold. Needs known and unknown samples."""
    assert subject.known is not None
    curve = roc_curve(subject.known, subject.knownness, max_points=300)
    point = _operating_point(subject, np.ones(len(subject), dtype=bool))
    return _rate_chart("roc", curve, point, "known accepted", diagonal=True)


def oscr_chart(subject: Subject) -> Markup:
    """OSCR curve with the point of the threshold. Needs known and unknown samples."""
    assert subject.known is not None
    correct = subject.nearest == subject.y_true
    curve = oscr_curve(subject.known, correct, subject.knownness, max_points=300)
    return _rate_chart("oscr", curve, _operating_point(subject, correct), "known accepted and right", diagonal=False)


def _operating_point(subject: Subject, counted: NDArray[np.bool_]) -> tuple[float, float]:
    """Rates at the threshold."""
    assert subject.known is not None
    accepted = subject.knownness >= subject.threshold
    return float(accepted[~subject.known].mean()), float((accepted & counted)[subject.known].mean())


def _rate_chart(name: str, curve: Curve, point: tuple[float, float], ylabel: str, diagonal: bool) -> Markup:
    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        if diagonal:
            axes.plot([0, 1], [0, 1], color=LINE, linewidth=1.0, linestyle=(0, (2, 3)))
        axes.fill_between(curve.x, curve.y, color=KNOWN, alpha=0.10, linewidth=0)
        axes.plot(curve.x, curve.y, color=KNOWN)
        axes.plot(*point, "o", color=INK, markersize=5.5, markeredgecolor=SURFACE, clip_on=False, zorder=5)
        # The curve only rises: below to the right of the point, and above to its left, there is none of it.
        right = point[0] < 0.3 or (point[0] < 0.7 and point[1] > 0.2)
        offset, side = ((7, -9), "left") if right else ((-6, 9), "right")
        axes.annotate("threshold", point, offset, textcoords="offset points", ha=side, va="center")
        axes.set(xlabel="unknown accepted", ylabel=ylabel, xlim=(-0.01, 1.0), ylim=(0.0, 1.01))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1.0, decimals=0))

    return svg(name, (4.0, 3.1), draw)
