"""What thresholds promise, measured: acceptance on random splits of real tables, and false discoveries.

    python benchmarks/conformal.py [coverage] [default] [small] [selection] [nonconform] [--repeats 200]

Writes ``results/conformal/<name>.json``. Tables (wine, vehicle, ...) are read from ``$KNOWNOT_DATA/tables``.

coverage     Acceptance of new samples of known classes and rejection of one class left out, at accept=0.9: one split
             for the threshold, cross-fitting, and either with a threshold for each class.
default      The same for the default rule, whose folds share the weights of its evidence, cross-fitted, on two tables.
small        Twelve tables cut to 100 rows, each with a class left out that the seed draws, at accept=0.95: one split
             against cross-fitting, with the default rule and with whitened neighbours; eight seeds.
selection    False-discovery proportion and power of ``select`` at fdr=0.1 over 500 synthetic batches.
nonconform   The same tables and the same score (mean distance to five neighbours) calibrated by nonconform 1.0
             and by this package. It needs ``pip install nonconform`` (Python 3.12 or newer as published).
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from knownot import EmbeddingClassifier
from knownot.experiments.provenance import provenance

RESULTS = Path(__file__).parent.parent / "results" / "conformal"
ACCEPT, FDR = 0.9, 0.1
# Table, rows to learn from, class left out as unknown.
TABLES = (("wine", 80, 2), ("glass_fgl", 100, 0), ("vehicle", 300, 0), ("segment", 1200, 0), ("satimage", 1500, 1))
# The eleven tables and one of the embeddings.
SMALL_TABLES = (
    "iris", "wine", "crabs", "glass_fgl", "penguins", "vehicle", "vowel", "contraceptive", "segment", "satimage",
    "penbased", "embedding_mnist_pca",
)  # fmt: skip
SMALL_SEEDS = 8
WAYS: dict[str, dict[str, Any]] = {
    "split": {"calibration": "split"},
    "cross": {"calibration": "cross"},
    "split, per class": {"calibration": "split", "per_class": True},
    "cross, per class": {"calibration": "cross", "per_class": True},
}
Table = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]


def labels_of(name: str) -> NDArray[np.int64]:
    """Labels of a table."""
    with np.load(Path(os.environ["KNOWNOT_DATA"]) / "tables" / f"{name}.npz") as file:
        return np.asarray(file["y"])


def read(name: str, left_out: int) -> Table:
    """Samples and labels of the known classes, and samples of the class left out."""
    with np.load(Path(os.environ["KNOWNOT_DATA"]) / "tables" / f"{name}.npz") as file:
        X, y = file["X"].astype(np.float64), file["y"]
    unknown = y == np.unique(y)[left_out]
    return X[~unknown], y[~unknown], X[unknown]


def halves(y: NDArray[np.int64], n_train: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to learn from, drawn at random, and the others, of classes with two rows to learn from at least."""
    order = np.random.default_rng(seed).permutation(len(y))
    train, test = order[:n_train], order[n_train:]
    labels, counts = np.unique(y[train], return_counts=True)
    enough = labels[counts >= 2]
    return train[np.isin(y[train], enough)], test[np.isin(y[test], enough)]


def described(values: list[float]) -> dict[str, float]:
    """Mean with its standard error, and how the values are spread."""
    found = np.asarray(values)
    low, middle, high = np.quantile(found, [0.05, 0.5, 0.95])
    return {
        "mean": round(float(found.mean()), 4),
        "standard_error": round(float(found.std(ddof=1) / np.sqrt(len(found))), 4),
        "quantile_5": round(float(low), 4),
        "median": round(float(middle), 4),
        "quantile_95": round(float(high), 4),
    }


def coverage(repeats: int) -> dict[str, Any]:
    """Acceptance of known samples, of the class with the least, and rejection of the unknown, by way and rule."""
    return _coverage(repeats, TABLES, ("neighbours", "nc-d"), WAYS)


def default(repeats: int) -> dict[str, Any]:
    """The same of the default rule."""
    return _coverage(repeats, TABLES[:2], ("auto",), {"cross": WAYS["cross"]})


