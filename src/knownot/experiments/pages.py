"""The page about all experiments, written from results alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from knownot.experiments.catalogue import PAPERS
from knownot.experiments.declaration import Experiment
from knownot.experiments.readme import renew_readme
from knownot.experiments.records import Record, Run
from knownot.experiments.results import Results
from knownot.experiments.tables import NONE, Grid, claims, grid, listed, summary
from knownot.files import whole_file

PAGE = "experiments.md"
IMAGES = Path("images", "experiments")
PRESETS = ("paper", "fast", "cpu", "smoke")
DIGITS = 4

PREFACE = """# Experiments

Tables and figures of the papers, run again, and a comparison on tables and embeddings. Every number comes from a file
in `results/`, one for each seed; this page is written from them.

```bash
export KNOWNOT_DATA=...                                  # folder of the data sets; unset: fetched from Hugging Face
knownot bench list                                       # names of all experiments
knownot bench run open-gmvae/fashion-mnist --preset paper
knownot bench table                                      # the same numbers in a terminal
knownot bench table --docs docs                          # writes this page
```
"""


def write_pages(results: Results, docs: Path) -> list[Path]:
    """Write the page, its figures, and the tables of the README beside ``docs`` where it has the marks.

    Parameters
    ----------
    results : Results
    docs : path
        The same results give the same bytes.

    Returns
    -------
    list of Path
        Files written.
    """
    docs.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    sections = [PREFACE]
    for paper in PAPERS:
        sections.append(paper.text)
        for experiment in paper.experiments:
            sections.append(f"## {experiment.title}\n\n`{experiment.name}`: {experiment.reference}.\n")
            presets = [name for name in PRESETS if name in experiment.presets and results.seeds(experiment.name, name)]
            sections += [_preset_section(experiment, name, results, docs, written) for name in presets]
            if not presets:
                sections.append("Not run yet.\n")
    page = docs / PAGE
    with whole_file(page, "w", encoding="utf-8") as file:
        file.write("\n".join(sections))
    readme = docs.resolve().parent / "README.md"
    if renew_readme(readme, results):
        written.append(readme)
    return [page, *written]


def _preset_section(experiment: Experiment, preset: str, results: Results, docs: Path, written: list[Path]) -> str:
    """Everything about an experiment at one preset; figures go to files."""
    runs, records = results.runs(experiment.name, preset), results.records(experiment, preset)
    seeds = [run["seed"] for run in runs]
    lines = [f"### Preset {preset}, seed{'s' if len(seeds) > 1 else ''} {listed(seeds)}", ""]
    if note := experiment.preset(preset).note:
        lines += [note, ""]
    lines += [_markdown(summary(experiment, records, DIGITS)), experiment.legend(records), ""]
    for further in experiment.grids(records, DIGITS):
        lines += [f"**{further.title}**", "", _markdown(further)]
    lines += _claims(experiment, records)
    for title, path in _figures(experiment, preset, runs, results, docs):
        lines += [f"![{title}]({path.relative_to(docs).as_posix()})", ""]
        written.append(path)
    for title, columns in experiment.details(records):
        table = _markdown(grid(experiment, records, columns, DIGITS))
        lines += [f"<details><summary>{title}</summary>", "", table, "</details>", ""]
    return "\n".join([*lines, _runs_table(runs)])


def _markdown(table: Grid) -> str:
    lines = [f"| {' | '.join([table.of, *table.columns])} |", f"| --- |{' ---: |' * len(table.columns)}"]
    for row in table.rows:
        bold = "**" if row.emphasised else ""
        lines.append(f"| {bold}{row.title}{bold} | {' | '.join(row.cells)} |")
    return "\n".join([*lines, ""])


def _claims(experiment: Experiment, records: Sequence[Record]) -> list[str]:
    rows = [f"| {c.what} | {c.ours} | {c.paper} | {c.difference} |" for c in claims(experiment, records)]
    head = [f"| {experiment.gain_heading} | ours | paper | difference |", "| --- | ---: | ---: | ---: |"]
    return [*head, *rows, ""] if rows else []


def _figures(
    experiment: Experiment, preset: str, runs: Sequence[Run], results: Results, docs: Path
) -> Iterator[tuple[str, Path]]:
    """Draw the figures of an experiment; what they show, and their files."""
    from knownot.experiments.figures import encoded

    folder = docs / IMAGES
    folder.mkdir(parents=True, exist_ok=True)
    for drawing in experiment.figures(runs, results.attachments(experiment.name, preset)):
        path = folder / f"{experiment.name.replace('/', '-')}-{preset}-{drawing.name}"
        with whole_file(path) as file:
            file.write(encoded(drawing.figure, path.suffix.removeprefix(".")))
        yield drawing.title, path


def _runs_table(runs: Sequence[Run]) -> str:
    """Where, when and with what each seed was measured."""
    lines = ["| seed | epochs (best) of each model | seconds, last call | hardware | torch | date | commit |"]
    lines.append("| ---: | --- | ---: | --- | --- | --- | --- |")
    for run in runs:
        where = run["provenance"]
        models = ", ".join(_epochs(name, facts) for name, facts in run.get("models", {}).items())
        commit = NONE if where["commit"] is None else where["commit"][:9] + (", changed" if where["changed"] else "")
        lines.append(
            f"| {run['seed']} | {models or NONE} | {run['seconds']:,.0f} | {where['hardware']} "
            f"| {where['versions']['torch']} | {where['date'][:10]} | {commit} |"
        )
    return "\n".join([*lines, ""])


def _epochs(name: str, facts: dict[str, Any]) -> str:
    """What a model is called, its epochs, and the one whose weights were kept."""
    best, day = facts.get("best_epoch"), facts.get("trained")
    earlier = "" if day is None else f" trained {day[:16].replace('T', ' ')}"
    return f"{name} {facts['epochs']}{'' if best is None else f' ({best})'}{earlier}"
