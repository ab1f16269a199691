"""Figures of open-set experiments: macro-F1 by method, maps of embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from knownot.experiments.figures import CLASSES, INK, STYLE, empty_figure, label_ends, look, panels
from knownot.experiments.presets import Settings
from knownot.experiments.records import Run

_PLAIN: dict[str, Any] = {"linewidth": 1.5, "markersize": 4.5, "linestyle": "-"}
_EMPHASISED: dict[str, Any] = {"linewidth": 2.8, "markersize": 6.0, "zorder": 5}


def f1_figure(runs: Sequence[Run], titles: Mapping[str, str], lines: Mapping[str, Settings], emphasised: str) -> Figure:
    """Macro-F1 against the number of unknown classes, mean and standard deviation over the seeds.

    Parameters
    ----------
    runs : sequence of dict
        Results of the seeds.
    titles : mapping of str to str
        Names of methods, as readers see them.
    lines : mapping of str to mapping
        Methods to draw, and how their lines look; empty: all of them, in looks of their own.
    emphasised : str
        The method that stands out.

    Returns
    -------
    Figure
        Left with the threshold chosen for each Q, right with the mean of these.

    References
    ----------
    Open-set Gaussian-mixture VAE paper, figures 1, 2, 6 and 8.
    """
    wanted = lines or {name: look(i) for i, name in enumerate(titles)}
    styles = {
        name: {**_PLAIN, **style, **(_EMPHASISED if name == emphasised else {})}
        for name, style in wanted.items()
        if any(name in run["methods"] for run in runs)
    }
    with mpl.rc_context(STYLE):
        figure = empty_figure(9.6, 3.9)
        left, right = figure.subplots(1, 2, sharey=True)
        for axes, key, title in (
            (left, "f1", "threshold chosen for each Q"),
            (right, "f1_mean_threshold", "mean of these thresholds"),
        ):
            ends = [
                _f1_line(axes, name, style, [run["methods"][name][key] for run in runs if name in run["methods"]])
                for name, style in styles.items()
            ]
            axes.set_title(title)
            axes.set_xlabel("Q, unknown classes in the test set")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        left.set_ylabel("macro-F1")
        label_ends(
            right,
            [
                (titles.get(name, name), *end, style["color"], name == emphasised)
                for (name, style), end in zip(styles.items(), ends, strict=True)
            ],
        )
    return figure


def _f1_line(axes: Axes, method: str, style: dict[str, Any], rows: list[list[float]]) -> tuple[float, float]:
    """Draw one method; where its line ends."""
    values = np.array(rows)
    q, mean = np.arange(values.shape[1]), values.mean(0)
    if len(values) > 1:
        sd = values.std(0, ddof=1)
        axes.fill_between(q, mean - sd, mean + sd, color=style["color"], alpha=0.13, linewidth=0)
    axes.plot(q, mean, markeredgewidth=1.2, label=method, **style)
    return float(q[-1]), float(mean[-1])


def maps_figure(maps: dict[str, Any], classes: Sequence[str], models: Mapping[str, str]) -> Figure:
    """Two-dimensional maps of the training embeddings, with the centroids of the classes as stars.

    Parameters
    ----------
    maps : dict
        As :func:`~knownot.experiments.kinds.open_set.maps.class_maps` returns them.
    classes : sequence of str
        Names of the known classes.
    models : mapping of str to str
        Names of models, as readers see them.

    Returns
    -------
    Figure

    References
    ----------
    Open-set Gaussian-mixture VAE paper, figures 3 and 4.
    """
    codes, columns = np.array(maps["codes"]), min(3, len(maps["maps"]))
    rows = -(-len(maps["maps"]) // columns)
    with mpl.rc_context(STYLE):
        figure = empty_figure(3.2 * columns, 3.2 * rows + 0.6, w_pad=0.06, h_pad=0.08)
        shown = panels(figure, len(maps["maps"]), columns)
        for axes, (title, found) in zip(shown, maps["maps"].items(), strict=True):
            _map(axes, np.array(found["points"]), np.array(found["centroids"]), codes)
            model, _, part = title.partition(",")
            axes.set_title(f"{models.get(model, model)}{',' if part else ''}{part}")
        marks = [
            Line2D([], [], linestyle="", marker="o", color=CLASSES[c % len(CLASSES)], markersize=6, label=name)
            for c, name in enumerate(classes)
        ]
        star = Line2D([], [], linestyle="", marker="*", color="white", markeredgecolor=INK, markersize=11)
        star.set_label("centroid")
        figure.legend(
            handles=[*marks, star],
            loc="outside lower center",
            ncols=min(7, len(classes) + 1),
            handletextpad=0.2,
            columnspacing=1.4,
        )
    return figure


def _map(axes: Axes, points: NDArray[Any], centroids: NDArray[Any], codes: NDArray[Any]) -> None:
    colours = [CLASSES[code % len(CLASSES)] for code in codes]
    axes.scatter(points[:, 0], points[:, 1], s=6.0, c=colours, alpha=0.55, linewidths=0)
    axes.scatter(
        centroids[:, 0],
        centroids[:, 1],
        s=190.0,
        marker="*",
        c=[CLASSES[c % len(CLASSES)] for c in range(len(centroids))],
        edgecolors=INK,
        linewidths=1.0,
        zorder=3,
    )
    axes.set(xticks=[], yticks=[], box_aspect=1.0)
    axes.spines[["top", "right"]].set_visible(True)
    axes.margins(0.04)
