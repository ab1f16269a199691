"""Scoring a million rows: rows a second, and the memory it takes.

    python benchmarks/scoring.py [--rows 1000000] [--json]

A classifier is fitted on 20,000 synthetic embeddings of 128 dimensions in 10 classes. It then scores
a tenth of the rows and all of them, read from a file through a memory map, each in a process of its
own. Peak memory is the anonymous memory above what the process held before scoring (the pages of the
mapped file belong to the system's cache); results, 8 bytes a row, are taken off. Beside it, in the same
run: the encoder's matrix products alone on the same rows, without checks, rule or neighbours.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import cast

import numpy as np

DIMENSIONS = 128


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


def worker(model_path: str, rows_path: str, n: int) -> None:
    """Score n rows and print seconds and memory as JSON."""
    import torch

    import knownot

    model = knownot.load(model_path)
    X = np.load(rows_path, mmap_mode="r")[:n]
    model.score_samples(X[:2048])
    bare = cast(torch.nn.Module, model.module_.encoder)
    with torch.inference_mode():
        start = time.perf_counter()
        for part in range(0, n, 512):
            bare(torch.from_numpy(np.array(X[part : part + 512])))
        bare_seconds = time.perf_counter() - start
    peak = Peak()
    peak.start()
    start = time.perf_counter()
    scores = model.score_samples(X)
    seconds = time.perf_counter() - start
    memory = peak.stop() - scores.nbytes / 2**20
    print(json.dumps({"rows": n, "seconds": seconds, "bare_seconds": bare_seconds, "memory_mib": memory}))


def fit(path: Path) -> None:
    """Fit and save the classifier that is timed."""
    from knownot import GMVAEClassifier

    random = np.random.default_rng(0)
    centres = random.normal(size=(10, DIMENSIONS)).astype(np.float32)
    y = np.arange(20_000) % 10
    X = centres[y] + random.normal(size=(len(y), DIMENSIONS)).astype(np.float32)
    GMVAEClassifier(random_state=0, max_epochs=2).fit(X, y).save(path)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.worker[0], arguments.worker[1], int(arguments.worker[2]))
        return
    with tempfile.TemporaryDirectory() as folder:
        model_path, rows_path = Path(folder, "model.safetensors"), Path(folder, "rows.npy")
        fit(model_path)
        shape = (arguments.rows, DIMENSIONS)
        rows = np.lib.format.open_memmap(rows_path, mode="w+", dtype=np.float32, shape=shape)
        random = np.random.default_rng(1)
        for start in range(0, arguments.rows, 50_000):
            part = rows[start : start + 50_000]
            part[:] = random.standard_normal(part.shape, dtype=np.float32)
        rows.flush()
        del rows
        found = []
        for n in (arguments.rows // 10, arguments.rows):
            command = [sys.executable, __file__, "--worker", str(model_path), str(rows_path), str(n)]
            found.append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    small, large = found
    summary = {
        "runs": found,
        "rows_per_second": large["rows"] / large["seconds"],
        "times_the_bare_encoder": large["seconds"] / large["bare_seconds"],
        "memory_ratio": large["memory_mib"] / small["memory_mib"],
    }
    if arguments.json:
        print(json.dumps(summary))
        return
    for run in found:
        print(f"{run['rows']:>9,} rows: {run['seconds']:6.1f} s, {run['memory_mib']:6.1f} MiB above the results")
    print(
        f"{summary['rows_per_second']:,.0f} rows a second; {summary['times_the_bare_encoder']:.1f} times the bare "
        f"encoder; peak memory at ten times the rows: {summary['memory_ratio']:.2f} times"
    )


if __name__ == "__main__":
    main()
