"""What `fit` and `demo` share: train, save, judge, report, show."""

from __future__ import annotations

import shlex
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from knownot.cli.judging import judge, shown
from knownot.cli.kinds import Kind, kind_of
from knownot.cli.samples import Parts, as_input
from knownot.cli.scores import forecast_text, indented, threshold_text, titled
from knownot.cli.terminal import Terminal

if TYPE_CHECKING:
    import numpy as np

    from knownot.data import Dataset


@dataclass(frozen=True)
class Outcome:
    """A trained, saved and judged model.

    Attributes
    ----------
    model : fitted estimator
    facts : dict
        What ``--json`` prints.
    class_names : tuple of str or None
        Names of classes 0 … C - 1.
    """

    model: Any
    facts: dict[str, Any]
    class_names: tuple[str, ...] | None

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the training early; the model is that of the best epoch until then."""
        return self.facts.get("stopped") == "interrupted"


def learn(terminal: Terminal, model: Any, parts: Parts, model_path: Path, report_path: Path | None = None) -> Outcome:
    """Train a model and save it at once, then judge it by what was held out and write the report.

    Parameters
    ----------
    terminal : Terminal
    model : unfitted estimator
    parts : Parts
        A classifier learns the labels; other estimators do not see them. Where nothing was held out a clusterer is
        judged by what it learned from.
    model_path : Path
    report_path : Path, optional
    """
    train, test = parts.train, parts.test
    kind = kind_of(model)
    start = time.perf_counter()
    model.fit(as_input(train), *([train.labels] if kind is Kind.classifier else []))
    seconds = time.perf_counter() - start
    model.save(model_path)

    facts: dict[str, Any] = {"model": str(model_path), "report": None if report_path is None else str(report_path)}
    facts |= learned(model, kind)
    facts |= {
        "training_samples": len(train),
        "test_samples": 0 if test is None else len(test),
        "training_seconds": round(seconds, 2),
    }
    if test is not None or kind is Kind.clusterer:
        with terminal.doing("Judging"):
            facts |= judge(model, train, None) if test is None else judge(model, test, parts.known)
    if "by_class" in facts:
        facts["unknown_classes"] = [row["label"] for row in facts["by_class"] if not row["known"]]
    if report_path is not None:
        with terminal.doing("Writing the report"):
            write_report_of(model, train if test is None else test, report_path, parts.known)
    return Outcome(model, facts, train.class_names if train.y is not None and train.y.dtype.kind in "iu" else None)


def learned(model: Any, kind: Kind) -> dict[str, Any]:
    """Facts of a fitted model, as far as it has them."""
    facts: dict[str, Any] = {"kind": kind.value}
    if kind is Kind.classifier:
        facts |= {"classes": model.classes_, "unknown_classes": []}
    if hasattr(model, "input_shape_"):
        facts["input_shape"] = model.input_shape_
    if getattr(model, "columns_", None) is not None:
        facts["columns"] = model.columns_.to_facts()
    if hasattr(model, "history_"):
        history = model.history_
        facts |= {"epochs": len(history), "best_epoch": history.best_epoch, "stopped": history.stopped}
    parameters = model.get_params(deep=False)
    if "rule" in parameters:
        facts["rule"] = getattr(parameters["rule"], "name", parameters["rule"])
    if "accept" in parameters:
        facts["accept"] = parameters["accept"]
    if hasattr(model, "offset_"):
        facts["threshold"] = float(model.offset_)
    if hasattr(model, "forecast_"):
        facts["forecast"] = {**asdict(model.forecast_), "evidence": model.rule_.weights_, "voters": model.rule_.voters_}
    return facts


def write_report_of(model: Any, data: Dataset, path: Path, known: np.ndarray | None = None) -> None:
    """Write the HTML report of a model on some samples; ``known`` says which are, where the model does not know."""
    from knownot.report import write_report

    names = None if data.class_names is None else dict(enumerate(data.class_names))
    write_report(path, model, as_input(data), data.y, known=known, names=names)


def verdict(outcome: Outcome, title: str, aside: str = "") -> list[RenderableType]:
    """Everything users read when a training is done."""
    return [titled(title, aside), *shown(outcome.facts, outcome.class_names), indented(_made(outcome.facts))]


def _made(facts: dict[str, Any]) -> Table:
    """What was made, and how to go on."""
    table = Table(box=None, show_header=False, padding=(0, 2), pad_edge=False)
    table.add_column(style="aside", no_wrap=True)
    table.add_column(overflow="fold")
    trained = [f"{facts['training_samples']:,} samples"]
    if "epochs" in facts:
        how = {"early": " (stopped early)", "time": " (out of time)", "interrupted": " (interrupted)"}
        trained.append(
            f"{facts['epochs']} epoch{'' if facts['epochs'] == 1 else 's'}{how.get(facts['stopped'], '')}"
            + ("" if facts["best_epoch"] is None else f", best {facts['best_epoch']}")
        )
    table.add_row("Trained", ", ".join([*trained, f"{facts['training_seconds']:.1f} s"]))
    if "threshold" in facts:
        table.add_row("Threshold", threshold_text(facts["threshold"], facts.get("accept")))
    table.add_row("Model", Text(facts["model"], "path"))
    if (forecast := facts.get("forecast")) is not None:
        text = forecast_text(*(forecast[name] for name in ("auroc", "low", "high"))) if forecast["by_fold"] else ""
        table.add_row("Forecast", "; ".join(part for part in (text, forecast["note"]) if part))
    if facts["report"] is not None:
        table.add_row("Report", Text(facts["report"], "path"))
    table.add_row("Use it", Text(f"knownot predict {shlex.quote(facts['model'])} SOURCE"))
    return table
