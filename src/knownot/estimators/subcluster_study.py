"""What trainings with one, two, three, ... subclusters say of a class: drops, gains, the choice, a plot.

Section 4 of the open-set GMVAE paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knownot.estimators.valleys import count_by_valleys

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class SubclusterCurve:
    """Losses of one training on held-out samples, epoch by epoch, in nats per sample.

    Attributes
    ----------
    n_subclusters : int
    reconstruction, covering, w_prior, v_prior : ndarray, shape (epochs,)
        The four terms of the full objective, section 3.1.
    """

    n_subclusters: int
    reconstruction: NDArray[np.float64]
    covering: NDArray[np.float64]
    w_prior: NDArray[np.float64]
    v_prior: NDArray[np.float64]

    @property
    def divergence(self) -> NDArray[np.float64]:
        """What the full objective holds beside the reconstruction, (epochs,)."""
        return self.covering + self.w_prior + self.v_prior

    @property
    def bound(self) -> NDArray[np.float64]:
        """The full objective, negated: an upper bound on -log p(x), (epochs,)."""
        return self.reconstruction + self.divergence


@dataclass(frozen=True)
class SubclusterStudy:
    """Curves of one class for K = 1, 2, 3, ... subclusters, and what they say.

    Attributes
    ----------
    curves : sequence of sequences of SubclusterCurve
        For each K, one curve or (``n_init``) several.
    cut : float
        Share of the epochs, from the first, that is left out of the comparisons.
    valleys : sequence of float
        For K = 2, 3, ... groups in the embedding that all trainings start from: :func:`valley` of the
        two that are closest.

    Examples
    --------
    >>> falls = np.array([9.0, 6.0, 5.0, 4.0])
    >>> one, two, three = (
    ...     [SubclusterCurve(k, falls, 10.0 - falls - c, 0 * falls, v + 0 * falls)]
    ...     for k, c, v in ((1, 0.0, 0.0), (2, 0.9, 0.65), (3, 1.1, 1.0))
    ... )
    >>> study = SubclusterStudy([one, two, three])
    >>> [round(drop, 2) for drop in study.drops], [round(gain, 2) for gain in study.gains]
    ([0.9, 0.2], [0.25, -0.15])
    >>> study.n_subclusters
    2
    """

    curves: Sequence[Sequence[SubclusterCurve]]
    cut: float = 0.5
    valleys: Sequence[float] = ()

    @cached_property
    def drops(self) -> list[float]:
        """The paper's mean drops of the covering loss, from K to K + 1, at equal reconstruction."""
        return [
            float(np.mean([_drop_between(a, b, "covering", self.cut) for a, b in zip(less, more, strict=True)]))
            for less, more in zip(self.curves, self.curves[1:], strict=False)
        ]

    @cached_property
    def gains(self) -> list[float]:
        """:meth:`gain` from K to K + 1 subclusters, for K = 1, 2, ..."""
        return [self.gain(k, k + 1) for k in range(1, len(self.curves))]

    def gain(self, few: int, many: int) -> float:
        """Drop of the full objective from ``few`` to ``many`` subclusters, in nats.

        The mean of two: that at equal reconstruction and that of the losses reached. At equal
        reconstruction the better training is compared by its early epochs; the losses reached depend
        on chance.
        """
        pairs = list(zip(self.curves[few - 1], self.curves[many - 1], strict=True))
        equal = np.mean([_drop_between(a, b, "divergence", self.cut) for a, b in pairs])
        reached = np.mean([_final_bound(a) - _final_bound(b) for a, b in pairs])
        return float(0.5 * (equal + reached))

    @property
    def n_subclusters(self) -> int:
        """The number chosen: the largest that leaves a valley between any two of its groups.

        Losses of trainings with different K differ by more than a subcluster gains (one nat in a
        hundred on images), whereas it is clear whether the embedding splits into K groups. Without
        :attr:`valleys` the drops decide, as in the paper.
        """
        return count_by_valleys(self.valleys) if self.valleys else self.n_by_drops

    @property
    def n_by_drops(self) -> int:
        """What the drops of the covering alone would say, as the paper reads them: see :func:`choose_count`."""
        return choose_count(self.drops)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw covering against reconstruction, one colour for each K, as in figures 5 and 7 of the paper.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Drawn into; a new figure by default. Needs matplotlib, of the extra ``report``.

        Returns
        -------
        matplotlib.axes.Axes
        """
        import matplotlib.pyplot as plt
        from matplotlib import colormaps

        if ax is None:
            _, ax = plt.subplots(figsize=(6.4, 4.8), layout="constrained")
        colours = colormaps["viridis"](np.linspace(0.0, 0.85, len(self.curves)))
        for index, (group, colour) in enumerate(zip(self.curves, colours, strict=True)):
            k = group[0].n_subclusters
            label = f"K = {k}" if index == 0 else f"K = {k}, drop {self.drops[index - 1]:.2f}"
            if k == self.n_subclusters:
                label += " (chosen)"
            for number, curve in enumerate(group):
                kept = slice(int(len(curve.covering) * self.cut), None)
                order = np.argsort(curve.reconstruction[kept])
                x, y = curve.reconstruction[kept][order], curve.covering[kept][order]
                ax.plot(x, y, ".-", color=colour, label=label if number == 0 else None)
        ax.set_xlabel("reconstruction loss (nats)")
        ax.set_ylabel("latent covering loss (nats)")
        ax.set_title("Covering at equal reconstruction: lower is better")
        ax.legend()
        return ax


def drop_at_equal_reconstruction(
    reconstruction: tuple[ArrayLike, ArrayLike], loss: tuple[ArrayLike, ArrayLike]
) -> float:
    """Mean of loss[0] - loss[1] over the reconstruction losses that both curves passed.

    Each curve is read at the points of both that lie in the shared range, by linear interpolation:
    reconstruction losses at which the trainings stayed longer weigh more. Curves that share no
    range are compared where they come nearest, a nat of reconstruction against a nat of loss, which
    is their exchange rate at the optimum.

    Parameters
    ----------
    reconstruction : pair of array-like, shapes (epochs,) and (epochs,)
    loss : pair of array-like, the same shapes
        Any loss at these epochs, the covering of the paper for one.

    Returns
    -------
    float
        In nats; positive where the second curve lies lower.

    Examples
    --------
    >>> drop_at_equal_reconstruction(([3.0, 2.0, 1.0], [3.0, 1.0]), ([1.0, 2.0, 3.0], [0.5, 2.5]))
    0.5
    """
    (ra, va), (rb, vb) = (_sorted_curve(r, v) for r, v in zip(reconstruction, loss, strict=True))
    low, high = max(ra[0], rb[0]), min(ra[-1], rb[-1])
    if low > high:
        # One curve lies wholly at higher reconstruction: its last point against the other's first.
        i, j = (0, -1) if ra[0] > rb[-1] else (-1, 0)
        return float(va[i] + ra[i] - vb[j] - rb[j])
    points = np.concatenate([ra, rb])
    points = points[(points >= low) & (points <= high)]
    return float(np.mean(np.interp(points, ra, va) - np.interp(points, rb, vb)))


def choose_count(drops: Sequence[float], allowances: Sequence[float] | None = None) -> int:
    """Number of subclusters from the drops of a loss, K = 1 to 2, 2 to 3, and so on.

    A drop counts for what it has above its allowance, and the number with the largest sum of these is
    chosen, so that a step that helps only together with the next is not missed.

    Parameters
    ----------
    drops : sequence of float
        Drops at equal reconstruction, in nats.
    allowances : sequence of float, optional
        What each drop may be without one more cluster behind it. Default: log 2, the uniform bound of
        Proposition 2, for drops of the covering loss of which nothing more is known. (Without the
        v-prior, tearing true clusters apart lowers the loss by up to log((K + 1) / K).)

    Returns
    -------
    int

    Examples
    --------
    The paper's "even", "odd", "animals" and "vehicles":

    >>> [choose_count(drops) for drops in ([0.86, 0.22], [1.23, -0.09], [1.31, -1.47], [0.82, 0.5])]
    [2, 2, 2, 2]
    """
    allowed = [math.log(2.0)] * len(drops) if allowances is None else list(allowances)
    if len(allowed) != len(drops):
        raise ValueError(f"{len(allowed)} allowances do not fit {len(drops)} drops: give one for each.")
    return 1 + int(np.argmax(np.cumsum([0.0, *np.subtract(drops, allowed)])))


def _drop_between(less: SubclusterCurve, more: SubclusterCurve, name: str, cut: float) -> float:
    kept = [slice(int(len(curve.covering) * cut), None) for curve in (less, more)]
    return drop_at_equal_reconstruction(
        (less.reconstruction[kept[0]], more.reconstruction[kept[1]]),
        (getattr(less, name)[kept[0]], getattr(more, name)[kept[1]]),
    )


def _final_bound(curve: SubclusterCurve) -> float:
    """The bound at the end of a training: the mean over its last tenth of epochs."""
    return float(curve.bound[-max(len(curve.bound) // 10, 1) :].mean())


def _sorted_curve(reconstruction: ArrayLike, loss: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r, v = np.asarray(reconstruction, dtype=np.float64), np.asarray(loss, dtype=np.float64)
    if r.ndim != 1 or r.shape != v.shape or not len(r):
        raise ValueError(f"a curve has {r.shape} reconstruction losses and {v.shape} losses: give as many of each.")
    order = np.argsort(r, kind="stable")
    return r[order], v[order]
