"""`knownot bench`: run the experiments of the papers, and show what they found beside what was published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from knownot.cli import options
from knownot.cli.bench_options import Device, Docs, Name, OfPreset, Preset, ResultsFolder, parse_budget, parse_seeds
from knownot.cli.comparison import plain_table, tables
from knownot.cli.outputs import require_folder
from knownot.cli.scores import indented, titled
from knownot.cli.terminal import Terminal, answers

if TYPE_CHECKING:
    from knownot.experiments import Item, Results

NAME = "bench"
LIST_EXAMPLES = """[bold]Examples[/]

  knownot bench list
  knownot bench list --json | jq -r '.experiments[].name'
"""
RUN_EXAMPLES = """[bold]Examples[/]

  knownot bench run open-gmvae/fashion-mnist --preset smoke
  knownot bench run open-gmvae --seeds 0,1,2 --budget 1h
  knownot bench run --queue --budget 9m --device cuda     again and again, until nothing is left
"""
TABLE_EXAMPLES = """[bold]Examples[/]

  knownot bench table
  knownot bench table open-gmvae/cifar10 --preset paper
  knownot bench table --json | jq '.records[] | select(.metric == "auroc")'
"""
QUEUE_EXAMPLES = """[bold]Examples[/]

  knownot bench queue
  knownot bench run --queue --budget 30m
"""

app = typer.Typer(
    help="Run the experiments of the papers, and show the numbers beside those published.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@app.command("list", epilog=LIST_EXAMPLES)
@answers
def list_command(results: ResultsFolder = Path("results"), as_json: options.Json = False) -> None:
    """Name the experiments, and how many of their seeds are done."""
    from knownot.experiments import EXPERIMENTS, Results

    found = Results(results)
    facts: list[dict[str, Any]] = [
        {
            "name": experiment.name,
            "title": experiment.title,
            "reference": experiment.reference,
            "seeds": list(experiment.seeds),
            "presets": {
                name: {
                    "done": found.seeds(experiment.name, name),
                    "note": preset.note,
                    "gpu_minutes": preset.gpu_minutes,
                }
                for name, preset in experiment.presets.items()
            },
        }
        for experiment in EXPERIMENTS.values()
    ]
    table = plain_table("experiment", *(f">{preset.value}" for preset in Preset), "what it is")
    for row in facts:
        table.add_row(
            row["name"],
            *(_done(row, preset.value) for preset in Preset),
            Text.assemble(row["title"], "\n", (row["reference"], "aside")),
        )
    note = Text(
        "Numbers are seeds that are done. smoke: does it run; cpu: smaller; fast: for a GPU; paper: as published.",
        style="aside",
    )
    Terminal(as_json).result(
        {"results": str(results), "experiments": facts},
        titled("Experiments", f"results in {results}"),
        indented(table),
        indented(note),
    )


@app.command("run", epilog=RUN_EXAMPLES)
@answers
def run_command(
    name: Name = None,
    preset: Annotated[
        Preset | None,
        typer.Option(
            "--preset",
            metavar="smoke|cpu|fast|paper",
            help="A test; an hour on two cores; minutes on a GPU; as published. "
            "[dim]\\[default: cpu; of the queue: fast, else paper][/]",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option("--seeds", metavar="0,1,…", help="Default: those of the experiment.", show_default=False),
    ] = None,
    queue: Annotated[
        bool, typer.Option("--queue", metavar=" ", help="Instead of NAME: what is not done yet, the best first.")
    ] = False,
    budget: Annotated[
        str | None,
        typer.Option("--budget", metavar="9m", help="Stop after 90s, 9m or 1h; the same command goes on from there."),
    ] = None,
    device: Annotated[Device, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda or mps.")] = Device.auto,
    results: ResultsFolder = Path("results"),
    models: Annotated[
        Path | None,
        typer.Option(
            "--models",
            metavar="DIR",
            help="Keep trained models there, and take them from there.",
            rich_help_panel="Output",
        ),
    ] = None,
    docs: Docs = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Run experiments, one result a seed; finished results are kept, interrupted runs are resumed.

    A seed's result is written when it is done. Until then each training saves itself epoch by epoch.
    """
    terminal = Terminal(as_json, quiet)
    if queue == (name is not None):
        raise ValueError(
            "say what to run: either an experiment, as `knownot bench list` names them, or --queue for all that is "
            "not done yet."
        )
    if queue and seeds is not None:
        raise ValueError("--queue runs the seeds of each experiment: leave --seeds out, or name an experiment.")
    chosen, seconds = parse_seeds(seeds), parse_budget(budget)
    for folder, option in ((results, "--results"), (models, "--models"), (docs, "--docs")):
        if folder is not None:
            require_folder(folder, option)
    with terminal.doing("Loading"):
        from knownot.experiments import Clock, Item, OutOfTime, Results, Runner, find_experiments
        from knownot.experiments import queue as waiting
    found = Results(results)
    if queue:
        items = waiting(found, None if preset is None else preset.value)
    else:
        size = (preset or Preset.cpu).value
        named = find_experiments(name)
        # Of a paper, those that have this preset; an experiment without it is refused where it is all that is named.
        sized = [experiment for experiment in named if size in experiment.presets] or named
        items = by_rounds([Item(e, e.preset(size), seed) for e in sized for seed in chosen or e.seeds])
        # Of several, those whose data are licensed and not here are left out; one alone says so itself.
        missing = {item.experiment.name: item.experiment.lacking() for item in items} if len(named) > 1 else {}
        for reason in filter(None, missing.values()):
            terminal.say(f"Left out: {reason}")
        items = [item for item in items if not missing.get(item.experiment.name)]
    clock = Clock(seconds)
    runner = Runner(found, models, device.value, clock, terminal.say, progress=not quiet)
    paths: list[Path] = []
    try:
        for item in items:
            if not found.path(item.experiment.name, item.preset.name, item.seed).exists():
                clock.left()
            paths.append(runner.run(item.experiment, item.preset, item.seed))
    except OutOfTime:
        pass
    left = items[len(paths) :]
    _show_run(terminal, found, items, paths, left, budget)
    if docs is not None:
        _write_pages(terminal, found, docs)


