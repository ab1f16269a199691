"""Which training embeddings a rule keeps where it cannot keep all."""

from __future__ import annotations

import torch
from torch import Tensor


def sample_references(y: Tensor, n: int, random_state: int = 0) -> Tensor:
    """Indices of about n embeddings, in proportion to the classes, with a minimum for rare ones.

    Parameters
    ----------
    y : Tensor, shape (N,), int64
        Class indices 0 … C - 1, each present.
    n : int
        How many to keep, at least one of each class.
    random_state : int
        Seed of the draw.

    Returns
    -------
    Tensor, shape (about n,), int64
        Class by class.

    Examples
    --------
    >>> y = torch.tensor([0, 1, 0, 0, 0, 1, 0, 0, 0])
    >>> y[sample_references(y, 4)]
    tensor([0, 0, 0, 1])
    """
    generator = torch.Generator().manual_seed(random_state)
    shuffled = torch.randperm(len(y), generator=generator).to(y.device)
    counts = torch.bincount(y)
    floor = max(1, n // (10 * len(counts)))
    of_class = shuffled[y[shuffled].argsort(stable=True)].split(counts.tolist())
    return torch.cat([rows[: max(round(n * len(rows) / len(y)), min(floor, len(rows)))] for rows in of_class])
