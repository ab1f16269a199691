"""A fitted estimator as tensors and a configuration, and the way back."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from knownot.estimators.inputs import Scaling
from knownot.rules import RULE_NAMES, ConformalThreshold, Rule, make_rule
from knownot.training import History
from knownot.version import __version__

if TYPE_CHECKING:
    from knownot.estimators.base import OpenSetClassifier


def _plain(value: Any) -> Any:
    """A parameter as JSON can hold it."""
    if isinstance(value, Rule):
        # A subclass goes by its parent's name, unless it has one of its own.
        if value.name not in RULE_NAMES or type(make_rule(value.name)) is not type(value):
            raise ValueError(
                f"the rule {type(value).__name__} is not one of knownot's own, so that a saved model could not be "
                f"loaded elsewhere: use one of {', '.join(map(repr, RULE_NAMES))}."
            )
        return {"rule": value.name, "settings": [[name, _plain(v)] for name, v in value.settings().items()]}
    if isinstance(value, Mapping):
        return {"mapping": [[_plain(k), _plain(v)] for k, v in value.items()]}
    if isinstance(value, tuple | list | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    # A random generator, say: it shaped the fit, and predicting does not need it.
    return None


def _restored(value: Any) -> Any:
    if isinstance(value, dict) and "rule" in value:
        return make_rule(value["rule"], settings={name: _restored(v) for name, v in value["settings"]})
    if isinstance(value, dict):
        return {_restored(k): _restored(v) for k, v in value["mapping"]}
    return tuple(_restored(item) for item in value) if isinstance(value, list) else value


def pack(estimator: OpenSetClassifier) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Everything that predicting needs, as named tensors and a configuration for JSON."""
    tensors = {f"module.{name}": tensor for name, tensor in estimator.module_.state_dict().items()}
    tensors |= {f"rule.{name}": tensor for name, tensor in estimator.rule_.state().items()}
    tensors["threshold.scores"] = torch.from_numpy(estimator.threshold_.scores_)
    tensors["threshold.offset"] = torch.tensor(estimator.offset_, dtype=torch.float64)
    if estimator.scaling_.mean is not None and estimator.scaling_.std is not None:
        tensors["scaling.mean"] = torch.from_numpy(estimator.scaling_.mean)
        tensors["scaling.std"] = torch.from_numpy(estimator.scaling_.std)
    config = {
        "estimator": type(estimator).__name__,
        "parameters": {name: _plain(value) for name, value in estimator.get_params(deep=False).items()},
        "classes": estimator.classes_.tolist(),
        "classes_dtype": estimator.classes_.dtype.str,
        "input_shape": list(estimator.input_shape_),
        "n_subclusters": list(estimator.n_subclusters_),
        "latent_dim": estimator.module_.latent_dim,
        "feature_names": getattr(estimator, "feature_names_in_", np.array([])).tolist() or None,
        "accept": estimator.accept_,
        "temperature": estimator.rule_.temperature,
        "history": estimator.history_.to_dict(),
        "knownot": __version__,
        "torch": str(torch.__version__),
        "saved": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }
    return tensors, config


def unpack(cls: type[OpenSetClassifier], tensors: dict[str, Tensor], config: dict[str, Any]) -> OpenSetClassifier:
    """Rebuild what :func:`pack` took apart, on the CPU."""

    def group(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}

    estimator = cls(**{name: _restored(value) for name, value in config["parameters"].items()})
    estimator.classes_ = np.array(config["classes"], dtype=np.dtype(config["classes_dtype"]))
    estimator.input_shape_ = tuple(config["input_shape"])
    # Files of earlier versions hold no numbers found in the data.
    estimator.n_subclusters_ = config.get("n_subclusters") or estimator._counts()
    if len(estimator.input_shape_) == 1:
        estimator.n_features_in_ = estimator.input_shape_[0]
    if config["feature_names"]:
        estimator.feature_names_in_ = np.array(config["feature_names"], dtype=object)
    with torch.random.fork_rng(devices=[]):
        estimator.module_ = estimator._make_module()
    estimator.module_.load_state_dict(group("module."))
    estimator.module_.eval()
    estimator.rule_ = make_rule(estimator.rule, estimator.n_subclusters_).restore(group("rule."))
    estimator.rule_.temperature = config["temperature"]
    estimator.scaling_ = Scaling(**{name: t.numpy() for name, t in group("scaling.").items()})
    estimator.accept_ = config["accept"]
    estimator.threshold_ = ConformalThreshold(1.0 if estimator.accept_ is None else estimator.accept_)
    estimator.threshold_.scores_ = tensors["threshold.scores"].numpy()
    estimator.offset_ = estimator.threshold_.offset_ = float(tensors["threshold.offset"])
    estimator.history_ = History.from_dict(config["history"])
    estimator.saved_ = config["saved"]
    return estimator
