"""What all estimators share: reading samples, one fit that counts whole or not at all, and one file."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, cast

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from knownot.estimators.columns import TableEncoding, unjudged
from knownot.estimators.inputs import Samples, Scaling, read_samples
from knownot.estimators.persistence import Saved, save
from knownot.rules import make_rule
from knownot.training import TrainingSettings

P = ParamSpec("P")
E = TypeVar("E", bound="Estimator")


def all_or_nothing(fit: Callable[Concatenate[E, P], Any]) -> Callable[Concatenate[E, P], E]:
    """Let a method that fits work on a copy, whose state is taken over in one step at its end.

    Whatever is raised before, Ctrl-C included, the estimator stays what it was.
    """

    @wraps(fit)
    def fitted(self: E, *args: P.args, **kwargs: P.kwargs) -> E:
        work = copy.copy(self)
        for name in [name for name in vars(work) if name.endswith("_") and not name.startswith("_")]:
            delattr(work, name)
        gradients = torch.is_grad_enabled()
        try:
            fit(work, *args, **kwargs)
        finally:
            # Ctrl-C just as torch leaves one of its own blocks without gradients would leave them off for good.
            torch.set_grad_enabled(gradients)
        self.__dict__ = work.__dict__
        return self

    return cast(Callable[Concatenate[E, P], E], fitted)


class Estimator(BaseEstimator):
    """Base of all estimators: scikit-learn's, for tables and images, saved in one file.

    Attributes
    ----------
    input_shape_ : tuple of int
        What a module takes: (channels, height, width), or (E,), a table's columns after encoding.
    columns_ : TableEncoding or None
        How columns become numbers. None: images, or a table of numbers without gaps.
    scaling_ : Scaling
    saved_ : str
        When it was saved, of a model that was loaded.
    """

    input_shape_: tuple[int, ...]
    n_features_in_: int
    columns_: TableEncoding | None
    scaling_: Scaling
    saved_: str

    def set_params(self, **params: Any) -> Self:
        """Set parameters, nested ones too: ``training__patience`` and ``rule__tail_size`` work from any start.

        Where ``training`` is None or ``rule`` is a name, the object they stand for takes its place first.
        """
        own = {name.partition("__")[0] for name in params if "__" in name}
        if "training" in own and "training" not in params and getattr(self, "training", self) is None:
            params = {**params, "training": TrainingSettings()}
        rule = params.get("rule", getattr(self, "rule", None))
        if "rule" in own and isinstance(rule, str):
            params = {**params, "rule": make_rule(rule)}
        return super().set_params(**params)

    def _read(self, X: Any, *, reset: bool = False) -> Samples:
        """Check samples; ``reset`` in ``fit``, where their shape and columns are noted."""
        if not reset:
            check_is_fitted(self)
        if reset:
            self.columns_ = None
        samples = read_samples(self, X, reset=reset)
        if reset:
            self.input_shape_ = tuple(samples.shape[1:])
        return samples

    def _learn_columns(self, samples: Samples, training: Any = slice(None), *, quietly: bool = False) -> Samples:
        """Learn from the training rows how columns become numbers, and make numbers of all rows.

        Images, and tables of numbers without gaps, stay as they are. A row that is NaN anywhere cannot be judged.
        """
        if self.columns_ is None or isinstance(samples, torch.Tensor):
            return samples
        self.columns_, encoded = self.columns_.learn(samples, training)
        self.input_shape_ = tuple(encoded.shape[1:])
        if (n := int(unjudged(encoded[training]).sum())) and not quietly:
            warnings.warn(f"{n} rows of X miss all values: nothing was learned from them.", stacklevel=5)
        return encoded

    def _fit_scaling(self, samples: Samples) -> Scaling:
        return Scaling.fit(samples, () if self.columns_ is None else self.columns_.groups)

    def _decode_columns(self, rows: Any) -> Any:
        """Rows as a user has them: levels instead of one-hot columns."""
        return rows if self.columns_ is None else self.columns_.decode(rows)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the fitted estimator to one ``.safetensors`` file; :func:`knownot.load` reads it.

        Parameters
        ----------
        path : path
            An existing file is replaced only when the new one is whole.

        Returns
        -------
        Path

        Raises
        ------
        ValueError
            If the folder is missing or not writable, or the model is not one that could be loaded again.
        OSError
            If the disk is full.
        """
        check_is_fitted(self)
        return save(self, path)

    def _pack(self, saved: Saved) -> None:
        saved.facts["input_shape"] = list(self.input_shape_)
        saved.facts["feature_names"] = getattr(self, "feature_names_in_", np.array([])).tolist() or None
        if self.columns_ is not None:
            saved.facts["columns"] = self.columns_.to_facts()
        if self.scaling_.mean is not None and self.scaling_.std is not None:
            means = {"mean": self.scaling_.mean, "std": self.scaling_.std}
            saved.add("scaling", {name: torch.from_numpy(values) for name, values in means.items()})

    def _restore(self, saved: Saved) -> None:
        self.input_shape_ = tuple(saved.facts["input_shape"])
        # Files of tables of numbers, and all older ones, have no columns.
        columns = saved.facts.get("columns")
        self.columns_ = None if columns is None else TableEncoding.from_facts(columns)
        if len(self.input_shape_) == 1:
            self.n_features_in_ = self.input_shape_[0] if columns is None else len(columns)
        if saved.facts["feature_names"]:
            self.feature_names_in_ = np.array(saved.facts["feature_names"], dtype=object)
        self.scaling_ = Scaling(**{name: tensor.numpy() for name, tensor in saved.group("scaling").items()})

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags
