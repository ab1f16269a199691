"""Figures of experiments on densities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from knownot.experiments.figures import COLOURS, STYLE, empty_figure, label_ends, look, panels
from knownot.experiments.records import Run

_BINS = 60


def histograms_figure(profiles: Mapping[str, Mapping[str, Any]], dataset: str, outside: Sequence[str]) -> Figure:
    """Bits per dimension of every set by each model.

    Parameters
    ----------
    profiles : mapping of str to mapping
        By what readers call the models: "bits" of each set.
    dataset : str
        The set that was learned.
    outside : sequence of str

    References
    ----------
    "When do variational autoencoders know what they don't know?", figures 2 and 3.
    """
    titles = {"train": f"{dataset}, training", "test": f"{dataset}, test", **{name: name for name in outside}}
    with mpl.rc_context(STYLE):
        figure = empty_figure(7.4, 2.3 * -(-len(profiles) // 2) + 0.4)
        for axes, (model, profile) in zip(panels(figure, len(profiles), 2), profiles.items(), strict=True):
            there = {name: np.array(profile["bits"][name]) for name in titles if name in profile["bits"]}
            low = min(np.quantile(values, 0.002) for values in there.values())
            high = max(np.quantile(values, 0.99) for values in there.values())
            edges = np.linspace(low, high, _BINS + 1)
            for i, (name, values) in enumerate(there.items()):
                colour = COLOURS[i % len(COLOURS)]
                # Values beyond the edges are counted in the last bins.
                counts, _ = np.histogram(np.clip(values, low, high), edges)
                axes.stairs(
                    counts / len(values), edges, color=colour, label=titles[name], fill=name == "test", alpha=0.75
                )
            axes.set_title(model)
            axes.set_yticks([])
            axes.set_xlabel("bits per dimension")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=len(labels))
    return figure


def information_figure(profiles: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Information in each dimension of the code, sorted.

    References
    ----------
    "When do variational autoencoders know what they don't know?", figure 4.
    """
    with mpl.rc_context(STYLE):
        figure = empty_figure(6.6, 3.2)
        axes, ends = figure.subplots(), []
        for i, (name, profile) in enumerate(profiles.items()):
            values, colour = profile["information"], look(i)["color"]
            axes.plot(np.arange(1, len(values) + 1), values, color=colour, linewidth=1.4)
            ends.append((name, float(len(values)), float(values[-1]), colour, False))
        axes.set_xscale("log", base=2)
        axes.set_xlabel("dimension, in the order of its information")
        axes.set_ylabel("nats (upper bound)")
        label_ends(axes, ends)
    return figure


def along_figure(runs: Sequence[Run], titles: Mapping[str, str], outside: Sequence[str], along: str) -> Figure:
    """AUROC against every other set, and the variance of the decoder, model by model.

    Parameters
    ----------
    runs : sequence of dict
    titles : mapping of str to str
        Models in their order.
    outside : sequence of str
    along : str
        What the models differ in.
    """

    def series(metric: str) -> list[float]:
        means = []
        for name in titles:
            values = [run["methods"][name][metric] for run in runs if metric in run["methods"].get(name, {})]
            means.append(float(np.mean(values)) if values else float("nan"))
        return means

    with mpl.rc_context(STYLE):
        figure = empty_figure(7.4, 2.9)
        left, right = figure.subplots(1, 2)
        places, ends = np.arange(len(titles)), []
        for i, name in enumerate(outside):
            values = series(f"auroc {name}")
            if np.isfinite(values).any():
                left.plot(places, values, **look(i))  # type: ignore[arg-type]
                last = int(np.flatnonzero(np.isfinite(values))[-1])
                ends.append((name, float(last), values[last], look(i)["color"], False))
        left.axhline(0.5, color="#59636e", linewidth=0.8, linestyle=(0, (2, 2)))
        left.set_ylabel("AUROC by log-density")
        label_ends(left, ends)
        right.plot(places, series("variance"), color=COLOURS[0], marker="o")
        right.set_yscale("log")
        right.set_ylabel("decoder variance γ")
        for axes in (left, right):
            axes.set_xticks(places, list(titles.values()))
            axes.set_xlabel(along)
    return figure


def gradients_figure(runs: Sequence[Run], titles: Mapping[str, str]) -> Figure:
    """Norm of the gradient by epoch, mean over the seeds.

    Parameters
    ----------
    runs : sequence of dict
    titles : mapping of str to str
        Of the models.

    References
    ----------
    "When do variational autoencoders know what they don't know?", supplement, figure 1.
    """
    with mpl.rc_context(STYLE):
        figure = empty_figure(6.6, 3.2)
        axes, ends = figure.subplots(), []
        for i, (name, title) in enumerate(titles.items()):
            norms = [run["models"][name]["gradient_norms"] for run in runs if name in run["models"]]
            if norms:
                mean, colour = np.mean(norms, 0), look(i)["color"]
                axes.plot(np.arange(1, len(mean) + 1), mean, color=colour, linewidth=1.4)
                ends.append((title, float(len(mean)), float(mean[-1]), colour, False))
        axes.set_yscale("log")
        axes.set_xlabel("epoch")
        axes.set_ylabel("norm of the gradient")
        label_ends(axes, ends)
    return figure
