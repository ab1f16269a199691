"""Fully connected networks for tables, embeddings and latent codes."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


def mlp(in_features: int, hidden: Sequence[int], out_features: int) -> nn.Sequential:
    """Linear layers with ReLU between them; the last layer is linear.

    Parameters
    ----------
    in_features, out_features : int
    hidden : sequence of int
        Widths of the hidden layers; empty for one linear map.

    Returns
    -------
    nn.Sequential
        Maps (..., in_features) to (..., out_features).

    Examples
    --------
    >>> mlp(4, [8], 2)
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): ReLU()
      (2): Linear(in_features=8, out_features=2, bias=True)
    )
    """
    layers: list[nn.Module] = []
    width = in_features
    for size in hidden:
        layers += [nn.Linear(width, size), nn.ReLU()]
        width = size
    layers.append(nn.Linear(width, out_features))
    return nn.Sequential(*layers)


class RowNet(nn.Module):
    """Features of rows: linear layers, each with ReLU.

    Parameters
    ----------
    in_features : int
    widths : sequence of int
        Widths of the layers, at least one.

    Attributes
    ----------
    n_features : int
        Width of the features, that of the last layer.

    Examples
    --------
    >>> import torch
    >>> RowNet(4, (16, 8))(torch.zeros(2, 4)).shape
    torch.Size([2, 8])
    """

    def __init__(self, in_features: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.layers = mlp(in_features, widths[:-1], widths[-1])
        self.n_features = widths[-1]

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.layers(x))
