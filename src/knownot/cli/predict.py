"""`knownot predict`: the predictions of a model for every sample, in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from knownot.cli import options
from knownot.cli.kinds import Kind, kind_of
from knownot.cli.outputs import require_writable, write_columns
from knownot.cli.samples import as_input, read_for
from knownot.cli.scores import MOST_ROWS, indented, percent, plain_table, titled
from knownot.cli.terminal import Terminal, answers

if TYPE_CHECKING:
    from knownot.data import Dataset

NAME = "predict"
EXAMPLES = """[bold]Examples[/]

  knownot predict birds.safetensors new/ --out predictions.csv
  knownot predict wine.safetensors cellar.csv --label cultivar -o wine.parquet
  knownot predict birds.safetensors new/ --out predictions.csv --fdr 0.05

[bold]Columns[/]  id, and what the model provides
  classifier  class, knownness, p_value (of "this is known"), nearest_class
  density     known, knownness (log-density in nats), p_value
  clustering  cluster, probability (of that cluster)
  with --fdr  discovery: surely unknown, but for that share of them

Higher knownness is more known.
"""
FIRST_ROWS, LONGEST_ID = 10, 24
Columns = dict[str, list[Any]]


@answers
def command(
    model: options.ModelFile,
    source: options.Source,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Table to write, .csv or .parquet.", rich_help_panel="Output"),
    ] = None,
    fdr: Annotated[
        float | None,
        typer.Option(
            "--fdr",
            metavar="SHARE",
            help="Mark discoveries: unknown samples, with at most this share of known ones among them.",
            rich_help_panel="Output",
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option("--label", metavar="COL", help="Column to leave out, in tables.", rich_help_panel="Data"),
    ] = None,
    unreadable: options.UnreadableFiles = options.Unreadable.refuse,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Predict the class of every sample or none, known or unknown, or its cluster.

    Without --out the first predictions are shown; with --json all are printed.
    """
    terminal = Terminal(as_json, quiet)
    require_writable(out, "--out", (".csv", ".parquet"), [source, model])
    if fdr is not None and not 0 < fdr < 1:
        raise ValueError(f"--fdr {fdr} is not a share: give a number between 0 and 1, such as 0.05.")
    with terminal.doing("Loading the model"):
        import knownot

        fitted = knownot.load(model)
    data = read_for(terminal, fitted, source, label, unreadable.value)
    with terminal.doing(f"Predicting {len(data):,} samples"):
        columns = predict_columns(fitted, data, fdr)
    if out is not None:
        write_columns(out, columns)
    facts = {
        "model": str(model),
        "source": source,
        "out": None if out is None else str(out),
        **summary(fitted, columns),
    }
    if fdr is not None:
        facts |= {"fdr": fdr, "discoveries": sum(columns["discovery"])}
        if hasattr(fitted, "threshold_"):
            facts["smallest_p_value"] = 1 / (len(fitted.threshold_.scores_) + 1)
    if out is None:
        facts["predictions"] = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    terminal.result(facts, *_shown(facts, columns, out))


def predict_columns(model: Any, data: Dataset, fdr: float | None = None) -> Columns:
    """Predict samples: a column of ids, and those that the model provides, without its embedding.

    Raises
    ------
    ValueError
        If discoveries are asked for and the model has no p-values.
    """
    ids: list[Any] = list(range(len(data))) if data.paths is None else [str(path) for path in data.paths]
    said = model.assess(as_input(data))
    columns = {"id": ids} | {name: values.tolist() for name, values in said.items() if name != "embedding"}
    if fdr is not None:
        from scipy.stats import false_discovery_control

        if "p_value" not in said:
            raise ValueError(f"--fdr needs p-values, which {type(model).__name__} does not provide: leave it out.")
        # As by the model's select, without another pass: p-values from all calibration samples together.
        pooled = hasattr(model, "threshold_") and "knownness" in said
        p_values = model.threshold_.p_values(said["knownness"]) if pooled else said["p_value"]
        columns["discovery"] = (false_discovery_control(p_values) <= fdr * (1 + 1e-9)).tolist()
    return columns


def summary(model: Any, columns: Columns) -> dict[str, Any]:
    """Count what was predicted: samples of each class, known samples, or samples of each cluster."""
    n, kind = len(columns["id"]), kind_of(model)
    facts: dict[str, Any] = {"samples": n}
    if kind is Kind.classifier:
        counts = {str(label): columns["class"].count(label) for label in model.classes_.tolist()}
    elif kind is Kind.density:
        counts = {"known": sum(columns["known"])}
    elif kind is Kind.clusterer:
        found = columns["cluster"]
        return facts | {"counts": {str(cluster): found.count(cluster) for cluster in sorted(set(found))}}
    else:
        return facts
    rejected = n - sum(counts.values())
    return facts | {"rejected": rejected, "rejected_share": rejected / n, "counts": counts}


def _shown(facts: dict[str, Any], columns: Columns, out: Path | None) -> list[Any]:
    aside = f"{facts['samples']:,} samples"
    if "rejected" in facts:
        none = "are unknown" if "known" in columns else "belong to no known class"
        aside = f"{facts['rejected']:,} of {aside} {none}"
    elif "cluster" in columns:
        aside += f" in {len(facts['counts'])} clusters"
    parts: list[Any] = [titled("Predicted", aside)]
    if "counts" in facts:
        parts.append(indented(_counts(facts, "cluster" if "cluster" in columns else "class")))
    if out is None:
        parts.append(indented(_first(columns)))
    if "discoveries" in facts:
        parts.append(indented(_discoveries(facts)))
    if out is not None:
        parts.append(indented(Text.assemble(("Written to  ", "aside"), (str(out), "path"))))
    return parts


def _discoveries(facts: dict[str, Any]) -> str:
    text = (
        f"[value]{facts['discoveries']:,}[/] discoveries: surely unknown, "
        f"at most {percent(facts['fdr'])} of them by mistake"
    )
    if facts["discoveries"] or "smallest_p_value" not in facts:
        return text
    smallest = f"{facts['smallest_p_value']:.2g}"
    return text + f"\n[aside]p-values of this model are never below {smallest}: calibrate on more samples[/]"


def _counts(facts: dict[str, Any], heading: str) -> Table:
    table = plain_table(heading, ">samples", ">share")
    counts = facts["counts"]
    # Where there are very many, the largest ones, in the order of all.
    shown = sorted(sorted(counts, key=lambda name: -counts[name])[:MOST_ROWS], key=list(counts).index)
    for name in shown:
        table.add_row(Text(name), f"{counts[name]:,}", percent(counts[name] / facts["samples"]))
    if len(shown) < len(counts):
        table.add_row(Text(f"{len(counts) - len(shown)} smaller; --json has all", "aside"))
    if "rejected" in facts:
        table.add_section()
        table.add_row("unknown", f"{facts['rejected']:,}", percent(facts["rejected_share"]), style="unknown")
    return table


def _first(columns: Columns) -> Group:
    n = len(columns["id"])
    table = plain_table(*(f">{name}" if isinstance(values[0], float) else name for name, values in columns.items()))
    for row in list(zip(*columns.values(), strict=True))[:FIRST_ROWS]:
        table.add_row(*(Text(_cell(value)) for value in row))
    more = [Text(f"the first {FIRST_ROWS} of {n:,}; --out writes all", "aside")] if n > FIRST_ROWS else []
    return Group(table, *more)


def _cell(value: Any) -> str:
    """Write a value shortly; of a long path the end tells it from others."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST_ID else f"…{text[1 - LONGEST_ID :]}"
