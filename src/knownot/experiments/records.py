"""Numbers of experiments, and how they are written."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from knownot.files import whole_file

#: The JSON of one seed.
Run = dict[str, Any]


@dataclass(frozen=True)
class Record:
    """One number over its seeds.

    Attributes
    ----------
    experiment, preset, method, metric : str
    mean : float
    sd : float or None
        Standard deviation over the seeds (n - 1); None with one seed.
    seeds : list of int
    paper : float or None
        What the paper states.
    """

    experiment: str
    preset: str
    method: str
    metric: str
    mean: float
    sd: float | None
    seeds: list[int]
    paper: float | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def rounded(value: float, digits: int = 6) -> float:
    """To so many significant digits, as curves are kept.

    Examples
    --------
    >>> rounded(1234.56789)
    1234.57
    """
    return float(f"{value:.{digits}g}")


def write_json(path: Path, content: Any, indent: int | None = 1) -> None:
    """Write JSON, whole or not at all; the folder is made where it is missing.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, "w") as file:
        file.write(json.dumps(content, indent=indent, allow_nan=False) + "\n")