def small(repeats: int) -> dict[str, Any]:
    """Acceptance and rejection on tables of 100 rows, by way and rule."""
    found: dict[str, Any] = {}
    for rule in ("auto", "whitened"):
        for way in ("split", "cross"):
            by_table: dict[str, dict[str, float]] = {}
            silent = 0
            for name in SMALL_TABLES:
                accepted, rejected = [], []
                for seed in range(SMALL_SEEDS):
                    n_classes = len(np.unique(labels_of(name)))
                    X, y, unknown = read(name, int(np.random.default_rng(seed).integers(n_classes)))
                    train, test = halves(y, 100 if len(y) > 130 else 2 * len(y) // 3, seed)
                    model = EmbeddingClassifier(rule, accept=0.95, random_state=seed, **WAYS[way])
                    model.fit(X[train], y[train])
                    accepted.append(float((model.predict(X[test]) != -1).mean()))
                    rejected.append(float((model.predict(unknown[:500]) == -1).mean()))
                    silent += bool(np.isneginf(model.offset_))
                by_table[name] = {
                    "accepted": round(float(np.mean(accepted)), 4),
                    "rejected": round(float(np.mean(rejected)), 4),
                }
            means = {
                key: round(float(np.mean([t[key] for t in by_table.values()])), 4) for key in ("accepted", "rejected")
            }
            found[f"{rule}, {way}"] = {
                **means,
                "fits_that_reject_nothing": silent,
                "fits": SMALL_SEEDS * len(SMALL_TABLES),
                "tables": by_table,
            }
            print(rule, way, means, silent, flush=True)
    return {"accept": 0.95, "rows": 100, "seeds": f"0 … {SMALL_SEEDS - 1}", "ways": found}


def _coverage(
    repeats: int, tables: Sequence[tuple[str, int, int]], rules: Sequence[str], ways: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, n_train, left_out in tables:
        X, y, unknown = read(name, left_out)
        for rule in rules:
            for way, settings in ways.items():
                accepted, rejected, seconds = [], [], 0.0
                by_class: dict[int, list[float]] = {c: [] for c in np.unique(y).tolist()}
                for seed in range(repeats):
                    train, test = halves(y, n_train, seed)
                    started = time.perf_counter()
                    model = EmbeddingClassifier(rule, accept=ACCEPT, random_state=seed, **settings)
                    model.fit(X[train], y[train])
                    seconds += time.perf_counter() - started
                    known = model.predict(X[test]) != -1
                    accepted.append(float(known.mean()))
                    rejected.append(float((model.predict(unknown) == -1).mean()))
                    for c in np.unique(y[test]).tolist():
                        by_class[c].append(float(known[y[test] == c].mean()))
                classes = {str(c): round(float(np.mean(rates)), 4) for c, rates in by_class.items() if rates}
                found[f"{name}, {n_train} rows, {rule}, {way}"] = {
                    "acceptance": described(accepted),
                    "acceptance_by_class": classes,
                    "least_accepted_class": min(classes.values()),
                    "unknown_rejected": described(rejected),
                    "milliseconds_a_fit": round(1e3 * seconds / repeats, 1),
                }
                print(name, n_train, rule, way, json.dumps(found[f"{name}, {n_train} rows, {rule}, {way}"]), flush=True)
    return {"accept": ACCEPT, "splits": repeats, "seeds": f"0 … {repeats - 1}", "tables": found}


def selection(repeats: int) -> dict[str, Any]:
    """False-discovery proportion and power of ``select``; every batch has a model and a calibration of its own."""
    n_batches = max(500, repeats)
    found = {}
    for way in ("split", "cross", "cross, per class"):
        for n_unknown, shift in ((5, 4.0), (25, 4.0), (25, 1.5)):
            proportion, power = [], []
            for seed in range(n_batches):
                random = np.random.default_rng(seed)
                y = np.arange(400) % 4
                centres = 8.0 * np.eye(8)[:4]
                X = random.normal(size=(400, 8)) + centres[y]
                known = random.normal(size=(100 - n_unknown, 8)) + centres[random.integers(0, 4, 100 - n_unknown)]
                unknown = random.normal(size=(n_unknown, 8)) + centres[random.integers(0, 4, n_unknown)]
                unknown[:, 4:] += shift
                model = EmbeddingClassifier("neighbours", accept=ACCEPT, random_state=seed, **WAYS[way])
                model.set_params(validation_fraction=0.5).fit(X, y)
                chosen = model.select(np.concatenate([known, unknown]), fdr=FDR)
                proportion.append(float(chosen[: len(known)].sum() / max(chosen.sum(), 1)))
                power.append(float(chosen[len(known) :].mean()))
            found[f"{way}, {n_unknown} of 100 unknown, shift {shift}"] = {
                "false_discovery_proportion": described(proportion),
                "power": described(power),
                # What the rate would be if the p-values were independent.
                "expected_rate": round(FDR * (100 - n_unknown) / 100, 4),
            }
            print(way, n_unknown, shift, json.dumps(found[f"{way}, {n_unknown} of 100 unknown, shift {shift}"]))
    return {"fdr": FDR, "batches": n_batches, "seeds": f"0 … {n_batches - 1}", "settings": found}


class Distance:
    """Mean distance to five neighbours among standardised rows, as nonconform takes a detector."""

    def __init__(self, random_state: int | None = None) -> None:
        self.random_state = random_state

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {"random_state": self.random_state}

    def set_params(self, **params: Any) -> Distance:
        self.__dict__.update(params)
        return self

    def fit(self, X: NDArray[np.float64], y: Any = None) -> Distance:
        self.scaler_ = StandardScaler().fit(X)
        self.search_ = NearestNeighbors(n_neighbors=5).fit(self.scaler_.transform(X))
        return self

    def decision_function(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.search_.kneighbors(self.scaler_.transform(X))[0].mean(1)


def nonconform(repeats: int) -> dict[str, Any]:
    """Both packages in turn, on the same splits."""
    import nonconform as theirs

    logging.getLogger("nonconform").setLevel(logging.ERROR)
    ways = {
        "nonconform Split(0.4)": lambda: theirs.Split(n_calib=0.4),
        "nonconform CrossValidation(5, single_model)": lambda: theirs.CrossValidation(5, mode="single_model"),
        "nonconform CrossValidation(5, plus)": lambda: theirs.CrossValidation(5, mode="plus"),
        "nonconform JackknifeBootstrap(25)": lambda: theirs.JackknifeBootstrap(n_bootstraps=25),
    }
    found: dict[str, Any] = {}
    for name, n_train, left_out in TABLES[:3]:
        X, y, unknown = read(name, left_out)
        for way in [*ways, *(f"knownot {name}" for name in WAYS)]:
            accepted, rejected, fitting, predicting = [], [], 0.0, 0.0
            for seed in range(repeats):
                train, test = halves(y, n_train, seed)
                started = time.perf_counter()
                if way in ways:
                    model = theirs.ConformalDetector(Distance(), ways[way](), seed=seed).fit(X[train])
                    p_values = model.compute_p_values
                else:
                    settings = WAYS[way.removeprefix("knownot ")]
                    model = EmbeddingClassifier("neighbours", accept=ACCEPT, random_state=seed, **settings)
                    p_values = model.fit(X[train], y[train]).p_values
                fitted = time.perf_counter()
                known = p_values(X[test])
                predicting += time.perf_counter() - fitted
                fitting += fitted - started
                accepted.append(float((known > 1 - ACCEPT + 1e-9).mean()))
                rejected.append(float((p_values(unknown) <= 1 - ACCEPT + 1e-9).mean()))
            found[f"{name}, {n_train} rows, {way}"] = {
                "acceptance": described(accepted),
                "unknown_rejected": described(rejected),
                "milliseconds_a_fit": round(1e3 * fitting / repeats, 1),
                "milliseconds_to_predict": round(1e3 * predicting / repeats, 2),
            }
            print(name, n_train, way, json.dumps(found[f"{name}, {n_train} rows, {way}"]), flush=True)
    return {"accept": ACCEPT, "splits": repeats, "version": theirs.__version__, "tables": found}


MEASUREMENTS = {
    "coverage": coverage,
    "default": default,
    "small": small,
    "selection": selection,
    "nonconform": nonconform,
}


def main() -> None:
    """Run the measurements named on the command line, or the first two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *MEASUREMENTS], default=[])
    parser.add_argument("--repeats", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name in options.names or ("coverage", "selection"):
        # Before anything is written, which would count as a change.
        where = provenance()
        result = MEASUREMENTS[name](options.repeats)
        record = {"measurement": name, "result": result, "provenance": where}
        (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
