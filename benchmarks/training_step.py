"""Speed of the training loop against a bare loop, and of bfloat16 against float32.

Everything is measured in one process in alternating rounds, so that the ratios hold on a busy
machine too; the times themselves are those of this machine at this moment.

    python benchmarks/training_step.py [--json] [--rounds 7] [--steps 12] [--threads 1]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from typing import cast

import torch
from torch import nn

from knownot.data import Batch, InMemoryBatches
from knownot.modules import OpenGMVAE
from knownot.training import Record, TrainingPlan, choose_accelerator, choose_precision, train
from knownot.training.plan import Accelerator, Precision

BATCH_SIZE = 128


def conv_module() -> nn.Module:
    return OpenGMVAE((1, 28, 28), n_classes=6, latent_dim=10)


def mlp_module() -> nn.Module:
    return OpenGMVAE((64,), n_classes=6, latent_dim=10, likelihood="gaussian", hidden=(128, 64))


def batches(shape: tuple[int, ...], steps: int, device: str) -> InMemoryBatches:
    n = steps * BATCH_SIZE
    x = torch.randint(256, (n, *shape), dtype=torch.uint8) if len(shape) == 3 else torch.randn(n, *shape)
    return InMemoryBatches(x, torch.arange(n) % 6, BATCH_SIZE, shuffle=True, device=device)


def synchronize(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


class BareLoop:
    """The same training written out: no precision plugin, no sums, no guard, no schedule."""

    def __init__(self, module: nn.Module, data: InMemoryBatches, precision: str, device: str) -> None:
        self.module, self.data, self.device = module.to(device), data, device
        if any(isinstance(part, nn.Conv2d) for part in module.modules()):
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.autocast = precision == "bf16-mixed"
        self.optimizer = torch.optim.Adam(module.parameters(), 1e-3, fused=True)

    def __call__(self) -> float:
        """Seconds of one epoch."""
        synchronize(self.device)
        started = time.perf_counter()
        for batch in self.data:
            self.optimizer.zero_grad()
            with torch.autocast(self.device, torch.bfloat16, enabled=self.autocast):
                total = self.loss(batch)
            total.backward()
            nn.utils.clip_grad_norm_(self.module.parameters(), 100.0)
            self.optimizer.step()
        synchronize(self.device)
        return time.perf_counter() - started

    def loss(self, batch: Batch) -> torch.Tensor:
        return self.module.loss(batch).total  # type: ignore[operator]


def alternate(
    make: Callable[[], nn.Module],
    data: InMemoryBatches,
    precision: Precision,
    device: Accelerator,
    bare: dict[str, BareLoop],
    rounds: int,
) -> dict[str, list[float]]:
    """Milliseconds a step, by runner and round: one epoch of `train`, then one of each bare loop.

    The bare loops run in the callback after an epoch, which is outside the time `train` reports;
    that time holds reading the sums and the guard. The first round, which warms up, is left out.
    """
    times: dict[str, list[float]] = {"train": [], **{name: [] for name in bare}}

    def after_epoch(record: Record) -> None:
        seconds = {"train": record["seconds"], **{name: runner() for name, runner in bare.items()}}
        if record["epoch"] > 1:
            for name, value in seconds.items():
                times[name].append(1e3 * value / len(data))

    settings = TrainingPlan(max_epochs=rounds + 1, schedule="constant", seed=0, precision=precision, accelerator=device)
    train(make(), data, plan=settings, on_epoch=after_epoch)
    return times


def median(values: list[float]) -> float:
    return round(statistics.median(values), 2)


def ratio(numerator: list[float], denominator: list[float]) -> dict[str, float]:
    """Median and quartiles of the ratio, round by round."""
    ratios = sorted(a / b for a, b in zip(numerator, denominator, strict=True))
    low, middle, high = statistics.quantiles(ratios, n=4)
    return {"median": round(middle, 3), "quartile_1": round(low, 3), "quartile_3": round(high, 3)}


def measure(rounds: int, steps: int) -> dict[str, object]:
    device = cast(Accelerator, choose_accelerator())
    result: dict[str, object] = {
        "device": torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "batch_size": BATCH_SIZE,
        "rounds": rounds,
        "steps_per_round": steps,
    }
    cases: list[tuple[str, Callable[[], nn.Module], tuple[int, ...], int]] = [
        ("conv", conv_module, (1, 28, 28), steps),
        ("mlp", mlp_module, (64,), 10 * steps),
    ]
    for name, make, shape, n in cases:
        data = batches(shape, n, device)
        bare = {p: BareLoop(make(), data, p, device) for p in ("32-true", "bf16-mixed")}
        first = alternate(make, data, "32-true", device, bare, rounds)
        second = alternate(make, data, "bf16-mixed", device, {"bf16-mixed": bare["bf16-mixed"]}, rounds)
        result[name] = {
            "milliseconds_per_step": {
                "bare 32-true": median(first["32-true"]),
                "train 32-true": median(first["train"]),
                "bare bf16-mixed": median(second["bf16-mixed"]),
                "train bf16-mixed": median(second["train"]),
            },
            "speed_of_train_against_bare": {
                "32-true": ratio(first["32-true"], first["train"]),
                "bf16-mixed": ratio(second["bf16-mixed"], second["train"]),
            },
            "speed_of_bfloat16_against_float32": ratio(first["32-true"], first["bf16-mixed"]),
            "precision_auto_chooses": choose_precision(make(), device),
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of the training loop against a bare loop.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=12, help="steps a round of the conv net; the MLP takes ten times")
    parser.add_argument("--threads", type=int, help="threads on a CPU; 1 is steadier where others work too")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    result = measure(arguments.rounds, arguments.steps)
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    for name, value in result.items():
        if isinstance(value, dict):
            print(name)
            for key, entry in value.items():
                print(f"  {key.replace('_', ' ')}: {entry}")
        else:
            print(f"{name.replace('_', ' ')}: {value}")


if __name__ == "__main__":
    main()
