"""Results of an experiment as they lie on disk, with numbers one can follow by hand; a protocol on bundled data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from knownot.data import PROTOCOLS, OpenSetSplit, Protocol
from knownot.experiments import Results


def method(auroc: float, f1: list[float], f1_mean: list[float]) -> dict[str, Any]:
    """What one method measured; the rest follows from its AUROC."""
    return {
        "auroc": auroc,
        "oscr": auroc - 0.1,
        "accuracy": auroc - 0.05,
        "acceptance": 0.95,
        "rejection": auroc - 0.2,
        "f1": f1,
        "f1_mean_threshold": f1_mean,
        "thresholds": [0.0] * len(f1),
    }


def run_of(experiment: str, seed: int, methods: dict[str, Any], preset: str = "paper") -> dict[str, Any]:
    """A result of format 1."""
    facts = {"epochs": 15, "best_epoch": 14 - seed, "precision": "32-true", "device": "cpu", "seconds": 60.0}
    return {
        "format": 1,
        "experiment": experiment,
        "preset": preset,
        "seed": seed,
        "methods": methods,
        "models": {"crosr": facts, "knownot": facts},
        "samples": {"train": 30_000, "test": 10_000},
        "unknown_classes": [5, 7],
        "seconds": 1250.4,
        "provenance": {
            "commit": "0123456789abcdef",
            "changed": False,
            "date": "2026-11-20T10:00:00+00:00",
            "hardware": "Some CPU, 2 cores, x86_64",
            "threads": 2,
            "versions": {"python": "3.11.2", "torch": "2.13.0"},
        },
    }


@pytest.fixture
def fashion(tmp_path) -> Results:
    """Two seeds of open-gmvae/fashion-mnist at the preset paper, and a map of the first."""
    results = Results(tmp_path / "results")
    name = "open-gmvae/fashion-mnist"
    codes = [0, 1, 2, 3, 4, 5] * 5
    points = [[float(code), float(i)] for i, code in enumerate(codes)]
    panel = {"points": points, "centroids": [[float(code), 15.0] for code in range(6)]}
    maps = {"codes": codes, "maps": {"crosr, [y, z]": panel, "gmvae": panel}}
    for seed, more in ((0, 0.0), (1, 0.02)):
        methods = {
            "pixels+5nn": method(0.70 + more, [0.6, 0.5, 0.4], [0.55, 0.45, 0.35]),
            "crosr+nc-d": method(0.80 + more, [0.8, 0.5, 0.4], [0.7, 0.5, 0.4]),
            "gmvae+nc-u": method(0.90 + more, [0.8, 0.6, 0.6], [0.7, 0.6, 0.6 + 4 * more]),
            "knownot": method(0.95 + more, [0.9, 0.8, 0.7], [0.85, 0.75, 0.65]),
        }
        results.write(name, "paper", seed, run_of(name, seed, methods), {} if seed else {"maps": maps})
    return results


@pytest.fixture(scope="session")
def digits() -> Iterator[str]:
    """Name of a protocol on the bundled digits, of which 0 to 5 are known."""
    protocol = Protocol("digits-0-to-5", "digits", (OpenSetSplit(range(6), (6, 7, 8, 9)),), None, 120, 80)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PROTOCOLS, protocol.name, protocol)
        yield protocol.name
