"""What a rehearsal foretells of networks, and what one class really left out then shows.

    python benchmarks/rehearsal.py [iris] [wine] [vehicle] [segment] [digits] [classification]

Writes ``results/rehearsal/networks.json``. Tables (vehicle, segment) are read from ``$KNOWNOT_DATA/tables``.

For each data set and seed one class is left out altogether. ``rehearse`` sees the others alone and foretells the AUROC,
with a network trained anew for each hidden group and with one network whose rule alone is fitted again. The truth is
the AUROC of held-out samples of the other classes against the class left out. Trainings are short on purpose.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits, load_iris, load_wine, make_classification
from sklearn.model_selection import train_test_split

from knownot import GMVAEClassifier, SoftmaxClassifier, rehearse
from knownot.experiments.provenance import provenance
from knownot.metrics import auroc

RESULTS = Path(__file__).parent.parent / "results" / "rehearsal"
SEEDS = (0, 1, 2)
MOST_ROWS = 700
METHODS: dict[str, dict[str, Any]] = {
    "GMVAE, evidence": {"make": GMVAEClassifier, "rule": "evidence"},
    "GMVAE, nc-d": {"make": GMVAEClassifier, "rule": "nc-d"},
    "softmax, max-logit": {"make": SoftmaxClassifier, "rule": "max-logit"},
    "softmax, neighbours": {"make": SoftmaxClassifier, "rule": "neighbours"},
}
Samples = tuple[NDArray[Any], NDArray[np.int64]]


def samples(name: str) -> Samples:
    """A data set by name, thinned to 700 rows."""
    if name == "classification":
        X, y = make_classification(
            1200, n_features=20, n_informative=8, n_classes=8, n_clusters_per_class=2, random_state=0
        )
    elif name in ("iris", "wine", "digits"):
        X, y = {"iris": load_iris, "wine": load_wine, "digits": load_digits}[name](return_X_y=True)
    else:
        with np.load(Path(os.environ["KNOWNOT_DATA"]) / "tables" / f"{name}.npz") as file:
            X, y = file["X"].astype(np.float64), file["y"].astype(np.int64)
    if len(X) > MOST_ROWS:
        X, _, y, _ = train_test_split(X, y, train_size=MOST_ROWS, stratify=y, random_state=0)
    return X, y


def measure(name: str, method: str, seed: int) -> dict[str, Any]:
    """Both forecasts and the truth for one class left out, which one depends on the seed."""
    X, y = samples(name)
    classes = np.unique(y)
    left_out = classes[np.random.default_rng(seed).permutation(len(classes))[0]]
    known, unknown = y != left_out, X[y == left_out]
    settings = METHODS[method]
    model = settings["make"](rule=settings["rule"], max_epochs=30 if len(X) < 500 else 12, random_state=seed)
    found: dict[str, Any] = {"left_out": int(left_out)}
    # A softmax network has nothing to learn where one class is left.
    if len(classes) > 3 or settings["make"] is not SoftmaxClassifier:
        for way, retrain in (("once", False), ("anew", True)):
            start = time.perf_counter()
            told = rehearse(model, X[known], y[known], retrain=retrain, random_state=seed)
            found |= {way: round(told.auroc, 4), f"{way}_low": round(told.low, 4), f"{way}_high": round(told.high, 4)}
            found[f"{way}_seconds"] = round(time.perf_counter() - start, 2)
    train, test, y_train, _ = train_test_split(X[known], y[known], test_size=0.3, stratify=y[known], random_state=seed)
    model.fit(train, y_train)
    scores = model.score_samples(np.concatenate([test, unknown]))
    found["truth"] = round(auroc(np.arange(len(scores)) < len(test), scores), 4)
    return found


def better_rule_first(cases: list[dict[str, Any]], way: str) -> str:
    """How often the forecasts of two rules of one network are in the order of the truth, where that differs by 0.01."""
    pairs: dict[Any, list[dict[str, Any]]] = {}
    for case in cases:
        pairs.setdefault((case["data"], case["seed"], case["method"].split(",")[0]), []).append(case)
    right = [
        (a[way] > b[way]) == (a["truth"] > b["truth"])
        for a, b in (pair for pair in pairs.values() if len(pair) == 2)
        if abs(a["truth"] - b["truth"]) > 0.01
    ]
    return f"{sum(right)} of {len(right)}"


def main() -> None:
    """Measure all, and keep what there is after each data set."""
    warnings.simplefilter("ignore")
    where, cases = provenance(), []
    for name in sys.argv[1:] or ("iris", "wine", "vehicle", "segment", "digits", "classification"):
        for method in METHODS:
            for seed in SEEDS:
                cases.append({"data": name, "method": method, "seed": seed, **measure(name, method, seed)})
                print(json.dumps(cases[-1]), flush=True)
        RESULTS.mkdir(parents=True, exist_ok=True)
        told = [case for case in cases if "once" in case]
        errors = {way: np.array([case[way] - case["truth"] for case in told]) for way in ("once", "anew")}
        summary: dict[str, Any] = {
            way: {
                "cases": len(error),
                "mean_error": round(float(error.mean()), 4),
                "mean_absolute_error": round(float(np.abs(error).mean()), 4),
                "truth_in_interval": round(
                    float(np.mean([c[f"{way}_low"] <= c["truth"] <= c[f"{way}_high"] for c in told])), 3
                ),
                "median_seconds": round(float(np.median([c[f"{way}_seconds"] for c in told])), 2),
            }
            for way, error in errors.items()
        }
        summary["better_rule_first"] = {way: better_rule_first(told, way) for way in errors}
        record = {"summary": summary, "cases": cases, "provenance": where}
        (RESULTS / "networks.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        print(json.dumps(summary), flush=True)


if __name__ == "__main__":
    main()
