"""What every module speaks: a batch in, a loss with named terms out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """Samples and their class indices, on one device.

    Attributes
    ----------
    x : Tensor, shape (N, ...)
        Images as float in [0, 1], channels first; tables as float.
    y : Tensor, shape (N,), int64
        Class indices 0 … C - 1.
    """

    x: Tensor
    y: Tensor


@dataclass(frozen=True)
class Loss:
    """A loss in nats: the mean over the batch, and its parts per sample.

    Attributes
    ----------
    total : Tensor, scalar
        What the optimiser minimises.
    terms : dict of str to Tensor, each of shape (N,)
        The parts by name, unweighted, detached from the graph.
    """

    total: Tensor
    terms: dict[str, Tensor]
