"""One training in one process: its state, its epochs, and what it keeps."""

from __future__ import annotations

import inspect
import math
import os
import time
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from knownot.data import Batch
from knownot.training.checkpoint import (
    Weights,
    data_fingerprint,
    fingerprint,
    prepare_folder,
    read_checkpoint,
    refuse_mismatch,
    snapshot,
    write_checkpoint,
)
from knownot.training.divergence import DivergenceError, EpochTerms, TermSums
from knownot.training.feeding import Feed
from knownot.training.history import History, Record, selection_loss
from knownot.training.plan import TrainingPlan
from knownot.training.precision import has_image_convolutions
from knownot.training.progress import Display, Silence
from knownot.training.randomness import derived_seed, seed_device
from knownot.training.schedule import divergence_weight_at, learning_rate_at

if TYPE_CHECKING:
    from lightning.fabric import Fabric

OnEpoch = Callable[[Record], object]
Precision = Literal["32-true", "bf16-mixed"]


class LossStep(nn.Module):
    """The module's loss as a ``forward``, which is what Fabric's autocast and DDP wrap.

    Marking ``loss`` as a forward method would not do: on a single device Fabric then calls it without
    autocast, and it cannot pass a frozen dataclass through.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.is_variational = is_variational(module)

    def forward(self, sealed: Sealed, divergence_weight: float) -> tuple[Tensor, dict[str, Tensor]]:
        loss = self.loss(sealed.batch, divergence_weight)
        return loss.total, loss.terms

    def loss(self, batch: Batch, divergence_weight: float) -> Any:
        """The module's :class:`~knownot.modules.Loss`; only variational modules see the weight."""
        weight = {"divergence_weight": divergence_weight} if self.is_variational else {}
        return self.module.loss(batch, **weight)  # type: ignore[operator]


def is_variational(module: nn.Module) -> bool:
    """Whether the loss of a module has divergences to warm up: whether it takes their weight."""
    taken = inspect.signature(module.loss).parameters.values()  # type: ignore[arg-type]
    return any(p.name == "divergence_weight" or p.kind is p.VAR_KEYWORD for p in taken)


class Sealed:
    """A batch that Fabric does not look into: it would round the data themselves to bfloat16."""

    __slots__ = ("batch",)

    def __init__(self, batch: Batch) -> None:
        self.batch = batch


