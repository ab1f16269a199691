"""What is trained, and how large a run is: data, not a script."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Model:
    """Something to be trained, once for each seed.

    Attributes
    ----------
    name : str
    estimator : str
        Name of a class in :data:`knownot.catalogue.ESTIMATORS`.
    settings : mapping
        Its parameters, as ``set_params`` takes them: "max_epochs", "training__precision", "rule__tail_size".
    title : str
        What it is called above figures. Default: its name.
    """

    name: str
    estimator: str
    settings: Settings = field(default_factory=dict)
    title: str = ""


@dataclass(frozen=True)
class Preset:
    """How large a run is.

    Attributes
    ----------
    name : {"smoke", "cpu", "fast", "paper"}
        Seconds; within an hour on two cores; in pieces of minutes on a GPU; what the paper describes.
    settings : mapping of str to mapping
        Further settings of a model by its name; those under "" are for all.
    at_most : mapping of str to int
        Most samples of each part of the data, drawn by the seed. What the parts are called is up to the kind of
        the experiment.
    only : mapping of str to collection of int
        Seeds at which a model is trained, by its name; other models are trained at all of them.
    gpu_minutes : float
        What one seed is expected to take on a GPU.
    note : str
        What differs from the paper, and why.
    """

    name: str
    settings: Mapping[str, Settings] = field(default_factory=dict)
    at_most: Mapping[str, int] = field(default_factory=dict)
    only: Mapping[str, Collection[int]] = field(default_factory=dict)
    gpu_minutes: float = 0.0
    note: str = ""

    def trains(self, model: Model, seed: int) -> bool:
        """Whether a model is trained at a seed.

        Examples
        --------
        >>> preset = Preset("cpu", only={"slow": (0,)})
        >>> [preset.trains(Model(name, "SoftmaxClassifier"), 1) for name in ("slow", "fast")]
        [False, True]
        """
        return seed in self.only.get(model.name, (seed,))

    def settings_of(self, model: Model) -> dict[str, Any]:
        """Settings of a model at this preset: its own, those for all, those for it alone; the last one counts.

        Examples
        --------
        >>> preset = Preset("cpu", {"": {"max_epochs": 3}, "wide": {"hidden": (500,)}})
        >>> preset.settings_of(Model("wide", "SoftmaxClassifier", {"max_epochs": 50, "rule": "energy"}))
        {'max_epochs': 3, 'rule': 'energy', 'hidden': (500,)}
        """
        return {**model.settings, **self.settings.get("", {}), **self.settings.get(model.name, {})}
