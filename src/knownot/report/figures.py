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
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import NDArray

from knownot.metrics import oscr_curve, roc_curve
from knownot.report.content import ReportContent

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


def _svg(name: str, size: tuple[float, float], draw: Callable[[Figure], None]) -> str:
    """Draw on a figure of ``size`` inches; the text of an <svg> element that scales with the page."""
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
    return text


def score_histogram(content: ReportContent, bins: int = 60) -> str:
    """Histograms of knownness, of known and unknown samples where labels tell them apart."""
    scores = content.knownness
    finite = scores[np.isfinite(scores)]
    low, high = np.quantile(finite, [0.005, 0.995]) if len(finite) else (0.0, 1.0)
    if np.isfinite(content.threshold):
        low, high = min(low, content.threshold), max(high, content.threshold)
    margin = 0.03 * (high - low) or 0.5
    edges = np.linspace(low - margin, high + margin, bins + 1)
    shown = np.clip(scores, edges[0], edges[-1])
    known = content.known
    if known is None:
        groups = [("all samples", np.ones(len(scores), dtype=bool), KNOWN)]
    else:
        groups = [("known", known, KNOWN), ("unknown", ~known, UNKNOWN_COLOUR)]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for label, group, colour in groups:
            if group.any():
                heights = np.histogram(shown[group], edges)[0] / group.sum()
                axes.stairs(heights, edges, fill=True, color=colour, alpha=0.28, linewidth=0)
                axes.stairs(heights, edges, color=colour, linewidth=1.4, label=f"{label} ({group.sum():,})")
        if np.isfinite(content.threshold):
            axes.axvline(content.threshold, color=INK, linewidth=1.1, linestyle=(0, (4, 3)), label="threshold")
        axes.set(xlabel="knownness (higher: more known)", ylabel="share of samples", xlim=(edges[0], edges[-1]))
        axes.yaxis.set_major_formatter(lambda share, _: f"{100.0 * share:.4g}%")
        figure.legend(loc="outside upper left", ncols=3)

    return _svg("scores", (8.4, 3.0), draw)


def roc_chart(content: ReportContent) -> str:
    """ROC curve with the point of the threshold. Needs known and unknown samples."""
    assert content.known is not None
    curve = roc_curve(content.known, content.knownness, max_points=300)
    point = _operating_point(content, np.ones(len(content.knownness), dtype=bool))
    return _rate_chart("roc", curve.x, curve.y, point, "known accepted", diagonal=True)


def oscr_chart(content: ReportContent) -> str:
    """OSCR curve with the point of the threshold. Needs known and unknown samples."""
    assert content.known is not None and content.y_true is not None  # noqa: PT018
    correct = content.nearest == content.y_true
    curve = oscr_curve(content.known, correct, content.knownness, max_points=300)
    point = _operating_point(content, correct)
    return _rate_chart("oscr", curve.x, curve.y, point, "known accepted and right", diagonal=False)


def _operating_point(content: ReportContent, counted: NDArray[np.bool_]) -> tuple[float, float]:
    """Rates at the threshold."""
    assert content.known is not None
    accepted = content.knownness >= content.threshold
    return float(accepted[~content.known].mean()), float((accepted & counted)[content.known].mean())


def _rate_chart(
    name: str,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    point: tuple[float, float],
    ylabel: str,
    diagonal: bool,
) -> str:
    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        if diagonal:
            axes.plot([0, 1], [0, 1], color=LINE, linewidth=1.0, linestyle=(0, (2, 3)))
        axes.fill_between(x, y, color=KNOWN, alpha=0.10, linewidth=0)
        axes.plot(x, y, color=KNOWN)
        axes.plot(*point, "o", color=INK, markersize=5.5, markeredgecolor=SURFACE, clip_on=False, zorder=5)
        # The curve only rises: below to the right of the point, and above to its left, there is none of it.
        right = point[0] < 0.3 or (point[0] < 0.7 and point[1] > 0.2)
        offset, side = ((7, -9), "left") if right else ((-6, 9), "right")
        axes.annotate("threshold", point, offset, textcoords="offset points", ha=side, va="center")
        axes.set(xlabel="unknown accepted", ylabel=ylabel, xlim=(-0.01, 1.0), ylim=(0.0, 1.01))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(mpl.ticker.PercentFormatter(1.0, decimals=0))

    return _svg(name, (4.0, 3.1), draw)


