"""`knownot fit`: learn the known classes, calibrate, judge, save."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from knownot.cli import options
from knownot.cli.learning import learn, verdict
from knownot.cli.outputs import require_writable
from knownot.cli.samples import divide
from knownot.cli.selection import Chosen, parse_selection
from knownot.cli.terminal import EXIT_INTERRUPTED, Terminal, answers

if TYPE_CHECKING:
    import numpy as np

NAME = "fit"
EXAMPLES = """[bold]Examples[/]

  knownot fit photos/ --model birds.safetensors
  knownot fit mnist --known 0,1,2,3,4,5 --epochs 20 --report report.html
  knownot fit mnist --groups even=0+2,odd=1+3 --subclusters 2
  knownot fit wine.csv --label cultivar --accept 0.99 --json
  knownot fit cifar10 --known cat,dog --checkpoint run1 --resume
"""

MODEL, TRAINING, DATA, OUTPUT = "Model", "Training", "Data", "Output"


@answers
def command(
    source: options.Source,
    label: options.Label = None,
    known: options.Known = None,
    groups: options.Groups = None,
    held_out: Annotated[
        float,
        typer.Option(
            "--held-out",
            metavar="SHARE",
            help="Share of each class held out for the verdict; named data sets have a test set instead.",
            rich_help_panel=DATA,
        ),
    ] = 0.2,
    unreadable: options.UnreadableFiles = options.Unreadable.refuse,
    method: Annotated[
        options.Method,
        typer.Option("--method", metavar="NAME", help="What learns: gmvae, crosr or softmax.", rich_help_panel=MODEL),
    ] = options.Method.gmvae,
    rule: Annotated[
        options.Rule | None,
        typer.Option(
            "--rule",
            metavar="RULE",
            help=f"How an embedding is judged, where not by the method's own rule: {', '.join(options.Rule)}.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    accept: Annotated[
        float,
        typer.Option(
            "--accept", metavar="SHARE", min=0, max=1, help="Share of known samples to accept.", rich_help_panel=MODEL
        ),
    ] = 0.95,
    subclusters: Annotated[
        str | None,
        typer.Option(
            "--subclusters",
            metavar="K|K1,K2,…|auto",
            help="Subclusters of each class: one number, or one for each, in the order of --known or --groups; "
            "auto finds them.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    latent_dim: Annotated[
        int | None, typer.Option("--latent-dim", metavar="D", help="Size of the embedding.", rich_help_panel=MODEL)
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", metavar="N", help="Passes over the samples.", rich_help_panel=TRAINING)
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Decides all that is random.", rich_help_panel=TRAINING)
    ] = 0,
    precision: Annotated[
        str, typer.Option("--precision", metavar="NAME", help="auto, 32-true or bf16-mixed.", rich_help_panel=TRAINING)
    ] = "auto",
    accelerator: Annotated[
        str, typer.Option("--accelerator", metavar="NAME", help="auto, cpu, cuda or mps.", rich_help_panel=TRAINING)
    ] = "auto",
    devices: Annotated[
        int, typer.Option("--devices", metavar="N", help="Devices to train on.", rich_help_panel=TRAINING)
    ] = 1,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint", metavar="DIR", help="Save the training there, epoch by epoch.", rich_help_panel=TRAINING
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", metavar=" ", help="Go on from the checkpoint, if there is one.", rich_help_panel=TRAINING
        ),
    ] = False,
    model: Annotated[
        Path,
        typer.Option("--model", "-o", metavar="FILE", help="Where to save the model.", rich_help_panel=OUTPUT),
    ] = Path("model.safetensors"),
    report: options.ReportFile = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Learn the known classes, choose the threshold, and save the model.

    Samples that are held out, and those of classes not named by --known or --groups, show how well it rejects.
    """
    terminal = Terminal(as_json, quiet)
    chosen = parse_selection(known, groups)
    require_writable(model, "--model", (".safetensors",))
    require_writable(report, "--report", (".html",))
    if resume and checkpoint is None:
        raise ValueError("--resume needs the folder to resume from: add --checkpoint DIR.")
    parameters: dict[str, Any] = {
        "accept": accept,
        "random_state": seed,
        "precision": precision,
        "accelerator": accelerator,
        "devices": devices,
        "checkpoint_dir": None if checkpoint is None else str(checkpoint),
        "resume": resume,
        "verbose": 0 if quiet else 1,
    }
    counts = parse_subclusters(subclusters)
    given = {
        "rule": None if rule is None else rule.value,
        "latent_dim": latent_dim,
        "max_epochs": epochs,
    }
    if method is not options.Method.gmvae and (latent_dim is not None or counts is not None):
        raise ValueError(f"--latent-dim and --subclusters belong to --method gmvae: leave them out with {method}.")
    parameters |= {name: value for name, value in given.items() if value is not None}

    with terminal.doing(f"Reading {source}"):
        train, test = divide(source, label, chosen, held_out, seed, unreadable.value)
    if isinstance(counts, str):
        parameters["n_subclusters"] = counts
    elif counts is not None:
        parameters["n_subclusters"] = subclusters_by_class(counts, chosen, train.labels, train.class_names)
    outcome = learn(terminal, train, test, parameters, model, report, method.estimator)
    facts = {"source": source, **outcome.facts}
    terminal.result(facts, *verdict(outcome, "Done", source))
    if outcome.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)


def parse_subclusters(text: str | None) -> list[int] | str | None:
    """Read `--subclusters 2`, `--subclusters 2,3` or `--subclusters auto`.

    Examples
    --------
    >>> parse_subclusters("2"), parse_subclusters("1,3")
    ([2], [1, 3])
    """
    if text is None or text == "auto":
        return text
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1:
        raise ValueError(
            f"--subclusters {text} is not a positive number or a list of them: write 2, or 2,3,1, or auto."
        )
    return counts


def subclusters_by_class(
    counts: list[int], chosen: Chosen | None, y: np.ndarray, class_names: tuple[str, ...] | None
) -> int | dict[Any, int]:
    """Give each class its number: in the order in which the classes were chosen, else in sorted order.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([0, 1, 0, 1])
    >>> subclusters_by_class([2, 3], {"1": ["1"], "0": ["0"]}, y, None)
    {1: 2, 0: 3}
    """
    import numpy as np

    if len(counts) == 1:
        return counts[0]
    labels = np.unique(y).tolist()
    if len(counts) != len(labels):
        raise ValueError(
            f"--subclusters has {len(counts)} numbers for {len(labels)} classes: give one number, or one for each."
        )
    if chosen is not None:
        places = {str(label): place for place, label in enumerate(labels)}
        if class_names is not None and y.dtype.kind in "iu":
            places = {class_names[label]: place for place, label in enumerate(labels)} | places
        labels = [labels[places[name]] for name in chosen]
    return dict(zip(labels, counts, strict=True))
