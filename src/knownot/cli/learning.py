"""What `fit` and `demo` share: train, save, judge, report, show."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from knownot.cli.samples import as_input
from knownot.cli.scores import class_table, indented, judge, scorecard, threshold_text, titled
from knownot.cli.terminal import Terminal

if TYPE_CHECKING:
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
        return bool(self.facts["stopped"] == "interrupted")


def learn(
    terminal: Terminal,
    train: Dataset,
    test: Dataset | None,
    parameters: dict[str, Any],
    model_path: Path,
    report_path: Path | None,
    estimator: str = "GMVAEClassifier",
) -> Outcome:
    """Train a classifier and save it at once, then judge it by ``test`` and write the report."""
    import knownot

    start = time.perf_counter()
    model = getattr(knownot, estimator)(**parameters)
    model.fit(as_input(train), train.labels)
    seconds = time.perf_counter() - start
    model.save(model_path)

    history = model.history_
    facts: dict[str, Any] = {
        "model": str(model_path),
        "report": None if report_path is None else str(report_path),
        "classes": model.classes_,
        "unknown_classes": [],
        "input_shape": model.input_shape_,
        "training_samples": len(train),
        "test_samples": 0 if test is None else len(test),
        "epochs": len(history),
        "best_epoch": history.best_epoch,
        "stopped": history.stopped,
        "training_seconds": round(seconds, 2),
        "rule": model.rule,
        "accept": model.accept,
        "threshold": float(model.offset_),
    }
    if test is not None:
        with terminal.doing("Judging"):
            metrics, rows = judge(model, as_input(test), test.labels)
        facts |= {"metrics": metrics, "by_class": rows}
        facts["unknown_classes"] = [row["label"] for row in rows if not row["known"]]
    if report_path is not None:
        with terminal.doing("Writing the report"):
            write_report_of(model, test or train, report_path)
    return Outcome(model, facts, train.class_names if train.labels.dtype.kind in "iu" else None)


def write_report_of(model: Any, data: Dataset, path: Path) -> None:
    """Write the HTML report of a model on some samples."""
    from knownot.report import write_report

    names = None if data.class_names is None else dict(enumerate(data.class_names))
    write_report(path, model, as_input(data), data.y, names=names)


def verdict(outcome: Outcome, title: str, aside: str = "") -> list[RenderableType]:
    """Everything people read when a training is done."""
    facts = outcome.facts
    parts: list[RenderableType] = [titled(title, aside)]
    if "metrics" in facts:
        parts += [
            indented(scorecard(facts["metrics"], facts["accept"])),
            indented(class_table(facts["by_class"], outcome.class_names)),
        ]
    parts.append(indented(_made(facts)))
    return parts


def _made(facts: dict[str, Any]) -> Table:
    """What was made, and how to go on."""
    table = Table(box=None, show_header=False, padding=(0, 2), pad_edge=False)
    table.add_column(style="aside", no_wrap=True)
    table.add_column(overflow="fold")
    epochs = "1 epoch" if facts["epochs"] == 1 else f"{facts['epochs']} epochs"
    best = "" if facts["best_epoch"] is None else f", best {facts['best_epoch']}"
    how = {"early": " (stopped early)", "time": " (out of time)", "interrupted": " (interrupted)"}.get(
        facts["stopped"], ""
    )
    table.add_row(
        "Trained",
        f"{facts['training_samples']:,} samples, {epochs}{how}{best}, {facts['training_seconds']:.1f} s",
    )
    table.add_row("Threshold", threshold_text(facts["threshold"], facts["accept"]))
    table.add_row("Model", Text(facts["model"], "path"))
    if facts["report"] is not None:
        table.add_row("Report", Text(facts["report"], "path"))
    table.add_row("Use it", Text(f"knownot predict {shlex.quote(facts['model'])} SOURCE"))
    return table
