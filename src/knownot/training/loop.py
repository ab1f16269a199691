"""The one training loop, on Lightning Fabric."""

from __future__ import annotations

import atexit
import functools
import io
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from knownot.training.history import History
from knownot.training.plan import TrainingPlan
from knownot.training.precision import choose_accelerator, choose_precision, has_image_convolutions
from knownot.training.randomness import preserved_random_state
from knownot.training.session import OnEpoch, Session

if TYPE_CHECKING:
    from lightning.fabric import Fabric


def train(
    module: nn.Module,
    train_batches: Iterable[Any],
    validation_batches: Iterable[Any] | None = None,
    plan: TrainingPlan | None = None,
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
        With ``loss(batch) -> Loss``, or ``loss(batch, divergence_weight=1.0)`` where there are divergences
        to warm up. If it has ``after_step()``, that is called after every step of the optimiser; if
        ``validates_with_gradients`` is true, its loss may take gradients while it is validated. It ends
        with its best weights, on the device it was trained on, in evaluation mode.
    train_batches : iterable of Batch or of (x, y), with a length
        `InMemoryBatches`, a DataLoader or a list. If it has ``set_epoch(epoch)``, that is called
        before every epoch, from 0; with several processes ``shard(rank, world_size)`` is used.
    validation_batches : iterable of Batch or of (x, y), with a length, optional
        Decides which weights are best, and early stopping.
    plan : TrainingPlan, optional
    checkpoint_dir : path, optional
        Folder for ``checkpoint.pt``.
    resume : bool
        Go on from the checkpoint, if there is one; the outcome is that of a training which was never
        interrupted, to the last bit on the same hardware. A finished training returns at once. The
        checkpoint must have been begun with the same plan, module and data: samples and labels of
        `InMemoryBatches` and of lists of batches are compared, of a DataLoader only their number.
    progress : bool
        Show a bar on a terminal, some lines elsewhere. Nothing is printed otherwise.
    on_epoch : callable, optional
        Called with the :class:`Record` of every epoch when it is done (and saved), on the first process.

    Returns
    -------
    History
        ``stopped`` is "interrupted" after Ctrl-C, which ends the training, not the program, and
        "time" after ``max_time``.

    Raises
    ------
    ValueError
        If plan, batches or the checkpoint do not fit, before the training starts.
    DivergenceError
        If a term of the loss or the weights become infinite or NaN. The module holds the weights of
        the last good epoch. (Nothing is skipped in silence: the steps after the first bad one are
        discarded with the optimiser's state, and no checkpoint is written from them.)

    Examples
    --------
    >>> import torch
    >>> from knownot.data import InMemoryBatches
    >>> from knownot.modules import OpenGMVAE
    >>> module = OpenGMVAE((4,), n_classes=2, latent_dim=2, likelihood="gaussian", hidden=(8,))
    >>> batches = InMemoryBatches(torch.rand(32, 4), torch.arange(32) % 2, batch_size=8)
    >>> history = train(module, batches, plan=TrainingPlan(max_epochs=2, seed=0))
    >>> len(history), history.stopped
    (2, 'finished')
    """
    plan = plan or TrainingPlan()
    if plan.patience is not None and validation_batches is None:
        raise ValueError(f"patience={plan.patience} needs validation_batches to watch: give some, or patience=None.")
    if resume and checkpoint_dir is None:
        raise ValueError("resume=True needs a checkpoint_dir to resume from: name the folder.")
    accelerator = choose_accelerator(plan.accelerator)
    precision = choose_precision(module, accelerator) if plan.precision == "auto" else plan.precision
    seed = int(torch.randint(2**62, ())) if plan.seed is None else plan.seed
    from lightning.fabric import Fabric

    with _quiet_fabric():
        fabric = Fabric(
            accelerator=accelerator,
            devices=plan.devices,
            num_nodes=plan.num_nodes,
            strategy="auto",
            precision=precision,
        )

        def run(fabric: Fabric) -> tuple[History, bytes | None]:
            if fabric.world_size > 1:
                _leave_group_at_exit()
            with preserved_random_state(fabric.device), _memory_format(module):
                session = Session(
                    fabric, module, train_batches, validation_batches, plan, precision, seed, checkpoint_dir, resume
                )
                gradients = torch.is_grad_enabled()
                try:
                    session.run(progress, on_epoch)
                finally:
                    # Ctrl-C within a step of the optimiser, which turns them off, may leave them so.
                    torch.set_grad_enabled(gradients)
                    module.eval()
                return session.history, _weights_as_bytes(module) if _ran_in_forks(fabric) else None

        history, weights = fabric.launch(run)
    if weights is not None:
        module.load_state_dict(torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True))
        module.eval()
    return history


@functools.cache
def _leave_group_at_exit() -> None:
    """Close the group of processes when the program ends, as Fabric does for NCCL only.

    The threads of gloo, left to themselves, now and then abort a process that has finished its work.
    """
    atexit.register(_leave_group)


def _leave_group() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _ran_in_forks(fabric: Fabric) -> bool:
    """Whether the training ran in forked processes (a notebook), whose weights must be brought back."""
    return bool(getattr(fabric.strategy.launcher, "is_interactive_compatible", False))


def _weights_as_bytes(module: nn.Module) -> bytes:
    """Weights as bytes: a tensor shared with another process is lost when its own process ends."""
    buffer = io.BytesIO()
    torch.save(module.state_dict(), buffer)
    return buffer.getvalue()


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
