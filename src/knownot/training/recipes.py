"""What suits a kind of network, where users leave the settings of its training open."""

from __future__ import annotations

from dataclasses import dataclass

from knownot.training.plan import OptimizerName, Schedule, Weights


@dataclass(frozen=True)
class Recipe:
    """Settings of :class:`~knownot.training.TrainingPlan` that go together.

    Attributes
    ----------
    optimizer, momentum, schedule, weight_decay, keep
        As of :class:`~knownot.training.TrainingPlan`.
    rate_per_sample : float or None
        Largest learning rate divided by the batch size, where it grows with it.
    """

    optimizer: OptimizerName = "adam"
    momentum: float = 0.9
    schedule: Schedule = "cosine"
    weight_decay: float = 0.0
    keep: Weights = "best"
    rate_per_sample: float | None = None

    def learning_rate(self, batch_size: int) -> float:
        """Largest learning rate for batches of a size."""
        return 1e-3 if self.rate_per_sample is None else self.rate_per_sample * batch_size


ADAM = Recipe()
#: Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024; its losses are sums over a batch, ours means.
FAST_SGD = Recipe("sgd", 0.85, "triangle", 1.3e-3, "last", rate_per_sample=1.5e-3)
