"""Options that several commands share, said once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

SOURCES = (
    "the name of a data set (digits, mnist, cifar10, …), a folder with one folder for each class, "
    "or a .csv, .parquet or .npz file"
)


class Unreadable(StrEnum):
    """What to do about files that cannot be read."""

    refuse = "refuse"
    skip = "skip"


class Method(StrEnum):
    """What learns."""

    gmvae = "gmvae"
    crosr = "crosr"
    softmax = "softmax"

    @property
    def estimator(self) -> str:
        """Name of its class."""
        return {"gmvae": "GMVAEClassifier", "crosr": "CROSRClassifier", "softmax": "SoftmaxClassifier"}[self.value]


class Rule(StrEnum):
    """How an embedding is judged."""

    evidence = "evidence"
    nc_d = "nc-d"
    nc_u = "nc-u"
    neighbours = "neighbours"
    likelihood = "likelihood"
    weibull = "weibull"
    openmax = "openmax"
    max_softmax = "max-softmax"
    max_logit = "max-logit"
    energy = "energy"


Source = Annotated[str, typer.Argument(metavar="SOURCE", help=f"Samples: {SOURCES}.", show_default=False)]
ModelFile = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A model saved by fit (.safetensors).", show_default=False)
]
Label = Annotated[
    str | None,
    typer.Option("--label", metavar="COL", help="Column with the class, in tables.", rich_help_panel="Data"),
]
Known = Annotated[
    str | None,
    typer.Option(
        "--known", metavar="A,B,C", help="The classes to learn; all others are unknown.", rich_help_panel="Data"
    ),
]
Groups = Annotated[
    str | None,
    typer.Option(
        "--groups",
        metavar="NAME=A+B,…",
        help="Classes to learn, some taken together: even=0+2,odd=1+3. All others are unknown.",
        rich_help_panel="Data",
    ),
]
UnreadableFiles = Annotated[
    Unreadable,
    typer.Option(
        "--unreadable",
        metavar="refuse|skip",
        help="Images that cannot be read: stop before training, or go on without.",
        rich_help_panel="Data",
    ),
]
ReportFile = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE", help="Write a one-file HTML report.", rich_help_panel="Output"),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json", metavar=" ", help="One JSON object on stdout, nothing else there.", rich_help_panel="Output"
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", metavar=" ", help="No progress.", rich_help_panel="Output")]
