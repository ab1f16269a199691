"""What users of an estimator set of its training, as an object that scikit-learn can search over."""

from __future__ import annotations

import os
from typing import Any

from sklearn.base import BaseEstimator

from knownot.training.plan import TrainingPlan
from knownot.training.recipes import ADAM, Recipe

_LEFT_TO_RECIPES = ("optimizer", "momentum", "schedule", "weight_decay", "keep")


class TrainingSettings(BaseEstimator):
    """How an estimator's network is trained, beyond the estimator's own arguments.

    Given as ``training=TrainingSettings(...)``; its parameters can be searched over as
    ``training__weight_decay`` and the like. They are checked when the estimator is fitted.

    Parameters
    ----------
    optimizer : {"auto", "adam", "sgd"}
        Adam, or stochastic gradient descent with Nesterov's momentum, which needs learning rates that are hundreds of
        times as large. "auto", here and below: what suits the network, "sgd" with "triangle" and "last" for fast
        networks on photographs, else "adam" with "cosine" and "best".
    momentum : float, optional
        Of "sgd", from 0 to below 1.
    schedule : {"auto", "cosine", "constant", "triangle"}
        "cosine" rises linearly over the first 2 % of the steps and falls along a half cosine to 0;
        "constant" stays at ``learning_rate``; "triangle" rises linearly from a fifth of it over the first 23 % and
        falls linearly to 2 %.
    gradient_clip : float or None
        Gradients with a larger norm are scaled down to it. None: no clipping.
    weight_decay : float, optional
        Of "adam" decoupled from the gradient (AdamW), of "sgd" added to it; 0 is none.
    warmup_epochs : int
        Epochs in which the weight of the divergences rises from 0 to 1; of variational modules only.
    keep : {"auto", "best", "last"}
        End with the weights of the best loss on held-out samples, or of the last epoch.
    patience : int, optional
        Stop when the loss on held-out samples has not fallen for so many epochs.
    max_time : float, optional
        Seconds; training ends after the epoch that passes them.
    validate_every : int
        Validate after every so many epochs, and after the last.
    devices, num_nodes : int
        Devices of each node, and nodes, to train on.
    precision : {"auto", "32-true", "bf16-mixed"}
        "auto": bfloat16 for convolutions where the hardware is fast at it, but not for images
        of less than 16 pixels, for which it does not pay.
    checkpoint_dir : path, optional
        Folder of training checkpoints.
    checkpoint_every : int
        Epochs from one checkpoint to the next.
    resume : bool
        Go on from the checkpoint in ``checkpoint_dir``, if there is one. It must have been begun
        with the same data and settings.

    Examples
    --------
    >>> TrainingSettings(patience=5, precision="32-true")
    TrainingSettings(patience=5, precision='32-true')
    """

    def __init__(
        self,
        *,
        optimizer: str = "auto",
        momentum: float | None = None,
        schedule: str = "auto",
        gradient_clip: float | None = 100.0,
        weight_decay: float | None = None,
        warmup_epochs: int = 0,
        keep: str = "auto",
        patience: int | None = None,
        max_time: float | None = None,
        validate_every: int = 1,
        devices: int = 1,
        num_nodes: int = 1,
        precision: str = "auto",
        checkpoint_dir: str | os.PathLike[str] | None = None,
        checkpoint_every: int = 1,
        resume: bool = False,
    ) -> None:
        self.optimizer = optimizer
        self.momentum = momentum
        self.schedule = schedule
        self.gradient_clip = gradient_clip
        self.weight_decay = weight_decay
        self.warmup_epochs = warmup_epochs
        self.keep = keep
        self.patience = patience
        self.max_time = max_time
        self.validate_every = validate_every
        self.devices = devices
        self.num_nodes = num_nodes
        self.precision = precision
        self.checkpoint_dir = checkpoint_dir
        self.checkpoint_every = checkpoint_every
        self.resume = resume

    def plan(self, recipe: Recipe = ADAM, **more: Any) -> TrainingPlan:
        """The plan of a training: these settings, and the arguments that estimators have themselves.

        Parameters
        ----------
        recipe : Recipe
            What stands for "auto" and None.
        **more
            ``max_epochs``, ``learning_rate``, ``seed`` and ``accelerator``, as of :class:`TrainingPlan`.

        Raises
        ------
        ValueError
            If a setting is out of its range.
        """
        elsewhere = {"checkpoint_dir", "resume"}
        given = {k: v for k, v in self.get_params().items() if k not in elsewhere}
        for name in _LEFT_TO_RECIPES:
            if given[name] in ("auto", None):
                given[name] = getattr(recipe, name)
        return TrainingPlan(**given, **more)
