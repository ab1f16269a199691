"""Train as in a notebook, where the processes are forks and the module lives in the parent.

python forked_training.py
"""

from __future__ import annotations

import lightning.fabric.connector
import torch

from knownot.data import InMemoryBatches
from knownot.modules import OpenGMVAE
from knownot.training import TrainingPlan, train

lightning.fabric.connector._IS_INTERACTIVE = True


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    batches = InMemoryBatches(torch.rand(64, 4), torch.arange(64) % 2, 8)
    module = OpenGMVAE((4,), n_classes=2, latent_dim=2, likelihood="gaussian", hidden=(8,))
    before = [p.detach().clone() for p in module.parameters()]
    history = train(module, batches, plan=TrainingPlan(2, devices=2, accelerator="cpu", seed=0))
    assert (len(history), history.stopped) == (2, "finished")
    assert not module.training
    changed = [not torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True)]
    assert sum(changed) >= len(changed) - 1, "the weights did not come back"


if __name__ == "__main__":
    main()
