"""Quality beside what a user would try first: k-NN on raw pixels, in the same run.

    KNOWNOT_DATA=... python benchmarks/open_set.py run fashion-mnist --seeds 0 1 2
    KNOWNOT_DATA=... python benchmarks/open_set.py run mnist-even-odd --seeds 0 1 2
    python benchmarks/open_set.py table

One training a seed; every rule reads the same embeddings. Each seed is written to
``results/open-set/`` as soon as it is done, and one that is there is not run again. The splits are
the paper's (validation cut from the training set by the seed, test set whole). Weights and the
scales of the default rule are chosen on half of the validation knowns, acceptance thresholds on
the other half, the thresholds of macro-F1 on validation knowns and unknowns (the paper's
protocol: for each number Q of unknown classes, and their mean). The test set chooses nothing.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from knownot import GMVAEClassifier, load
from knownot.data import PROTOCOLS, image_tensor, load_named, open_set_partition
from knownot.estimators.inputs import halves
from knownot.experiments.provenance import provenance
from knownot.metrics import auroc, closed_set_accuracy, f1_against_unknown_classes, oscr
from knownot.rules import ConformalThreshold, f1_threshold, make_rule, nearest

RESULTS = Path(__file__).parent.parent / "results" / "open-set"
# What differs from the estimator's defaults: only the number of subclusters, which the problem states.
SETTINGS: dict[str, dict[str, Any]] = {"fashion-mnist": {}, "mnist-even-odd": {"n_subclusters": 2}}
RULES = ("nc-d", "nc-u", "neighbours", "likelihood", "evidence")
ACCEPT = 0.95

Scored = tuple[np.ndarray, np.ndarray]


def pixels(metric: str, train: Any, parts: list[np.ndarray], k: int = 5) -> list[Scored]:
    """Nearest class and knownness of each part by k-NN on raw pixels."""

    def flat(x: np.ndarray) -> torch.Tensor:
        rows = torch.from_numpy(x.reshape(len(x), -1)).float() / 255.0
        return torch.nn.functional.normalize(rows) if metric == "cosine" else rows

    references, labels = flat(train.x), torch.from_numpy(train.codes)
    scored = []
    for x in parts:
        distances, indices = nearest(flat(x), references, k, chunk=512)
        classes = labels[indices].mode(1).values
        scored.append((classes.numpy(), -distances.mean(1).double().numpy()))
    return scored


def measure(data: dict[str, Any], selection: Scored, calibration: Scored, unknown: Scored, test: Scored) -> dict:
    """All numbers of one method."""
    codes, labels, names = data["test_codes"], data["test_labels"], data["unknown_classes"]
    known = codes >= 0
    classes, scores = test
    held = (np.concatenate([selection[0], calibration[0]]), np.concatenate([selection[1], calibration[1]]))
    thresholds = [
        f1_threshold(held[1], data["held_codes"], held[0], unknown[1][np.isin(data["unknown_labels"], names[:q])])
        for q in range(len(names) + 1)
    ]
    # Known samples by their code, unknown ones by their label, moved out of the codes' way.
    mixed, unknowns = np.where(known, codes, labels + len(codes)), [name + len(codes) for name in names]
    offset = ConformalThreshold(ACCEPT).fit(calibration[1]).offset_
    return {
        "auroc": auroc(known, scores),
        "oscr": oscr(known, classes == codes, scores),
        "accuracy": closed_set_accuracy(codes[known], classes[known]),
        "acceptance": float((scores[known] >= offset).mean()),
        "rejection": float((scores[~known] < offset).mean()),
        "f1": f1_against_unknown_classes(mixed, classes, scores, thresholds, unknowns).tolist(),
        "f1_mean_threshold": f1_against_unknown_classes(
            mixed, classes, scores, float(np.mean(thresholds)), unknowns
        ).tolist(),
        "thresholds": thresholds,
    }


def run(name: str, seed: int, epochs: int | None, settings: dict[str, Any], models: Path | None) -> dict[str, Any]:
    """Train once with this seed and score every rule and both pixel baselines."""
    started = time.time()
    protocol = PROTOCOLS[f"open-gmvae/{name}"]
    source = {"fashion-mnist": "fashion-mnist", "mnist-even-odd": "mnist"}[name]
    partition = open_set_partition(
        load_named(source, "train"),
        load_named(source, "test"),
        protocol.splits[0],
        protocol.n_validation_known,
        protocol.n_validation_unknown,
        seed=seed,
    )
    split = partition.split
    train = argparse.Namespace(x=partition.train.x, codes=split.apply(partition.train.y))
    held = split.apply(partition.validation_known.y)
    # The halves that the estimator cuts the validation knowns into.
    parted = halves(held)
    x_selection, x_calibration = (partition.validation_known.x[i] for i in parted)
    data = {
        "held_codes": np.concatenate([held[i] for i in parted]),
        "unknown_labels": partition.validation_unknown.labels,
        "test_codes": split.apply(partition.test.y),
        "test_labels": partition.test.y,
        "unknown_classes": sorted(np.unique(partition.validation_unknown.labels).tolist()),
    }
    parts = [x_selection, x_calibration, partition.validation_unknown.x, partition.test.x]
    methods: dict[str, Any] = {}
    for metric in ("euclidean", "cosine"):
        methods[f"pixels-5nn-{metric}"] = measure(data, *pixels(metric, train, parts))

    kept = models / f"{name}-seed{seed}.safetensors" if models else None
    if kept and kept.exists():
        model = cast(GMVAEClassifier, load(kept))
    else:
        model = GMVAEClassifier(random_state=seed, verbose=1, max_epochs=epochs, **(SETTINGS[name] | settings))
        model.fit(train.x, train.codes, validation=(partition.validation_known.x, held))
        if kept:
            model.save(kept)
    embeddings, codes = torch.from_numpy(model.transform(train.x)), torch.from_numpy(train.codes)
    described = [evidence(model, x) for x in parts]
    for name_of_rule in RULES:
        rule = make_rule(name_of_rule, cast(int, model.n_subclusters), seed).fit(embeddings, codes)
        rule.calibrate(described[0]["embedding"], torch.from_numpy(held[parted[0]]), described[0])
        scores = [rule.score(found["embedding"], found) for found in described]
        methods[name_of_rule] = measure(data, *[(c.numpy(), s.double().numpy()) for c, s in scores])
    return {
        "experiment": name,
        "seed": seed,
        "methods": methods,
        "settings": {k: v for k, v in model.get_params().items() if isinstance(v, int | float | str | tuple | None)},
        "epochs": len(model.history_),
        "best_epoch": model.history_.best_epoch,
        "precision": model.history_.precision,
        "unknown_classes": data["unknown_classes"],
        "seconds": round(time.time() - started, 1),
        "provenance": provenance(),
    }


def evidence(model: GMVAEClassifier, x: np.ndarray) -> dict[str, torch.Tensor]:
    """All that the module says of images, so that every rule reads the same."""
    with torch.inference_mode():
        found = [model.module_.evidence(part.float() / 255.0) for part in image_tensor(x).split(512)]
    return {name: torch.cat([part[name] for part in found]) for name in found[0]}


def read(name: str, folder: Path) -> list[dict[str, Any]]:
    """Results of all seeds of one experiment."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob(f"{name}-seed*.json"))]


