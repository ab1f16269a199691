"""Train on two processes of the CPU; each writes what it saw and got.

python distributed_training.py FOLDER

The folder has a folder "memory" and a folder "loader", one for each kind of batches.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from knownot.data import Batch, InMemoryBatches
from knownot.modules import Loss
from knownot.training import TrainingPlan, train


class Recording(nn.Module):
    """A line; y is the number of the sample, so that it can be told which were seen."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(3, 1)
        self.dropout = nn.Dropout(0.5)
        self.seen: list[int] = []

    def loss(self, batch: Batch, divergence_weight: float = 1.0) -> Loss:
        if self.training:
            self.seen += batch.y.tolist()
        fit = (self.linear(self.dropout(batch.x))[:, 0] - batch.x.sum(1)).square()
        known = batch.y.float()  # a term that does not depend on the noise
        return Loss(fit.mean(), {"fit": fit.detach(), "number": known})


def main(folder: Path, kind: str) -> None:
    x, y = torch.randn(40, 3, generator=torch.Generator().manual_seed(1)), torch.arange(40)

    def batches() -> InMemoryBatches | DataLoader:
        if kind == "memory":
            return InMemoryBatches(x, y, 7, shuffle=True)
        return DataLoader(TensorDataset(x, y), batch_size=7, shuffle=True)

    settings = TrainingPlan(3, learning_rate=0.05, seed=0, accelerator="cpu", devices=2)
    module = Recording()
    history = train(module, batches(), InMemoryBatches(x, y, 10), settings)

    class StopError(Exception):
        pass

    interrupted = Recording()
    loss, calls = interrupted.loss, []

    def failing(batch: Batch, divergence_weight: float = 1.0) -> Loss:
        calls.append(1)
        if len(calls) == 8:  # on both processes, in the second epoch
            raise StopError
        return loss(batch, divergence_weight)

    interrupted.loss = failing  # type: ignore[method-assign]
    with suppress(StopError):
        train(interrupted, batches(), InMemoryBatches(x, y, 10), settings, checkpoint_dir=folder / "resumed")
    resumed = Recording()
    train(resumed, batches(), InMemoryBatches(x, y, 10), settings, checkpoint_dir=folder / "resumed", resume=True)
    per_epoch = len(module.seen) // 3
    assert len(resumed.seen) == 2 * per_epoch
    torch.save(
        {
            "world_size": int(os.environ["WORLD_SIZE"]),
            "weights": module.state_dict(),
            "resumed": resumed.state_dict(),
            "seen": module.seen[:per_epoch],
            "losses": [record["train"]["number"] for record in history] + history.losses("validation"),
            "expected": 19.5,
        },
        folder / f"{os.environ['LOCAL_RANK']}.pt",
    )


if __name__ == "__main__":
    for kind in ("memory", "loader"):
        main(Path(sys.argv[1]) / kind, kind)
