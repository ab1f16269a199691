"""A training step with each kind of mixing, and the maps of GradMix from the step's own graph or a pass of their own.

    python benchmarks/mixing.py [--rounds 12] [--threads 1] [--width 16] [--json]

Steps of ``Contrastive`` on a ResNet-18, forward and backward, in turns, on 128 colour images of 32 x 32 pixels, in
bfloat16. Printed is how many times as long each takes as a step without mixing (and, of GradMix, as one with CutMix):
the median of the ratios over the rounds, and the quartiles. Times are those of the processor.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from knownot.data import Batch
from knownot.modules import Contrastive
from knownot.modules.contrastive_losses import simclr_loss
from knownot.networks import ResNet
from knownot.views import CutMix, GradMix, Mixup, SimCLRViews, layercam


class SeparatePass(Contrastive):
    """GradMix whose maps come from a forward and backward pass of their own."""

    def _maps(self, simclr: Tensor, z1: Tensor, z2: Tensor, kept: dict[str, Tensor], n: int) -> Tensor:
        features, again = self._stages(self._seen)
        one, two = self._project(features).chunk(2)
        loss = simclr_loss(one, two, self.temperature).mean()
        inputs = [*again.values(), *self.network.parameters()]
        gradients = torch.autograd.grad(loss, inputs, allow_unused=True)
        (activations,) = again.values()
        assert gradients[0] is not None
        return layercam(activations[:n], gradients[0][:n])

    def _stages(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        self._seen = x
        return super()._stages(x)


def make_step(kind: type[Contrastive], mixing: object, width: int, batch: Batch) -> Callable[[], None]:
    """One step, forward and backward."""
    torch.manual_seed(0)
    module = kind(ResNet((3, 32, 32), width=width), SimCLRViews(), mixing=mixing)  # type: ignore[arg-type]
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            loss = module.loss(batch)
        loss.total.backward()
        module.zero_grad(set_to_none=True)

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    x = torch.rand(128, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    batch = Batch(x, torch.arange(128) % 6)
    racers = {
        "none": make_step(Contrastive, None, options.width, batch),
        "mixup": make_step(Contrastive, Mixup(), options.width, batch),
        "cutmix": make_step(Contrastive, CutMix(), options.width, batch),
        "gradmix": make_step(Contrastive, GradMix(), options.width, batch),
        "gradmix, separate pass": make_step(SeparatePass, GradMix(), options.width, batch),
    }
    times: dict[str, list[float]] = {name: [] for name in racers}
    for number in range(options.rounds + 1):
        for name in list(racers)[:: 1 if number % 2 else -1]:
            start = time.process_time()
            racers[name]()
            if number:  # the first round warms up
                times[name].append(time.process_time() - start)
    result: dict[str, object] = {
        "images": list(x.shape),
        "width": options.width,
        "rounds": options.rounds,
        "threads": options.threads,
    }
    steps: dict[str, dict[str, Any]] = {}
    for name, own in times.items():
        steps[name] = {"milliseconds": round(1000 * statistics.median(own), 1)}
        for other, to in (("none", "times_none"), ("cutmix", "times_cutmix")):
            ratios = [a / b for a, b in zip(own, times[other], strict=True)]
            steps[name][to] = [round(q, 3) for q in statistics.quantiles(ratios, n=4)]
    result["steps"] = steps
    if options.json:
        print(json.dumps(result))
        return
    for name, found in steps.items():
        text = f"{found['times_none']} times none, {found['times_cutmix']} times cutmix"
        print(f"{name:24}{found['milliseconds']:9.1f} ms  {text}")


if __name__ == "__main__":
    main()
