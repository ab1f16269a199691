"""What changes from step to step: the learning rate and the weight of the divergences.

Both are functions of the step alone, so that a resumed training needs no state for them.
"""

from __future__ import annotations

import math

from knownot.training.plan import TrainingPlan


def learning_rate_at(step: int, total_steps: int, plan: TrainingPlan) -> float:
    """Learning rate of step 0 … total_steps - 1.

    Examples
    --------
    >>> plan = TrainingPlan(learning_rate=1.0)
    >>> [round(learning_rate_at(step, 100, plan), 4) for step in (0, 1, 2, 50, 99)]
    [0.5, 1.0, 0.9997, 0.5079, 0.0003]
    """
    if plan.schedule == "constant":
        return plan.learning_rate
    if plan.schedule == "triangle":
        return plan.learning_rate * _triangle((step + 0.5) / total_steps)
    rise = max(1, round(0.02 * total_steps))
    if step < rise:
        return plan.learning_rate * (step + 1) / rise
    fallen = (step - rise + 1) / (total_steps - rise + 1)
    return plan.learning_rate * 0.5 * (1.0 + math.cos(math.pi * fallen))


def _triangle(done: float) -> float:
    """Share of the largest learning rate where a share of the steps is done.

    Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024.
    """
    peak, first, last = 0.23, 0.2, 0.02
    return first + (1.0 - first) * done / peak if done < peak else last + (1.0 - last) * (1.0 - done) / (1.0 - peak)


def divergence_weight_at(step: int, steps_per_epoch: int, plan: TrainingPlan) -> float:
    """Factor of the divergences at a step: a line from 0 to 1 over the warm-up, then 1.

    Examples
    --------
    >>> plan = TrainingPlan(warmup_epochs=2)
    >>> [divergence_weight_at(step, 10, plan) for step in (0, 5, 20, 30)]
    [0.0, 0.25, 1.0, 1.0]
    """
    warm_up = plan.warmup_epochs * steps_per_epoch
    return 1.0 if step >= warm_up else step / warm_up
