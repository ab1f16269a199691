"""Random views of SimCLR beside kornia's, and what mixing costs, in turns.

    python benchmarks/views.py [--rounds 40] [--threads 1] [--json]

A batch of 256 colour images of 32 x 32 pixels gets its views from ``SimCLRViews`` and from kornia's
RandomResizedCrop, RandomHorizontalFlip, ColorJitter and RandomGrayscale, with the same settings. Then Mixup, CutMix
and GradMix mix the batch. Times are those of the processor, which other work on the machine changes less. kornia is
no dependency: ``pip install --no-deps kornia kornia_rs``.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from knownot.views import CutMix, FlipsAndShifts, GentleViews, GradMix, Mixed, Mixup, SimCLRViews


def kornia_views() -> Callable[[Tensor], Tensor]:
    """The same views, by kornia."""
    import kornia.augmentation as K

    return nn.Sequential(
        K.RandomResizedCrop((32, 32), scale=(0.2, 1.0), ratio=(3 / 4, 4 / 3)),
        K.RandomHorizontalFlip(p=0.5),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        K.RandomGrayscale(p=0.2),
    )


def in_turns(racers: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of processor time of each; who is first changes from round to round."""
    times: dict[str, list[float]] = {name: [] for name in racers}
    for number in range(rounds + 2):
        for name in list(racers)[:: 1 if number % 2 else -1]:
            start = time.process_time()
            racers[name]()
            if number > 1:  # the first rounds warm up
                times[name].append(1000 * (time.process_time() - start))
    return times


def summary(times: dict[str, list[float]], reference: str) -> dict[str, dict[str, float]]:
    """Of each the median time, and the quartiles of the ratio of its times to those of the reference."""
    found = {}
    for name, own in times.items():
        low, middle, high = statistics.quantiles([a / b for a, b in zip(own, times[reference], strict=True)], n=4)
        found[name] = {
            "milliseconds": round(statistics.median(own), 3),
            "least_milliseconds": round(min(own), 3),
            "times_the_reference": round(middle, 3),
            "quartile_1": round(low, 3),
            "quartile_3": round(high, 3),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    x, maps = torch.rand(256, 3, 32, 32), torch.rand(256, 4, 4)
    views: dict[str, Callable[[Tensor], Tensor]] = {
        "SimCLRViews": SimCLRViews(),
        "GentleViews": GentleViews(),
        "FlipsAndShifts": FlipsAndShifts(),
    }
    racers: dict[str, Callable[[], Any]] = {name: functools.partial(view, x) for name, view in views.items()}
    racers["kornia"] = functools.partial(kornia_views(), x)
    mixes: dict[str, Callable[[Tensor, Tensor], Mixed]] = {"Mixup": Mixup(), "CutMix": CutMix(), "GradMix": GradMix()}
    result = {
        "images": list(x.shape),
        "rounds": options.rounds,
        "threads": options.threads,
        "views": summary(in_turns(racers, options.rounds), "SimCLRViews"),
        "mixing": summary(
            in_turns({name: functools.partial(mix, x, maps) for name, mix in mixes.items()}, options.rounds), "CutMix"
        ),
    }
    if options.json:
        import kornia

        print(json.dumps(result | {"kornia": kornia.__version__}))
        return
    for race in ("views", "mixing"):
        for name, row in result[race].items():
            print(
                f"{name:16}{row['milliseconds']:8.2f} ms  {row['times_the_reference']:6.2f} times the reference "
                f"({row['quartile_1']:.2f} … {row['quartile_3']:.2f})"
            )


if __name__ == "__main__":
    main()
