"""What modules promise: a loss, an embedding, and small protocols for what else they can do."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

from torch import Tensor, nn

from knownot.data import Batch

__all__ = [
    "Batch",
    "DensityModule",
    "EvidenceModule",
    "GenerativeModule",
    "Loss",
    "MixtureModule",
    "Module",
    "ReconstructingModule",
]


@dataclass(frozen=True)
class Loss:
    """A loss in nats: the mean over the batch, and its parts per sample.

    Attributes
    ----------
    total : Tensor, scalar
        What the optimiser minimises.
    terms : dict of str to Tensor, each of shape (n,) or scalar
        The parts by name, unweighted, detached from the graph. A term may be of some samples only (the
        labelled ones, say), or, as a scalar, of the batch as a whole.
    criterion : Tensor, shape (N,) or scalar, optional
        What the best weights are chosen by on validation samples, where that is not ``total``: for
        example the loss with divergences at weight 1, whatever weight they are trained with.
    """

    total: Tensor
    terms: dict[str, Tensor]
    criterion: Tensor | None = None


class Module(nn.Module, ABC):
    """What every estimator with a network holds: a loss and an embedding.

    A module whose loss has divergences takes their weight in a warm-up,
    ``loss(batch, divergence_weight=1.0)``. One with ``after_step()`` is called after every step of the
    optimiser. What else modules can do are the protocols below.

    Attributes
    ----------
    latent_dim : int
        Width of the embedding, d.
    validates_with_gradients : bool
        Whether :meth:`loss` takes gradients itself, so that it needs them in validation too.
    built_with : dict of str to str
        Arguments that it was built with, those left at their defaults too: a training is resumed only by a
        module with the same.
    """

    latent_dim: int
    validates_with_gradients = False
    built_with: dict[str, str]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        module = super().__new__(cls)
        try:
            given = inspect.signature(cls).bind(*args, **kwargs)
        except TypeError:
            return module  # a copy in the making, or a mistake that __init__ names better
        given.apply_defaults()
        module.__dict__["built_with"] = {name: repr(value) for name, value in given.arguments.items()}
        return module

    @abstractmethod
    def loss(self, batch: Batch) -> Loss:
        """Loss of a batch."""

    @abstractmethod
    def embed(self, x: Tensor) -> Tensor:
        """Deterministic latent code, (N, d)."""


@runtime_checkable
class EvidenceModule(Protocol):
    """A module with evidence for rules."""

    @property
    def evidence_names(self) -> tuple[str, ...]:
        """Names that :meth:`evidence` can supply beside the embedding."""

    def evidence(self, x: Tensor, names: Collection[str] | None = None) -> dict[str, Tensor]:
        """Embedding and whatever else of ``names`` the module can say of each sample; all by default."""


@runtime_checkable
class DensityModule(Protocol):
    """A module with a density, or a bound on one."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of each sample in nats, (N,)."""


@runtime_checkable
class MixtureModule(Protocol):
    """A module with components that samples belong to."""

    def responsibilities(self, x: Tensor) -> Tensor:
        """Probability of each component given the sample, (N, K)."""


@runtime_checkable
class GenerativeModule(Protocol):
    """A module that draws samples: ``n`` of them, or, of a classifier's, one of each class index in ``y``."""

    def sample(self, n: int) -> Tensor:
        """Draw from the model, (n, ...)."""


@runtime_checkable
class ReconstructingModule(Protocol):
    """A module that reconstructs samples."""

    def reconstruct(self, x: Tensor) -> Tensor:
        """Reconstruction, shape as x."""
