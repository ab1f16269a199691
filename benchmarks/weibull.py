"""Weibull tails of 20 distances: all classes in one Newton iteration against scipy's general fit.

    python benchmarks/weibull.py [--json]

For 10 and for 100 classes, the 20 largest of 500 distances of each to its mean. Ours fits all classes at
once, and also one class at a time; scipy's ``weibull_min.fit(tail, floc=0)`` takes them one at a time.
Times are medians of rounds in which all three take their turn. Parameters are compared with scipy's
default, whose simplex search stops at a relative change of 1e-4, and with the same search run to changes of
1e-10.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import fmin
from scipy.stats import weibull_min

from knownot.probability.weibull import fit_weibull

TAIL = 20
ROUNDS = 7


def tails(n_classes: int, n_samples: int = 500, dimensions: int = 32, seed: int = 0) -> NDArray[np.float64]:
    """Largest distances of Gaussian embeddings to the mean of their class, (n_classes, 20)."""
    rng = np.random.default_rng(seed)
    spreads = rng.uniform(0.2, 5.0, (n_classes, 1, dimensions))
    z = spreads * rng.normal(size=(n_classes, n_samples, dimensions))
    distances = np.linalg.norm(z - z.mean(1, keepdims=True), axis=2)
    return np.sort(distances, 1)[:, -TAIL:]


def scipy_fit(tail: NDArray[np.float64]) -> tuple[float, float]:
    """Shape and scale as scipy finds them."""
    shape, _, scale = weibull_min.fit(tail, floc=0)
    return shape, scale


def converged_fit(tail: NDArray[np.float64]) -> tuple[float, float]:
    """The same search, restarted at its result and run to convergence."""

    def run_on(function: Callable[..., float], start: Any, args: Any, disp: int) -> Any:
        return fmin(function, start, args=args, xtol=1e-10, ftol=1e-14, maxiter=10_000, maxfun=10_000, disp=disp)

    shape, scale = scipy_fit(tail)
    shape, _, scale = weibull_min.fit(tail, shape, scale=scale, floc=0, optimizer=run_on)
    return shape, scale


def seconds(call: Callable[[], Any], repeats: int) -> float:
    """Mean wall-clock time of a few calls."""
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def race(n_classes: int) -> dict[str, float]:
    """Times of the whole set of classes, and the largest differences of their parameters."""
    samples = tails(n_classes)
    values = torch.from_numpy(samples)
    ours = torch.stack(fit_weibull(values), 1).numpy()
    as_it_comes = np.array([scipy_fit(tail) for tail in samples])
    converged = np.array([converged_fit(tail) for tail in samples])
    contestants: dict[str, tuple[Callable[[], Any], int]] = {
        "at_once": (lambda: fit_weibull(values), 20),
        "one_by_one": (lambda: [fit_weibull(row) for row in values], 2),
        "scipy": (lambda: [scipy_fit(tail) for tail in samples], 1),
    }
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, (call, repeats) in contestants.items():
            times[name].append(seconds(call, repeats))
    middle = {name: statistics.median(found) for name, found in times.items()}
    return {
        "difference_from_converged_scipy": float(np.abs(ours / converged - 1.0).max()),
        "difference_from_scipy": float(np.abs(ours / as_it_comes - 1.0).max()),
        "at_once_milliseconds": 1e3 * middle["at_once"],
        "one_by_one_milliseconds": 1e3 * middle["one_by_one"],
        "scipy_milliseconds": 1e3 * middle["scipy"],
        "ratio_at_once": middle["scipy"] / middle["at_once"],
        "ratio_one_by_one": middle["scipy"] / middle["one_by_one"],
    }


def main() -> None:
    """Race with 10 and 100 classes."""
    torch.set_num_threads(1)
    results = {str(n_classes): race(n_classes) for n_classes in (10, 100)}
    for found in results.values():
        assert found["difference_from_converged_scipy"] <= 1e-6, found
    if "--json" in sys.argv[1:]:
        print(json.dumps({"tail": TAIL, "rounds": ROUNDS, "classes": results}))
        return
    for n_classes, found in results.items():
        print(f"{n_classes} classes, tails of {TAIL}")
        print(f"  largest relative difference from scipy, converged {found['difference_from_converged_scipy']:9.1e}")
        print(f"  largest relative difference from scipy's default  {found['difference_from_scipy']:9.1e}")
        print(f"  scipy, class by class  {found['scipy_milliseconds']:9.2f} ms")
        for name in ("one_by_one", "at_once"):
            text = f"{found[f'{name}_milliseconds']:9.2f} ms {found[f'ratio_{name}']:9.0f} x"
            print(f"  ours, {name.replace('_', ' '):17s}{text}")


if __name__ == "__main__":
    main()
