"""From a declared experiment to one JSON for each seed; what was broken off goes on."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from knownot.experiments.context import Clock, Context, Tell
from knownot.experiments.declaration import Experiment
from knownot.experiments.presets import Preset
from knownot.experiments.provenance import provenance
from knownot.experiments.results import FORMAT, Results


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
        context = Context(
            experiment=experiment.name,
            preset=preset,
            seed=seed,
            work=self.results.unfinished_path(experiment.name, preset.name, seed),
            models=self.models,
            device=self.device,
            clock=self.clock,
            tell=self.tell,
            progress=self.progress,
            models_of=experiment.models_of,
        )
        measured = experiment.measure(context)
        result = {
            "format": FORMAT,
            "experiment": experiment.name,
            "preset": preset.name,
            "seed": seed,
            **measured.facts,
            "seconds": round(time.time() - started, 1),
            "provenance": provenance(),
        }
        self.results.write(experiment.name, preset.name, seed, result, measured.attachments)
        shutil.rmtree(context.work, ignore_errors=True)
        return path
