"""Training, scoring and start-up of this checkout beside another one, in turns.

    git worktree add ../before COMMIT
    python benchmarks/beside.py ../before [--rounds 10] [--json] [--threads 1]

For each race there is a process for each checkout; they work in turns, a second or less at a time, so that a
machine that grows slower or busier does so for both. Start-up takes a fresh interpreter each time. Printed is
the speed of this checkout against the other: the median of the ratios over the rounds, and the quartiles.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parents[1]

WORKER = """
import sys, time, torch, warnings, numpy as np, knownot
warnings.simplefilter("ignore")
torch.set_num_threads(int(sys.argv[1]))
rng = np.random.default_rng(0)
{code}
unit()
for _ in sys.stdin:
    print(unit(), flush=True)
"""
TRAINING = """
y = np.arange(len(X)) % 6
def unit():
    model = knownot.GMVAEClassifier(max_epochs=3, batch_size=128, accept=None, random_state=0).fit(X, y)
    return min(record["seconds"] for record in model.history_)
"""
SCORING = """
X = rng.normal(size=(12_000, 128)).astype(np.float32)
model = knownot.GMVAEClassifier(random_state=0, max_epochs=1).fit(X, np.arange(len(X)) % 10)
rows = rng.standard_normal((10_000, 128), dtype=np.float32)
def unit():
    start = time.perf_counter()
    model.score_samples(rows)
    return time.perf_counter() - start
"""
RACES = {
    "training step, convolutions": "X = rng.integers(0, 256, (960, 28, 28), dtype=np.uint8)" + TRAINING,
    "training step, table": "X = rng.normal(size=(6_400, 64)).astype(np.float32)" + TRAINING,
    "scoring": SCORING,
}
STARTS = {
    "import knownot": ["-c", "import knownot"],
    "knownot --help": ["-m", "knownot", "--help"],
    "knownot.GMVAEClassifier": ["-c", "import knownot; knownot.GMVAEClassifier"],
}


def environment(checkout: Path) -> dict[str, str]:
    """That of an interpreter with the package of a checkout."""
    return {**os.environ, "PYTHONPATH": str(checkout / "src")}


class Worker:
    """A process that works with the package of a checkout when it is asked to, and says how long it took."""

    def __init__(self, checkout: Path, code: str, threads: int) -> None:
        command = [sys.executable, "-c", WORKER.format(code=code), str(threads)]
        self.process = subprocess.Popen(
            command,
            env=environment(checkout),
            cwd=checkout,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __call__(self) -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def end(self) -> None:
        """Let the process end."""
        self.process.communicate()


def start_up(checkout: Path, arguments: list[str]) -> float:
    """Seconds of a fresh interpreter."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], env=environment(checkout), cwd=checkout, capture_output=True, check=True
    )
    return time.perf_counter() - start


def in_turns(racers: dict[Path, Callable[[], float]], rounds: int) -> dict[Path, list[float]]:
    """Times of both racers; which of them is first changes from round to round."""
    times: dict[Path, list[float]] = {checkout: [] for checkout in racers}
    for number in range(rounds):
        for checkout in list(racers)[:: 1 if number % 2 else -1]:
            times[checkout].append(racers[checkout]())
    return times


def race(other: Path, rounds: int, threads: int) -> dict[str, dict[str, float]]:
    """Speed of this checkout against the other, by race."""
    times: dict[str, dict[Path, list[float]]] = {}
    for name, code in RACES.items():
        workers = {checkout: Worker(checkout, code, threads) for checkout in (other, HERE)}
        times[name] = in_turns(dict(workers), rounds)
        for worker in workers.values():
            worker.end()
    for name, arguments in STARTS.items():
        starts: dict[Path, Callable[[], float]] = {
            checkout: functools.partial(start_up, checkout, arguments) for checkout in (other, HERE)
        }
        times[name] = in_turns(starts, rounds)
    found = {}
    for name, by_checkout in times.items():
        ratios = [a / b for a, b in zip(by_checkout[other], by_checkout[HERE], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        found[name] = {
            "speed_against_other": round(middle, 3),
            "quartile_1": round(low, 3),
            "quartile_3": round(high, 3),
            "seconds": round(statistics.median(by_checkout[HERE]), 4),
            "seconds_of_other": round(statistics.median(by_checkout[other]), 4),
        }
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="another checkout")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = race(options.other.resolve(), options.rounds, options.threads)
    if options.json:
        commits = {
            name: subprocess.run(
                ["git", "rev-parse", "HEAD"], cwd=path, capture_output=True, text=True, check=True
            ).stdout.strip()
            for name, path in (("this", HERE), ("other", options.other))
        }
        print(json.dumps({"rounds": options.rounds, "threads": options.threads, "commits": commits, "races": result}))
        return
    for name, row in result.items():
        print(
            f"{name:30} {row['speed_against_other']:5.2f} ({row['quartile_1']:.2f} … {row['quartile_3']:.2f})  "
            f"{row['seconds']:.3f} s, other {row['seconds_of_other']:.3f} s"
        )


if __name__ == "__main__":
    main()
