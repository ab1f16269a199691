"""Which penalties on codes prefer few dimensions: the counterexample of a theorem."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import TYPE_CHECKING, Any

from knownot.experiments.context import Context, Measured
from knownot.experiments.declaration import Column, Drawing, Experiment
from knownot.experiments.records import Record, Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

#: Concave and not falling, with h(0) = 0: what tables call them, and whether their slope at 0 is bounded.
PENALTIES: Mapping[str, tuple[str, bool, Callable[[float], float]]] = {
    "linear": ("u", True, lambda u: u),
    "log 1e-2": ("log(1 + u / 0.01)", True, lambda u: log(1 + u / 1e-2)),
    "root": ("√u", False, sqrt),
    "log 1e-12": ("log(1 + u / 10⁻¹²)", True, lambda u: log(1 + u / 1e-12)),
    "count": ("1 where u > 0", False, lambda u: float(u > 0)),
}
# t(z) lies within [C, 1].
_LEAST = 0.5


@dataclass(frozen=True, kw_only=True)
class PenaltyExperiment(Experiment):
    """Cost of the best autoencoders of points on a small curve, by one dimension of the code or by two.

    The decoder is theta pi(z1) + (1 - theta) z. With theta = 1 the curve pi takes one dimension; with theta = 0 the
    code is the point itself, two dimensions but tiny ones. Either reconstructs exactly, and the cost is the mean of
    h(mean of z_k^2) over both dimensions. Its methods are penalties h.

    Attributes
    ----------
    sizes : tuple of float
        Largest coordinate of the curve, epsilon.
    """

    sizes: tuple[float, ...] = (0.3, 0.1, 0.01, 0.001)

    def measure(self, context: Context) -> Measured:
        """Cost of two dimensions over the cost of one."""
        found = {
            name: {_metric(size): costs_ratio(h, size, context.seed) for size in self.sizes}
            for name, (_, _, h) in PENALTIES.items()
        }
        return Measured({"methods": found})

    @property
    def titles(self) -> Mapping[str, str]:
        """What tables call each penalty."""
        return {
            name: f"{title}, slope at 0 {'bounded' if bounded else 'unbounded'}"
            for name, (title, bounded, _) in PENALTIES.items()
        }

    def columns(self, records: Sequence[Record]) -> Sequence[Column]:
        """Columns of the main table."""
        return tuple(Column(_metric(size), f"ε = {size:g}", 4) for size in self.sizes)

    def legend(self, records: Sequence[Record]) -> str:
        """What the columns of the main table mean."""
        return (
            "Least cost with two dimensions over the least cost with one; below 1 the minimum is not the sparse code. "
            "ε: size of the curve. A variational autoencoder with a learned decoder variance γ has log(1 + u/γ), "
            "and γ near 0."
        )

    def figures(self, runs: Sequence[Run], attachments: Mapping[str, Any]) -> Iterator[Drawing]:
        """The ratio against the size of the curve."""
        yield Drawing(
            "costs.svg", "Cost of two dimensions over that of one", costs_figure(runs, self.titles, self.sizes)
        )


def _metric(size: float) -> str:
    return f"ratio {size:g}"


def small_curve(t: NDArray[Any], size: float) -> NDArray[Any]:
    """pi(t): points of a spiral whose coordinates lie within (0, size], (N, 2)."""
    import numpy as np

    angle = 4 * np.pi * t
    return size * (0.5 + 0.45 * t[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1))


def costs_ratio(h: Callable[[float], float], size: float, seed: int) -> float:
    """Least cost with theta = 0 over the least with theta = 1, of 1,000 points.

    Parameters
    ----------
    h : callable
    size : float
    seed : int

    References
    ----------
    "When do variational autoencoders know what they don't know?", theorem 1; supplement, equations (1) to (6).
    """
    import numpy as np

    t = np.random.default_rng([seed, 9]).uniform(_LEAST, 1.0, 1_000)
    x = small_curve(t, size)
    # The code is t itself, or the point: no other code reconstructs exactly.
    one = 0.5 * (h(0.0) + h(float(np.square(t).mean())))
    two = 0.5 * sum(h(float(np.square(x[:, k]).mean())) for k in range(2))
    return two / one


def costs_figure(runs: Sequence[Run], titles: Mapping[str, str], sizes: Sequence[float]) -> Figure:
    """Ratio of the costs against the size of the curve."""
    import matplotlib as mpl
    import numpy as np

    from knownot.experiments.figures import STYLE, empty_figure, label_ends, look

    with mpl.rc_context(STYLE):
        figure = empty_figure(7.4, 3.4)
        axes, ends = figure.subplots(), []
        for i, (name, title) in enumerate(titles.items()):
            y = [float(np.mean([run["methods"][name][_metric(size)] for run in runs])) for size in sizes]
            style: dict[str, Any] = {**look(i)}
            axes.plot(sizes, y, **style)
            ends.append((title, float(sizes[-1]), y[-1], style["color"], False))
        axes.axhline(1.0, color="#59636e", linewidth=0.8, linestyle=(0, (2, 2)))
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.invert_xaxis()
        axes.set_xlabel("size of the curve, ε")
        axes.set_ylabel("two dimensions over one")
        label_ends(axes, ends)
    return figure
