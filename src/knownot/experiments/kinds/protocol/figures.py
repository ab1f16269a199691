"""Figures of experiments on protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from knownot.experiments.figures import COLOURS, MUTED, STYLE, empty_figure

_OURS, _OTHERS = COLOURS[1], COLOURS[0]


def dots_figure(
    found: Mapping[str, Sequence[float]], stated: Mapping[str, float | None], what: str, emphasised: str
) -> Figure:
    """One row for each variant: small dots are seeds, the large one is their mean, a cross is the paper's number.

    Parameters
    ----------
    found : mapping of str to sequence of float
        Variants as readers see them, and their numbers.
    stated : mapping of str to float or None
        What the paper states, by the same names.
    what : str
        What the numbers are.
    emphasised : str
        The variant that stands out.

    Returns
    -------
    Figure
    """
    shown = {name: values for name, values in found.items() if values}
    with mpl.rc_context(STYLE):
        figure = empty_figure(6.6, 0.9 + 0.32 * len(shown))
        axes = figure.subplots()
        for row, (name, values) in enumerate(shown.items()):
            colour = _OURS if name == emphasised else _OTHERS
            axes.plot(values, [row] * len(values), linestyle="", marker="o", markersize=3.5, color=colour, alpha=0.45)
            axes.plot(fmean(values), row, marker="o", markersize=8.0, color=colour)
            if (paper := stated.get(name)) is not None:
                axes.plot(paper, row, marker="x", markersize=7.0, markeredgewidth=1.6, color=MUTED)
        axes.set_yticks(range(len(shown)), list(shown))
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_xlabel(what)
        axes.grid(axis="y", visible=False)
        for label in axes.get_yticklabels():
            label.set_fontweight("bold" if label.get_text() == emphasised else "normal")
        if any(stated.get(name) is not None for name in shown):
            mark = Line2D([], [], linestyle="", marker="x", color=MUTED, markeredgewidth=1.6, label="paper")
            figure.legend(handles=[mark], loc="outside upper right")
    return figure
