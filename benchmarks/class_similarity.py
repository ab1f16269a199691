"""Sums of the k largest cosine similarities to each class: the rule class-similarity against scikit-learn.

    python benchmarks/class_similarity.py [--classes 10 100 1000] [--rounds 3] [--json]

Both score 10,000 queries against 50,000 embeddings of 128 dimensions with one thread. The peer is one brute-force
``NearestNeighbors(metric="cosine")`` for each class. Each run is a process of its own, whose peak resident memory the
system tells; the two take turns, and their sums must agree.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

QUERIES, EMBEDDINGS, DIMENSIONS, K = 10_000, 50_000, 128, 10
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
SIDES = ("class-similarity", "scikit-learn")
KIBIBYTE = 1024 if sys.platform == "darwin" else 1

Floats = NDArray[np.float32]


def samples(n_classes: int) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Embeddings around a direction for each class, their labels, and queries."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(n_classes, DIMENSIONS)).astype(np.float32)
    y, of_queries = rng.integers(n_classes, size=EMBEDDINGS), rng.integers(n_classes, size=QUERIES)
    y[: K * n_classes] = np.repeat(np.arange(n_classes), K)
    noise = rng.standard_normal((EMBEDDINGS + QUERIES, DIMENSIONS), dtype=np.float32)
    return centres[y] + noise[:EMBEDDINGS], y, centres[of_queries] + noise[EMBEDDINGS:]


def peak() -> float:
    """Peak resident memory so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIBIBYTE / 1024


def work(side: str, n_classes: int, out: Path) -> None:
    """Fit and score one side in this process, and print what it took."""
    z, y, queries = samples(n_classes)
    if side == "class-similarity":
        import torch

        from knownot.rules import ClassSimilarity

        rule = ClassSimilarity(k=K).fit(torch.from_numpy(z), torch.from_numpy(y))
        rows = torch.from_numpy(queries)
        before, start, processor = peak(), time.perf_counter(), time.process_time()
        sums: NDArray[Any] = rule.evaluate(rows).logits.numpy()
    else:
        from sklearn.neighbors import NearestNeighbors

        peers = [
            NearestNeighbors(n_neighbors=K, algorithm="brute", metric="cosine").fit(z[y == c]) for c in range(n_classes)
        ]
        before, start, processor = peak(), time.perf_counter(), time.process_time()
        sums = np.stack([(1.0 - peer.kneighbors(queries)[0]).sum(1) for peer in peers], 1)
    seconds = time.perf_counter() - start
    found = {
        "seconds": seconds,
        "processor_seconds": time.process_time() - processor,
        "memory_mib": peak() - before,
        "peak_mib": peak(),
    }
    np.save(out, sums)
    print(json.dumps(found))


def run(side: str, n_classes: int, out: Path) -> dict[str, float]:
    """One side in a process of its own."""
    command = [sys.executable, __file__, "--side", side, "--classes", str(n_classes), "--out", str(out)]
    environment = os.environ | dict.fromkeys(THREADS, "1")
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def race(n_classes: int, rounds: int) -> dict[str, Any]:
    """Both sides in turns."""
    runs: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    with tempfile.TemporaryDirectory() as folder:
        files = {side: Path(folder, f"{side}.npy") for side in SIDES}
        for number in range(rounds):
            for side in SIDES[:: 1 if number % 2 else -1]:
                runs[side].append(run(side, n_classes, files[side]))
        sums = [np.load(files[side]) for side in SIDES]
    difference = float(np.abs(sums[0] - sums[1]).max())
    assert difference < 1e-3, difference
    pairs = list(zip(*runs.values(), strict=True))
    ratios = [theirs["seconds"] / ours["seconds"] for ours, theirs in pairs]
    of_processor = [theirs["processor_seconds"] / ours["processor_seconds"] for ours, theirs in pairs]
    return {
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "ratio_of_processor_time": round(statistics.median(of_processor), 3),
        "largest_difference_of_sums": difference,
        **{
            side: {name: round(statistics.median(found[name] for found in some), 3) for name in some[0]}
            for side, some in runs.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, nargs="+", default=[10, 100, 1000], help="numbers of classes")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each side (default 3)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        work(options.side, options.classes[0], options.out)
        return
    found = {str(n): race(n, options.rounds) for n in options.classes}
    if options.json:
        sizes = {"queries": QUERIES, "embeddings": EMBEDDINGS, "dimensions": DIMENSIONS, "k": K}
        print(json.dumps({**sizes, "rounds": options.rounds, "classes": found}))
        return
    for n, result in found.items():
        by_processor = result["ratio_of_processor_time"]
        print(f"{n:>5} classes: {result['ratio']:.2f} times as fast, {by_processor:.2f} by processor time")
        for side in SIDES:
            print(f"      {side:18}", {name: round(value, 2) for name, value in result[side].items()})


if __name__ == "__main__":
    main()