def _show_run(
    terminal: Terminal,
    results: Results,
    items: Sequence[Item],
    paths: Sequence[Path],
    left: Sequence[Item],
    budget: str | None,
) -> None:
    """Show what was run, and what is left."""
    pairs = list(dict.fromkeys((item.experiment.name, item.preset.name) for item in items))
    by_name = {item.experiment.name: item.experiment for item in items}
    records, shown = tables([(by_name[name], size) for name, size in pairs], results)
    if left:
        shown.append(indented(Text(what_is_left(left, len(items), budget), style="unknown")))
    elif not items:
        shown.append(indented(Text("Nothing is left to run.", style="aside")))
    facts = {
        "results": [str(path) for path in paths],
        "left": [_item_facts(item, results) for item in left],
        "records": records,
    }
    terminal.result(facts, *shown)


@app.command("table", epilog=TABLE_EXAMPLES)
@answers
def table_command(
    name: Name = None,
    preset: OfPreset = None,
    results: ResultsFolder = Path("results"),
    docs: Docs = None,
    as_json: options.Json = False,
) -> None:
    """Show what was measured, beside what the papers state.

    With --json one record for every number: experiment, preset, method, metric, mean, sd, seeds, paper.
    """
    terminal = Terminal(as_json)
    from knownot.experiments import Results, find_experiments

    found = Results(results)
    sizes = [preset.value] if preset else [size.value for size in reversed(Preset)]
    pairs = [(experiment, size) for experiment in find_experiments(name) for size in sizes]
    records, shown = tables(pairs, found)
    if not records:
        what = f"{name or 'any experiment'}{f' at the preset {preset.value}' if preset else ''}"
        raise ValueError(f"{results} holds no results of {what}: run it first, with `knownot bench run`.")
    if docs is not None:
        require_folder(docs, "--docs")
        _write_pages(terminal, found, docs)
    terminal.result({"records": records}, *shown)


@app.command("queue", epilog=QUEUE_EXAMPLES)
@answers
def queue_command(results: ResultsFolder = Path("results"), as_json: options.Json = False) -> None:
    """Show what `run --queue` would do, in its order."""
    from knownot.experiments import Results, queue

    found = Results(results)
    items = [_item_facts(item, found) for item in queue(found)]
    total = sum(item["gpu_minutes"] for item in items)
    table = plain_table("", "experiment", ">seed", ">GPU minutes", "")
    for place, item in enumerate(items, 1):
        table.add_row(
            Text(str(place), style="aside"),
            item["experiment"],
            str(item["seed"]),
            f"{item['gpu_minutes']:g}",
            Text("begun" if item["begun"] else "", style="known"),
        )
    shown: list[RenderableType] = [titled("Queue", f"{len(items)} to run, about {total:g} minutes on a GPU")]
    shown.append(indented(table if items else Text("Nothing is left to run.", style="aside")))
    Terminal(as_json).result({"minutes": total, "items": items}, *shown)


def by_rounds(items: Sequence[Item]) -> list[Item]:
    """The first seeds of all experiments before their second ones, so that there is soon a number of each."""
    rounds: dict[str, int] = {}
    placed = []
    for item in items:
        place = rounds.setdefault(item.experiment.name, 0)
        rounds[item.experiment.name] += 1
        placed.append((place, item))
    return [item for _, item in sorted(placed, key=lambda pair: pair[0])]


def what_is_left(left: Sequence[Item], total: int, budget: str | None) -> str:
    """Say that the time is over, and how to go on."""
    names = [f"{item.experiment.name} seed {item.seed}" for item in left]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return (
        f"The time of {budget} is over: {total - len(left)} of {total} seeds are done, {', '.join(names[:3])}{more} "
        f"{'is' if len(names) == 1 else 'are'} left. The same command goes on from there."
    )


def _write_pages(terminal: Terminal, results: Results, docs: Path) -> None:
    with terminal.doing(f"Writing pages to {docs}"):
        from knownot.experiments.pages import write_pages

        write_pages(results, docs)


def _item_facts(item: Item, results: Results) -> dict[str, Any]:
    begun = results.unfinished_path(item.experiment.name, item.preset.name, item.seed)
    return {
        "experiment": item.experiment.name,
        "preset": item.preset.name,
        "seed": item.seed,
        "gpu_minutes": item.minutes,
        "begun": any(path.is_file() for path in begun.rglob("*")),
    }


def _done(row: dict[str, Any], preset: str) -> str:
    if preset not in row["presets"]:
        return ""
    done, wanted = len(row["presets"][preset]["done"]), len(row["seeds"])
    return f"{done}/{wanted}" if done <= wanted else str(done)
