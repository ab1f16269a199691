"""Figures of experiments on many sets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from knownot.experiments.figures import MUTED, STYLE, empty_figure, look
from knownot.experiments.kinds.many_sets.summary import forecast_quality


def forecast_figure(points: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """Expected against true AUROC of each split, with the interval that was foretold.

    Parameters
    ----------
    points : mapping of str to sequence of mapping
        By group the numbers of its splits: "auroc", "forecast", "forecast_low", "forecast_high".

    Returns
    -------
    Figure
        An interval that crosses the line holds the truth.
    """
    quality = forecast_quality([numbers for splits in points.values() for numbers in splits])
    with mpl.rc_context(STYLE):
        figure = empty_figure(5.6, 5.4)
        axes = figure.subplots()
        lows = [1.0]
        for i, (group, splits) in enumerate(points.items()):
            if not splits:
                continue
            true, expected, low, high = (
                [numbers[name] for numbers in splits] for name in ("auroc", "forecast", "forecast_low", "forecast_high")
            )
            style: dict[str, Any] = dict(look(i))
            axes.vlines(true, low, high, color=style["color"], alpha=0.35, linewidth=1.2)
            axes.plot(true, expected, linestyle="", markersize=4.5, label=group, **style)
            lows += [min(true), min(low)]
        bottom = max(0.0, math.floor(10 * min(lows)) / 10)
        axes.plot([bottom, 1.0], [bottom, 1.0], color=MUTED, linewidth=0.9, zorder=1)
        axes.set(xlim=(bottom, 1.01), ylim=(bottom, 1.01), xlabel="true AUROC", ylabel="expected AUROC")
        axes.set_aspect("equal")
        correlated = "" if math.isnan(quality.correlation) else f"correlation {quality.correlation:.2f}, "
        axes.set_title(
            f"{quality.n} splits: {correlated}mean absolute error {quality.error:.3f},\n"
            f"{quality.coverage:.0%} of the 90 % intervals hold the truth"
        )
        axes.legend(loc="lower right")
    return figure