def training_chart(history: Sequence[dict[str, Any]], best_epoch: int | None) -> str:
    """One small chart for each loss term, training and validation."""
    idle = idle_terms(history)
    terms = [name for name in _terms(history) if name not in idle] or idle
    columns = min(3, len(terms))
    rows = -(-len(terms) // columns)

    def draw(figure: Figure) -> None:
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes, term in zip(grid.flat, terms, strict=False):
            _draw_term(axes, history, term, best_epoch)
        for axes in grid.flat[len(terms) :]:
            axes.remove()
        for axes in grid[-1]:
            axes.set_xlabel("epoch")
        handles, labels = grid.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=3)

    return _svg("training", (2.8 * max(columns, 2), 1.9 * rows + 0.3), draw)


def idle_terms(history: Sequence[dict[str, Any]]) -> list[str]:
    """Loss terms that are zero in every epoch, such as a prior over the one subcluster of a class."""
    return [name for name, values in _terms(history).items() if not np.nan_to_num(np.concatenate(values)).any()]


def _terms(history: Sequence[dict[str, Any]]) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Training and validation values of each term over the epochs, the total first; NaN where there is none."""
    names: dict[str, None] = {"total": None} if any("total" in record["train"] for record in history) else {}
    for record in history:
        names |= dict.fromkeys(record["train"]) | dict.fromkeys(record.get("validation") or {})

    def values(part: str, name: str) -> NDArray[np.float64]:
        return np.array([(record.get(part) or {}).get(name, np.nan) for record in history], dtype=np.float64)

    return {name: (values("train", name), values("validation", name)) for name in names}


def _draw_term(axes: Axes, history: Sequence[dict[str, Any]], term: str, best_epoch: int | None) -> None:
    epochs = np.array([record.get("epoch", i) for i, record in enumerate(history)])
    train, validation = _terms(history)[term]
    axes.plot(epochs, train, color=KNOWN, label="training", marker="o" if len(epochs) == 1 else None)
    measured = np.isfinite(validation)
    if measured.any():
        single = measured.sum() == 1
        marker = "o" if single else None
        axes.plot(epochs[measured], validation[measured], color=UNKNOWN_COLOUR, label="validation", marker=marker)
    if best_epoch is not None:
        axes.axvline(best_epoch, color=MUTED, linewidth=0.9, linestyle=(0, (2, 2)), label="kept weights")
    axes.set_title(term)
    axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(4, integer=True))
    axes.yaxis.set_major_locator(mpl.ticker.MaxNLocator(5))


def confusion_chart(shares: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str]) -> str:
    """Heat map of a confusion matrix that is too large for a table of numbers."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        image = axes.imshow(shares, cmap="cividis", vmin=0.0, vmax=1.0, interpolation="nearest", aspect="auto")
        axes.grid(visible=False)
        axes.set(xlabel="predicted class", ylabel="true class")
        for axis, names in ((axes.xaxis, columns), (axes.yaxis, rows)):
            step = -(-len(names) // 40)
            axis.set_ticks(np.arange(0, len(names), step), list(names[::step]), fontsize=5.5)
        axes.tick_params(axis="x", rotation=90)
        bar = figure.colorbar(image, shrink=0.5)
        bar.ax.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0, decimals=0))
        bar.outline.set_visible(False)  # type: ignore[operator]

    return _svg("confusion", (8.4, 7.2), draw)
