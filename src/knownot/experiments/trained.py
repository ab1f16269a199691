"""Trained models: made from a declaration, trained from a checkpoint on, compared with one that was kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knownot.catalogue import ESTIMATORS, resolve
from knownot.experiments.presets import Model
from knownot.experiments.records import rounded

if TYPE_CHECKING:
    from knownot.training import History

# Where and with what output a model was trained does not make it another one.
_FREE = {"accelerator", "verbose", "devices", "num_nodes"}


def make_estimator(model: Model, settings: Mapping[str, Any], seed: int) -> Any:
    """An unfitted estimator.

    Parameters
    ----------
    model : Model
    settings : mapping
        Of the model at a preset: :meth:`Preset.settings_of`.
    seed : int
    """
    return resolve(ESTIMATORS[model.estimator])().set_params(**settings, random_state=seed)


def train(
    estimator: Any, samples: tuple[Any, ...], options: Mapping[str, Any], checkpoints: Path, max_time: float | None
) -> None:
    """Fit an estimator, from its last checkpoint on where there is one; its parameters stay what they were.

    Parameters
    ----------
    estimator : estimator
    samples, options
        Arguments of its ``fit``.
    checkpoints : path
    max_time : float, optional
        Seconds.
    """
    from sklearn.base import clone

    asked = clone(estimator).get_params(deep=False)
    estimator.set_params(training__checkpoint_dir=checkpoints, training__resume=True, training__max_time=max_time)
    estimator.fit(*samples, **options)
    estimator.set_params(**asked)


def same_settings(one: Any, other: Any) -> bool:
    """Whether two parameters, or the parameters of two estimators, say the same.

    Objects with parameters of their own, such as rules, are compared by these, and None in place of one with its
    defaults; lists are the same as tuples. Where a model is trained does not matter.

    Examples
    --------
    >>> from knownot.estimators import SoftmaxClassifier
    >>> same_settings(SoftmaxClassifier(hidden=[9], accelerator="cpu"), SoftmaxClassifier(hidden=(9,)))
    True
    >>> same_settings(SoftmaxClassifier(max_epochs=3), SoftmaxClassifier(max_epochs=4))
    False
    """
    if hasattr(one, "get_params") or hasattr(other, "get_params"):
        one, other = (type(b)() if a is None else a for a, b in ((one, other), (other, one)))
        if type(one) is not type(other):
            return False
        ours, theirs = one.get_params(deep=False), other.get_params(deep=False)
        return ours.keys() == theirs.keys() and all(same_settings(ours[n], theirs[n]) for n in ours.keys() - _FREE)
    return _as_tuples(one) == _as_tuples(other)


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list | tuple) else value


def trained_facts(model: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a training: settings, how it went, and its curves."""
    history = model.history_
    return {
        "estimator": type(model).__name__,
        "settings": dict(settings),
        "epochs": len(history),
        "best_epoch": history.best_epoch,
        "precision": history.precision,
        "device": history.device,
        "trained": getattr(model, "saved_", None),
        "seconds": round(sum(record["seconds"] for record in history), 1),
        "parameters": sum(p.numel() for p in model.module_.parameters()),
        "curves": curves(history),
        "gradient_norms": [rounded(record["gradient_norm"]) for record in history if "gradient_norm" in record],
    }


def curves(history: History) -> dict[str, dict[str, list[float]]]:
    """Terms of the loss by part and name, one number for each epoch."""
    found: dict[str, dict[str, list[float]]] = {"train": {}, "validation": {}}
    for record in history:
        for part, values in (("train", record["train"]), ("validation", record["validation"] or {})):
            for name, value in values.items():
                found[part].setdefault(name, []).append(rounded(value))
    return found
