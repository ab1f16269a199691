"""From a declared experiment to one JSON a seed; what was broken off goes on."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import knownot
from knownot.estimators import OpenSetClassifier
from knownot.experiments import open_set, subclusters
from knownot.experiments.declaration import Experiment, Model, Preset
from knownot.experiments.maps import class_maps
from knownot.experiments.open_set import Parts, Tell
from knownot.experiments.provenance import provenance
from knownot.experiments.results import FORMAT, Results, rounded
from knownot.training import History


class OutOfTime(Exception):  # noqa: N818 - nothing went wrong
    """The time given has passed; the same call goes on where it stopped."""


@dataclass
class Clock:
    """Counts the time that is left.

    Attributes
    ----------
    budget : float, optional
        Seconds in all; None for no limit.
    """

    budget: float | None = None
    started: float = field(default_factory=time.monotonic)

    def left(self) -> float | None:
        """Seconds left.

        Raises
        ------
        OutOfTime
            If there are none.
        """
        if self.budget is None:
            return None
        left = self.budget - (time.monotonic() - self.started)
        if left <= 0:
            raise OutOfTime
        return left


@dataclass
class Runner:
    """Runs experiments and writes what they find.

    Parameters
    ----------
    results : Results
        Where numbers are written, and looked for.
    models : path, optional
        Folder that keeps trained models and gives them back. Default: they are kept until their
        seed is done.
    device : {"auto", "cpu", "cuda", "mps"}
    clock : Clock
    tell : callable
        Told in one line what is being done.
    progress : bool
        Show the progress of each training.
    """

    results: Results
    models: Path | None = None
    device: str = "auto"
    clock: Clock = field(default_factory=Clock)
    tell: Tell = print
    progress: bool = False

    def run(self, experiment: Experiment, preset: Preset, seed: int) -> Path:
        """Run one seed, unless its result is there.

        Returns
        -------
        Path
            The result's file.

        Raises
        ------
        OutOfTime
            If the clock ran out; what was trained so far is kept.
        """
        path = self.results.path(experiment.name, preset.name, seed)
        if path.exists():
            self.tell(f"{experiment.name} {preset.name} seed {seed}: there already, {path}")
            return path
        started = time.time()
        work = self.results.unfinished_path(experiment.name, preset.name, seed)
        measured = _KINDS[experiment.kind](self, experiment, preset, seed, work)
        maps = measured.pop("maps", None)
        if maps:
            self.results.write(self.results.maps_path(experiment.name, preset.name, seed), maps, indent=None)
        self.results.write(
            path,
            {
                "format": FORMAT,
                "experiment": experiment.name,
                "preset": preset.name,
                "seed": seed,
                **measured,
                "seconds": round(time.time() - started, 1),
                "provenance": provenance(),
            },
        )
        shutil.rmtree(work, ignore_errors=True)
        return path

    def trained(
        self, experiment: Experiment, preset: Preset, model: Model, seed: int, parts: Parts, work: Path
    ) -> OpenSetClassifier:
        """A trained model: from the folder of models, from its checkpoint on, or from the start."""
        settings = experiment.settings(model, preset)
        kept = (self.models or work) / experiment.name / preset.name / f"{model.name}-seed{seed}.safetensors"
        wanted = open_set.make_model(model, settings, seed)
        if kept.exists() and _same(found := knownot.load(kept), wanted):
            self.tell(f"{experiment.name} seed {seed}: {model.name} from {kept}")
            return found
        self.tell(f"{experiment.name} seed {seed}: training {model.name}")
        wanted.set_params(
            accelerator=self.device,
            checkpoint_dir=work / "checkpoints" / model.name,
            resume=True,
            max_time=self.clock.left(),
            verbose=int(self.progress),
        )
        wanted.fit(parts.train_x, parts.train_codes, validation=(parts.validation_x, parts.validation_codes))
        if wanted.history_.stopped == "time":
            raise OutOfTime
        if wanted.history_.stopped == "interrupted":
            # The training keeps what it has, which is not what was asked for.
            raise KeyboardInterrupt
        wanted.set_params(checkpoint_dir=None, resume=False, max_time=None)
        kept.parent.mkdir(parents=True, exist_ok=True)
        wanted.save(kept)
        return wanted


def _same(found: OpenSetClassifier, wanted: OpenSetClassifier) -> bool:
    """Whether a kept model is of the settings wanted; where it was trained does not matter."""
    free = {"accelerator", "verbose", "devices", "num_nodes"}
    ours, theirs = wanted.get_params(), found.get_params()
    return type(found) is type(wanted) and all(
        _as_tuples(ours[name]) == _as_tuples(theirs.get(name)) for name in ours.keys() - free
    )


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list | tuple) else value


def trained_facts(model: OpenSetClassifier, settings: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a training: settings, how it went, and its curves."""
    history = model.history_
    return {
        "estimator": type(model).__name__,
        "settings": settings,
        "epochs": len(history),
        "best_epoch": history.best_epoch,
        "precision": history.precision,
        "device": history.device,
        "trained": getattr(model, "saved_", None),
        "seconds": round(sum(record["seconds"] for record in history), 1),
        "parameters": sum(p.numel() for p in model.module_.parameters()),
        "curves": curves(history),
    }


def curves(history: History) -> dict[str, dict[str, list[float]]]:
    """Terms of the loss by part and name, one number an epoch."""
    found: dict[str, dict[str, list[float]]] = {"train": {}, "validation": {}}
    for record in history:
        for part, values in (("train", record["train"]), ("validation", record["validation"] or {})):
            for name, value in values.items():
                found[part].setdefault(name, []).append(rounded(value))
    return found


def _run_open_set(runner: Runner, experiment: Experiment, preset: Preset, seed: int, work: Path) -> dict[str, Any]:
    parts = open_set.load_parts(experiment, preset, seed)
    models = {model.name: runner.trained(experiment, preset, model, seed, parts, work) for model in experiment.models}
    # One picture is enough.
    mapped = {name: models[name] for name in experiment.mapped if seed == experiment.seeds[0]}
    methods = open_set.measure_methods(experiment, models, parts, seed, runner.tell)
    return {
        "methods": methods,
        "models": {
            model.name: trained_facts(models[model.name], experiment.settings(model, preset))
            for model in experiment.models
        },
        "samples": {"train": len(parts.train_codes), "test": len(parts.test_codes)},
        "unknown_classes": parts.unknown_classes,
        "maps": class_maps(mapped, parts, seed) if mapped else None,
    }


def _run_subclusters(runner: Runner, experiment: Experiment, preset: Preset, seed: int, work: Path) -> dict[str, Any]:
    kept, settings = work / "groups.json", dict(preset.settings.get("", {}))
    begun = json.loads(kept.read_text()) if kept.exists() else {}
    # A group takes minutes: what is done of them is kept, as trainings are by their checkpoints.
    found = begun["groups"] if begun.get("settings") == settings else {}
    for group in experiment.groups:
        if group.name in found:
            continue
        runner.clock.left()
        runner.tell(f"{experiment.name} seed {seed}: {group.name}")
        found[group.name] = subclusters.measure(group, settings, seed, runner.device)
        runner.results.write(kept, {"settings": settings, "groups": found})
    return {key: {name: measured[key] for name, measured in found.items()} for key in ("methods", "curves")}


_Kind = Callable[[Runner, Experiment, Preset, int, Path], dict[str, Any]]
_KINDS: dict[str, _Kind] = {"open-set": _run_open_set, "subclusters": _run_subclusters}
