"""An estimator that trains a module: its settings, its training, and passes over samples."""

from __future__ import annotations

import time
import warnings
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.metaestimators import available_if
from torch import Tensor

from knownot.data import InMemoryBatches
from knownot.estimators.base import Estimator
from knownot.estimators.columns import unjudged
from knownot.estimators.inputs import Samples, chunks
from knownot.estimators.persistence import Saved
from knownot.modules import EvidenceModule, Module, ReconstructingModule
from knownot.networks.sizes import SMALL_IMAGE
from knownot.rules.combined import ROWS
from knownot.training import ADAM, History, Recipe, TrainingPlan, TrainingSettings, choose_accelerator, train

_TARGET_STEPS = 3_000
_N_START_SAMPLES = 10_000
_TRAINING_SETTINGS = tuple(TrainingSettings().get_params())

# Scaled samples and their labels, class indices or whatever the module learns from.
Part = tuple[Samples, NDArray[Any]]


def _reconstructs(estimator: NeuralEstimator) -> bool:
    """Whether the module has a decoder; nothing is said before the fit."""
    return not hasattr(estimator, "module_") or isinstance(estimator.module_, ReconstructingModule)


class NeuralEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Estimator):
    """What an estimator with a network can do: train a module, embed, reconstruct, move to a device.

    A subclass names its module (:meth:`_make_module`) and has at least the parameters below.

    Attributes
    ----------
    module_ : Module
    history_ : History
        Terms of the loss, epoch by epoch.
    """

    max_epochs: int | None
    batch_size: int | None
    learning_rate: float | None
    validation_fraction: float
    training: TrainingSettings | None
    accelerator: Any
    random_state: Any
    verbose: int

    module_: Any
    history_: History

    def __new__(cls, *_: Any, **arguments: Any) -> Self:
        moved = [name for name in arguments if name in _TRAINING_SETTINGS]
        if moved:
            given = ", ".join(f"{name}=..." for name in moved)
            raise TypeError(
                f"{cls.__name__} has no argument {moved[0]!r} of its own any more: give "
                f"training=TrainingSettings({given})."
            )
        return super().__new__(cls)

    @abstractmethod
    def _make_module(self) -> Module:
        """Build the module for ``input_shape_`` and whatever else is fitted by then."""

    def _recipe(self) -> Recipe:
        """How its network is trained where users leave it open."""
        return ADAM

    def _check_evidence(self) -> None:
        """Refuse a module that cannot supply what is needed of it, after it is built and before it is trained."""

    # Training

    def _make_plan(self, n_samples: int, seed: int) -> TrainingPlan:
        """How to train on so many samples; refuses settings that do not work."""
        settings = self._training_settings()
        if settings.resume and self.random_state is None:
            raise ValueError(
                "resume=True needs a fixed random_state, which decides what is held out: give the one that the "
                "training was begun with."
            )
        choose_accelerator(self.accelerator)
        recipe, rate = self._recipe(), self.learning_rate
        plan = settings.plan(
            recipe,
            max_epochs=self.epochs_for(n_samples),
            learning_rate=recipe.learning_rate(self._batch_size(n_samples)) if rate is None else rate,
            seed=seed,
            accelerator=self.accelerator,
        )
        return replace(plan, precision="32-true") if plan.precision == "auto" and self._is_small() else plan

    def epochs_for(self, n_samples: int) -> int:
        """Epochs that a training on so many samples takes at most: ``max_epochs``, or what stands for None."""
        if self.max_epochs is not None:
            return self.max_epochs
        return int(np.clip(round(_TARGET_STEPS * self._batch_size(n_samples) / n_samples), 10, 100))

    def _training_settings(self) -> TrainingSettings:
        if self.training is None:
            return TrainingSettings()
        if not isinstance(self.training, TrainingSettings):
            raise ValueError(
                f"training={self.training!r} does not work: give TrainingSettings(...), or None for the usual ones."
            )
        return self.training

    def _batch_size(self, n_samples: int) -> int:
        return int(np.clip(n_samples // 20, 16, 128)) if self.batch_size is None else self.batch_size

    def _is_small(self) -> bool:
        """Whether the samples are images so small that deep networks and bfloat16 do not pay."""
        return len(self.input_shape_) == 3 and max(self.input_shape_[1:]) < SMALL_IMAGE

    def _learn(self, training: Part, selection: Part, seed: int) -> None:
        """Build and train the module; ``selection`` decides which weights are best."""
        plan = self._make_plan(len(training[0]), seed)
        self._init_module(seed)
        self._train(training, selection, plan)

    def _learn_unlabelled(self, training: Samples, selection: Samples, random: np.random.RandomState) -> None:
        """Scale, build and train on samples without labels."""
        training, selection = (part[~unjudged(part)] for part in (training, selection))
        self.scaling_ = self._fit_scaling(training)
        seed = int(random.randint(2**31 - 1))
        self._learn((training, np.full(len(training), -1)), (selection, np.full(len(selection), -1)), seed)

    def _init_module(self, seed: int) -> None:
        with torch.random.fork_rng(devices=[]):
            # Not torch.manual_seed, which would seed the user's GPUs as well.
            torch.default_generator.manual_seed(seed)
            self.module_ = self._make_module()
        self._check_evidence()

    def _train(self, training: Part, selection: Part, plan: TrainingPlan) -> None:
        self.history_ = self._train_module(self.module_, training, selection, plan)

    def _train_after(
        self, pretrain: Callable[[], History], training: Part, selection: Part, plan: TrainingPlan
    ) -> None:
        """Train the module after a pretraining of its encoder, unless time or patience ran out in that."""
        started = time.monotonic()
        self.history_ = pretrain()
        if self.history_.stopped in ("time", "interrupted"):
            warnings.warn(
                "the training ended while the encoder was still being pretrained, so this model has learned nothing "
                "else yet: go on with resume=True and the same checkpoint_dir, or give it more time.",
                stacklevel=8,
            )
            return
        if plan.max_time is not None:
            plan = replace(plan, max_time=max(plan.max_time - (time.monotonic() - started), 1e-9))
        self.history_ = self._train_module(self.module_, training, selection, plan)

    def _train_module(
        self, module: Module, training: Part, selection: Part, plan: TrainingPlan, subfolder: str = ""
    ) -> History:
        """Train a module on the estimator's samples; its checkpoints may lie in a folder of their own."""
        seed, batch_size = plan.seed or 0, self._batch_size(len(training[0]))
        # One process keeps the samples on its device; several share them in main memory.
        device = choose_accelerator(self.accelerator) if plan.devices == plan.num_nodes == 1 else "cpu"

        def batches(part: Part, shuffle: bool) -> InMemoryBatches:
            x, y = self.scaling_.apply(part[0]), torch.from_numpy(part[1])
            make = self._training_batches if shuffle else InMemoryBatches
            return make(x, y, batch_size, shuffle=shuffle, seed=seed, device=device)

        start_from = getattr(module, "start_from", None)
        if start_from is not None:
            x = self.scaling_.apply(training[0][:_N_START_SAMPLES])
            start_from(x.float() / 255.0 if x.dtype == torch.uint8 else x, seed)
        settings = self._training_settings()
        folder = None if settings.checkpoint_dir is None else Path(settings.checkpoint_dir) / subfolder
        history = train(
            module,
            batches(training, True),
            batches(selection, False),
            plan,
            checkpoint_dir=folder,
            resume=settings.resume,
            progress=self.verbose > 0,
        )
        if device == "mps":
            # Densities are computed in float64, which Apple's GPUs do not have.
            module.to("cpu")
        return history

    def _training_batches(self, x: Tensor, y: Tensor, batch_size: int, **settings: Any) -> InMemoryBatches:
        """Batches to train on."""
        return InMemoryBatches(x, y, batch_size, **settings)

    # Passes

    @property
    def _device(self) -> torch.device:
        return next(self.module_.parameters()).device

    def to(self, device: str | torch.device) -> Self:
        """Move the fitted model to a device, for predicting.

        Parameters
        ----------
        device : str or torch.device
            "cpu", "cuda" …

        Returns
        -------
        self
        """
        self.module_.to(device)
        return self

    def _apply_in_chunks(self, samples: Samples, ask: Callable[[Tensor], Tensor]) -> Iterator[Tensor]:
        """What a function of the module says of each piece of the samples, true rows alone, on the CPU."""
        for x, n in chunks(samples, self.scaling_, self._device):
            # Never around a yield: a generator that is left half way would leave the mode on.
            with torch.inference_mode():
                said = ask(x)[:n].cpu()
            yield said

    @property
    def _evidence_names(self) -> Collection[str]:
        return self.module_.evidence_names if isinstance(self.module_, EvidenceModule) else ()

    def _evidence_chunks(
        self, samples: Samples, names: Collection[str] | None
    ) -> Iterator[tuple[dict[str, Tensor], int]]:
        """What the module says of each piece of the samples, for rules; pieces are filled up to one length."""
        for x, n in chunks(samples, self.scaling_, self._device):
            with torch.inference_mode():
                evidence = self.module_.evidence(x, names)
            if len(self.input_shape_) == 1 and (names is None or ROWS in names):
                evidence[ROWS] = x
            yield evidence, n

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Embedding of each sample, shape (N, latent_dim), float32."""
        return torch.cat(list(self._apply_in_chunks(self._read(X), self.module_.embed))).numpy()

    @available_if(_reconstructs)  # type: ignore[untyped-decorator]
    def reconstruct(self, X: Any) -> NDArray[Any]:
        """Reconstruction of each sample: images (N, H, W, C) in [0, 1], or rows (N, F)."""
        found = self._apply_in_chunks(self._read(X), self.module_.reconstruct)
        return self._decode_columns(np.concatenate([self.scaling_.invert(piece) for piece in found]))

    def _sample_with_seed(self, draw: Callable[[torch.device], Tensor], seed: int) -> NDArray[Any]:
        """Samples that the module draws with a seed, in the user's units."""
        with torch.inference_mode(), torch.random.fork_rng():
            torch.manual_seed(seed)
            return self._decode_columns(self.scaling_.invert(draw(self._device)))

    @property
    def _n_features_out(self) -> int:
        return int(self.module_.latent_dim)

    # Saving

    def _pack(self, saved: Saved) -> None:
        super()._pack(saved)
        saved.add("module", self.module_.state_dict())
        saved.facts["latent_dim"] = self.module_.latent_dim
        saved.facts["history"] = self.history_.to_dict()

    def _restore(self, saved: Saved) -> None:
        super()._restore(saved)
        with torch.random.fork_rng(devices=[]):
            self.module_ = self._make_module()
        self.module_.load_state_dict(saved.group("module"))
        self.module_.eval()
        self.history_ = History.from_dict(saved.facts["history"])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags
