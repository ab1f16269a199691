"""Results on disk: one JSON for each seed; and the numbers over all seeds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from knownot.experiments.declaration import Experiment
from knownot.experiments.records import Record, Run, write_json

FORMAT = 1
GAIN = "gain %"


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

    def attachment_path(self, experiment: str, preset: str, seed: int, name: str) -> Path:
        """File of what figures need beside the result of one seed, such as "maps"."""
        return self.folder / experiment / preset / f"{name}-seed{seed}.json"

    def unfinished_path(self, experiment: str, preset: str, seed: int) -> Path:
        """Folder of what a seed that was broken off goes on from."""
        return self.folder / ".unfinished" / experiment / preset / f"seed{seed}"

    def write(
        self, experiment: str, preset: str, seed: int, content: Run, attachments: Mapping[str, Any] | None = None
    ) -> Path:
        """Write the result of one seed, its attachments first: where the result is, all of it is."""
        for name, attachment in (attachments or {}).items():
            write_json(self.attachment_path(experiment, preset, seed, name), attachment, indent=None)
        path = self.path(experiment, preset, seed)
        write_json(path, content)
        return path

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

    def attachments(self, experiment: str, preset: str) -> dict[str, Any]:
        """Attachments by name, each of the first seed that has it."""
        first: dict[str, int] = {}
        for path in (self.folder / experiment / preset).glob("*-seed*.json"):
            name, _, seed = path.stem.rpartition("-seed")
            if seed.isdecimal():
                first[name] = min(first.get(name, int(seed)), int(seed))
        paths = {name: self.attachment_path(experiment, preset, seed, name) for name, seed in first.items()}
        return {name: json.loads(path.read_text()) for name, path in paths.items()}

    def records(self, experiment: Experiment, preset: str) -> list[Record]:
        """Every number of an experiment at a preset, over the seeds that are there."""
        found: dict[tuple[str, str], dict[int, float]] = {}
        runs = self.runs(experiment.name, preset)
        # A method that was added later is missing in the runs before.
        for run in runs:
            for method, facts in run["methods"].items():
                for metric, value in experiment.numbers(facts):
                    found.setdefault((method, metric), {})[run["seed"]] = value
        stated: dict[tuple[str, str], float | None] = {
            (method, metric): n for method, of in experiment.published.items() for metric, n in of.items()
        }
        for headline in experiment.headlines:
            stated[headline.name, GAIN] = headline.paper
            for run in runs:
                if (ours := run["methods"].get(headline.method)) and (theirs := run["methods"].get(headline.over)):
                    found.setdefault((headline.name, GAIN), {})[run["seed"]] = experiment.gain(ours, theirs)
        records = [
            _record(experiment.name, preset, *key, finite, stated.get(key))
            for key, values in found.items()
            if (finite := {seed: value for seed, value in values.items() if math.isfinite(value)})
        ]
        seeds = [run["seed"] for run in runs]
        records += [
            Record(experiment.name, preset, method, metric, value, sd, seeds, stated.get((method, metric)))
            for method, metric, value, sd in experiment.over_all_seeds(runs)
            if math.isfinite(value)
        ]
        return records


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
    experiment: str, preset: str, method: str, metric: str, values: Mapping[int, float], paper: float | None
) -> Record:
    numbers = list(values.values())
    spread = stdev(numbers) if len(numbers) > 1 else None
    return Record(experiment, preset, method, metric, mean(numbers), spread, list(values), paper)
