"""Options of the commands as annotated types: names, values and help."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from knownot import catalogue

DATA, MODEL, TRAINING, OUTPUT = "Data", "Model", "Training", "Output"

SOURCES = (
    "the name of a data set (digits, mnist, cifar10, …), a folder with one folder for each class, a folder of images, "
    "or a .csv, .parquet or .npz file"
)


def _by_default(text: str) -> str:
    """Show a default that is not the option's own, but that of the estimator."""
    return f" [dim]\\[default: {text}][/]"


class Unreadable(StrEnum):
    """What to do about files that cannot be read."""

    refuse = "refuse"
    skip = "skip"


# Data

Source = Annotated[str, typer.Argument(metavar="SOURCE", help=f"Samples: {SOURCES}.", show_default=False)]
Label = Annotated[
    str | None,
    typer.Option("--label", metavar="COL", help="Column with the class, in tables.", rich_help_panel=DATA),
]
Known = Annotated[
    str | None,
    typer.Option("--known", metavar="A,B,C", help="The known classes; all others are unknown.", rich_help_panel=DATA),
]
Groups = Annotated[
    str | None,
    typer.Option(
        "--groups",
        metavar="NAME=A+B,…",
        help="The known classes, some of them merged: even=0+2,odd=1+3. All others are unknown.",
        rich_help_panel=DATA,
    ),
]
HeldOut = Annotated[
    float | None,
    typer.Option(
        "--held-out",
        metavar="SHARE",
        help="Share of each class held out to judge the model; named data sets have a test set instead."
        + _by_default("0.2; for clusterings 0"),
        rich_help_panel=DATA,
    ),
]
Drop = Annotated[
    str | None,
    typer.Option(
        "--drop",
        metavar="COL,COL",
        help="Columns of a table to leave out, such as numbers of rows.",
        rich_help_panel=DATA,
    ),
]
ImageSize = Annotated[
    str | None,
    typer.Option(
        "--image-size",
        metavar="N|HxW",
        help="Resize images to N × N, or height × width, pixels." + _by_default("as most images are, at most 64"),
        rich_help_panel=DATA,
    ),
]
UnreadableFiles = Annotated[
    Unreadable,
    typer.Option(
        "--unreadable",
        metavar="refuse|skip",
        help="Images that cannot be read: stop with an error, or leave them out.",
        rich_help_panel=DATA,
    ),
]

# Model

ModelFile = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A model saved by fit (.safetensors).", show_default=False)
]
Method = Annotated[
    str | None,
    typer.Option(
        "--method",
        metavar="NAME",
        help=f"The method: {', '.join(catalogue.METHODS)}." + _by_default("by the kind of samples"),
        rich_help_panel=MODEL,
    ),
]
Rule = Annotated[
    str | None,
    typer.Option(
        "--rule",
        metavar="RULE",
        help=f"How samples are scored: {', '.join(catalogue.RULES)}." + _by_default("the method's own"),
        rich_help_panel=MODEL,
    ),
]
Accept = Annotated[
    float | None,
    typer.Option(
        "--accept",
        metavar="SHARE",
        min=0,
        max=1,
        help="Share of known samples to accept." + _by_default("0.95"),
        rich_help_panel=MODEL,
    ),
]
Subclusters = Annotated[
    str | None,
    typer.Option(
        "--subclusters",
        metavar="K|K1,K2,…|auto",
        help="Subclusters of each class: one number, or one for each, in the order of --known or --groups; "
        "auto finds them.",
        rich_help_panel=MODEL,
    ),
]
LatentDim = Annotated[
    int | None, typer.Option("--latent-dim", metavar="D", help="Size of the embedding.", rich_help_panel=MODEL)
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Set any parameter of the method: --set hidden=64,32. May be repeated; an unknown name lists all names.",
        rich_help_panel=MODEL,
    ),
]

# Training

Epochs = Annotated[
    int | None, typer.Option("--epochs", metavar="N", help="Passes over the samples.", rich_help_panel=TRAINING)
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed", metavar="N", help="Seed of all random choices." + _by_default("0"), rich_help_panel=TRAINING
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        "--precision",
        metavar="NAME",
        help="auto, 32-true or bf16-mixed." + _by_default("auto"),
        rich_help_panel=TRAINING,
    ),
]
Accelerator = Annotated[
    str | None,
    typer.Option(
        "--accelerator", metavar="NAME", help="auto, cpu, cuda or mps." + _by_default("auto"), rich_help_panel=TRAINING
    ),
]
Devices = Annotated[
    int | None,
    typer.Option("--devices", metavar="N", help="Devices to train on." + _by_default("1"), rich_help_panel=TRAINING),
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        metavar="DIR",
        help="Save the state of training there after each epoch.",
        rich_help_panel=TRAINING,
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume", metavar=" ", help="Continue from the checkpoint, if there is one.", rich_help_panel=TRAINING
    ),
]

# Output

SavedModel = Annotated[
    Path, typer.Option("--model", "-o", metavar="FILE", help="Where to save the model.", rich_help_panel=OUTPUT)
]
ReportFile = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE", help="Write a one-file HTML report.", rich_help_panel=OUTPUT),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json", metavar=" ", help="Print one JSON object on stdout and nothing else.", rich_help_panel=OUTPUT
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", metavar=" ", help="No progress.", rich_help_panel=OUTPUT)]
