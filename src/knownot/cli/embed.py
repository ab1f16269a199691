"""`knownot embed`: photos through a pretrained encoder, as a table to learn from."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from knownot.cli import options
from knownot.cli.outputs import require_writable
from knownot.cli.scores import indented, titled
from knownot.cli.terminal import Terminal, answers

NAME = "embed"
EXAMPLES = """[bold]Examples[/]

  knownot embed photos/ --encoder facebook/dinov2-small --out photos.parquet
  knownot fit photos.parquet --label label --method embedding --model birds.safetensors --report birds.html
  knownot embed new/ --encoder facebook/dinov2-small --out new.parquet
  knownot predict birds.safetensors new.parquet --out predictions.csv

[bold]Columns[/]  path · label, the names of the class folders, where there are any · e000, e001, … the embedding

Embed what you learn from and what you predict with the same encoder. Interrupted, the same command goes on where it
was. Needs pip install 'knownot[encoders]'.
"""
ENCODER, ENDINGS = "Encoder", (".parquet", ".csv", ".npz")


@answers
def command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="Photos: a folder with one folder for each class, a folder of images, an image, the name of a data "
            "set, or an .npz of images.",
            show_default=False,
        ),
    ],
    encoder: Annotated[
        str,
        typer.Option(
            "--encoder",
            "-e",
            metavar="NAME|FOLDER",
            help="A vision model: its name on the Hugging Face hub, or the folder of a saved one.",
            show_default=False,
            rich_help_panel=ENCODER,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Table to write: .parquet, .csv or .npz.",
            show_default=False,
            rich_help_panel=options.OUTPUT,
        ),
    ],
    pooling: Annotated[
        str,
        typer.Option(
            "--pooling",
            metavar="NAME",
            help="What is taken of the model's output: auto, pooler, cls (class token) or mean (of the patches).",
            rich_help_panel=ENCODER,
        ),
    ] = "auto",
    precision: Annotated[
        str,
        typer.Option("--precision", metavar="NAME", help="auto, 32-true or bf16-mixed.", rich_help_panel=ENCODER),
    ] = "auto",
    device: Annotated[
        str,
        typer.Option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps.", rich_help_panel=ENCODER),
    ] = "auto",
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size",
            metavar="N",
            min=1,
            help="Photos at once. [dim]\\[default: 16; on a GPU 64][/]",
            rich_help_panel=ENCODER,
        ),
    ] = None,
    split: Annotated[
        str,
        typer.Option("--split", metavar="train|test", help="Part of a named data set.", rich_help_panel=options.DATA),
    ] = "train",
    unreadable: options.UnreadableFiles = options.Unreadable.refuse,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Embed photos through a pretrained encoder: a table that fit, predict and evaluate read.

    No code of the encoder's author is run.
    """
    terminal = Terminal(as_json, quiet)
    require_writable(out, "--out", ENDINGS, [source])
    with terminal.doing("Loading"):
        from knownot.embeddings import embed_to_file
        from knownot.embeddings.embedding import journal_of
    terminal.say(f"Loading {encoder} ...")
    try:
        with terminal.counting(f"Embedding {source}") as count, warnings.catch_warnings(record=True) as caught:
            # What is skipped comes back as a note.
            facts = embed_to_file(
                source,
                encoder,
                out,
                pooling=pooling,
                batch_size=batch_size,
                device=device,
                precision=precision,
                split=split,
                unreadable=unreadable.value,
                progress=count,
            )
    except KeyboardInterrupt:
        if journal_of(out).exists():
            terminal.note(f"what is embedded is kept in {journal_of(out)}: the same command goes on from there.")
        raise
    notes = facts.pop("notes")
    for note in notes:
        terminal.note(f"{source}: {note.rstrip('.')}.")
    for warning in caught:
        if not any(note in str(warning.message) for note in notes):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    terminal.result({"source": source, "out": str(out), **facts}, *_shown(facts, out))


def _shown(facts: dict[str, Any], out: Path) -> list[Any]:
    table = Table.grid(padding=(0, 2))
    for name in ("encoder", "revision", "pooling", "precision", "device"):
        table.add_row(Text(name, "aside"), Text(facts[name]))
    written = Text.assemble(("Written to  ", "aside"), (str(out), "path"))
    aside = f"{facts['photos']:,} photos, {facts['dimensions']:,} numbers each"
    return [titled("Embedded", aside), indented(table), indented(written)]
