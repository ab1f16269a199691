"""The one training loop, on Lightning Fabric."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer

from knownot.data import Batch
from knownot.training.checkpoint import (
    Weights,
    fingerprint,
    read_checkpoint,
    refuse_mismatch,
    snapshot,
    write_checkpoint,
)
from knownot.training.divergence import DivergenceError, EpochTerms, TermSums
from knownot.training.feeding import Feed
from knownot.training.history import History, Record
from knownot.training.precision import choose_accelerator, choose_precision, has_image_convolutions
from knownot.training.randomness import derived_seed, preserved_random_state, seed_device
from knownot.training.schedule import divergence_weight_at, learning_rate_at
from knownot.training.settings import TrainingSettings

if TYPE_CHECKING:
    from lightning.fabric import Fabric

OnEpoch = Callable[[Record], object]


def train(
    module: nn.Module,
    train_batches: Iterable[Any],
    validation_batches: Iterable[Any] | None = None,
    settings: TrainingSettings | None = None,
    *,
    checkpoint_dir: str | os.PathLike[str] | None = None,
    resume: bool = False,
    progress: bool = False,
    on_epoch: OnEpoch | None = None,
) -> History:
    """Train a module in place.

    Parameters
    ----------
    module : nn.Module
        With ``loss(batch, divergence_weight=1.0) -> Loss``. It ends with its best weights, on the
        device it was trained on, in evaluation mode.
    train_batches : iterable of Batch or of (x, y), with a length
        `InMemoryBatches`, a DataLoader or a list. If it has ``set_epoch(epoch)``, that is called
        before every epoch, from 0; with several processes ``shard(rank, world_size)`` is used.
    validation_batches : iterable of Batch or of (x, y), with a length, optional
        Decides which weights are best, and early stopping.
    settings : TrainingSettings, optional
    checkpoint_dir : path, optional
        Folder for ``checkpoint.pt``.
    resume : bool
        Go on from the checkpoint, if there is one; the outcome is that of a training which was never
        interrupted, to the last bit on the same hardware. A finished training returns at once.
    progress : bool
        Show a bar on a terminal, some lines elsewhere. Nothing is printed otherwise.
    on_epoch : callable, optional
        Called with the :class:`Record` of every epoch when it is done (and saved), on the first process.

    Returns
    -------
    History
        ``stopped`` is "interrupted" after Ctrl-C, which ends the training, not the program.

    Raises
    ------
    ValueError
        If settings, batches or the checkpoint do not fit, before the training starts.
    DivergenceError
        If a term of the loss or the weights become infinite or NaN. The module holds the weights of
        the last good epoch. (Nothing is skipped in silence: the steps after the first bad one are
        thrown away with the optimiser's state, and no checkpoint is written from them.)

    Examples
    --------
    >>> import torch
    >>> from knownot.data import InMemoryBatches
    >>> from knownot.modules import OpenGMVAE
    >>> module = OpenGMVAE((4,), n_classes=2, latent_dim=2, likelihood="gaussian", hidden=(8,))
    >>> batches = InMemoryBatches(torch.rand(32, 4), torch.arange(32) % 2, batch_size=8)
    >>> history = train(module, batches, settings=TrainingSettings(max_epochs=2, seed=0))
    >>> len(history), history.stopped
    (2, 'finished')
    """
    settings = settings or TrainingSettings()
    if settings.patience is not None and validation_batches is None:
        raise ValueError(
            f"patience={settings.patience} needs validation_batches to watch: give some, or patience=None."
        )
    if resume and checkpoint_dir is None:
        raise ValueError("resume=True needs a checkpoint_dir to resume from: name the folder.")
    accelerator = choose_accelerator(settings.accelerator)
    precision = choose_precision(module, accelerator) if settings.precision == "auto" else settings.precision
    seed = int(torch.randint(2**62, ())) if settings.seed is None else settings.seed
    from lightning.fabric import Fabric

    with _quiet_fabric():
        fabric = Fabric(
            accelerator=accelerator,
            devices=settings.devices,
            num_nodes=settings.num_nodes,
            strategy="auto",
            precision=precision,
        )

        def run(fabric: Fabric) -> tuple[History, Weights | None]:
            with preserved_random_state(fabric.device), _memory_format(module):
                training = _Training(fabric, module, settings, train_batches, validation_batches, precision, seed)
                training.checkpoint_dir, training.on_epoch, training.progress = checkpoint_dir, on_epoch, progress
                if resume:
                    training.resume()
                training.run()
                return training.history, snapshot(module) if _forked(fabric) else None

        history, weights = fabric.launch(run)
    if weights is not None:
        module.load_state_dict(weights)
    return history


class _LossStep(nn.Module):
    """The module's loss as a ``forward``, which is what Fabric's autocast and DDP act upon.

    (Marking ``loss`` as a forward method would leave it without autocast on a single device, and
    Fabric cannot pass a frozen dataclass through.)
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, batch: _Untouched, divergence_weight: float) -> tuple[Tensor, dict[str, Tensor]]:
        loss = self.module.loss(batch.batch, divergence_weight=divergence_weight)  # type: ignore[operator]
        return loss.total, loss.terms


