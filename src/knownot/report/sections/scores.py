"""Knownness: how it is distributed, and where the threshold lies."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from knownot.report.charts import INK, KNOWN, UNKNOWN_COLOUR, svg
from knownot.report.sections.section import Section
from knownot.report.subject import Subject


class Scores(Section):
    """Histograms of knownness with the threshold."""

    name = "scores"
    link = "Scores"

    def applies(self, subject: Subject) -> bool:
        return subject.has("knownness")

    def collect(self, subject: Subject) -> dict[str, Any]:
        return {
            "like": "classes" if subject.has("class") else "data",
            "chart": histogram(subject),
            "left_out": left_out(subject),
        }


def left_out(subject: Subject) -> str:
    """Why curves and confusion matrix are not shown, empty where they are."""
    curves = "The ROC and OSCR curves are" if subject.has("class") else "The ROC curve is"
    if subject.has_both:
        return ""
    if subject.known is None:
        curves = (
            "the ROC curve, the OSCR curve and the confusion matrix are" if subject.has("class") else "the ROC curve is"
        )
        needed = "they need" if subject.has("class") else "it needs"
        return f"Known and unknown samples cannot be told apart here, and {curves} left out: {needed} labels."
    compare = "they compare" if subject.has("class") else "it compares"
    absent = "unknown" if subject.known.all() else "known"
    return f"{curves} left out: {compare} known with unknown samples, and these data hold no {absent} ones."


def histogram(subject: Subject, bins: int = 60) -> Markup:
    """Histograms of knownness, of known and unknown samples where labels tell them apart."""
    scores, threshold, known = subject.knownness, subject.threshold, subject.known
    finite = scores[np.isfinite(scores)]
    low, high = np.quantile(finite, [0.005, 0.995]) if len(finite) else (0.0, 1.0)
    if np.isfinite(threshold):
        low, high = min(low, threshold), max(high, threshold)
    margin = 0.03 * (high - low) or 0.5
    edges = np.linspace(low - margin, high + margin, bins + 1)
    shown = np.clip(scores, edges[0], edges[-1])
    if known is None:
        groups = [("all samples", np.ones(len(scores), dtype=bool), KNOWN)]
    else:
        groups = [("known", known, KNOWN), ("unknown", ~known, UNKNOWN_COLOUR)]
    score = "knownness" if subject.has("class") else "log-density in nats"

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for label, group, colour in groups:
            if group.any():
                heights = np.histogram(shown[group], edges)[0] / group.sum()
                axes.stairs(heights, edges, fill=True, color=colour, alpha=0.28, linewidth=0)
                axes.stairs(heights, edges, color=colour, linewidth=1.4, label=f"{label} ({group.sum():,})")
        if np.isfinite(threshold):
            axes.axvline(threshold, color=INK, linewidth=1.1, linestyle=(0, (4, 3)), label="threshold")
        axes.set(xlabel=f"{score} (higher: more known)", ylabel="share of samples", xlim=(edges[0], edges[-1]))
        axes.yaxis.set_major_formatter(lambda share, _: f"{100.0 * share:.4g}%")
        figure.legend(loc="outside upper left", ncols=3)

    return svg("scores", (8.4, 3.0), draw)
