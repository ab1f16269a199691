"""Charts as SVG text, drawn by matplotlib without a display and without its global state.

Colours are written as CSS variables, so that one chart fits a light and a dark page.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

# Stand-ins that occur nowhere else, and the CSS variables they become.
INK, MUTED, LINE, KNOWN, UNKNOWN_COLOUR, SURFACE = "#010203", "#040506", "#070809", "#0a0b0c", "#0d0e0f", "#101112"
VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    KNOWN: "var(--known)",
    UNKNOWN_COLOUR: "var(--unknown)",
    SURFACE: "var(--surface)",
}

STYLE: dict[str, Any] = {
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 8.5,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.0,
    "figure.facecolor": "none",
    "font.size": 8.5,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.6,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    # Names of users are text, never formulas.
    "text.parse_math": False,
    "text.color": INK,
    "xtick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.color": LINE,
    "ytick.labelcolor": MUTED,
}


def svg(name: str, size: tuple[float, float], draw: Callable[[Figure], None]) -> Markup:
    """An <svg> element that scales with the page.

    Parameters
    ----------
    name : str
        Keeps the identifiers of several charts on one page apart.
    size : (float, float)
        Width and height, inches.
    draw : function
        Draws on the figure that it is given.

    Returns
    -------
    Markup
    """
    settings: Any = STYLE | {"svg.hashsalt": name}
    with mpl.rc_context(settings):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r'\1 aria-hidden="true"', text, count=1)
    # Identifiers of several charts must not meet in one page.
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    for stand_in, variable in VARIABLES.items():
        text = text.replace(stand_in, variable)
    # matplotlib escapes the names that stand in a chart.
    return Markup(text)  # noqa: S704


def heat_map(
    name: str,
    shares: NDArray[np.float64],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    xlabel: str,
    ylabel: str,
) -> Markup:
    """Shares of the rows of a matrix that is too large for a table of numbers."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        image = axes.imshow(shares, cmap="cividis", vmin=0.0, vmax=1.0, interpolation="nearest", aspect="auto")
        axes.grid(visible=False)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        for axis, names in ((axes.xaxis, columns), (axes.yaxis, rows)):
            step = -(-len(names) // 40)
            axis.set_ticks(np.arange(0, len(names), step), list(names[::step]), fontsize=5.5)
        axes.tick_params(axis="x", rotation=90)
        bar = figure.colorbar(image, shrink=0.5)
        bar.ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        bar.outline.set_visible(False)  # type: ignore[operator]

    return svg(name, (8.4, 7.2), draw)
