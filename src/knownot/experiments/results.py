"""Results on disk: one JSON a seed; and what is made of them, one record a number."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from knownot.experiments.declaration import Experiment

FORMAT = 1
GAIN = "gain %"

Run = dict[str, Any]


@dataclass(frozen=True)
class Record:
    """One number over its seeds.

    Attributes
    ----------
    experiment, preset, method, metric : str
        Metrics with a number for each Q are called "f1 Q=2", "f1 mean threshold Q=2", and their
        mean over Q >= 1 "f1 Q>=1", "f1 mean threshold Q>=1".
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


class Results:
    """A folder of results.

    Parameters
    ----------
    folder : path
        ``results/`` of a checkout.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, experiment: str, preset: str, seed: int) -> Path:
        """File of one seed."""
        return self.folder / experiment / preset / f"seed{seed}.json"

    def maps_path(self, experiment: str, preset: str, seed: int) -> Path:
        """File of the embeddings' maps of one seed."""
        return self.folder / experiment / preset / f"maps-seed{seed}.json"

    def unfinished_path(self, experiment: str, preset: str, seed: int) -> Path:
        """Folder of what a seed that was broken off goes on from."""
        return self.folder / ".unfinished" / experiment / preset / f"seed{seed}"

    def write(self, path: Path, content: dict[str, Any], indent: int | None = 1) -> None:
        """Write JSON, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(content, indent=indent, allow_nan=False) + "\n")
        partial.replace(path)

    def seeds(self, experiment: str, preset: str) -> list[int]:
        """Seeds that have a result, by the names of their files."""
        names = (path.stem.removeprefix("seed") for path in (self.folder / experiment / preset).glob("seed*.json"))
        return sorted(int(name) for name in names if name.isdecimal())

    def runs(self, experiment: str, preset: str) -> list[Run]:
        """Results of all seeds at a preset, in the order of the seeds.

        Raises
        ------
        ValueError
            If a file is not a result, or one of a newer format.
        """
        return [_read(self.path(experiment, preset, seed)) for seed in self.seeds(experiment, preset)]

    def maps(self, experiment: str, preset: str) -> dict[str, Any] | None:
        """Maps of the first seed that has some."""
        files = sorted((self.folder / experiment / preset).glob("maps-seed*.json"))
        return json.loads(files[0].read_text()) if files else None

    def records(self, experiment: Experiment, preset: str) -> list[Record]:
        """Every number of an experiment at a preset, over the seeds that are there."""
        runs = self.runs(experiment.name, preset)
        if not runs:
            return []
        found = []
        # A method that was added later is missing in the runs before.
        for method in dict.fromkeys(name for run in runs for name in run["methods"]):
            rows = {run["seed"]: dict(_numbers(run["methods"][method])) for run in runs if method in run["methods"]}
            published = experiment.published.get(method, {})
            for metric in dict.fromkeys(name for row in rows.values() for name in row):
                values = {seed: row[metric] for seed, row in rows.items() if metric in row}
                found.append(_record(experiment.name, preset, method, metric, values, published.get(metric)))
        for headline in experiment.headlines:
            gains = {
                run["seed"]: gain(run, headline.method, headline.over)
                for run in runs
                if headline.method in run["methods"] and headline.over in run["methods"]
            }
            if gains:
                found.append(_record(experiment.name, preset, headline.name, GAIN, gains, headline.paper))
        return found


def _read(path: Path) -> Run:
    try:
        run = json.loads(path.read_text())
        newer = run["format"] > FORMAT
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a result: remove it, and run its seed again.") from error
    if newer:
        raise ValueError(
            f"{path} is of format {run['format']}, this knownot reads up to {FORMAT}: install a newer version."
        )
    return run


def _record(
    experiment: str, preset: str, method: str, metric: str, values: dict[int, float], paper: float | None
) -> Record:
    numbers = list(values.values())
    spread = stdev(numbers) if len(numbers) > 1 else None
    return Record(experiment, preset, method, metric, mean(numbers), spread, list(values), paper)


def _numbers(method: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Metric and number; lists are one metric for each Q, and their mean where Q >= 1. Finite numbers alone."""
    titles = {"f1": "f1 Q", "f1_mean_threshold": "f1 mean threshold Q"}
    for name, value in method.items():
        if name in titles:
            yield from ((f"{titles[name]}={q}", number) for q, number in enumerate(value))
            if len(value) > 1:
                yield f"{titles[name]}>=1", mean(value[1:])
        elif isinstance(value, int | float) and math.isfinite(value):
            yield name, float(value)


def gain(run: Run, method: str, over: str) -> float:
    """Mean gain of one method over another in macro-F1 at the mean threshold, Q >= 1, in per cent."""
    ours, theirs = (run["methods"][name]["f1_mean_threshold"][1:] for name in (method, over))
    return 100.0 * mean(a / b - 1.0 for a, b in zip(ours, theirs, strict=True))


def rounded(value: float, digits: int = 6) -> float:
    """To so many significant digits, as curves are kept.

    Examples
    --------
    >>> rounded(1234.56789)
    1234.57
    """
    return float(f"{value:.{digits}g}")
