"""`knownot fit`: learn from samples, calibrate, judge, save."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from knownot import catalogue
from knownot.cli import options
from knownot.cli.choice import choose_method
from knownot.cli.kinds import Kind, kind_of
from knownot.cli.learning import learn, verdict
from knownot.cli.outputs import require_writable
from knownot.cli.parameters import make_estimator, parse_settings, require_name
from knownot.cli.samples import divide, parse_image_size, read_parts, require_label, without
from knownot.cli.selection import Chosen, parse_selection
from knownot.cli.terminal import EXIT_INTERRUPTED, Terminal, answers

if TYPE_CHECKING:
    import numpy as np

NAME = "fit"
EXAMPLES = """[bold]Examples[/]

  knownot fit photos/ --model birds.safetensors --image-size 96
  knownot fit mnist --known 0,1,2,3,4,5 --epochs 20 --report report.html
  knownot fit mnist --groups even=0+2,odd=1+3 --subclusters 2
  knownot fit wine.csv --label cultivar --accept 0.99 --drop bottle,note --json
  knownot fit cifar10 --known cat,dog --checkpoint run1 --resume
"""


@answers
def command(
    source: options.Source,
    label: options.Label = None,
    known: options.Known = None,
    groups: options.Groups = None,
    held_out: options.HeldOut = None,
    drop: options.Drop = None,
    image_size: options.ImageSize = None,
    unreadable: options.UnreadableFiles = options.Unreadable.refuse,
    method: options.Method = None,
    rule: options.Rule = None,
    accept: options.Accept = None,
    subclusters: options.Subclusters = None,
    latent_dim: options.LatentDim = None,
    settings: options.Settings = None,
    epochs: options.Epochs = None,
    seed: options.Seed = None,
    precision: options.Precision = None,
    accelerator: options.Accelerator = None,
    devices: options.Devices = None,
    checkpoint: options.Checkpoint = None,
    resume: options.Resume = False,
    model: options.SavedModel = Path("model.safetensors"),
    report: options.ReportFile = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Learn from samples, choose the threshold, and save the model.

    Classifiers learn classes; other methods take samples without labels as well.

    Without --method, tables are learned by embedding, grey images by gmvae and photographs in colour by softmax.

    Held-out samples, and classes that are not named by --known or --groups, show how well it does.
    """
    terminal = Terminal(as_json, quiet)
    chosen, size = parse_selection(known, groups), parse_image_size(image_size)
    counts, assignments = parse_subclusters(subclusters), parse_settings(settings)
    require_writable(model, "--model", (".safetensors",), [source])
    require_writable(report, "--report", (".html",), [source])
    require_name("--rule", rule, catalogue.RULES)
    if resume and checkpoint is None:
        raise ValueError("--resume needs the folder to resume from: add --checkpoint DIR.")
    given = {
        "--rule": rule,
        "--accept": accept,
        "--subclusters": counts,
        "--latent-dim": latent_dim,
        "--epochs": epochs,
        "--seed": seed,
        "--precision": precision,
        "--accelerator": accelerator,
        "--devices": devices,
        "--checkpoint": None if checkpoint is None else str(checkpoint),
        "--resume": resume,
    }
    seed = 0 if seed is None else seed
    defaults = {"random_state": seed, "verbose": 0 if quiet else 1}
    estimator, kind = None, Kind.classifier
    if method is not None:
        # What would be refused is refused before samples are read.
        with terminal.doing("Loading"):
            estimator = make_estimator(method, given, assignments, defaults)
        kind = kind_of(estimator)
    if kind is Kind.classifier or chosen is not None:
        require_label(source, label)
    data, test = read_parts(terminal, source, label, unreadable.value, size)
    data = without(data, drop)
    if estimator is None:
        method, reason, advice = choose_method(data, given, assignments)
        terminal.say(f"Method: {method}, since {reason}; --method names another.")
        if advice:
            terminal.note(advice)
        estimator = make_estimator(method, given, assignments, defaults)
    parts = divide(data, test, chosen, held_out, seed, kind)
    if isinstance(counts, list):
        train = parts.train
        estimator.set_params(n_subclusters=subclusters_by_class(counts, chosen, train.labels, train.class_names))
    try:
        outcome = learn(terminal, estimator, parts, model, report)
    except TypeError as error:
        if not assignments:
            raise
        # Estimators do not check the type of every parameter.
        listed = " ".join(f"{name}={value!r}" for name, value in assignments.items())
        raise ValueError(f"--set {listed} does not work ({error}): check the kind of value.") from error
    facts = {"source": source, "method": method, **outcome.facts}
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
