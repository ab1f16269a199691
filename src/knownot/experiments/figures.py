"""How figures look, and what their drawing has in common: matplotlib without a display and without its global state."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

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
# Okabe and Ito's colours: of areas and points, and, dark enough to be read as text, of lines.
CLASSES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a7f00", "#7a5bb5", "#444444", "#a0522d")
COLOURS = ("#0063a3", "#c04800", "#00795a", "#a85a86", "#6b7280", "#8a7f00")
MARKERS = "os^DvP"


def look(i: int) -> dict[str, str]:
    """Colour and mark of one line of many; no two of the first 36 share both.

    Examples
    --------
    >>> look(0)
    {'color': '#0063a3', 'marker': 'o'}
    """
    n = len(COLOURS)
    return {"color": COLOURS[i % n], "marker": MARKERS[(i + i // n) % n]}


def empty_figure(width: float, height: float, **pads: float) -> Figure:
    """A figure that fits its content into its size, in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    if pads:
        figure.get_layout_engine().set(**pads)  # type: ignore[union-attr, call-arg]
    return figure


def panels(figure: Figure, n: int, columns: int) -> list[Axes]:
    """So many panels in rows of so many."""
    rows = -(-n // columns)
    axes: list[Axes] = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for unused in axes[n:]:
        unused.remove()
    return axes[:n]


def label_ends(axes: Axes, ends: Sequence[tuple[str, float, float, str, bool]]) -> None:
    """Write names beside the ends of lines, moved apart where they would overlap.

    Parameters
    ----------
    axes : matplotlib Axes
    ends : sequence of (name, x, y, colour, bold)
    """
    axes.margins(y=0.06)
    low, high = axes.get_ylim()
    gap = 0.062 * (high - low)
    order = sorted(range(len(ends)), key=lambda i: ends[i][2])
    places = spread([ends[i][2] for i in order], gap, low + gap / 2, high - gap / 2)
    for i, place in zip(order, places, strict=True):
        text, x, y, colour, bold = ends[i]
        axes.annotate(
            text,
            (x, y),
            (1.045, place),
            xycoords="data",
            textcoords=axes.get_yaxis_transform(),
            va="center",
            color=colour,
            fontweight="bold" if bold else "normal",
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
        Where they do not all fit, they are evenly spaced from low to high.

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
