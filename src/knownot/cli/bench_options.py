"""Options of `knownot bench`: presets, devices, folders, seeds and times."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


class Preset(StrEnum):
    """How large a run is."""

    smoke = "smoke"
    cpu = "cpu"
    fast = "fast"
    paper = "paper"


class Device(StrEnum):
    """Where models are trained."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


Name = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]", help="An experiment, or all of a paper by the first part of the name.", show_default=False
    ),
]
ResultsFolder = Annotated[
    Path, typer.Option("--results", metavar="DIR", help="Folder of the results.", rich_help_panel="Output")
]
Docs = Annotated[
    Path | None,
    typer.Option("--docs", metavar="DIR", help="Write the pages about all results there.", rich_help_panel="Output"),
]
OfPreset = Annotated[
    Preset | None,
    typer.Option("--preset", metavar="smoke|cpu|fast|paper", help="This size alone.", show_default=False),
]


def parse_seeds(text: str | None) -> list[int] | None:
    """Read seeds.

    Raises
    ------
    ValueError
        If they are not whole numbers with commas between them.

    Examples
    --------
    >>> parse_seeds("0,2")
    [0, 2]
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise ValueError(f"--seeds {text!r} is not a list of seeds: write whole numbers with commas, as 0,1,2.")
    return list(dict.fromkeys(map(int, parts)))


def parse_budget(text: str | None) -> float | None:
    """Read a time in seconds, minutes or hours.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> parse_budget("1.5m")
    90.0
    """
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh])", text.strip())
    if match is None or float(match[1]) == 0:
        raise ValueError(f"--budget {text!r} is not a time: write 90s, 9m or 1h.")
    return float(match[1]) * UNITS[match[2]]
