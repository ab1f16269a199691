"""OSCR of 20,000 scores: one sort against the definition, evaluated at every threshold.

Run ``python benchmarks/oscr.py``. Both are timed in one process, best of three, and must agree.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knownot.metrics import oscr


def oscr_by_definition(known: NDArray[np.bool_], correct: NDArray[np.bool_], scores: NDArray[Any]) -> float:
    """CCR and FPR counted afresh at every distinct score, O(n^2), then the area between them."""
    right, unknown = scores[known & correct], scores[~known]
    thresholds = np.append(np.inf, np.unique(scores)[::-1])
    ccr = np.array([np.sum(right >= threshold) / known.sum() for threshold in thresholds])
    fpr = np.array([np.mean(unknown >= threshold) for threshold in thresholds])
    return float(0.5 * np.sum(np.diff(fpr) * (ccr[1:] + ccr[:-1])))


def best_time(call: Callable[[], float], repeats: int = 3) -> tuple[float, float]:
    """Value and the shortest of some wall-clock times, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        value = call()
        times.append(time.perf_counter() - start)
    return value, min(times)


def main() -> None:
    rng = np.random.default_rng(0)
    known, correct = rng.random(20_000) < 0.6, rng.random(20_000) < 0.9
    scores = np.round(rng.normal(size=20_000) + 1.5 * known, 4)
    sorted_value, sorted_time = best_time(lambda: oscr(known, correct, scores))
    brute_value, brute_time = best_time(lambda: oscr_by_definition(known, correct, scores))
    assert abs(sorted_value - brute_value) < 1e-12, (sorted_value, brute_value)
    result = {
        "scores": len(scores),
        "oscr": sorted_value,
        "oscr_by_definition": brute_value,
        "sorted_milliseconds": 1e3 * sorted_time,
        "definition_milliseconds": 1e3 * brute_time,
        "ratio": brute_time / sorted_time,
    }
    if "--json" in sys.argv[1:]:
        print(json.dumps(result))
        return
    print(f"OSCR {sorted_value:.6f} by both, {len(scores):,} scores, {len(np.unique(scores)):,} distinct")
    print(f"one sort      {1e3 * sorted_time:9.2f} ms")
    print(f"by definition {1e3 * brute_time:9.2f} ms")
    print(f"ratio         {brute_time / sorted_time:9.0f} x")


if __name__ == "__main__":
    main()
