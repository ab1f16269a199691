"""Views of rows of numbers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from knownot.views.checks import check_bounds, check_rows, check_share


@dataclass(frozen=True)
class TabularViews:
    """Rows with some values taken from other rows, and a little noise.

    A value that is replaced comes from the same column of another row of the batch, each from its own row, so that
    it is one the column really has (SCARF). In a batch of one row nothing can be replaced, and noise is all.

    Parameters
    ----------
    mask : float, default=0.3
        Probability that a value is replaced.
    noise : float, default=0.1
        Standard deviation of the Gaussian noise that is added to every value. Columns are taken to be standardised.

    Raises
    ------
    ValueError
        If the probability is not in [0, 1] or the noise negative; when called, if x is no float32 batch (N, F).

    References
    ----------
    Bahri et al., SCARF: Self-Supervised Contrastive Learning using Random Feature Corruption, 2022.

    Examples
    --------
    >>> TabularViews(mask=1, noise=0)(torch.tensor([[0.0, 10.0], [1.0, 11.0]]))
    tensor([[ 1., 11.],
            [ 0., 10.]])
    """

    mask: float = 0.3
    noise: float = 0.1

    def __post_init__(self) -> None:
        check_share(self.mask, "mask")
        check_bounds(self.noise, "noise", 0)

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """One view of each row of a batch (N, F)."""
        check_rows(x)
        found = x
        if len(x) > 1 and self.mask:
            own = torch.arange(len(x), device=x.device)[:, None]
            other = (own + torch.randint(1, len(x), x.shape, device=x.device)) % len(x)
            replaced = torch.rand(x.shape, device=x.device) < self.mask
            found = torch.where(replaced, x.gather(0, other), x)
        return found + self.noise * torch.randn_like(x)
