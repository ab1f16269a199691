"""How a training is run: everything but the module and the data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

Schedule = Literal["cosine", "constant", "triangle"]
OptimizerName = Literal["adam", "sgd"]
Weights = Literal["best", "last"]
Accelerator = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "32-true", "bf16-mixed"]


@dataclass(frozen=True)
class TrainingPlan:
    """All settings of :func:`train` besides the module and the data, the same for every module.

    Parameters
    ----------
    max_epochs : int
        Passes over the training batches.
    learning_rate : float
        The largest learning rate.
    optimizer : {"adam", "sgd"}
        Adam, or stochastic gradient descent with Nesterov's momentum, which needs learning rates that are
        hundreds of times as large and suits networks with batch normalisation.
    momentum : float
        Of "sgd", from 0 to below 1.
    schedule : {"cosine", "constant", "triangle"}
        "cosine" rises linearly over the first 2 % of the steps and falls along a half cosine to 0
        over ``max_epochs``; "constant" stays; "triangle" rises linearly from a fifth over the first 23 % and
        falls linearly to 2 %.
    gradient_clip : float or None
        Gradients with a larger norm are scaled down to it, so that a single odd batch cannot throw the
        weights far away. None: no clipping.
    weight_decay : float
        Of "adam" decoupled from the gradient (AdamW), of "sgd" added to it; 0 is none.
    warmup_epochs : int
        The factor of the divergences rises linearly, step by step, from 0 to 1 over these epochs.
    keep : {"best", "last"}
        Which weights the module ends with: those of the best validation loss, or of the last epoch. A schedule that
        falls to 0 means the last, and a loss may rise while what is wanted of the network still gets better.
    patience : int or None
        Stop when the validation loss has not become better for so many epochs; epochs of the warm-up
        do not count. None: never.
    max_time : float or None
        Seconds; the training ends after the epoch that passes them, and a checkpoint lets it go on.
    validate_every : int
        Validate after every so many epochs, and after the last.
    seed : int or None
        Decides all noise of the training. None: drawn from torch's random numbers.
    accelerator : {"auto", "cpu", "cuda", "mps"}
        "auto" takes CUDA, else Apple's GPU, else the CPU.
    devices : int
        Devices (on a CPU: processes) of each node.
    num_nodes : int
        Machines that train together.
    precision : {"auto", "32-true", "bf16-mixed"}
        See :func:`choose_precision` for "auto".
    checkpoint_every : int
        Write a checkpoint after every so many epochs, and after the last. Has no meaning without a
        ``checkpoint_dir``.

    Raises
    ------
    ValueError
        If a setting is out of its range.

    Examples
    --------
    >>> TrainingPlan(max_epochs=20, warmup_epochs=5).schedule
    'cosine'
    """

    max_epochs: int = 50
    learning_rate: float = 1e-3
    optimizer: OptimizerName = "adam"
    momentum: float = 0.9
    schedule: Schedule = "cosine"
    gradient_clip: float | None = 100.0
    weight_decay: float = 0.0
    warmup_epochs: int = 0
    keep: Weights = "best"
    patience: int | None = None
    max_time: float | None = None
    validate_every: int = 1
    seed: int | None = None
    accelerator: Accelerator = "auto"
    devices: int = 1
    num_nodes: int = 1
    precision: Precision = "auto"
    checkpoint_every: int = 1

    def __post_init__(self) -> None:
        for name in ("max_epochs", "validate_every", "devices", "num_nodes", "checkpoint_every"):
            _require(name, getattr(self, name), getattr(self, name) >= 1, "a whole number, 1 or more")
        rate = self.learning_rate
        _require("learning_rate", rate, 0 < rate < math.inf, "a positive number, such as 0.001")
        _require("weight_decay", self.weight_decay, 0 <= self.weight_decay < math.inf, "0 or a positive number")
        _require("warmup_epochs", self.warmup_epochs, self.warmup_epochs >= 0, "0 or a positive whole number")
        _require("momentum", self.momentum, 0 <= self.momentum < 1, "a number from 0 to below 1")
        clip = self.gradient_clip
        _require("gradient_clip", clip, clip is None or clip > 0, "a positive norm, or None for no clipping")
        patience = self.patience
        _require("patience", patience, patience is None or patience >= 1, "1 or more epochs, or None for never")
        _require("seed", self.seed, self.seed is None or self.seed >= 0, "0 or a positive whole number, or None")
        time = self.max_time
        _require("max_time", time, time is None or time > 0, "a positive number of seconds, or None for no limit")
        for name, choices in (
            ("optimizer", OptimizerName),
            ("schedule", Schedule),
            ("keep", Weights),
            ("accelerator", Accelerator),
            ("precision", Precision),
        ):
            value, allowed = getattr(self, name), get_args(choices)
            _require(name, value, value in allowed, "one of " + ", ".join(map(repr, allowed)))


def _require(name: str, value: object, holds: bool, needed: str) -> None:
    if not holds:
        raise ValueError(f"{name}={value!r} does not work: give {needed}.")
