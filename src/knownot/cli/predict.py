"""`knownot predict`: a class or "unknown" for every sample, in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from knownot.cli import options
from knownot.cli.outputs import require_writable, write_columns
from knownot.cli.samples import as_input, read_for
from knownot.cli.scores import indented, percent, titled
from knownot.cli.terminal import Terminal, answers

NAME = "predict"
EXAMPLES = """[bold]Examples[/]

  knownot predict birds.safetensors new/ --out predictions.csv
  knownot predict wine.safetensors cellar.csv --label cultivar --out predictions.parquet
  knownot predict birds.safetensors new/ --out predictions.csv --fdr 0.05

[bold]Columns[/]  id, class, knownness (higher is more known), p_value (of "this is known"), nearest_class,
and with --fdr discovery: surely unknown, with that share of mistakes among the discoveries.
"""
FIRST_ROWS = 10


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
    """Give every sample a known class, or none.

    Without --out the first predictions are shown, and with --json all of them are printed.
    """
    terminal = Terminal(as_json, quiet)
    require_writable(out, "--out", (".csv", ".parquet"))
    if fdr is not None and not 0 < fdr < 1:
        raise ValueError(f"--fdr {fdr} is not a share: give a number between 0 and 1, such as 0.05.")
    with terminal.doing("Loading the model"):
        import knownot

        fitted = knownot.load(model)
    with terminal.doing(f"Reading {source}"):
        data = read_for(fitted, source, label, unreadable.value)
    with terminal.doing(f"Predicting {len(data):,} samples"):
        ids = [str(path) for path in data.paths] if data.paths is not None else list(range(len(data)))
        columns = {"id": ids, **predict_columns(fitted, as_input(data), fdr)}
    if out is not None:
        write_columns(out, columns)
    facts = summary(columns, fitted.classes_.tolist(), fdr)
    if fdr is not None:
        facts["smallest_p_value"] = 1 / (len(fitted.threshold_.scores_) + 1)
    facts = {"model": str(model), "source": source, "out": None if out is None else str(out), **facts}
    if out is None:
        facts["predictions"] = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    terminal.result(facts, *_shown(facts, columns, out))


def predict_columns(model: Any, x: Any, fdr: float | None) -> dict[str, list[Any]]:
    """Predict samples: a column for everything that is known of them."""
    from knownot.metrics import UNKNOWN, UNKNOWN_NAME

    nearest, knownness = model.nearest_class(x, return_knownness=True)
    p_values = model.threshold_.p_values(knownness)
    if nearest.dtype.kind == "b":
        nearest = nearest.astype(int)  # so that -1 fits in, as in predict
    unknown = UNKNOWN_NAME if nearest.dtype.kind == "U" else UNKNOWN
    columns: dict[str, list[Any]] = {
        "class": [c if ok else unknown for c, ok in zip(nearest.tolist(), knownness >= model.offset_, strict=True)],
        "knownness": knownness.tolist(),
        "p_value": p_values.tolist(),
        "nearest_class": nearest.tolist(),
    }
    if fdr is not None:
        from scipy.stats import false_discovery_control

        columns["discovery"] = (false_discovery_control(p_values) <= fdr).tolist()
    return columns


def summary(columns: dict[str, list[Any]], classes: list[Any], fdr: float | None) -> dict[str, Any]:
    """Count what was predicted."""
    predicted = columns["class"]
    counts = {str(label): predicted.count(label) for label in classes}
    rejected = len(predicted) - sum(counts.values())
    facts: dict[str, Any] = {
        "samples": len(predicted),
        "rejected": rejected,
        "rejected_share": rejected / len(predicted),
        "counts": counts,
    }
    if fdr is not None:
        facts |= {"fdr": fdr, "discoveries": sum(columns["discovery"])}
    return facts


def _shown(facts: dict[str, Any], columns: dict[str, list[Any]], out: Path | None) -> list[Any]:
    aside = f"{facts['rejected']:,} of {facts['samples']:,} samples belong to no known class"
    parts: list[Any] = [titled("Predicted", aside), indented(_counts(facts))]
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
    if facts["discoveries"]:
        return text
    return (
        text + f"\n[aside]p-values of this model are never below {facts['smallest_p_value']:.2g}: calibrate on more[/]"
    )


def _counts(facts: dict[str, Any]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="aside", show_edge=False)
    table.add_column("class")
    table.add_column("samples", justify="right")
    table.add_column("share", justify="right")
    for name, count in facts["counts"].items():
        table.add_row(Text(name), f"{count:,}", percent(count / facts["samples"]))
    table.add_section()
    table.add_row("unknown", f"{facts['rejected']:,}", percent(facts["rejected_share"]), style="unknown")
    return table


def _first(columns: dict[str, list[Any]]) -> Table:
    n = len(columns["id"])
    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1),
        pad_edge=False,
        header_style="aside",
        show_edge=False,
        caption=f"the first {FIRST_ROWS} of {n:,}; --out writes all" if n > FIRST_ROWS else None,
        caption_justify="left",
    )
    for name in columns:
        table.add_column(name, justify="right" if name in ("knownness", "p_value") else "left", overflow="ellipsis")
    for row in list(zip(*columns.values(), strict=True))[:FIRST_ROWS]:
        table.add_row(*(Text(f"{value:.4g}" if isinstance(value, float) else str(value)) for value in row))
    return table
