"""What a GPU would do next."""

from __future__ import annotations

from dataclasses import dataclass

from knownot.experiments.catalogue import EXPERIMENTS
from knownot.experiments.declaration import Experiment, Preset
from knownot.experiments.results import Results


@dataclass(frozen=True)
class Item:
    """One seed of one experiment, to be run at the paper's size.

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


def queue(results: Results, preset: str = "paper") -> list[Item]:
    """Seeds without a result, the most valuable first.

    The first seeds of all experiments come before their second ones: one number of each is worth
    more than three of one.

    Parameters
    ----------
    results : Results
    preset : str
    """
    items = [
        Item(experiment, experiment.preset(preset), seed)
        for experiment in EXPERIMENTS.values()
        if preset in experiment.presets
        for seed in experiment.seeds
        if not results.path(experiment.name, preset, seed).exists()
    ]
    return sorted(items, key=lambda item: (item.experiment.seeds.index(item.seed), -item.experiment.value))
