"""Any score on one scale: how few known samples score as low."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

_TAIL = 0.1
_N_KNOTS = 256


class Surprise:
    """Minus the log of the share of known samples that score as low, with a fitted tail.

    Above the 10 % quantile this is the empirical share; below it an exponential tail with the
    mean excess of those samples, so that what lies far outside keeps its order and distance.

    Parameters
    ----------
    knots : Tensor, shape (256,)
        Quantiles of the reference scores from 10 % to 100 %.
    scale : Tensor, scalar
        Mean excess below the first knot, in the unit of the scores.

    Examples
    --------
    >>> import torch
    >>> surprise = Surprise.fit(torch.arange(1000.0))
    >>> surprise(torch.tensor([999.0, 99.9, -500.0])).round(decimals=1)
    tensor([-0.0000,  2.3000, 14.2000], dtype=torch.float64)
    """

    def __init__(self, knots: Tensor, scale: Tensor) -> None:
        self.knots, self.scale = knots, scale

    @classmethod
    def fit(cls, scores: Tensor) -> Surprise:
        """From the scores of held-out known samples, shape (n,)."""
        scores = scores.double()
        levels = torch.linspace(_TAIL, 1.0, _N_KNOTS, dtype=torch.float64, device=scores.device)
        ordered = scores.sort().values
        position = levels * (len(ordered) - 1)
        below, above = position.floor().long(), position.ceil().long()
        knots = torch.lerp(ordered[below], ordered[above], position - below)
        excess = knots[0] - scores[scores < knots[0]]
        spread = (knots[-1] - knots[0]).abs()
        scale = excess.mean() if len(excess) else spread
        return cls(knots, torch.clamp(scale, min=float(1e-3 * spread) + 1e-9))

    def __call__(self, scores: Tensor) -> Tensor:
        """Surprise of scores, shape (n,), float64."""
        scores = scores.double()
        right = torch.searchsorted(self.knots, scores.contiguous()).clamp(1, _N_KNOTS - 1)
        return _interpolated(scores, right, self.knots[right - 1], self.knots[right], self.knots[0], self.scale)


class Surprises:
    """Several :class:`Surprise` at once: a column for each kind of score, and a row for each group of known samples.

    Parameters
    ----------
    rows : sequence of sequences of Surprise, R of P
        All rows equally long.

    Attributes
    ----------
    knots : Tensor, shape (R, P, 256)
    scales : Tensor, shape (R, P)

    Examples
    --------
    >>> import torch
    >>> low, high = Surprise.fit(torch.arange(1000.0)), Surprise.fit(torch.arange(1000.0) + 500.0)
    >>> both = Surprises([[low], [high]])
    >>> both(torch.tensor([[99.9], [599.9]]), torch.tensor([0, 1])).round(decimals=1)
    tensor([[2.3000],
            [2.3000]], dtype=torch.float64)
    """

    def __init__(self, rows: Sequence[Sequence[Surprise]]) -> None:
        # The number of rows may be that of the classes, so all of them lie in one tensor.
        self.knots = torch.stack([torch.stack([one.knots for one in row]) for row in rows])
        self.scales = torch.stack([torch.stack([one.scale for one in row]) for row in rows])

    @classmethod
    def restore(cls, knots: Tensor, scales: Tensor) -> Surprises:
        """From :attr:`knots` (R, P, 256) and :attr:`scales` (R, P)."""
        found = cls.__new__(cls)
        found.knots, found.scales = knots, scales
        return found

    def __call__(self, scores: Tensor, row: Tensor) -> Tensor:
        """Surprise of each score on the scale of its column in the row that is named for its sample.

        Parameters
        ----------
        scores : Tensor, shape (N, P)
        row : Tensor, shape (N,), int64

        Returns
        -------
        Tensor, shape (N, P), float64
            To the bit what each :class:`Surprise` says alone.
        """
        scores, n_columns = scores.double(), self.scales.shape[1]
        knots = self.knots.flatten()
        first = (row[:, None] * n_columns + torch.arange(n_columns, device=row.device)) * _N_KNOTS
        # A search by halving, as torch.searchsorted has no scale that differs from row to row.
        right, step = torch.zeros_like(first), _N_KNOTS // 2
        while step:
            below = knots.take(first + (right + (step - 1))) < scores
            right += step * below
            step //= 2
        right.clamp_min_(1)
        low, high = knots.take(first + right - 1), knots.take(first + right)
        return _interpolated(scores, right, low, high, knots.take(first), self.scales[row])


def _interpolated(scores: Tensor, right: Tensor, low: Tensor, high: Tensor, first: Tensor, scale: Tensor) -> Tensor:
    """Surprise of scores between the knots ``right`` - 1 and ``right``, or in the tail below the first."""
    fraction = ((scores - low) / (high - low).clamp_min(1e-12)).clamp(0.0, 1.0)
    share = _TAIL + (1.0 - _TAIL) * (right - 1 + fraction) / (_N_KNOTS - 1)
    tail = -math.log(_TAIL) + (first - scores) / scale
    return torch.where(scores < first, tail, -torch.log(share))
