"""`knownot demo`: learn the bundled digits 0-5, meet 6-9."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from knownot.cli import options
from knownot.cli.learning import learn, verdict
from knownot.cli.outputs import require_folder
from knownot.cli.samples import Parts, divide
from knownot.cli.terminal import EXIT_INTERRUPTED, Terminal, answers

NAME = "demo"
EXAMPLES = """[bold]Examples[/]

  knownot demo
  knownot demo --out demo --json | jq .auroc
"""
KNOWN = [str(digit) for digit in range(6)]


@answers
def command(
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the model and the report.")
    ] = Path("demo"),
    epochs: Annotated[int, typer.Option("--epochs", metavar="N", help="Passes over the digits.")] = 100,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Decides all that is random.")] = 0,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train on the handwritten digits 0 to 5, then predict 6 to 9 as well: under a minute.

    The digits come with scikit-learn, so that nothing is downloaded.
    """
    terminal = Terminal(as_json, quiet)
    start = time.perf_counter()
    require_folder(out, "--out")
    with terminal.doing("Loading"):
        import knownot

        parts = known_digits()
        model = knownot.GMVAEClassifier(max_epochs=epochs, random_state=seed, verbose=0 if quiet else 1)
    terminal.say("Learning the digits 0 to 5; 6 to 9 are never shown.")
    with one_thread():
        outcome = learn(terminal, model, parts, out / "digits.safetensors", out / "report.html")
    facts = demo_facts(outcome.facts, time.perf_counter() - start)
    terminal.result(facts, *verdict(outcome, "Digits", "0 to 5 are known, 6 to 9 were never seen"))
    if outcome.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: for images of 8 × 8 pixels more do not help, and slow a busy machine down."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def known_digits() -> Parts:
    """Digits 0 to 5 to learn from, and all ten to judge by."""
    from knownot.data import load_named

    return divide(load_named("digits", "train"), load_named("digits", "test"), {digit: [digit] for digit in KNOWN})


def demo_facts(facts: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Choose what `--json` prints: one flat object."""
    metrics = facts["metrics"]
    return {
        "accuracy": metrics["closed_set_accuracy"],
        "auroc": metrics["auroc"],
        "oscr": metrics["oscr"],
        "macro_f1": metrics["macro_f1"],
        "accept": facts["accept"],
        "acceptance": metrics["acceptance"],
        "rejection": metrics["unknown_rejection"],
        "threshold": facts["threshold"],
        "epochs": facts["epochs"],
        "seconds": round(seconds, 2),
        "training_seconds": facts["training_seconds"],
        "model": facts["model"],
        "report": facts["report"],
        "by_class": facts["by_class"],
    }
