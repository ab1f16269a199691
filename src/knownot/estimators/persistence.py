"""A fitted estimator as tensors and facts, in one file, and the way back.

Each mixin of an estimator writes what it fitted (``_pack``) and restores it (``_restore``); this file knows what
all have in common: parameters, the class by its name in the catalogue, and the file.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from knownot.catalogue import ESTIMATORS, RULES, resolve
from knownot.model_file import metadata, read_model_file, write_model_file
from knownot.rules import Rule, make_rule
from knownot.training import TrainingSettings
from knownot.version import __version__

# Scores of calibration samples may be -inf: a sample that no class has any likelihood for.
_MAY_BE_INFINITE = "threshold."


@dataclass
class Saved:
    """What a file holds of an estimator.

    Attributes
    ----------
    tensors : dict of str to Tensor
    facts : dict
        Whatever else is fitted, as JSON can hold it.
    """

    tensors: dict[str, Tensor] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def add(self, prefix: str, tensors: Mapping[str, Tensor]) -> None:
        """Add tensors under a common prefix."""
        self.tensors |= {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}

    def group(self, prefix: str) -> dict[str, Tensor]:
        """Tensors that were added under a prefix."""
        start = f"{prefix}."
        return {name.removeprefix(start): t for name, t in self.tensors.items() if name.startswith(start)}


class Saveable(Protocol):
    """An estimator that can be packed and restored."""

    def get_params(self, deep: bool = True) -> dict[str, Any]: ...

    def _pack(self, saved: Saved) -> None: ...

    def _restore(self, saved: Saved) -> None: ...


def save(estimator: Saveable, path: str | os.PathLike[str]) -> Path:
    """Write a fitted estimator to one file; see :meth:`knownot.estimators.base.Estimator.save`."""
    name = type(estimator).__name__
    if name not in ESTIMATORS or resolve(ESTIMATORS[name]) is not type(estimator):
        raise ValueError(
            f"{name} is not one of knownot's own estimators, so that a saved model could not be loaded elsewhere: save "
            "an estimator of the class it was derived from."
        )
    saved = Saved()
    estimator._pack(saved)
    refuse_infinite(saved.tensors, "the fitted model", "it was not saved; fit it again, with a smaller learning_rate")
    config = {
        "estimator": name,
        "parameters": {name: _to_json(value) for name, value in estimator.get_params(deep=False).items()},
        **saved.facts,
        "knownot": __version__,
        "torch": str(torch.__version__),
        "saved": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }
    # Rules may share what they keep of the training samples; a file holds each tensor by itself.
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in saved.tensors.items()}
    return write_model_file(path, save_tensors(tensors, metadata=metadata(config)))


def load(path: str | os.PathLike[str]) -> Any:
    """Read an estimator that ``save`` wrote; it is on the CPU and predicts as before.

    The file is read once, as a whole, and its checksum compared, so that it may be overwritten at any time.

    Parameters
    ----------
    path : path
        A ``.safetensors`` file. Nothing in it is executed.

    Returns
    -------
    estimator

    Raises
    ------
    ValueError
        If the file is missing, damaged, of another kind, or of a newer format.
    """
    file = read_model_file(path)
    name = file.config.get("estimator")
    if name not in ESTIMATORS:
        raise ValueError(f"{path} holds a {name}, which this knownot does not have: update knownot.")
    try:
        saved = Saved(load_tensors(file.content), file.config)
        refuse_infinite(saved.tensors, str(path), "save it again from a model that was fitted well")
        parameters = {name: _from_json(value) for name, value in file.config["parameters"].items()}
        estimator = resolve(ESTIMATORS[name])(**parameters)
        estimator._restore(saved)
        estimator.saved_ = file.config["saved"]
    except (KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"{path} does not hold a whole {name} ({error}): save it again.") from error
    return estimator


def refuse_infinite(tensors: Mapping[str, Tensor], where: str, remedy: str) -> None:
    """Refuse weights that are infinite or NaN.

    Raises
    ------
    ValueError
        If there are any.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not name.startswith(_MAY_BE_INFINITE) and not torch.isfinite(tensor).all():
            raise ValueError(f"{where} holds infinite or NaN values in {name!r}: {remedy}.")


def _to_json(value: Any) -> Any:
    """A parameter as JSON can hold it."""
    if isinstance(value, Rule):
        # A subclass inherits its parent's name, unless it sets its own.
        if value.name not in RULES or resolve(RULES[value.name]) is not type(value):
            raise ValueError(
                f"the rule {type(value).__name__} is not one of knownot's own, so that a saved model could not be "
                f"loaded elsewhere: use one of {', '.join(map(repr, RULES))}."
            )
        return {"rule": value.name, "settings": _parameters_to_json(value)}
    if isinstance(value, TrainingSettings):
        return {"training": _parameters_to_json(value)}
    if isinstance(value, Mapping):
        return {"mapping": [[_to_json(k), _to_json(v)] for k, v in value.items()]}
    if isinstance(value, tuple | list | np.ndarray):
        return [_to_json(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    # A random generator, say: it shaped the fit, and predicting does not need it.
    return None


def _parameters_to_json(value: Rule | TrainingSettings) -> list[list[Any]]:
    return [[name, _to_json(v)] for name, v in value.get_params(deep=False).items()]


def _from_json(value: Any) -> Any:
    if isinstance(value, dict) and "rule" in value:
        return make_rule(value["rule"], settings={name: _from_json(v) for name, v in value["settings"]})
    if isinstance(value, dict) and "training" in value:
        return TrainingSettings(**{name: _from_json(v) for name, v in value["training"]})
    if isinstance(value, dict):
        return {_from_json(k): _from_json(v) for k, v in value["mapping"]}
    return tuple(_from_json(item) for item in value) if isinstance(value, list) else value
