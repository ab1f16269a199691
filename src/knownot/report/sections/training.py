"""The history of the training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from knownot.report.charts import KNOWN, MUTED, UNKNOWN_COLOUR, svg
from knownot.report.sections.section import Section
from knownot.report.subject import Subject

History = Sequence[dict[str, Any]]


class Training(Section):
    """Loss terms over the epochs."""

    name = "training"
    link = "Training"

    def applies(self, subject: Subject) -> bool:
        return bool(getattr(subject.estimator, "history_", None))

    def collect(self, subject: Subject) -> dict[str, Any]:
        history = subject.estimator.history_
        return {
            "chart": training_chart(history, getattr(history, "best_epoch", None)),
            "idle_terms": idle_terms(history),
            "negative_loss": has_negative_loss(history),
        }


def has_negative_loss(history: History) -> bool:
    """Whether any loss fell below zero, which readers take for a mistake."""
    parts = [record.get(part) or {} for record in history for part in ("train", "validation")]
    return any(value < 0.0 for part in parts for value in part.values())


def idle_terms(history: History) -> list[str]:
    """Loss terms that are zero in every epoch, such as a prior over the one subcluster of a class."""
    return [name for name, values in _terms(history).items() if not np.nan_to_num(np.concatenate(values)).any()]


def training_chart(history: History, best_epoch: int | None) -> Markup:
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

    return svg("training", (2.8 * max(columns, 2), 1.9 * rows + 0.3), draw)


def _terms(history: History) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Training and validation values of each term over the epochs, the total first; NaN where there is none."""
    names: dict[str, None] = {"total": None} if any("total" in record["train"] for record in history) else {}
    for record in history:
        names |= dict.fromkeys(record["train"]) | dict.fromkeys(record.get("validation") or {})

    def values(part: str, name: str) -> NDArray[np.float64]:
        return np.array([(record.get(part) or {}).get(name, np.nan) for record in history], dtype=np.float64)

    return {name: (values("train", name), values("validation", name)) for name in names}


def _draw_term(axes: Axes, history: History, term: str, best_epoch: int | None) -> None:
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
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5))
