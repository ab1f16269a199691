"""Training, scoring and start-up of this checkout beside another one, in turns.

    git worktree add ../before COMMIT
    python benchmarks/beside.py ../before [--rounds 7] [--json] [--threads 1]

Every round runs each race once in each checkout, each in a fresh interpreter, so that a machine that grows
slower or busier does so for both; printed is the speed of this checkout against the other: the median over
the rounds, and the quartiles.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parents[1]

TRAINING = """
import statistics, sys, torch, numpy as np, knownot
torch.set_num_threads(int(sys.argv[1]))
rng = np.random.default_rng(0)
{data}
y = np.arange(len(X)) % 6
model = knownot.GMVAEClassifier(max_epochs={epochs}, batch_size=128, accept=None, random_state=0).fit(X, y)
print(statistics.median(record["seconds"] for record in model.history_.records[1:]))
"""
SCORING = """
import sys, time, torch, numpy as np, knownot
torch.set_num_threads(int(sys.argv[1]))
rng = np.random.default_rng(0)
centres = rng.normal(size=(10, 128)).astype(np.float32)
y = np.arange(20_000) % 10
X = centres[y] + rng.normal(size=(len(y), 128)).astype(np.float32)
model = knownot.GMVAEClassifier(random_state=0, max_epochs=1).fit(X, y)
rows = rng.standard_normal((50_000, 128), dtype=np.float32)
model.score_samples(rows[:2048])
start = time.perf_counter()
model.score_samples(rows)
print(time.perf_counter() - start)
"""
RACES = {
    "training step, convolutions": TRAINING.format(
        data="X = rng.integers(0, 256, (1_920, 28, 28), dtype=np.uint8)", epochs=5
    ),
    "training step, table": TRAINING.format(data="X = rng.normal(size=(19_200, 64)).astype(np.float32)", epochs=5),
    "scoring": SCORING,
}
STARTS_A_ROUND = 4
STARTS = {
    "import knownot": ["-c", "import knownot"],
    "knownot --help": ["-m", "knownot", "--help"],
    "knownot.GMVAEClassifier": ["-c", "import knownot; knownot.GMVAEClassifier"],
}


def run(checkout: Path, arguments: list[str]) -> tuple[float, str]:
    """Seconds of an interpreter with the package of a checkout, and what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src")}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=checkout, capture_output=True, text=True, check=True
    )
    return time.perf_counter() - start, done.stdout


def race(other: Path, rounds: int, threads: int) -> dict[str, dict[str, float]]:
    """Speed of this checkout against the other, by race."""
    times: dict[str, dict[Path, list[float]]] = {
        name: {checkout: [] for checkout in (other, HERE)} for name in (*RACES, *STARTS)
    }
    for number in range(rounds + 1):
        # Which checkout goes first changes from round to round; the first round only warms up.
        for checkout in (other, HERE) if number % 2 else (HERE, other):
            for name, code in RACES.items():
                seconds = float(run(checkout, ["-W", "ignore", "-c", code, str(threads)])[1])
                times[name][checkout] += [seconds] * (number > 0)
            for name, arguments in STARTS.items():
                # Short as they are, the fastest of a few says more than one.
                seconds = min(run(checkout, arguments)[0] for _ in range(STARTS_A_ROUND))
                times[name][checkout] += [seconds] * (number > 0)
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
    parser.add_argument("--rounds", type=int, default=7)
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
