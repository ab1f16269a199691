"""What one seed of an experiment is measured with: its models, its folder, and the time that is left."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from knownot.experiments.presets import Model, Preset, Settings
from knownot.experiments.records import write_json
from knownot.experiments.trained import make_estimator, same_settings, train

Tell = Callable[[str], None]


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


@dataclass(frozen=True)
class Measured:
    """What one seed found.

    Attributes
    ----------
    facts : dict
        For its JSON: "methods", the numbers of each method by name, and what else the kind of experiment keeps.
        "models" with :func:`~knownot.experiments.trained.trained_facts` of each is shown below the tables.
    attachments : mapping of str to Any
        What figures need and nobody reads: JSON in files of their own, by name.
    """

    facts: dict[str, Any]
    attachments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(kw_only=True)
class Context:
    """What one seed of an experiment is measured with.

    Attributes
    ----------
    experiment : str
        Its name.
    preset : Preset
    seed : int
    work : path
        Folder of what a seed that was broken off goes on from; removed when the seed is done.
    models : path, optional
        Folder that keeps trained models and gives them back. Default: in ``work``.
    device : {"auto", "cpu", "cuda", "mps"}
    clock : Clock
    tell : callable
        Told in one line what is being done.
    progress : bool
        Show the progress of each training.
    models_of : str
        Experiment under whose name models are kept. Default: its own.
    """

    experiment: str
    preset: Preset
    seed: int
    work: Path
    models: Path | None = None
    device: str = "auto"
    clock: Clock = field(default_factory=Clock)
    tell: Tell = print
    progress: bool = False
    models_of: str = ""

    def say(self, what: str) -> None:
        """Tell what is being done."""
        self.tell(f"{self.experiment} seed {self.seed}: {what}")

    def settings(self, model: Model) -> dict[str, Any]:
        """Settings of a model at this preset."""
        return self.preset.settings_of(model)

    def trained(
        self, model: Model, *samples: Any, variant: str = "", more: Settings | None = None, **options: Any
    ) -> Any:
        """A trained model: from the folder of models, from its checkpoint on, or from the start.

        Parameters
        ----------
        model : Model
        *samples, **options
            Arguments of the estimator's ``fit``.
        variant : str
            Tells trainings of one model at one seed apart.
        more : mapping, optional
            Settings beside the model's own, such as what another training has found.

        Raises
        ------
        OutOfTime
            If the clock ran out; what was trained so far is kept.
        """
        folder = (self.models or self.work) / (self.models_of or self.experiment) / self.preset.name
        name = f"{model.name}-{variant}" if variant else model.name
        kept = folder / f"{name}-seed{self.seed}.safetensors"
        wanted = make_estimator(model, {**self.settings(model), **(more or {})}, self.seed)
        if kept.exists():
            from knownot.estimators import load

            if same_settings(found := load(kept), wanted):
                self.say(f"{name} from {kept}")
                return found
        self.say(f"training {name}")
        wanted.set_params(accelerator=self.device, verbose=int(self.progress))
        train(wanted, samples, options, self.work / "checkpoints" / name, self.clock.left())
        if wanted.history_.stopped == "time":
            raise OutOfTime
        if wanted.history_.stopped == "interrupted":
            # The training keeps what it has, which is not what was asked for.
            raise KeyboardInterrupt
        folder.mkdir(parents=True, exist_ok=True)
        wanted.save(kept)
        return wanted

    def step(self, name: str, settings: Settings, measure: Callable[[], Any]) -> Any:
        """What one step of a long measurement finds; a step that is done is not measured again.

        Parameters
        ----------
        name : str
        settings : mapping
            What the step depends on: with other settings it is measured again.
        measure : callable
            Returns what JSON can hold.

        Raises
        ------
        OutOfTime
            If the step is not done and the clock has run out.
        """
        file, wanted = self.work / "steps.json", _as_json(settings)
        steps = json.loads(file.read_text()) if file.exists() else {}
        if name not in steps or steps[name]["settings"] != wanted:
            self.clock.left()
            self.say(name)
            steps[name] = {"settings": wanted, "found": _as_json(measure())}
            write_json(file, steps)
        return steps[name]["found"]


def _as_json(value: Any) -> Any:
    """As it comes back from a file, so that a seed that was broken off gives the same result."""
    return json.loads(json.dumps(value))
