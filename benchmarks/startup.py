"""How long the first answer takes: `import knownot` and `knownot --help` beside `import torch`.

Every round runs each of them once in a fresh interpreter, in turn, so that a machine that grows slower
or busier does so for all. Printed are medians, and the ratio of each to `import torch`.

    python benchmarks/startup.py --rounds 7
    python benchmarks/startup.py --json
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

RACERS = {
    "python -c pass": ["-c", "pass"],
    "import knownot": ["-c", "import knownot"],
    "knownot --help": ["-m", "knownot", "--help"],
    "import torch": ["-c", "import torch"],
    "knownot.GMVAEClassifier": ["-c", "import knownot; knownot.GMVAEClassifier"],
}


def seconds(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def race(rounds: int) -> dict[str, dict[str, float]]:
    for arguments in RACERS.values():  # byte code and the page cache, once
        seconds(arguments)
    times: dict[str, list[float]] = {name: [] for name in RACERS}
    for _ in range(rounds):
        for name, arguments in RACERS.items():
            times[name].append(seconds(arguments))
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {
        name: {
            "median_seconds": round(median, 4),
            "fastest_seconds": round(min(times[name]), 4),
            "ratio_to_torch": round(median / medians["import torch"], 3),
        }
        for name, median in medians.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="fresh interpreters for each (default 7)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    result = race(options.rounds)
    if options.json:
        print(json.dumps({"rounds": options.rounds, "python": sys.version.split()[0], "startup": result}))
        return
    print(f"{'':26}{'median':>9}{'fastest':>9}{'x torch':>9}")
    for name, row in result.items():
        print(f"{name:26}{row['median_seconds']:8.3f}s{row['fastest_seconds']:8.3f}s{row['ratio_to_torch']:9.2f}")


if __name__ == "__main__":
    main()
