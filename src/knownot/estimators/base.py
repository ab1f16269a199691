"""The road every open-set classifier walks: data, module, training, rule, threshold."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Literal, Self, overload

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from knownot.data import InMemoryBatches, check_labels
from knownot.estimators.inputs import Scaling, chunks, halves, hold_out, read_samples
from knownot.estimators.persistence import pack
from knownot.estimators.saving import save_model
from knownot.modules import OpenSetModule
from knownot.networks.sizes import SMALL_IMAGE
from knownot.rules import ConformalThreshold, Rule, Verdict, f1_threshold, make_rule, quantile_threshold
from knownot.training import History, TrainingSettings, choose_accelerator, train

_STEPS_WANTED = 3_000

# Samples and their class indices.
Part = tuple[Tensor | NDArray[Any], NDArray[np.int64]]


def _rejects(estimator: OpenSetClassifier) -> bool:
    """Whether there is a threshold: not with accept=None, unless ``calibrate`` has set one since."""
    if not hasattr(estimator, "offset_"):
        return estimator.accept is not None
    return estimator.accept_ is not None or bool(np.isfinite(estimator.offset_))


def _reconstructs(estimator: OpenSetClassifier) -> bool:
    """Whether the module has a decoder; nothing is said before the fit."""
    return hasattr(getattr(estimator, "module_", None), "reconstruct") or not hasattr(estimator, "module_")


class OpenSetClassifier(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClassifierMixin, BaseEstimator):
    """Base of the classifiers that answer "none of these".

    A subclass names its module (:meth:`_make_module`) and its own parameters; everything else is
    here. Its ``__init__`` must store at least the parameters used below.
    """

    accept: float | None
    rule: str | Rule
    max_epochs: int | None
    batch_size: int | None
    learning_rate: float
    schedule: Any
    weight_decay: float
    patience: int | None
    max_time: float | None
    validation_fraction: float
    accelerator: Any
    devices: int
    num_nodes: int
    precision: Any
    checkpoint_dir: str | os.PathLike[str] | None
    checkpoint_every: int
    resume: bool
    random_state: Any
    verbose: int

    classes_: NDArray[Any]
    input_shape_: tuple[int, ...]
    n_subclusters_: list[int]
    module_: OpenSetModule
    rule_: Rule
    scaling_: Scaling
    threshold_: ConformalThreshold
    offset_: float
    accept_: float | None
    history_: History
    saved_: str  # when it was saved, of a model that was loaded

    @abstractmethod
    def _make_module(self) -> OpenSetModule:
        """Build the module for ``input_shape_`` and ``classes_``."""

    # Fitting

    def fit(self, X: Any, y: ArrayLike, *, validation: tuple[Any, ArrayLike] | None = None) -> Self:
        """Train on labelled samples, then calibrate on some that were held out.

        Parameters
        ----------
        X : array-like
            Tables (N, F); images (N, H, W), (N, H, W, C) or tensors (N, C, H, W), uint8 or
            float in [0, 1].
        y : array-like, shape (N,)
            Class labels, whole numbers or strings.
        validation : (X, y), optional
            Held-out samples of the same classes. Default: ``validation_fraction`` of X. Half
            of them choose the weights and the rule's scales, half set the threshold.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the input cannot be learned from.
        knownot.training.DivergenceError
            If a term of the loss becomes infinite. Whatever is raised, the estimator is then what
            it was before.
        """
        before = dict(vars(self))
        try:
            parts, settings = self._prepare(X, y, validation)
            self._train(parts[0], parts[1], settings)
            self.rule_ = make_rule(self.rule, self.n_subclusters_, settings.seed or 0)
            self._fit_rule(parts[0], parts[1])
            self._set_threshold(self._scores(parts[2][0]), self.accept)
        except Exception:
            # A model fitted before stays as it was, whatever happens on the way to a new one.
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        return self

    def _prepare(
        self, X: Any, y: ArrayLike, validation: tuple[Any, ArrayLike] | None
    ) -> tuple[list[Part], TrainingSettings]:
        """Check the input and settings, split the samples, and build the module."""
        samples = read_samples(self, X, reset=True)
        labels = check_labels(y, len(samples))
        self.input_shape_ = tuple(samples.shape[1:])
        self.classes_, codes = np.unique(labels, return_inverse=True)
        self._refuse_labels(codes)
        self._refuse_settings()
        random = check_random_state(self.random_state)
        parts = self._parts(samples, codes.astype(np.int64), validation, random)
        settings = self._settings(len(parts[0][1]), int(random.randint(2**31 - 1)))
        self.scaling_ = Scaling.fit(parts[0][0])
        self.n_subclusters_ = self._counts()
        self._build(settings)
        found = self._chosen_counts(parts[0], settings)
        if found != self.n_subclusters_:
            self.n_subclusters_ = found
            self._build(settings)
        return parts, settings

    def _build(self, settings: TrainingSettings) -> None:
        """Make the module, and refuse a rule that it cannot serve."""
        with torch.random.fork_rng(devices=[]):
            # Not torch.manual_seed, which would seed the user's GPUs as well.
            torch.default_generator.manual_seed(settings.seed or 0)
            self.module_ = self._make_module()
        rule = make_rule(self.rule)
        rule.check(self.n_subclusters_)
        rule.check_evidence(self.module_.evidence_names)

    def _chosen_counts(self, training: Part, settings: TrainingSettings) -> list[int]:
        """Subclusters of each class, found in the training samples where the user left them open."""
        return self._counts()

    def _refuse_labels(self, codes: NDArray[Any]) -> None:
        counts = np.bincount(codes)
        if counts.min() < 2:
            lonely = self.classes_.tolist()[int(counts.argmin())]
            raise ValueError(
                f"class {lonely!r} has one sample (n_samples=1): every class needs at least two, one to learn from "
                "and one to check with; add samples or leave the class out."
            )
        if len(codes) < 4:
            raise ValueError(
                f"X holds {len(codes)} samples (n_samples={len(codes)}): give at least 4, two to learn from and two to "
                "hold out."
            )
        if self.accept is not None:
            self._refuse_unknown_as_class()

    def _refuse_unknown_as_class(self) -> None:
        unknown = self._unknown_label()
        if unknown in self.classes_:
            raise ValueError(
                f"y holds the label {unknown!r}, which predict returns for samples of no known class: leave these "
                "samples out of fit (they can serve in calibrate as X_unknown), or rename the class."
            )

    def _refuse_settings(self) -> None:
        """What would only show after training, before it."""
        if self.resume and self.random_state is None:
            raise ValueError(
                "resume=True needs a fixed random_state, which decides what is held out: give the one that the "
                "training was begun with."
            )
        choose_accelerator(self.accelerator)
        make_rule(self.rule).check(self._counts())
        ConformalThreshold(1.0 if self.accept is None else self.accept)
        if not 0.0 < self.validation_fraction <= 0.5:
            raise ValueError(
                f"validation_fraction={self.validation_fraction!r} does not work: give a share above 0 and at most 0.5."
            )

    def _parts(
        self,
        samples: Tensor | NDArray[Any],
        codes: NDArray[np.int64],
        validation: tuple[Any, ArrayLike] | None,
        random: np.random.RandomState,
    ) -> list[Part]:
        if validation is None:
            return [(samples[i], codes[i]) for i in hold_out(codes, self.validation_fraction, random)]
        held = read_samples(self, validation[0], reset=False)
        held_codes = self._codes(check_labels(validation[1], len(held)), "validation")
        if len(held) < 2:
            raise ValueError(f"validation holds {len(held)} samples: give at least two.")
        return [(samples, codes), *((held[i], held_codes[i]) for i in halves(held_codes))]

    def _codes(self, labels: NDArray[Any], name: str) -> NDArray[np.int64]:
        foreign = sorted(set(np.unique(labels).tolist()) - set(self.classes_.tolist()), key=str)
        if foreign:
            raise ValueError(
                f"{name} holds labels that were not in fit: {foreign[:5]}; known are {self.classes_.tolist()[:20]}."
            )
        return np.searchsorted(self.classes_, labels).astype(np.int64)

    def _counts(self) -> list[int]:
        """Subclusters of each class, as far as they are known before training."""
        return [1] * len(self.classes_)

    def _batch_size(self, n_samples: int) -> int:
        return int(np.clip(n_samples // 20, 16, 128)) if self.batch_size is None else self.batch_size

    def _settings(self, n_samples: int, seed: int) -> TrainingSettings:
        epochs = int(np.clip(round(_STEPS_WANTED * self._batch_size(n_samples) / n_samples), 10, 100))
        return TrainingSettings(
            max_epochs=epochs if self.max_epochs is None else self.max_epochs,
            learning_rate=self.learning_rate,
            schedule=self.schedule,
            weight_decay=self.weight_decay,
            warmup_epochs=getattr(self, "warmup_epochs", 0),
            patience=self.patience,
            max_time=self.max_time,
            seed=seed,
            accelerator=self.accelerator,
            devices=self.devices,
            num_nodes=self.num_nodes,
            precision="32-true" if self.precision == "auto" and self._is_small() else self.precision,
            checkpoint_every=self.checkpoint_every,
        )

    def _train(self, training: Part, selection: Part, settings: TrainingSettings) -> None:
        self.history_ = self._train_module(self.module_, training, selection, settings, self.checkpoint_dir)

    def _train_module(
        self,
        module: OpenSetModule,
        training: Part,
        selection: Part,
        settings: TrainingSettings,
        checkpoint_dir: str | os.PathLike[str] | None,
    ) -> History:
        seed, batch_size = settings.seed or 0, self._batch_size(len(training[1]))
        # One process keeps the samples on its device; several share them in main memory.
        device = choose_accelerator(self.accelerator) if self.devices == self.num_nodes == 1 else "cpu"

        def batches(part: Part, shuffle: bool) -> InMemoryBatches:
            x, y = self.scaling_.apply(part[0]), torch.from_numpy(part[1])
            return InMemoryBatches(x, y, batch_size, shuffle=shuffle, seed=seed, device=device)

        history = train(
            module,
            batches(training, True),
            batches(selection, False),
            settings,
            checkpoint_dir=checkpoint_dir,
            resume=self.resume,
            progress=self.verbose > 0,
        )
        if device == "mps":
            # Densities are computed in float64, which Apple's GPUs do not have.
            module.to("cpu")
        return history

    def _is_small(self) -> bool:
        """Whether the samples are images so small that deep networks and bfloat16 do not pay."""
        return len(self.input_shape_) == 3 and max(self.input_shape_[1:]) < SMALL_IMAGE

    def _fit_rule(self, training: Part, selection: Part) -> None:
        device = self._device
        seen = self._evidence(training[0], self.rule_.learns_from)
        self.rule_.fit(seen["embedding"], torch.from_numpy(training[1]).to(device), seen)
        evidence = self._evidence(selection[0], set(self.rule_.uses) | set(self.rule_.may_use))
        self.rule_.calibrate(evidence["embedding"], torch.from_numpy(selection[1]).to(device), evidence)

    # Thresholds

    def calibrate(
        self,
        X: Any,
        y: ArrayLike | None = None,
        *,
        accept: float | None = None,
        X_unknown: Any = None,
        method: str = "conformal",
    ) -> Self:
        """Set the threshold anew from samples that were not used in ``fit``.

        Parameters
        ----------
        X : array-like
            Samples of known classes, seen by nothing so far.
        y : array-like, optional
            Their labels; needed with ``X_unknown`` only.
        accept : float, optional
            Wished acceptance rate of known samples; default is the estimator's own.
        X_unknown : array-like, optional
            Samples of unknown classes: the threshold then has the best macro-F1 over all classes
            and "unknown" on X and X_unknown together, whatever ``accept`` says.
        method : {"conformal", "quantile"}
            Split-conformal, which accepts at least ``accept`` of new known samples on average over
            calibrations, or the plain quantile.

        Returns
        -------
        self
        """
        check_is_fitted(self)
        samples = read_samples(self, X, reset=False)
        classes, scores = self._decide(samples)
        if X_unknown is None:
            return self._set_threshold(scores, self.accept if accept is None else accept, method)
        codes = self._codes(check_labels(y, len(samples)), "y")
        taken_for, unknown = self._decide(read_samples(self, X_unknown, reset=False))
        self._refuse_unknown_as_class()
        offset = f1_threshold(scores, codes, classes, unknown, taken_for)
        self._set_threshold(scores, None)
        self.offset_ = self.threshold_.offset_ = offset
        return self

    def _set_threshold(self, scores: NDArray[np.float64], accept: float | None, method: str = "conformal") -> Self:
        if method not in ("conformal", "quantile"):
            raise ValueError(f"method={method!r} is not known: use 'conformal' or 'quantile'.")
        if accept is not None:
            self._refuse_unknown_as_class()
        threshold = ConformalThreshold(1.0 if accept is None else accept).fit(scores)
        if method == "quantile" and accept is not None:
            threshold.offset_ = quantile_threshold(scores, accept)
        self.threshold_, self.offset_ = threshold, threshold.offset_
        self.accept_ = None if accept is None else float(accept)
        return self

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the fitted estimator to one ``.safetensors`` file; :func:`knownot.load` reads it.

        Parameters
        ----------
        path : path
            An existing file is replaced only when the new one is whole.

        Returns
        -------
        Path
        """
        check_is_fitted(self)
        return save_model(path, *pack(self))

    # Predicting

    @property
    def _device(self) -> torch.device:
        return next(self.module_.parameters()).device

    def evidence(self, X: Any, names: Collection[str] | None = None) -> dict[str, Tensor]:
        """What the module says of each sample, as rules take it: for rules of one's own.

        Parameters
        ----------
        X : array-like
        names : collection of str, optional
            Some of ``module_.evidence_names``; all by default.

        Returns
        -------
        dict of str to Tensor
            "embedding" (N, d) and each of ``names``, (N,) or (N, C), on the CPU.
        """
        check_is_fitted(self)
        found = self._evidence(read_samples(self, X, reset=False), names)
        return {name: value.cpu() for name, value in found.items()}

    def _evidence(self, samples: Tensor | NDArray[Any], names: Collection[str] | None) -> dict[str, Tensor]:
        with torch.inference_mode():
            pieces = [
                {name: value[:n] for name, value in self.module_.evidence(x, names).items()}
                for x, n in chunks(samples, self.scaling_, self._device)
            ]
        return {name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]}

    def _verdicts(self, samples: Tensor | NDArray[Any]) -> Iterator[Verdict]:
        names = set(self.rule_.uses) | set(self.rule_.may_use)
        with torch.inference_mode():
            for x, n in chunks(samples, self.scaling_, self._device):
                # The rule sees the filled-up chunk too, so that its results do not depend on n either.
                evidence = self.module_.evidence(x, names)
                logits, knownness = self.rule_.evaluate(evidence["embedding"], evidence)
                yield Verdict(logits[:n], knownness[:n])

    def _decide(self, samples: Tensor | NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Class index and knownness of checked samples."""
        classes, scores, start = np.empty(len(samples), np.int64), np.empty(len(samples)), 0
        for verdict in self._verdicts(samples):
            stop = start + len(verdict.knownness)
            classes[start:stop] = verdict.logits.argmax(-1).cpu().numpy()
            scores[start:stop] = torch.nan_to_num(verdict.knownness, nan=-torch.inf).cpu().numpy()
            start = stop
        return classes, scores

    def _scores(self, samples: Tensor | NDArray[Any]) -> NDArray[np.float64]:
        scores, start = np.empty(len(samples)), 0
        for verdict in self._verdicts(samples):
            stop = start + len(verdict.knownness)
            scores[start:stop] = torch.nan_to_num(verdict.knownness, nan=-torch.inf).cpu().numpy()
            start = stop
        return scores

    def _unknown_label(self) -> Any:
        return "unknown" if self.classes_.dtype.kind == "U" else -1

    def predict(self, X: Any) -> NDArray[Any]:
        """Class of each sample, or -1 (``"unknown"`` for string labels) where it is none of them.

        Parameters
        ----------
        X : array-like

        Returns
        -------
        ndarray, shape (N,)
        """
        check_is_fitted(self)
        classes, scores = self._decide(read_samples(self, X, reset=False))
        if not _rejects(self):
            return self.classes_[classes]
        # Unsigned and boolean labels become signed, so that -1 fits in.
        known = self.classes_.astype(np.int64) if self.classes_.dtype.kind in "bu" else self.classes_
        answers = np.append(known, np.asarray([self._unknown_label()]))
        return answers[np.where(scores >= self.offset_, classes, len(known))]

    @overload
    def nearest_class(self, X: Any, *, return_knownness: Literal[False] = False) -> NDArray[Any]: ...

    @overload
    def nearest_class(self, X: Any, *, return_knownness: Literal[True]) -> tuple[NDArray[Any], NDArray[np.float64]]: ...

    def nearest_class(self, X: Any, *, return_knownness: bool = False) -> Any:
        """Class of each sample without rejection.

        Parameters
        ----------
        X : array-like
        return_knownness : bool
            Give the knownness as well, from the same pass.

        Returns
        -------
        classes : ndarray, shape (N,)
        knownness : ndarray, shape (N,)
            Only with ``return_knownness=True``; what :meth:`score_samples` gives.
        """
        check_is_fitted(self)
        classes, scores = self._decide(read_samples(self, X, reset=False))
        return (self.classes_[classes], scores) if return_knownness else self.classes_[classes]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities of the known classes, given that a sample is of one of them, (N, C)."""
        check_is_fitted(self)
        verdicts = self._verdicts(read_samples(self, X, reset=False))
        return np.concatenate([self.rule_.predict_proba(v).cpu().numpy() for v in verdicts])

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Knownness of each sample, shape (N,); higher means more known."""
        check_is_fitted(self)
        return self._scores(read_samples(self, X, reset=False))

    @available_if(_rejects)  # type: ignore[untyped-decorator]
    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Knownness less the threshold, ``score_samples(X) - offset_``; below 0 is unknown.

        With ``accept=None`` there is no threshold and no such method.
        """
        return self.score_samples(X) - self.offset_

    def p_values(self, X: Any) -> NDArray[np.float64]:
        """Conformal p-value of "this sample is known", in (0, 1], shape (N,).

        It is the share of calibration samples that are at most as known, this one counted in.
        """
        scores = self.score_samples(X)
        return self.threshold_.p_values(scores)

    def assess(self, X: Any) -> dict[str, NDArray[Any]]:
        """All that the model says of each sample, from one pass: one column for each kind of answer.

        Returns
        -------
        dict of str to ndarray
            "class" (what :meth:`predict` gives), "knownness", "p_value" and "nearest_class", each of shape
            (N,), and "embedding" (N, latent_dim).
        """
        nearest, knownness = self.nearest_class(X, return_knownness=True)
        return {
            "class": self.predict(X),
            "knownness": knownness,
            "p_value": self.threshold_.p_values(knownness),
            "nearest_class": nearest,
            "embedding": self.transform(X),
        }

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Embedding of each sample, shape (N, latent_dim), float32."""
        check_is_fitted(self)
        return self._embed(read_samples(self, X, reset=False))

    @available_if(_reconstructs)  # type: ignore[untyped-decorator]
    def reconstruct(self, X: Any) -> NDArray[Any]:
        """What the model makes of each sample: images (N, H, W, C) in [0, 1], or rows (N, F)."""
        check_is_fitted(self)
        samples = read_samples(self, X, reset=False)
        with torch.inference_mode():
            found = [
                self.scaling_.invert(self.module_.reconstruct(x)[:n])  # type: ignore[operator]
                for x, n in chunks(samples, self.scaling_, self._device)
            ]
        return np.concatenate(found)

    def _embed(self, samples: Tensor | NDArray[Any]) -> NDArray[np.float32]:
        with torch.inference_mode():
            found = [self.module_.embed(x)[:n].cpu() for x, n in chunks(samples, self.scaling_, self._device)]
        return torch.cat(found).numpy()

    @property
    def _n_features_out(self) -> int:
        return self.module_.latent_dim

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags
