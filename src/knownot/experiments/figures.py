"""Figures of the papers, drawn from results by matplotlib without a display and without its global state."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from knownot.data import PROTOCOLS
from knownot.experiments.declaration import Experiment
from knownot.experiments.results import Run
from knownot.experiments.tables import DEFAULT_RULE, title_of

INK, MUTED, LINE = "#1f2328", "#59636e", "#d1d9e0"
STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": LINE,
    "axes.grid": True,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9.0,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.0,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "savefig.facecolor": "white",
    "svg.hashsalt": "knownot",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.color": LINE,
    "ytick.labelcolor": MUTED,
}
# Okabe and Ito's colours, dark enough to be read as text; no two lines share both colour and mark.
LINES: dict[str, dict[str, Any]] = {
    DEFAULT_RULE: {"color": "#c04800", "marker": "o", "linewidth": 2.8, "markersize": 6.0, "zorder": 5},
    "gmvae+nc-u": {"color": "#00795a", "marker": "s"},
    "gmvae+nc-d": {"color": "#00795a", "marker": "s", "markerfacecolor": "white", "linestyle": (0, (4, 1.5))},
    "crosr+nc-d": {"color": "#0063a3", "marker": "^"},
    "crosr+evt": {"color": "#0063a3", "marker": "^", "markerfacecolor": "white", "linestyle": (0, (4, 1.5))},
    "softmax+max-logit": {"color": "#a85a86", "marker": "D", "markersize": 3.5},
    "pixels+5nn": {"color": "#6b7280", "marker": "v", "linestyle": (0, (1, 1.2)), "markersize": 4.0},
}
PLAIN: dict[str, Any] = {"linewidth": 1.5, "markersize": 4.5, "linestyle": "-"}
CLASSES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a7f00", "#7a5bb5", "#444444", "#a0522d")
# One more subcluster, one look.
COUNTS = (("#0063a3", "o"), ("#c04800", "s"), ("#00795a", "^"), ("#a85a86", "D"), ("#6b7280", "v"), ("#8a7f00", "P"))
# What models are called above maps; others go by their names.
MODELS = {"crosr": "CROSR", "gmvae": "GMVAE", "knownot": "GMVAE, knownot's settings", "softmax": "softmax network"}


def f1_figure(experiment: Experiment, runs: Sequence[Run]) -> Figure:
    """Macro-F1 against the number of unknown classes, mean and standard deviation over the seeds.

    Parameters
    ----------
    experiment : Experiment
    runs : sequence of Run
        Results of its seeds.

    Returns
    -------
    Figure
        Left with the threshold chosen for each Q, right with the mean of these.

    References
    ----------
    Open-set Gaussian-mixture VAE paper, figures 1, 2, 6 and 8.
    """
    methods = [name for name in LINES if any(name in run["methods"] for run in runs)]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 3.9), layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2, sharey=True)
        for axes, key, title in (
            (left, "f1", "threshold chosen for each Q"),
            (right, "f1_mean_threshold", "mean of these thresholds"),
        ):
            ends = [
                _f1_line(axes, name, [run["methods"][name][key] for run in _having(runs, name)]) for name in methods
            ]
            axes.set_title(title)
            axes.set_xlabel("Q, unknown classes in the test set")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        left.set_ylabel("macro-F1")
        _label_ends(
            right,
            [(title_of(experiment, name), *end, LINES[name]["color"]) for name, end in zip(methods, ends, strict=True)],
        )
    return figure


def _having(runs: Sequence[Run], method: str) -> list[Run]:
    return [run for run in runs if method in run["methods"]]


def _f1_line(axes: Axes, method: str, rows: list[list[float]]) -> tuple[float, float]:
    """Draw one method; where its line ends."""
    values = np.array(rows)
    q, mean, style = np.arange(values.shape[1]), values.mean(0), {**PLAIN, **LINES[method]}
    if len(values) > 1:
        sd = values.std(0, ddof=1)
        axes.fill_between(q, mean - sd, mean + sd, color=style["color"], alpha=0.13, linewidth=0)
    axes.plot(q, mean, markeredgewidth=1.2, label=method, **style)
    return float(q[-1]), float(mean[-1])


def _label_ends(axes: Axes, ends: Sequence[tuple[str, float, float, str]]) -> None:
    """Write names beside the ends of lines, moved apart where they would overlap."""
    axes.margins(y=0.06)
    low, high = axes.get_ylim()
    gap = 0.062 * (high - low)
    order = sorted(range(len(ends)), key=lambda i: ends[i][2])
    places = spread([ends[i][2] for i in order], gap, low + gap / 2, high - gap / 2)
    for i, place in zip(order, places, strict=True):
        text, x, y, colour = ends[i]
        axes.annotate(
            text,
            (x, y),
            (1.045, place),
            xycoords="data",
            textcoords=axes.get_yaxis_transform(),
            va="center",
            color=colour,
            fontweight="bold" if LINES[DEFAULT_RULE]["color"] == colour else "normal",
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.7, "shrinkA": 1, "shrinkB": 4},
            annotation_clip=False,
        )
    axes.set_ylim(low, high)


def spread(wished: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places in rising order that are at least ``gap`` apart, within bounds, and near to those wished.

    Parameters
    ----------
    wished : sequence of float
        In rising order.
    gap, low, high : float
        Where there is no room for all, they are evenly spaced from low to high.

    Returns
    -------
    list of float

    Examples
    --------
    >>> spread([0.0, 0.1, 5.0], 1.0, -10.0, 10.0)
    [-0.45, 0.55, 5.0]
    """
    n = len(wished)
    if n and gap * (n - 1) >= high - low:
        return np.linspace(low, high, n).tolist()
    # Least squares: neighbours that touch move together, as in isotonic regression.
    blocks: list[tuple[float, int]] = []
    for i, value in enumerate(wished):
        block = (value - i * gap, 1)
        while blocks and blocks[-1][0] >= block[0]:
            mean, size = blocks.pop()
            block = ((mean * size + block[0] * block[1]) / (size + block[1]), size + block[1])
        blocks.append(block)
    starts = [start for start, size in blocks for _ in range(size)]
    return [float(round(min(max(s, low), high - gap * (n - 1)) + i * gap, 12)) for i, s in enumerate(starts)]


def maps_figure(experiment: Experiment, maps: dict[str, Any]) -> Figure:
    """Two-dimensional maps of the training embeddings, with the centroids of the classes as stars.

    Parameters
    ----------
    experiment : Experiment
        Its protocol names the classes.
    maps : dict
        As :func:`knownot.experiments.maps.class_maps` returns them.

    Returns
    -------
    Figure

    References
    ----------
    Open-set Gaussian-mixture VAE paper, figures 3 and 4.
    """
    names, codes = PROTOCOLS[experiment.protocol].splits[0].class_names, np.array(maps["codes"])
    columns = min(3, len(maps["maps"]))
    rows = -(-len(maps["maps"]) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.2 * columns, 3.2 * rows + 0.6), layout="constrained")
        FigureCanvasAgg(figure)
        figure.get_layout_engine().set(w_pad=0.06, h_pad=0.08)  # type: ignore[union-attr, call-arg]
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, (title, found) in zip(panels, maps["maps"].items(), strict=False):
            _map(axes, np.array(found["points"]), np.array(found["centroids"]), codes)
            model, _, part = title.partition(",")
            axes.set_title(f"{MODELS.get(model, model)}{',' if part else ''}{part}")
        for axes in panels[len(maps["maps"]) :]:
            axes.remove()
        marks = [
            Line2D([], [], linestyle="", marker="o", color=CLASSES[c % len(CLASSES)], markersize=6, label=name)
            for c, name in enumerate(names)
        ]
        star = Line2D([], [], linestyle="", marker="*", color="white", markeredgecolor=INK, markersize=11)
        star.set_label("centroid")
        figure.legend(
            handles=[*marks, star],
            loc="outside lower center",
            ncols=min(7, len(names) + 1),
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


def subclusters_figure(runs: Sequence[Run]) -> Figure:
    """Latent covering against reconstruction over the second half of the epochs, for each number of subclusters.

    Parameters
    ----------
    runs : sequence of Run
        Results of an experiment on subclusters, of all its seeds; the first is drawn strongest.

    Returns
    -------
    Figure
        One panel for each class, with the mean drops of the covering loss over the seeds.

    References
    ----------
    Open-set Gaussian-mixture VAE paper, figures 5 and 7.
    """
    names = list(runs[0]["curves"])
    columns = 2 if len(names) == 4 else min(3, len(names))
    rows = -(-len(names) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.4 * columns, 3.1 * rows + 0.5), layout="constrained")
        FigureCanvasAgg(figure)
        figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)  # type: ignore[union-attr, call-arg]
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, name in zip(panels, names, strict=False):
            for run in reversed(runs):
                _draw_counts(axes, run["curves"].get(name, []), strong=run is runs[0])
            axes.set_title(f"{name}\n")
            axes.text(0, 1.025, _drops(runs, name), transform=axes.transAxes, color=MUTED, fontsize=8.0)
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.yaxis.set_major_locator(MaxNLocator(5))
        for axes in panels[len(names) :]:
            axes.remove()
        figure.supxlabel("reconstruction loss, nats", color=MUTED, fontsize=9.0)
        figure.supylabel("latent covering loss, nats", color=MUTED, fontsize=9.0)
        most = max(curve["n_subclusters"] for run in runs for curves in run["curves"].values() for curve in curves)
        marks = [Line2D([], [], label=f"K = {k}", **_of_count(k)) for k in range(1, most + 1)]
        figure.legend(handles=marks, loc="outside upper left", ncols=len(marks))
    return figure


def _of_count(k: int) -> dict[str, Any]:
    colour, marker = COUNTS[(k - 1) % len(COUNTS)]
    return {"color": colour, "marker": marker, "markersize": 3.5, "linewidth": 1.4}


def _draw_counts(axes: Axes, curves: Sequence[dict[str, Any]], strong: bool) -> None:
    for curve in curves:
        # Early epochs are left out of the comparison, and would squeeze the rest.
        kept = slice(len(curve["covering"]) // 2, None)
        x, y = (np.array(curve[term])[kept] for term in ("reconstruction", "covering"))
        order = np.argsort(x)
        style = _of_count(curve["n_subclusters"]) | ({} if strong else {"marker": "", "linewidth": 0.8, "alpha": 0.35})
        axes.plot(x[order], y[order], markevery=max(1, len(x) // 12), label=f"K = {curve['n_subclusters']}", **style)


def _drops(runs: Sequence[Run], name: str) -> str:
    """What one panel says of the drops, and of the number chosen by each seed."""
    found = [run["methods"][name] for run in _having(runs, name)]
    steps = sorted({step for method in found for step in method if step.startswith("drop ")})
    texts = []
    for step in steps:
        values = [method[step] for method in found if step in method]
        texts.append(f"{step.removeprefix('drop ')}: {np.mean(values):.2f}")
    chosen = ", ".join(str(method["n_subclusters"]) for method in found)
    return f"drops {', '.join(texts)}; chosen {chosen}"


def encoded(figure: Figure, form: str, dpi: int = 110) -> bytes:
    """A figure as a file, the same bytes each time.

    Parameters
    ----------
    figure : Figure
    form : {"svg", "png"}
    dpi : int
        Of a PNG.

    Returns
    -------
    bytes
    """
    buffer = io.BytesIO()
    metadata = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format=form, metadata=metadata, dpi=dpi)
    return buffer.getvalue()
