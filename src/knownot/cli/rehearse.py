"""`knownot rehearse`: hide known classes in turn, and see how well they are refused."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from knownot import catalogue
from knownot.cli import options
from knownot.cli.choice import choose_method
from knownot.cli.kinds import Kind, kind_of
from knownot.cli.parameters import make_estimator, parse_settings, require_name
from knownot.cli.samples import as_input, parse_image_size, read_parts, relabelled, require_label, without
from knownot.cli.scores import Length, forecast_text, indented, named, percent, plain_table, titled
from knownot.cli.selection import parse_selection, select_known
from knownot.cli.terminal import Terminal, answers

if TYPE_CHECKING:
    from knownot.data import Dataset
    from knownot.model_selection import Rehearsal

NAME = "rehearse"
EXAMPLES = """[bold]Examples[/]

  knownot rehearse wine.csv --label cultivar
  knownot rehearse embeddings.parquet --label species --rule whitened
  knownot rehearse digits --method softmax --epochs 20 --json
"""
LIMITS = (
    "What was hidden were classes of these samples. Unknown samples that resemble no class of them (another subject, a "
    "broken sensor) were not tried, nor new samples of the known classes from another day or device."
)


@answers
def command(
    source: options.Source,
    label: options.Label = None,
    known: options.Known = None,
    groups: options.Groups = None,
    drop: options.Drop = None,
    image_size: options.ImageSize = None,
    unreadable: options.UnreadableFiles = options.Unreadable.refuse,
    method: options.Method = None,
    rule: options.Rule = None,
    accept: options.Accept = None,
    latent_dim: options.LatentDim = None,
    settings: options.Settings = None,
    epochs: options.Epochs = None,
    seed: options.Seed = None,
    precision: options.Precision = None,
    accelerator: options.Accelerator = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Foretell how well unknown classes will be refused, without any unknown samples.

    Known classes are hidden in turn: up to six each alone, of more than six two partitions into thirds. A model learns
    the others and meets the hidden ones. A network is trained anew each time, up to six times.

    Options are those of fit. Of named data sets the training part is used. No model is saved.
    """
    terminal = Terminal(as_json, quiet)
    chosen, size, assignments = parse_selection(known, groups), parse_image_size(image_size), parse_settings(settings)
    require_name("--rule", rule, catalogue.RULES)
    given = {
        "--rule": rule,
        "--accept": accept,
        "--latent-dim": latent_dim,
        "--epochs": epochs,
        "--seed": seed,
        "--precision": precision,
        "--accelerator": accelerator,
    }
    seed = 0 if seed is None else seed
    defaults = {"random_state": seed, "verbose": 0}
    estimator = None
    if method is not None:
        with terminal.doing("Loading"):
            estimator = make_estimator(method, given, assignments, defaults)
        if kind_of(estimator) is not Kind.classifier:
            raise ValueError(f"--method {method} learns no classes, and rehearse hides classes: name a classifier.")
    require_label(source, label)
    data = without(read_parts(terminal, source, label, unreadable.value, size)[0], drop)
    if estimator is None:
        method, reason, advice = choose_method(data, given, assignments)
        terminal.say(f"Method: {method}, since {reason}; --method names another.")
        if advice:
            terminal.note(advice)
        estimator = make_estimator(method, given, assignments, defaults)
    y, is_known = select_known(data.labels, chosen, data.class_names)
    data = relabelled(data, y, is_known)
    found, seconds = rehearsed(terminal, estimator, data, seed)
    facts = {
        "source": source,
        "method": method,
        "accept": getattr(estimator, "accept", None),
        **facts_of(found),
        "seconds": round(seconds, 2),
    }
    names = data.class_names if data.labels.dtype.kind in "iu" else None
    terminal.result(facts, titled("Rehearsed", source), *shown(found, names))


def rehearsed(terminal: Terminal, estimator: Any, data: Dataset, seed: int) -> tuple[Rehearsal, float]:
    """Rehearse with progress on stderr, after saying how long it may take; the seconds that it took."""
    from knownot.model_selection import LeaveClassesOut, rehearse

    x, folds = as_input(data), LeaveClassesOut(random_state=seed)
    n = folds.get_n_splits(x, data.labels)
    terminal.say(f"{n} fits, each without some of the classes{expected_time(terminal, estimator, data, n)}.")
    start, done = time.perf_counter(), 0
    with terminal.counting("Rehearsing") as count:

        def step(_: Any) -> None:
            nonlocal done
            done += 1
            count(done, n)

        count(0, n)
        found = rehearse(estimator, x, data.labels, random_state=seed, progress=step)
    return found, time.perf_counter() - start


def expected_time(terminal: Terminal, estimator: Any, data: Dataset, n: int) -> str:
    """How long ``n`` trainings take at most, by a short one; nothing of other methods, as they are quick."""
    if not hasattr(estimator, "epochs_for"):
        return ""
    from sklearn.base import clone

    trial = clone(estimator).set_params(max_epochs=2)
    if hasattr(trial, "pretrain_epochs"):
        trial.set_params(pretrain_epochs=0)
    start = time.perf_counter()
    with terminal.doing("Timing an epoch"), warnings.catch_warnings():
        # Two epochs learn little, which says nothing of the model.
        warnings.simplefilter("ignore")
        trial.fit(as_input(data), data.labels)
    # Asked of a fitted one, since the length of a training may depend on the kind of samples.
    most = trial.set_params(max_epochs=estimator.max_epochs).epochs_for(len(data))
    most += getattr(estimator, "pretrain_epochs", 0)
    epoch = trial.history_[-1]["seconds"]
    rest = time.perf_counter() - start - sum(record["seconds"] for record in trial.history_)
    return f": about {duration(n * (most * epoch + rest))} at most, with {most} epochs each"


def duration(seconds: float) -> str:
    """Write a rough time.

    Examples
    --------
    >>> duration(3), duration(200), duration(9000)
    ('3 s', '3 min', '2.5 h')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def facts_of(found: Rehearsal) -> dict[str, Any]:
    """What ``--json`` prints of a rehearsal."""
    from dataclasses import asdict

    facts = asdict(found)
    facts["groups"] = facts.pop("results")
    return facts | {"limits": LIMITS}


def shown(found: Rehearsal, names: tuple[str, ...] | None = None) -> list[RenderableType]:
    """A row for each hidden group, the mean with its interval, and what it cannot know."""
    rejects = found.rejection == found.rejection
    rates = [">rejected", ">accepted"] if rejects else []
    table = plain_table("hidden", ">samples", ">AUROC", ">OSCR", *rates, "")
    for row in found.results:
        own = [percent(row.rejection), percent(row.acceptance)] if rejects else []
        hidden = ", ".join(named(label, names) for label in row.hidden)
        table.add_row(hidden, f"{row.n_hidden:,}", f"{row.auroc:.3f}", f"{row.oscr:.3f}", *own, Length(row.auroc))
    summary = Text.assemble((forecast_text(found.auroc, found.low, found.high), "value"))
    summary.append(f"\nexpected OSCR {found.oscr:.3f}")
    if rejects:
        summary.append(
            f"; unknown samples rejected {percent(found.rejection)}, known ones accepted {percent(found.acceptance)}"
        )
    notes = [f"{note[0].upper()}{note[1:].rstrip('.')}." for note in (found.note, LIMITS) if note]
    legend = Text("bar: AUROC; the interval is for a new class, nine times of ten", "aside")
    return [indented(Group(table, "", legend)), indented(summary), indented(Text("\n".join(notes), "aside"))]
