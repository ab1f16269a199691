"""Figures of experiments on generative models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from knownot.experiments.figures import STYLE, empty_figure, look
from knownot.experiments.records import Run

_COLUMNS = 12


def sheet_figure(sheets: Mapping[str, Sequence[Any]]) -> Figure:
    """Grey images of each model, twelve in a row.

    Parameters
    ----------
    sheets : mapping of str to sequence of images
        By what readers call the models; grey values up to 255, dark where there is ink.
    """
    rows = [-(-len(images) // _COLUMNS) for images in sheets.values()]
    with mpl.rc_context(STYLE):
        figure = empty_figure(7.2, sum(0.58 * n + 0.3 for n in rows))
        subfigures = np.atleast_1d(figure.subplots(len(sheets), 1, gridspec_kw={"height_ratios": rows}))
        for axes, (name, images) in zip(subfigures, sheets.items(), strict=True):
            axes.imshow(255 - tiled(np.array(images, np.uint8)), cmap="gray", vmin=0, vmax=255, aspect="equal")
            axes.set_title(name)
            axes.axis("off")
    return figure


def tiled(images: np.ndarray) -> np.ndarray:
    """Images (N, H, W) side by side, twelve in a row, with a gap of two pixels; the last row is filled with 0.

    Examples
    --------
    >>> tiled(np.zeros((13, 4, 4), np.uint8)).shape
    (10, 70)
    """
    n, height, width = images.shape
    rows = -(-n // _COLUMNS)
    grid = np.zeros((rows * (height + 2) - 2, _COLUMNS * (width + 2) - 2), images.dtype)
    for i, image in enumerate(images):
        row, column = divmod(i, _COLUMNS)
        top, left = row * (height + 2), column * (width + 2)
        grid[top : top + height, left : left + width] = image
    return grid


def trade_off_figure(runs: Sequence[Run], titles: Mapping[str, str], along: str) -> Figure:
    """Reconstruction loss against divergence; and the criterion against Fréchet distance and log-likelihood.

    References
    ----------
    Cauchy-Schwarz autoencoder paper, figure 3.
    """
    pairs = (
        ("divergence", "reconstruction", "divergence", "reconstruction loss"),
        ("criterion", "frechet", "criterion on held-out images", "Fréchet distance"),
        ("criterion", "log-likelihood", "criterion on held-out images", "log-likelihood"),
    )
    with mpl.rc_context(STYLE):
        figure = empty_figure(8.4, 2.8)
        for axes, (x, y, x_label, y_label) in zip(figure.subplots(1, 3), pairs, strict=True):
            for i, (name, title) in enumerate(titles.items()):
                found = [run["methods"][name] for run in runs if name in run["methods"]]
                if not found:
                    continue
                point = [float(np.mean([numbers[metric] for numbers in found])) for metric in (x, y)]
                axes.plot(*point, **look(0), markersize=3.0 + 0.5 * i)
                axes.annotate(title, point, (4, 3), textcoords="offset points", fontsize=7.5)
            axes.set_xlabel(x_label)
            axes.set_ylabel(y_label)
        figure.suptitle(f"Along {along}", x=0.01, ha="left", fontsize=9.0)
    return figure