def cell(runs: list[dict[str, Any]], method: str, key: str, place: int | None = None) -> str:
    """Mean ± standard deviation of one number over the seeds."""
    values = [r["methods"][method][key] for r in runs]
    values = [v[place] if place is not None else v for v in values]
    spread = f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
    return f"{np.mean(values):.4f}{spread}"


def table(name: str, folder: Path) -> str:
    """Markdown of all seeds of one experiment, mean ± standard deviation."""
    runs = read(name, folder)
    if not runs:
        return f"{name}: no results yet\n"
    n_q = len(runs[0]["unknown_classes"]) + 1
    plain = ("auroc", "oscr", "accuracy", "acceptance", "rejection")
    heads = ["method", *plain, *(f"F1 Q={q}" for q in range(n_q))]
    lines = [f"### {name}, test set, seeds {', '.join(str(r['seed']) for r in runs)}", ""]
    for title, key in (("threshold for each Q", "f1"), ("mean threshold", "f1_mean_threshold")):
        lines += [f"Macro-F1 with {title}:", "", "| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
        for method in runs[0]["methods"]:
            cells = [cell(runs, method, column) for column in plain]
            cells += [cell(runs, method, key, q) for q in range(n_q)]
            lines.append("| " + " | ".join([method, *cells]) + " |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("run")
    runner.add_argument("name", choices=sorted(SETTINGS))
    runner.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    runner.add_argument("--epochs", type=int, default=None)
    runner.add_argument("--models", type=Path, help="folder to keep trained models in, and to take them from")
    runner.add_argument("--set", nargs="*", default=[], help="other settings, as latent_dim=32")
    printer = commands.add_parser("table")
    for sub in (runner, printer):
        sub.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    if arguments.command == "table":
        print("\n".join(table(name, arguments.results) for name in SETTINGS))
        return
    arguments.results.mkdir(parents=True, exist_ok=True)
    settings = {key: json.loads(value) for key, value in (pair.split("=", 1) for pair in arguments.set)}
    for seed in arguments.seeds:
        path = arguments.results / f"{arguments.name}-seed{seed}.json"
        if not path.exists():
            path.write_text(
                json.dumps(run(arguments.name, seed, arguments.epochs, settings, arguments.models), indent=1) + "\n"
            )
    print(table(arguments.name, arguments.results))


if __name__ == "__main__":
    main()
