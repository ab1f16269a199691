"""What every module speaks: a batch in, a loss with named terms out."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from knownot.data import Batch

__all__ = ["Batch", "Loss"]


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
