"""What every module speaks: a batch in, a loss with named terms out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass

from torch import Tensor, nn

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


class OpenSetModule(nn.Module, ABC):
    """What an open-set classifier holds: a loss, an embedding, and evidence for rules.

    A module that reconstructs has ``reconstruct(x)``, shape as x; one that generates has
    ``sample(y)``, one sample of each class index in y.

    Attributes
    ----------
    latent_dim : int
        Width of the embedding, d.
    """

    latent_dim: int

    @abstractmethod
    def loss(self, batch: Batch, divergence_weight: float = 1.0) -> Loss:
        """Loss of a batch; ``divergence_weight`` is the factor of a warm-up."""

    @abstractmethod
    def embed(self, x: Tensor) -> Tensor:
        """Deterministic latent code, (N, d)."""

    @abstractmethod
    def evidence(self, x: Tensor, names: Collection[str] | None = None) -> dict[str, Tensor]:
        """Embedding and whatever else of ``names`` the module can say of each sample; all by default."""

    @property
    @abstractmethod
    def evidence_names(self) -> tuple[str, ...]:
        """Names that :meth:`evidence` can supply beside the embedding."""
