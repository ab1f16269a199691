"""What a GPU would do next."""

from __future__ import annotations

from dataclasses import dataclass

from knownot.experiments.catalogue import EXPERIMENTS
from knownot.experiments.declaration import Experiment, Preset
from knownot.experiments.results import Results


@dataclass(frozen=True)
class Item:
    """One seed of one experiment at one size.

    Attributes
    ----------
    experiment : Experiment
    preset : Preset
    seed : int
    """

    experiment: Experiment
    preset: Preset
    seed: int

    @property
    def minutes(self) -> float:
        """What it is expected to take on a GPU."""
        return self.preset.gpu_minutes


#: Sizes for a GPU; of an experiment that has several the first is queued.
QUEUED = ("fast", "paper")


def queue(results: Results, preset: str | None = None) -> list[Item]:
    """Seeds without a result, the most valuable first.

    The first seeds of all experiments come before their second ones: one number of each is worth
    more than three of one.

    Parameters
    ----------
    results : Results
    preset : str, optional
        This size alone. Default: of each experiment the one made for a GPU in pieces of minutes, "fast", where it
        has that, else "paper".
    """
    wanted = QUEUED if preset is None else (preset,)
    items = [
        Item(experiment, experiment.preset(size), seed)
        for experiment in EXPERIMENTS.values()
        for size in [name for name in wanted if name in experiment.presets][:1]
        for seed in experiment.seeds
        if not experiment.lacking()
        if not results.path(experiment.name, size, seed).exists()
    ]
    return sorted(items, key=lambda item: (item.experiment.seeds.index(item.seed), -item.experiment.value))
