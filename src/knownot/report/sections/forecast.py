"""How well unknown classes will be refused, as far as hiding known ones can say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from knownot.report.charts import INK, KNOWN, SURFACE, svg
from knownot.report.sections.section import Section
from knownot.report.subject import Subject

_MOST_BARS = 12
_LONGEST_NAME = 24


class Forecast(Section):
    """The expected AUROC with its interval, that of each hidden group, and the weights of the evidence."""

    name = "forecast"
    link = "Forecast"

    def applies(self, subject: Subject) -> bool:
        return hasattr(subject.estimator, "forecast_")

    def collect(self, subject: Subject) -> dict[str, Any]:
        forecast, rule = subject.estimator.forecast_, getattr(subject.estimator, "rule_", None)
        weights = dict(sorted(getattr(rule, "weights_", {}).items(), key=lambda item: -item[1]))
        voters = [name for name in getattr(rule, "voters_", ()) if name != "classifier"]
        data: dict[str, Any] = {"forecast": forecast, "note": forecast.note, "voters": voters}
        if forecast.by_fold:
            data["groups"] = group_chart(forecast, hidden_names(subject), min(len(weights), _MOST_BARS))
            data["one_by_one"] = len(forecast.by_fold) == len(subject.class_names)
        if weights:
            data |= {"weights": weight_chart(weights), "n_left_out": max(0, len(weights) - _MOST_BARS)}
        return data


def hidden_names(subject: Subject) -> list[str]:
    """What was hidden each time: a class, where there are as many as times; else groups by number."""
    n = len(subject.estimator.forecast_.by_fold)
    if n == len(subject.class_names):
        return [_shortened(name) for name in subject.class_names]
    return [f"group {i + 1}" for i in range(n)]


def group_chart(forecast: Any, names: list[str], n_rows: int = 0) -> Markup:
    """A point for each hidden group; the mean as a line, the interval as a band. At least as high as ``n_rows``."""
    values = np.asarray(forecast.by_fold)
    rows = np.arange(len(values))[::-1]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axvspan(forecast.low, forecast.high, color=KNOWN, alpha=0.10, linewidth=0)
        axes.axvline(forecast.auroc, color=INK, linewidth=1.1, linestyle=(0, (4, 3)))
        axes.plot(values, rows, "o", color=KNOWN, markersize=6.5, markeredgecolor=SURFACE, clip_on=False, zorder=5)
        axes.set_yticks(rows, names)
        axes.grid(visible=False, axis="y")
        least = min(0.5, forecast.low, float(values.min()))
        axes.set(xlabel="AUROC against the hidden group", xlim=(least - 0.01, 1.0), ylim=(-0.6, len(values) - 0.4))

    return svg("forecast", (4.0, 1.1 + 0.24 * max(len(values), n_rows)), draw)


def weight_chart(weights: Mapping[str, float]) -> Markup:
    """A bar for each kind of evidence, the heaviest first."""
    shown = list(weights.items())[:_MOST_BARS]
    rows = np.arange(len(shown))[::-1]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.barh(rows, [weight for _, weight in shown], height=0.62, color=KNOWN, alpha=0.6, linewidth=0)
        for row, (_, weight) in zip(rows, shown, strict=True):
            axes.annotate(f"{weight:.2f}", (weight, row), (4, 0), textcoords="offset points", va="center", color=INK)
        axes.set_yticks(rows, [_shortened(name) for name, _ in shown])
        axes.grid(visible=False, axis="y")
        axes.set(xlabel="weight", xlim=(0.0, 1.18 * max(weight for _, weight in shown)), ylim=(-0.6, len(shown) - 0.4))

    return svg("evidence-weights", (4.0, 1.1 + 0.24 * len(shown)), draw)


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
