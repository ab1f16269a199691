"""Any score on one scale: how few known samples score as low."""

from __future__ import annotations

import math

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
        scores = scores.double()
        right = torch.searchsorted(self.knots, scores.contiguous()).clamp(1, _N_KNOTS - 1)
        low, high = self.knots[right - 1], self.knots[right]
        fraction = ((scores - low) / (high - low).clamp_min(1e-12)).clamp(0.0, 1.0)
        share = _TAIL + (1.0 - _TAIL) * (right - 1 + fraction) / (_N_KNOTS - 1)
        tail = -math.log(_TAIL) + (self.knots[0] - scores) / self.scale
        return torch.where(scores < self.knots[0], tail, -torch.log(share))
