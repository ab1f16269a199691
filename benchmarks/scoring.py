"""Scoring a million rows: rows a second, beside other checkouts, and the memory it takes.

    git worktree add ../before COMMIT
    python benchmarks/scoring.py [--beside ../before ...] [--rows 1000000] [--rounds 10] [--json]

Classifiers are fitted on synthetic embeddings of 128 dimensions in 10 classes, GMVAEClassifier on 20,000 and
EmbeddingClassifier on 8,000, by the other checkout where one is given that has the estimator, and read from the
same file by both. They score the rows, read from a file through a memory map, in turns, a part each round; beside
them, in the same process, run the encoder's matrix products alone, without checks, rule or neighbours. Ratios are
medians over the rounds, of the time and of the processor's time, which others on the machine lengthen less.
EmbeddingClassifier, which weighs a dozen kinds of evidence, races over a tenth of the rows.

Memory is measured in processes of their own, that score a tenth of the rows and all of them in one call. It is the
peak of the anonymous memory above what the process held before scoring (the pages of the mapped file belong to the
system's cache); results, 8 bytes a row, are taken off.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parents[1]
DIMENSIONS = 128
# Rows to fit on, settings, and the share of the rows to race over.
ESTIMATORS: dict[str, tuple[int, dict[str, Any], float]] = {
    "GMVAEClassifier": (20_000, {"max_epochs": 2}, 1.0),
    "EmbeddingClassifier": (8_000, {}, 0.1),
}


def anonymous_mib() -> float:
    """Anonymous resident memory of this process, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


