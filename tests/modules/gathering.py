"""Contrastive losses of one process, and of two that share the same samples.

python gathering.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from knownot.modules.contrastive_losses import (
    gather_with_gradients,
    mixed_loss,
    moco_loss,
    simclr_loss,
    supcon_loss,
    unit_vectors,
)

N = 10
SPLITS = {"even": (5, 5), "uneven": (4, 6)}


class Encoder(nn.Module):
    """Embeds three views of some samples, joins those of all processes, and gives the loss of the whole."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4)).double()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        views = torch.stack([unit_vectors(self.layers(x + shift)) for shift in (0.0, 0.3, -0.5)], 1)
        z1, z2, mixed = gather_with_gradients(views).unbind(1)
        y = gather_with_gradients(y)
        with torch.no_grad():
            queue = unit_vectors(torch.arange(12.0, dtype=torch.float64).sin().reshape(3, 4))
        return (
            supcon_loss(torch.cat([z1, z2]), torch.cat([y, y]), 0.1).mean()
            + 1.2 * simclr_loss(z1, z2, 0.1).mean()
            + 0.3 * mixed_loss(mixed, z2, 0.1).mean()
            + moco_loss(z1, z2, queue, 0.1).mean()
        )


def samples() -> tuple[Tensor, Tensor]:
    x = torch.randn(N, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return x, torch.tensor([0, 0, 1, 2, -1, 1, 0, 3, -1, 1])


def record(encoder: nn.Module, x: Tensor, y: Tensor) -> dict[str, object]:
    loss = encoder(x, y)
    loss.backward()
    gradients = {name.removeprefix("module."): p.grad for name, p in encoder.named_parameters()}
    return {"loss": loss.detach(), "gradients": gradients, "rows": gather_with_gradients(x)}


def work(rank: int, folder: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    x, y = samples()
    for name, sizes in SPLITS.items():
        parts = x.split(sizes)[rank], y.split(sizes)[rank]
        torch.save(record(DistributedDataParallel(Encoder()), *parts), folder / f"{name}-{rank}.pt")
        # In validation there are no gradients.
        with torch.inference_mode():
            assert gather_with_gradients(parts[1]).tolist() == y.tolist()
    dist.destroy_process_group()


if __name__ == "__main__":
    target = Path(sys.argv[1])
    # Forks, which need not load torch again, and so before this process computes anything.
    mp.start_processes(work, (target,), nprocs=2, start_method="fork")
    torch.save(record(Encoder(), *samples()), target / "one.pt")
