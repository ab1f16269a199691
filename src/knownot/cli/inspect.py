"""`knownot inspect`: facts of a saved model, from its file alone."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from knownot.cli.options import Json, ModelFile
from knownot.cli.scores import forecast_text, indented, threshold_text, titled
from knownot.cli.terminal import Terminal, answers

NAME = "inspect"
EXAMPLES = """[bold]Examples[/]

  knownot inspect model.safetensors
  knownot inspect model.safetensors --json | jq .classes
"""
MOST_CLASSES, MOST_COLUMNS = 24, 20


@answers
def command(model: ModelFile, as_json: Json = False) -> None:
    """Show what a saved model is: its classes, rule, threshold, size and training.

    The file is read and its checksum compared, but no model is built, so this is fast for large models as well.
    """
    facts = read_facts(model)
    Terminal(as_json).result(facts, titled(model.name, facts["estimator"]), indented(card(facts)))


def read_facts(path: Path) -> dict[str, Any]:
    """Read and check a model file: facts that every model has, and others where they are present.

    Raises
    ------
    ValueError
        If the file is missing, damaged or not a model.
    """
    from safetensors.numpy import load

    from knownot.model_file import read_model_file

    file = read_model_file(path)
    config, shapes = file.config, file.shapes
    try:
        tensors = load(file.content) if "threshold.offset" in shapes else {}
        offset = float(tensors["threshold.offset"]) if tensors else None
        parameters = config["parameters"]
        facts = {
            "model": str(path),
            "bytes": len(file.content),
            **{name: config[name] for name in ("estimator", "format_version", "saved", "knownot", "torch")},
            "parameters": parameters,
        }
        for name in (
            "classes",
            "input_shape",
            "feature_names",
            "columns",
            "accept",
            "latent_dim",
            "n_subclusters",
            "n_components",
        ):
            # Older files hold some of them only as parameters, as they were before the fit.
            value = config.get(name, parameters.get(name))
            if value is not None:
                facts[name] = value
        if (rule := parameters.get("rule")) is not None:
            facts["rule"] = rule["rule"] if isinstance(rule, dict) else rule
        if offset is not None:
            facts["threshold"] = offset
            facts["calibration_samples"] = len(tensors["threshold.scores"]) if "threshold.scores" in tensors else None
        facts |= _forecast_facts(tensors)
        if "threshold.class_offsets" in tensors:
            facts["class_thresholds"] = tensors["threshold.class_offsets"].tolist()
        weights = sum(prod(shape) for name, shape in shapes.items() if name.startswith("module."))
        if weights:
            facts["weights"] = weights
        if config.get("history"):
            facts["training"] = _training_facts(config["history"])
        return facts
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ValueError(f"{path} does not hold a whole model ({error}): save it again.") from error


def _forecast_facts(tensors: dict[str, Any]) -> dict[str, Any]:
    """What a rule that weighs evidence says: how well it expects to do, the weights, and which sources vote."""

    def after(start: str) -> list[str]:
        return [name.removeprefix(start) for name in tensors if name.startswith(start)]

    weights = {name: float(tensors[f"rule.weight {name}"]) for name in after("rule.weight ")}
    if not weights:
        return {}
    facts: dict[str, Any] = {"evidence": dict(sorted(weights.items(), key=lambda item: -item[1]))}
    votes = sorted((name.split(" ", 1) for name in after("rule.vote ")), key=lambda vote: int(vote[0]))
    facts["voters"] = [name for _, name in votes]
    if "rule.forecast" in tensors:
        auroc, low, high, rejection, *by_fold = tensors["rule.forecast"].tolist()
        facts["forecast"] = {"auroc": auroc, "low": low, "high": high, "rejection": rejection, "by_fold": by_fold}
    return facts


def _training_facts(history: dict[str, Any]) -> dict[str, Any]:
    records, best = history["records"], history["best_epoch"]
    return {
        "epochs": len(records),
        "best_epoch": best,
        "stopped": history["stopped"],
        "seconds": round(sum(record["seconds"] for record in records), 2),
        "device": history["device"],
        "precision": history["precision"],
        "best": None if best is None else records[best - 1],
    }


def card(facts: dict[str, Any]) -> Table:
    """Facts of a model for users to read: a row for each that it has."""
    table = Table(box=None, show_header=False, padding=(0, 2), pad_edge=False)
    table.add_column(style="aside", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _rows(facts):
        if text:
            table.add_row(name, Text(text))
    return table


def _rows(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "classes" in facts:
        yield "Classes", _classes(facts["classes"])
    if "input_shape" in facts:
        yield "Input", _input(facts)
    yield from _columns(facts.get("columns", []))
    yield "Rule", facts.get("rule", "")
    if "threshold" in facts:
        yield "Threshold", _threshold(facts)
    if "forecast" in facts:
        yield "Forecast", forecast_text(*(facts["forecast"][name] for name in ("auroc", "low", "high")))
    if "evidence" in facts:
        yield "Evidence", " · ".join(f"{name} {weight:.2f}" for name, weight in facts["evidence"].items())
        yield "Class by", ", ".join(facts["voters"])
    if "class_thresholds" in facts:
        yield "Of each class", _class_thresholds(facts)
    if "latent_dim" in facts:
        yield "Embedding", f"{facts['latent_dim']} dimensions"
    if "n_subclusters" in facts:
        yield "Subclusters", _subclusters(facts["n_subclusters"], facts.get("classes", []))
    if "n_components" in facts:
        yield "Components", str(facts["n_components"])
    yield "Size", (f"{facts['weights']:,} weights, " if "weights" in facts else "") + _size(facts["bytes"])
    if "training" in facts:
        yield "Trained", _training(facts["training"])
        yield "Loss", _loss(facts["training"]["best"])
    yield "Saved", f"{facts['saved'].replace('T', ' ').removesuffix('+00:00')} UTC"
    yield "By", f"knownot {facts['knownot']}, torch {facts['torch']}, format {facts['format_version']}"


def _classes(classes: list[Any]) -> str:
    more = f" and {len(classes) - MOST_CLASSES} more" if len(classes) > MOST_CLASSES else ""
    return f"{len(classes)}: {', '.join(map(str, classes[:MOST_CLASSES]))}{more}"


def _threshold(facts: dict[str, Any]) -> str:
    text = threshold_text(facts["threshold"], facts.get("accept"))
    n = facts.get("calibration_samples")
    return text if n is None else f"{text}; {n:,} calibration samples"


def _class_thresholds(facts: dict[str, Any]) -> str:
    offsets = facts["class_thresholds"]
    named = [
        f"{label} {offset:.4g}" for label, offset in list(zip(facts["classes"], offsets, strict=True))[:MOST_CLASSES]
    ]
    more = f" and {len(offsets) - MOST_CLASSES} more" if len(offsets) > MOST_CLASSES else ""
    return ", ".join(named) + more


def _input(facts: dict[str, Any]) -> str:
    shape = facts["input_shape"]
    if len(shape) == 3:
        colours = {1: "grey", 3: "colour"}.get(shape[0], f"{shape[0]} channels")
        return f"images of {shape[1]} × {shape[2]} pixels, {colours}"
    names = facts.get("feature_names")
    n = len(facts["columns"]) if "columns" in facts else shape[0]
    return (
        f"tables with {n} columns"
        + (f": {', '.join(names[:12])}" if names else "")
        + (", …" if names and len(names) > 12 else "")
    )


def _columns(columns: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """How each column that is not of numbers alone becomes numbers."""
    plain = [column["name"] for column in columns if column["kind"] == "number" and not column["gaps"]]
    told = [column for column in columns if column["name"] not in plain]
    for place, column in enumerate(told[:MOST_COLUMNS]):
        yield "" if place else "Columns", f"{column['name']}: {_encoding(column)}"
    if len(told) > MOST_COLUMNS:
        yield "", f"{len(told) - MOST_COLUMNS} more; --json has all"
    if told and plain:
        yield "", f"{'all others' if len(plain) > 1 else plain[0]}: numbers"


def _encoding(column: dict[str, Any]) -> str:
    """Tell how a column becomes numbers.

    Examples
    --------
    >>> _encoding({"kind": "category", "levels": ["f", "m"], "gaps": True, "median": 0.0})
    'one-hot, f, m, or missing'
    >>> _encoding({"kind": "number", "levels": [], "gaps": True, "median": 2.5})
    'numbers, gaps filled by the median, 2.5'
    """
    kind, levels, gaps = column["kind"], column["levels"], column["gaps"]
    if kind == "number":
        return f"numbers, gaps filled by the median, {column['median']:.6g}"
    shown = ", ".join(levels[:MOST_CLASSES]) + (f", … ({len(levels)})" if len(levels) > MOST_CLASSES else "")
    if kind == "category":
        how = "one-hot" if len(levels) + gaps > 2 else "0 or 1"
        return f"{how}, {shown}" + (", or missing" if gaps else "")
    return f"in order, {shown}" + (f"; gaps filled by {levels[int(column['median'])]}" if gaps else "")


def _subclusters(counts: Any, classes: list[Any]) -> str:
    if isinstance(counts, dict):
        return ", ".join(f"{label} {count}" for label, count in counts["mapping"])
    if isinstance(counts, list) and len(set(counts)) > 1:
        return ", ".join(f"{label} {count}" for label, count in zip(classes, counts, strict=True))
    return f"{counts[0] if isinstance(counts, list) else counts} in each class"


def _training(training: dict[str, Any]) -> str:
    how = {"early": ", stopped early", "time": ", out of time", "interrupted": ", interrupted"}.get(
        training["stopped"], ""
    )
    best = f", best {training['best_epoch']}" if training["best_epoch"] else ""
    return (
        f"{training['epochs']} epochs{best}{how}, {training['seconds']:.1f} s "
        f"on {training['device']} in {training['precision']}"
    )


def _loss(best: dict[str, Any] | None) -> str:
    if best is None:
        return ""
    values = best["validation"] or best["train"]
    terms = [f"{name} {value:.4g}" for name, value in values.items() if name != "total" and value]
    return (
        f"{values['total']:.4g} nats a sample {'held out' if best['validation'] else 'trained on'}: {' · '.join(terms)}"
    )


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.0f} kB"