class Session:
    """State of one training in one process.

    Parameters
    ----------
    fabric : Fabric
        Launched.
    module : nn.Module
    train_batches, validation_batches : iterable
    plan : TrainingPlan
    precision : {"32-true", "bf16-mixed"}
    seed : int
    checkpoint_dir : path or None
    resume : bool
        Restore the state of the checkpoint, if there is one.
    """

    def __init__(
        self,
        fabric: Fabric,
        module: nn.Module,
        train_batches: Iterable[Any],
        validation_batches: Iterable[Any] | None,
        plan: TrainingPlan,
        precision: Precision,
        seed: int,
        checkpoint_dir: str | os.PathLike[str] | None,
        resume: bool,
    ) -> None:
        self.fabric, self.module, self.plan, self.checkpoint_dir = fabric, module, plan, checkpoint_dir
        if plan.warmup_epochs and not is_variational(module):
            raise ValueError(
                f"warmup_epochs={plan.warmup_epochs} does not work: {type(module).__name__} has no divergences to warm "
                "up; leave it 0."
            )
        content = None
        if resume and checkpoint_dir is not None:
            # Read by one process for all: the others may run on machines without that folder.
            content = fabric.broadcast(read_checkpoint(checkpoint_dir) if fabric.is_global_zero else None)
        seed = fabric.broadcast(seed)
        if content is not None and plan.seed is None:
            seed = content["history"]["seed"]
        self.history = History(precision=precision, device=fabric.device.type, seed=seed)
        share: dict[str, Any] = {
            "device": fabric.device,
            "channels_last": has_image_convolutions(module),
            "rank": fabric.global_rank,
            "world_size": fabric.world_size,
            "seed": seed,
        }
        self.train_feed = Feed(train_batches, "train_batches", **share)
        self.validation_feed = (
            None if validation_batches is None else Feed(validation_batches, "validation_batches", **share)
        )
        # Taken before the first step: what a module updates in training is no part of it.
        self._fingerprint: dict[str, Any] = {}
        if checkpoint_dir is not None:
            if fabric.is_global_zero:
                prepare_folder(checkpoint_dir)
            self._fingerprint = fingerprint(
                plan,
                module,
                seed=seed,
                precision=precision,
                processes=fabric.world_size,
                steps_per_epoch=len(self.train_feed),
                validation_batches=0 if self.validation_feed is None else len(self.validation_feed),
                training_data=data_fingerprint(train_batches),
                validation_data=data_fingerprint(validation_batches),
            )
        module.to(fabric.device)
        self.parameters = [p for p in module.parameters() if p.requires_grad]
        self.step, self.optimizer = fabric.setup(LossStep(module), make_optimizer(self.parameters, plan))
        self.best_loss = math.inf
        if content is not None:
            self._resume_from(content)
        self.last = snapshot(module)
        self.best: Weights = self.last if content is None else content["best"]

    def run(self, progress: bool, on_epoch: OnEpoch | None) -> None:
        """Train from where the history ends to the end, and restore the best weights."""
        shown = progress and self.fabric.is_global_zero and self.history.stopped is None
        steps, started = len(self.train_feed), time.perf_counter()
        limit = self.plan.max_time
        with Display(self.history, self.plan, steps) if shown else Silence() as display:
            try:
                while self.history.stopped is None:
                    record = self._run_epoch(display)
                    display.epoch(record)
                    if on_epoch is not None and self.fabric.is_global_zero:
                        on_epoch(record)
                    late = limit is not None and self._any_process(time.perf_counter() - started > limit)
                    if late and self.history.stopped is None:
                        self._save()
                        # Said after saving: in the checkpoint the training is unfinished, so that it can be resumed.
                        self.history.stopped = "time"
            except KeyboardInterrupt:
                self.history.stopped = "interrupted"
                if self.history.best_epoch is None and self._weights_are_finite():
                    self.best = snapshot(self.module)  # part of an epoch is better than nothing
            self.module.load_state_dict(self.best)
            display.end()

    def _run_epoch(self, display: Silence) -> Record:
        started, epoch = time.perf_counter(), len(self.history)
        train, gradient_norm = self._train_epoch(epoch, display)
        self._raise_if_diverged(train, epoch, "")
        last = epoch + 1 == self.plan.max_epochs
        validation = None
        if self.validation_feed is not None and (last or (epoch + 1) % self.plan.validate_every == 0):
            validation = self._validate(self.validation_feed)
            self._raise_if_diverged(validation, epoch, "in validation, ")
        record: Record = {
            "epoch": epoch + 1,
            "seconds": time.perf_counter() - started,
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "train": train.means,
            "validation": None if validation is None else validation.means,
        }
        if gradient_norm is not None:
            record["gradient_norm"] = gradient_norm
        self._close_epoch(record)
        return record

    def _train_epoch(self, epoch: int, display: Silence) -> tuple[EpochTerms, float | None]:
        """Terms of the loss, and the mean norm of the gradient where it is clipped."""
        plan, steps = self.plan, len(self.train_feed)
        seed_device(derived_seed(self.history.seed, "train", epoch, self.fabric.global_rank), self.fabric.device)
        self.module.train()
        after_step = getattr(self.module, "after_step", None)
        sums, norms = TermSums(self.fabric.device), torch.zeros((), device=self.fabric.device)
        for step, batch in enumerate(self.train_feed.epoch(epoch), start=epoch * steps):
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate_at(step, plan.max_epochs * steps, plan)
            total, terms = self.step(Sealed(batch), divergence_weight_at(step, steps, plan))
            self.fabric.backward(total)
            if plan.gradient_clip is not None:
                norms += nn.utils.clip_grad_norm_(self.parameters, plan.gradient_clip).detach()
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            if after_step is not None:
                after_step()
            sums.add(total.detach(), terms, len(batch.x))
            display.step()
        mean_norm = None if plan.gradient_clip is None else norms.item() / steps
        return sums.read(self.parameters, self._gather), mean_norm

    def _validate(self, feed: Feed) -> EpochTerms:
        """Loss at weight 1, with the same noise and the same batches after every epoch.

        A loss that has a selection criterion of its own adds the term "criterion".
        """
        seed_device(derived_seed(self.history.seed, "validation", 0, self.fabric.global_rank), self.fabric.device)
        self.module.eval()
        sums = TermSums(self.fabric.device)
        bare = LossStep(self.module)
        with torch.set_grad_enabled(getattr(self.module, "validates_with_gradients", False)):
            for batch in feed.epoch(0):
                with self.fabric.autocast():
                    loss = bare.loss(batch, 1.0)
                own = {} if loss.criterion is None else {"criterion": loss.criterion.detach()}
                sums.add(loss.total.detach(), {**loss.terms, **own}, len(batch.x))
        return sums.read(gather=self._gather)

    def _gather(self, values: Tensor) -> Tensor:
        if self.fabric.world_size == 1:
            return values
        rows = [torch.empty_like(values) for _ in range(self.fabric.world_size)]
        torch.distributed.all_gather(rows, values)
        return torch.stack(rows)

    def _any_process(self, late: bool) -> bool:
        """Whether the flag is set in any process: all of them must stop after the same epoch."""
        return bool(self._gather(torch.tensor(float(late), device=self.fabric.device)).any())

    def _weights_are_finite(self) -> bool:
        return math.isfinite(nn.utils.get_total_norm([p.detach() for p in self.parameters]).item())

    def _raise_if_diverged(self, terms: EpochTerms, epoch: int, where: str) -> None:
        if not terms.culprits:
            return
        self.module.load_state_dict(self.last)
        names = " and ".join(repr(name) for name in terms.culprits)
        held = f"of epoch {epoch}, the last good one" if epoch else "it began with"
        raise DivergenceError(
            f"Training diverged in epoch {epoch + 1}: {where}{names} became infinite or NaN in step {terms.step}. "
            f"The module holds the weights {held}. Try a smaller learning_rate (it was "
            f"{self.plan.learning_rate}) or gradient_clip (it was {self.plan.gradient_clip}), or look for "
            "extreme values in the data.",
            epoch + 1,
            terms.culprits,
        )

    def _close_epoch(self, record: Record) -> None:
        """Keep the weights, decide whether to go on, and write the checkpoint."""
        plan, history, epoch = self.plan, self.history, record["epoch"]
        self.last = snapshot(self.module)
        history.records.append(record)
        validation = record["validation"]
        if self.validation_feed is None or plan.keep == "last":
            self.best, history.best_epoch = self.last, epoch
        elif validation is not None and (reached := selection_loss(validation)) < self.best_loss:
            self.best, history.best_epoch, self.best_loss = self.last, epoch, reached
        waited = epoch - max(history.best_epoch or 0, plan.warmup_epochs)
        if epoch >= plan.max_epochs:
            history.stopped = "finished"
        elif plan.patience is not None and waited >= plan.patience:
            history.stopped = "early"
        if history.stopped or epoch % plan.checkpoint_every == 0:
            self._save()

    def _save(self) -> None:
        if self.checkpoint_dir is None or not self.fabric.is_global_zero:
            return
        content = {
            "fingerprint": self._fingerprint,
            "weights": self.last,
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "history": self.history.to_dict(),
        }
        try:
            write_checkpoint(self.checkpoint_dir, content)
        except OSError as error:
            # Hours of training are worth more than the checkpoint; the one before is still whole.
            warnings.warn(
                f"the checkpoint of epoch {len(self.history)} could not be written to {os.fspath(self.checkpoint_dir)} "
                f"({error.strerror or error}): the training goes on, and a resumed one would begin from the checkpoint "
                "before it. Free some disk space, or stop and name another checkpoint_dir.",
                stacklevel=2,
            )

    def _resume_from(self, content: dict[str, Any]) -> None:
        assert self.checkpoint_dir is not None
        refuse_mismatch(content["fingerprint"], self._fingerprint, self.checkpoint_dir)
        history = History.from_dict({**content["history"], "device": self.history.device})
        if history.stopped == "finished" and len(history) < self.plan.max_epochs:
            history.stopped = None
        self.history = history
        self.optimizer.load_state_dict(content["optimizer"])
        self.module.load_state_dict(content["weights"])
        if history.best is not None and history.best["validation"] is not None:
            self.best_loss = selection_loss(history.best["validation"])


def make_optimizer(parameters: list[nn.Parameter], plan: TrainingPlan) -> Optimizer:
    """Adam, AdamW where there is weight decay, or SGD with Nesterov's momentum.

    The fused step is a third of the time of the others on a CPU, and one kernel on a GPU.
    """
    if plan.optimizer == "sgd":
        return SGD(
            parameters,
            plan.learning_rate,
            momentum=plan.momentum,
            weight_decay=plan.weight_decay,
            nesterov=plan.momentum > 0,
            fused=True,
        )
    if plan.weight_decay > 0:
        return AdamW(parameters, plan.learning_rate, weight_decay=plan.weight_decay, fused=True)
    return Adam(parameters, plan.learning_rate, fused=True)