class Peak(threading.Thread):
    """Watches the peak of anonymous memory, every two milliseconds."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.base = self.peak = anonymous_mib()
        self.done = threading.Event()

    def run(self) -> None:
        """Watch until told to stop."""
        while not self.done.wait(0.002):
            self.peak = max(self.peak, anonymous_mib())

    def stop(self) -> float:
        """Growth in MiB since the start."""
        self.done.set()
        self.join()
        return max(self.peak, anonymous_mib()) - self.base


def fit(estimator: str, path: str) -> None:
    """Fit and save the classifier that is timed, and print the seconds."""
    import knownot

    n, settings, _ = ESTIMATORS[estimator]
    random = np.random.default_rng(0)
    centres = random.normal(size=(10, DIMENSIONS)).astype(np.float32)
    y = np.arange(n) % 10
    X = centres[y] + random.normal(size=(len(y), DIMENSIONS)).astype(np.float32)
    model = getattr(knownot, estimator)(random_state=0, **settings)
    start = time.perf_counter()
    model.fit(X, y)
    print(json.dumps({"fit_seconds": time.perf_counter() - start}))
    model.save(path)


def race(model_path: str, rows_path: str) -> None:
    """Score the parts that are asked for on standard input; print seconds, also of the bare encoder, and a checksum."""
    import torch

    import knownot

    model, rows = knownot.load(model_path), np.load(rows_path, mmap_mode="r")
    model.score_samples(rows[:2048])
    encoder = getattr(getattr(model, "module_", None), "encoder", None)
    for line in sys.stdin:
        X = rows[slice(*map(int, line.split()))]
        start, busy = time.perf_counter(), time.process_time()
        scores = model.score_samples(X)
        seconds, busy, bare = time.perf_counter() - start, time.process_time() - busy, None
        if encoder is not None:
            with torch.inference_mode():
                start = time.perf_counter()
                for part in range(0, len(X), 512):
                    encoder(torch.from_numpy(np.array(X[part : part + 512])))
                bare = time.perf_counter() - start
        print(
            json.dumps({"seconds": seconds, "busy": busy, "bare": bare, "scores": scores[:2000].tolist()}), flush=True
        )


def memory(model_path: str, rows_path: str, n: str) -> None:
    """Score n rows in one call and print seconds and memory."""
    import knownot

    model, X = knownot.load(model_path), np.load(rows_path, mmap_mode="r")[: int(n)]
    model.score_samples(X[:2048])
    peak = Peak()
    peak.start()
    start = time.perf_counter()
    scores = model.score_samples(X)
    seconds = time.perf_counter() - start
    mib = peak.stop() - scores.nbytes / 2**20
    print(json.dumps({"rows": int(n), "seconds": seconds, "memory_mib": mib}))


WORK: dict[str, Callable[..., None]] = {"fit": fit, "race": race, "memory": memory}


def environment(checkout: Path) -> dict[str, str]:
    """That of an interpreter with the package of a checkout."""
    return {**os.environ, "PYTHONPATH": str(checkout / "src")}


def command(work: str, *arguments: object) -> list[str]:
    """How to have one kind of work done in a process of its own."""
    return [sys.executable, __file__, "--work", work, *map(str, arguments)]


def answer(checkout: Path, work: str, *arguments: object) -> dict[str, Any]:
    """What one kind of work prints in a process of its own."""
    run = subprocess.run(
        command(work, *arguments), env=environment(checkout), stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def has(checkout: Path, estimator: str) -> bool:
    """Whether a checkout has an estimator."""
    code = f"import knownot; knownot.{estimator}"
    return not subprocess.run(
        [sys.executable, "-c", code], env=environment(checkout), stderr=subprocess.DEVNULL, check=False
    ).returncode


def in_turns(checkouts: list[Path], model: Path, rows: Path, n: int, rounds: int) -> list[list[dict[str, Any]]]:
    """What each checkout needs for each part of n rows; which is first changes from round to round."""
    pipe = subprocess.PIPE
    workers = [
        subprocess.Popen(command("race", model, rows), env=environment(place), stdin=pipe, stdout=pipe, text=True)
        for place in checkouts
    ]
    found: list[list[dict[str, Any]]] = [[] for _ in checkouts]
    for i in range(rounds):
        for j in list(range(len(workers)))[:: 1 if i % 2 else -1]:
            stdin, stdout = workers[j].stdin, workers[j].stdout
            assert stdin is not None
            assert stdout is not None
            print(i * n // rounds, (i + 1) * n // rounds, file=stdin, flush=True)
            found[j].append(json.loads(stdout.readline()))
    for worker in workers:
        worker.communicate()
    return found


def compare(estimator: str, others: list[Path], rows: Path, n: int, rounds: int) -> dict[str, Any]:
    """One estimator, here and in the first of the other checkouts that has it."""
    raced = round(n * ESTIMATORS[estimator][2])
    others = [place for place in others if has(place, estimator)][:1]
    checkouts = [HERE, *others]
    with tempfile.TemporaryDirectory() as folder:
        fits = {place: answer(place, "fit", estimator, Path(folder, place.name)) for place in checkouts}
        model = Path(folder, checkouts[-1].name)
        own, *theirs = in_turns(checkouts, model, rows, raced, rounds)
        result: dict[str, Any] = {
            "fit_seconds": fits[HERE]["fit_seconds"],
            "raced_rows": raced,
            "rows_per_second": raced / sum(part["seconds"] for part in own),
            "runs": [answer(HERE, "memory", model, rows, size) for size in (n // 10, n)],
        }
    if own[0]["bare"] is not None:
        ratios = [part["seconds"] / part["bare"] for part in own]
        result["times_the_bare_encoder"] = statistics.median(ratios)
    for place, parts in zip(others, theirs, strict=True):
        ratios, of_processor = (
            [theirs[kind] / mine[kind] for theirs, mine in zip(parts, own, strict=True)] for kind in ("seconds", "busy")
        )
        differences = [
            np.abs(np.subtract(theirs["scores"], mine["scores"])).max() for theirs, mine in zip(parts, own, strict=True)
        ]
        low, middle, high = statistics.quantiles(ratios, n=4)
        result["beside"] = {
            "commit": commit(place),
            "speed_against_other": middle,
            "quartile_1": low,
            "quartile_3": high,
            "processor_time_of_other": statistics.median(of_processor),
            "rows_per_second": raced / sum(part["seconds"] for part in parts),
            "fit_seconds": fits[place]["fit_seconds"],
            "largest_difference_of_scores": float(max(differences)),
        }
    return result


def commit(checkout: Path) -> str:
    """What a checkout is of."""
    run = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True, check=True)
    return run.stdout.strip()


def write_rows(path: Path, n: int) -> None:
    """Standard normal rows, without holding them."""
    rows = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n, DIMENSIONS))
    random = np.random.default_rng(1)
    for start in range(0, n, 50_000):
        part = rows[start : start + 50_000]
        part[:] = random.standard_normal(part.shape, dtype=np.float32)
    rows.flush()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beside", type=Path, nargs="*", default=[], help="other checkouts")
    parser.add_argument("--estimator", choices=list(ESTIMATORS), action="append")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        WORK[options.work[0]](*options.work[1:])
        return
    others = [place.resolve() for place in options.beside]
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder, "rows.npy")
        write_rows(rows, options.rows)
        found = {
            name: compare(name, others, rows, options.rows, options.rounds) for name in options.estimator or ESTIMATORS
        }
    if options.json:
        print(json.dumps(found))
        return
    for name, result in found.items():
        print(f"{name}: {result['rows_per_second']:,.0f} rows a second; fitted in {result['fit_seconds']:.1f} s")
        for run in result["runs"]:
            print(
                f"  {run['rows']:>9,} rows in {run['seconds']:6.1f} s, {run['memory_mib']:6.1f} MiB above the results"
            )
        if "times_the_bare_encoder" in result:
            print(f"  {result['times_the_bare_encoder']:.1f} times the bare encoder")
        if "beside" in result:
            other = result["beside"]
            quartiles = f"{other['quartile_1']:.2f} … {other['quartile_3']:.2f}"
            print(
                f"  {other['speed_against_other']:.2f} times ({quartiles}) as fast as {other['commit'][:9]}, "
                f"{other['processor_time_of_other']:.2f} by the processor's time; that was fitted in "
                f"{other['fit_seconds']:.1f} s; scores differ by {other['largest_difference_of_scores']:.1g} at most"
            )


if __name__ == "__main__":
    main()
