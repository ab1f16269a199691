"""A module small enough to be followed by hand, and data for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from knownot.data import Batch, InMemoryBatches
from knownot.modules import Loss


class NoisyLine(nn.Module):
    """Linear regression of y on x with noise on the input, dropout, and a penalty as divergence."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 1)
        self.dropout = nn.Dropout(0.2)
        self.weights_seen: list[float] = []

    def loss(self, batch: Batch, divergence_weight: float = 1.0) -> Loss:
        if self.training:
            self.weights_seen.append(divergence_weight)
        out = self.linear(self.dropout(batch.x + 0.1 * torch.randn_like(batch.x)))[:, 0].float()
        terms = {"fit": (out - batch.y).square(), "size": out.abs()}
        total: Tensor = (terms["fit"] + divergence_weight * terms["size"]).mean()
        return Loss(total, {name: term.detach() for name, term in terms.items()})


@pytest.fixture
def make_line() -> Callable[[], NoisyLine]:
    def make() -> NoisyLine:
        torch.manual_seed(7)
        return NoisyLine()

    return make


@pytest.fixture
def make_batches() -> Callable[..., InMemoryBatches]:
    def make(n: int = 50, seed: int = 0, batch_size: int = 8) -> InMemoryBatches:
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(n, 3, generator=generator)
        return InMemoryBatches(x, (x.sum(1) > 0).long(), batch_size, shuffle=True, seed=seed)

    return make


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Modules this small only wait for each other's threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
