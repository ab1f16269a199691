"""Train in child processes that are killed, resume each time, and compare with one that was not.

    python killed_training.py FOLDER

Once in each precision, in a folder of that name.

Children are forked before torch has started a thread, so that torch and lightning load only once.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.fabric  # noqa: F401 - loaded here once for all children
import torch

from knownot.data import InMemoryBatches
from knownot.modules import OpenGMVAE
from knownot.training import TrainingPlan, train
from knownot.training.plan import Precision

EPOCHS = 6


def run(folder: Path, precision: Precision, outcome: Path) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    images = torch.randint(256, (300, 1, 12, 12), dtype=torch.uint8)
    module = OpenGMVAE((1, 12, 12), 3, 2, latent_dim=3, hidden=(16,), blocks=((1, 6), (1, 8)))
    labels = torch.arange(300) % 3
    batches = InMemoryBatches(images[:250], labels[:250], 16, shuffle=True)
    settings = TrainingPlan(EPOCHS, warmup_epochs=2, seed=0, accelerator="cpu", precision=precision)
    train(
        module, batches, InMemoryBatches(images[250:], labels[250:], 50), settings, checkpoint_dir=folder, resume=True
    )
    torch.save(module.state_dict(), outcome)


def kill_oneself(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_around(step: int) -> None:
    """Die at an arbitrary moment some milliseconds after a step has begun."""
    loss, calls = OpenGMVAE.loss, []

    def wait() -> None:
        time.sleep(random.uniform(0.0, 0.02))
        kill_oneself()

    def counting(*arguments: object, **more: object) -> object:
        calls.append(1)
        if len(calls) == step:
            threading.Thread(target=wait, daemon=True).start()
        return loss(*arguments, **more)  # type: ignore[arg-type]

    OpenGMVAE.loss = counting  # type: ignore[method-assign, assignment]


def kill_before_the_checkpoint_is_in_place() -> None:
    Path.replace = kill_oneself  # type: ignore[method-assign, assignment]


def kill_while_the_checkpoint_is_written() -> None:
    save = torch.save

    def half(content: object, file: Any) -> None:
        save(content, file)
        file.truncate(2000)
        file.flush()
        kill_oneself()

    torch.save = half  # type: ignore[assignment]


def child(folder: Path, precision: Precision, outcome: Path, prepare: Callable[[], None] | None) -> int:
    """Signal that ended the child, 0 if none did."""
    pid = os.fork()
    if pid == 0:
        if prepare is not None:
            prepare()
        run(folder, precision, outcome)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)


def main(folder: Path, precision: Precision) -> None:
    assert child(folder / "whole", precision, folder / "whole.pt", None) == 0
    kills, steps = 0, [random.randint(20, 55), random.randint(1, 20)]
    ways: list[Callable[[], None]] = [
        kill_while_the_checkpoint_is_written,
        lambda: kill_around(steps[0]),
        kill_before_the_checkpoint_is_in_place,
        lambda: kill_around(steps[1]),
    ]
    for way in ways:
        kills += child(folder / "killed", precision, folder / "killed.pt", way) == signal.SIGKILL
    assert child(folder / "killed", precision, folder / "killed.pt", None) == 0
    whole, killed = torch.load(folder / "whole.pt"), torch.load(folder / "killed.pt")
    assert whole.keys() == killed.keys()
    assert all(torch.equal(whole[name], killed[name]) for name in whole), "the weights differ"
    # Read by the test.
    print(f"{precision}: same bits after {kills} kills, two of them around the steps {steps}", flush=True)  # noqa: T201


if __name__ == "__main__":
    # Nor must what is compared here start one, before the second round.
    torch.set_num_threads(1)
    main(Path(sys.argv[1]) / "32-true", "32-true")
    main(Path(sys.argv[1]) / "bf16-mixed", "bf16-mixed")
