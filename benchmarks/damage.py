"""What damage does: flipped bits, files that change while they are read, interrupted fits.

    python benchmarks/damage.py [--flips 500] [--overwrites 1000] [--interrupts 60] [--json]

A model file and a checkpoint with one random bit flipped must be refused. A model that is loaded again and again,
while another process saves two others over it, must always be one of the two. A fitted model whose refit is
interrupted at a random moment must be the old one or, where Ctrl-C ended the training early, a new one as a whole.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import make_blobs

import knownot
from knownot import EmbeddingClassifier, GMVAEClassifier, TrainingSettings
from knownot.training.checkpoint import read_checkpoint

Rows = NDArray[Any]


def data() -> tuple[Rows, Rows]:
    X, y = make_blobs(300, centers=3, n_features=6, random_state=0)
    return X, y


def model(seed: int = 0, **settings: Any) -> GMVAEClassifier:
    return GMVAEClassifier(**{"hidden": (16,), "latent_dim": 3, "max_epochs": 5, "random_state": seed, **settings})


def flipped(content: bytes, place: int) -> bytes:
    damaged = bytearray(content)
    damaged[place // 8] ^= 1 << place % 8
    return bytes(damaged)


def flip_bits(folder: Path, n: int, random: np.random.Generator) -> dict[str, dict[str, int]]:
    """Flip single bits of a model file and of a checkpoint."""
    X, y = data()
    path = model(training=TrainingSettings(checkpoint_dir=folder)).fit(X, y).save(folder / "m.safetensors")
    found = {}
    for name, file, read in (
        ("model file", path, lambda: knownot.load(path)),
        ("checkpoint", folder / "checkpoint.pt", lambda: read_checkpoint(folder)),
    ):
        content, refused = file.read_bytes(), 0
        for place in random.choice(8 * len(content), n, replace=False):
            file.write_bytes(flipped(content, int(place)))
            try:
                read()
            except ValueError:
                refused += 1
        file.write_bytes(content)
        read()
        found[name] = {"flips": n, "refused": refused}
    return found


def load_while_overwritten(folder: Path, n: int) -> dict[str, int]:
    """Load a file while another process saves two models over it in turn."""
    X, y = data()
    models = [model(seed).fit(X, y) for seed in (0, 1)]
    scores = [one.score_samples(X) for one in models]
    path = models[0].save(folder / "m.safetensors")
    writer = os.fork()
    if writer == 0:
        for i in range(n):
            models[(i + 1) % 2].save(path)
        os._exit(0)
    loads = whole = 0
    while os.waitpid(writer, os.WNOHANG)[0] == 0:
        found = knownot.load(path).score_samples(X)
        loads += 1
        whole += any(np.array_equal(found, own) for own in scores)
    return {"overwrites": n, "loads": loads, "whole": whole}


def interrupt_refits(make: Callable[[], Any], n: int, random: np.random.Generator) -> dict[str, int]:
    """Interrupt refits on other labels at random moments, until so many were broken off.

    Ctrl-C within the epochs of a training breaks nothing off: it ends the training early, and ``fit`` goes on
    to a new model.
    """
    X, y = data()
    names = np.array(["a", "b", "c"])[y]
    fitted = make().fit(X, y)
    scores, state = fitted.score_samples(X), dict(vars(fitted))
    start = time.perf_counter()
    make().fit(X, names)
    duration = time.perf_counter() - start

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, interrupt)
    counts = {"broken off": 0, "old model intact": 0, "ended early, new model whole": 0, "came too late": 0, "mixed": 0}
    while counts["broken off"] < n:
        again = make()
        again.__dict__.update(state)
        raised = False
        signal.setitimer(signal.ITIMER_REAL, float(random.uniform(1e-4, duration)))
        try:
            again.fit(X, names)
        except KeyboardInterrupt:
            raised = True
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        counts["broken off"] += raised
        if raised:
            same = vars(again).keys() == state.keys() and all(vars(again)[name] is state[name] for name in state)
            counts["old model intact"] += bool(same and np.array_equal(again.score_samples(X), scores))
        elif set(again.predict(X).tolist()) <= {"a", "b", "c", "unknown"} and len(again.threshold_.scores_) > 1:
            history = getattr(again, "history_", None)
            early = history is not None and history.stopped == "interrupted"
            counts["ended early, new model whole" if early else "came too late"] += 1
        else:
            counts["mixed"] += 1
    return counts


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("flips", 500), ("overwrites", 1000), ("interrupts", 60)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    random = np.random.default_rng(0)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        found |= flip_bits(Path(folder), options.flips, random)
        found["model overwritten while loaded"] = load_while_overwritten(Path(folder), options.overwrites)
    makers: dict[str, Callable[[], Any]] = {
        "refit without a network": lambda: EmbeddingClassifier(random_state=0),
        "refit with a network": lambda: model(max_epochs=1),
    }
    for name, make in makers.items():
        found[name] = interrupt_refits(make, options.interrupts, random)
    if options.json:
        print(json.dumps(found))
        return
    for name, counts in found.items():
        print(f"{name:32} {', '.join(f'{value:,} {what}' for what, value in counts.items())}")


if __name__ == "__main__":
    main()