class _Untouched:
    """A batch that Fabric does not look into: it would round the data itself to bfloat16."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch


class _Training:
    """State of one training in one process."""

    checkpoint_dir: str | os.PathLike[str] | None = None
    on_epoch: OnEpoch | None = None
    progress = False

    def __init__(
        self,
        fabric: Fabric,
        module: nn.Module,
        settings: TrainingSettings,
        train_batches: Iterable[Any],
        validation_batches: Iterable[Any] | None,
        precision: Literal["32-true", "bf16-mixed"],
        seed: int,
    ) -> None:
        self.fabric, self.module, self.settings = fabric, module, settings
        self.seed = fabric.broadcast(seed)
        self.history = History(precision=precision, device=str(fabric.device.type), seed=self.seed)
        share: dict[str, Any] = {
            "device": fabric.device,
            "channels_last": has_image_convolutions(module),
            "rank": fabric.global_rank,
            "world_size": fabric.world_size,
            "seed": self.seed,
        }
        self.train_feed = Feed(train_batches, "train_batches", **share)
        self.validation_feed = (
            None if validation_batches is None else Feed(validation_batches, "validation_batches", **share)
        )
        module.to(fabric.device)
        self.parameters = [p for p in module.parameters() if p.requires_grad]
        self.step, self.optimizer = fabric.setup(_LossStep(module), make_optimizer(self.parameters, settings))
        self.last = self.best = snapshot(module)
        self.best_loss = math.inf

    def run(self) -> None:
        """Train from where the history ends to the end."""
        try:
            while self.history.stopped is None:
                self._run_epoch()
        except KeyboardInterrupt:
            self.history.stopped = "interrupted"
        self._restore(self.best)
        self.module.eval()

    def _run_epoch(self) -> None:
        started, epoch = time.perf_counter(), len(self.history)
        train = self._train_epoch(epoch)
        self._guard(train, epoch, "")
        last = epoch + 1 == self.settings.max_epochs
        validation = None
        if self.validation_feed is not None and (last or (epoch + 1) % self.settings.validate_every == 0):
            validation = self._validate()
            self._guard(validation, epoch, "validation ")
        record: Record = {
            "epoch": epoch + 1,
            "seconds": time.perf_counter() - started,
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "train": train.means,
            "validation": None if validation is None else validation.means,
        }
        self._close_epoch(record)
        if self.on_epoch is not None and self.fabric.is_global_zero:
            self.on_epoch(record)

    def _train_epoch(self, epoch: int) -> EpochTerms:
        settings, steps = self.settings, len(self.train_feed)
        seed_device(derived_seed(self.seed, "train", epoch, self.fabric.global_rank), self.fabric.device)
        self.module.train()
        sums = TermSums(self.fabric.device)
        for step, batch in enumerate(self.train_feed.epoch(epoch), start=epoch * steps):
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate_at(step, settings.max_epochs * steps, settings)
            total, terms = self.step(_Untouched(batch), divergence_weight_at(step, steps, settings))
            self.fabric.backward(total)
            if settings.gradient_clip is not None:
                nn.utils.clip_grad_norm_(self.parameters, settings.gradient_clip)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            sums.add(total.detach(), terms)
        return sums.read(self.parameters, self._gather)

    def _gather(self, values: Tensor) -> Tensor:
        return cast(Tensor, self.fabric.all_gather(values))

    @torch.no_grad()
    def _validate(self) -> EpochTerms:
        assert self.validation_feed is not None
        seed_device(derived_seed(self.seed, "validation", 0, self.fabric.global_rank), self.fabric.device)
        self.module.eval()
        sums = TermSums(self.fabric.device)
        for batch in self.validation_feed.epoch(0):
            with self.fabric.autocast():
                loss = self.module.loss(batch, divergence_weight=1.0)  # type: ignore[operator]
            sums.add(loss.total, loss.terms)
        return sums.read(gather=self._gather)

    def _guard(self, terms: EpochTerms, epoch: int, part: str) -> None:
        if not terms.culprits:
            return
        self._restore(self.last)
        names = " and ".join(repr(name) for name in terms.culprits)
        held = f"of epoch {epoch}, the last good one" if epoch else "it began with"
        raise DivergenceError(
            f"Training diverged in epoch {epoch + 1}: {part}{names} became infinite or NaN in step {terms.step}. "
            f"The module holds the weights {held}. Try a smaller learning_rate (it was "
            f"{self.settings.learning_rate}) or gradient_clip (it was {self.settings.gradient_clip}), or look for "
            "extreme values in the data.",
            epoch + 1,
            terms.culprits,
        )

    def _close_epoch(self, record: Record) -> None:
        """Keep the weights, decide whether to go on, and write the checkpoint."""
        settings, epoch = self.settings, record["epoch"]
        self.last = snapshot(self.module)
        self.history.records.append(record)
        if self.validation_feed is None:
            self.best, self.history.best_epoch = self.last, epoch
        elif record["validation"] is not None and record["validation"]["total"] < self.best_loss:
            self.best, self.history.best_epoch = self.last, epoch
            self.best_loss = record["validation"]["total"]
        waited = epoch - max(self.history.best_epoch or 0, settings.warmup_epochs)
        if epoch >= settings.max_epochs:
            self.history.stopped = "finished"
        elif settings.patience is not None and waited >= settings.patience:
            self.history.stopped = "early"
        if self.history.stopped or epoch % settings.checkpoint_every == 0:
            self._save()

    def _save(self) -> None:
        if self.checkpoint_dir is not None and self.fabric.is_global_zero:
            write_checkpoint(
                self.checkpoint_dir,
                {
                    "fingerprint": self._fingerprint(),
                    "weights": self.last,
                    "best": self.best,
                    "optimizer": self.optimizer.state_dict(),
                    "history": self.history.to_dict(),
                },
            )

    def resume(self) -> None:
        """Take up the state of the checkpoint, if there is one."""
        assert self.checkpoint_dir is not None
        content = read_checkpoint(self.checkpoint_dir)
        if content is None:
            return
        refuse_mismatch(content["fingerprint"], self._fingerprint(), self.checkpoint_dir)
        self.history = History.from_dict(content["history"])
        self.seed = self.history.seed
        self.optimizer.load_state_dict(content["optimizer"])
        self._restore(content["weights"])
        self.last = snapshot(self.module)
        self.best = content["best"]
        best = self.history.best
        if best is not None and best["validation"] is not None:
            self.best_loss = best["validation"]["total"]

    def _fingerprint(self) -> dict[str, Any]:
        return fingerprint(
            self.settings,
            self.module,
            precision=self.history.precision,
            processes=self.fabric.world_size,
            steps_per_epoch=len(self.train_feed),
        )

    def _restore(self, weights: Weights) -> None:
        self.module.load_state_dict(weights)


def make_optimizer(parameters: list[nn.Parameter], settings: TrainingSettings) -> Optimizer:
    """Adam, or AdamW with weight decay."""
    if settings.weight_decay > 0:
        return AdamW(parameters, settings.learning_rate, weight_decay=settings.weight_decay, fused=True)
    return Adam(parameters, settings.learning_rate, fused=True)


def _forked(fabric: Fabric) -> bool:
    """Whether the training ran in forked processes (a notebook), whose weights must be brought back."""
    return bool(getattr(fabric.strategy.launcher, "is_interactive_compatible", False))


@contextmanager
def _memory_format(module: nn.Module) -> Iterator[None]:
    """channels_last for the convolutions of images while training; contiguous again afterwards."""
    if not has_image_convolutions(module):
        yield
        return
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    try:
        yield
    finally:
        module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


@contextmanager
def _quiet_fabric() -> Iterator[None]:
    """Keep Fabric's notes on precision and processes from the user's terminal."""
    loggers = [logging.getLogger(name) for name in ("lightning.fabric", "lightning.pytorch")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
