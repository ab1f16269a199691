"""What a user sees while a training runs: a bar on a terminal, some lines elsewhere, or nothing."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from knownot.training.history import History, Record, selection_loss
from knownot.training.plan import TrainingPlan

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_N_LINES = 10  # about so many lines of a whole training where there is no terminal


class Silence:
    """The display of a training that shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return

    def step(self) -> None:
        """Count one step of the optimiser."""

    def epoch(self, record: Record) -> None:
        """Show a completed epoch."""

    def end(self) -> None:
        """Say how the training ended."""


class Display(Silence):
    """Bar, loss terms, validation loss and time left, written to the error stream.

    The steps are only counted here; a thread of rich draws the bar a few times a second, so that a
    step costs nothing.

    Parameters
    ----------
    history : History
        That of the training, which fills it.
    plan : TrainingPlan
    steps_per_epoch : int
    console : rich.console.Console, optional
        Where to write; by default the error stream.
    """

    def __init__(
        self, history: History, plan: TrainingPlan, steps_per_epoch: int, console: Console | None = None
    ) -> None:
        from rich.console import Console
        from rich.live import Live

        self.console = console or Console(stderr=True, highlight=False)
        self._history, self._plan, self._steps_per_epoch = history, plan, steps_per_epoch
        self._first_step = self._steps = len(history) * steps_per_epoch
        self._started = time.perf_counter()
        self._is_live = self.console.is_terminal or self.console.is_jupyter
        self._live = Live(console=self.console, get_renderable=self.render, refresh_per_second=4, redirect_stdout=False)

    def __enter__(self) -> Self:
        if self._is_live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_live:
            self._live.stop()

    def step(self) -> None:
        """Count one step of the optimiser."""
        self._steps += 1

    def epoch(self, record: Record) -> None:
        """Without a terminal: write a line after the first epoch and then about ten times."""
        every = max(1, self._plan.max_epochs // _N_LINES)
        if not self._is_live and (record["epoch"] % every == 0 or record["epoch"] == 1):
            self.console.print(self._epoch_line(record), soft_wrap=True)

    def end(self) -> None:
        """Say how the training ended."""
        if self._is_live:
            self._live.stop()
        self.console.print(summary(self._history, time.perf_counter() - self._started), soft_wrap=True)

    def seconds_left(self) -> float | None:
        """Time to the last epoch at the pace so far; None before the first step."""
        done = self._steps - self._first_step
        left = self._plan.max_epochs * self._steps_per_epoch - self._steps
        return (time.perf_counter() - self._started) / done * left if done else None

    def render(self) -> RenderableType:
        """Draw the bar and, from the last epoch, the terms and the validation loss."""
        from rich.console import Group
        from rich.padding import Padding
        from rich.progress_bar import ProgressBar
        from rich.table import Column, Table
        from rich.text import Text

        plan, history = self._plan, self._history
        total = plan.max_epochs * self._steps_per_epoch
        epoch = min(self._steps // self._steps_per_epoch + 1, plan.max_epochs)
        bar = Table.grid(*[Column(no_wrap=True) for _ in range(4)], padding=(0, 1))
        bar.add_row(
            f"epoch {epoch}/{plan.max_epochs}" + (" (warm-up)" if epoch <= plan.warmup_epochs else ""),
            ProgressBar(total=total, completed=self._steps, width=max(8, min(30, self.console.width - 50))),
            f"{100 * self._steps // total:3d} %",
            self._time_left(),
        )
        if not len(history):
            return bar
        means = history[-1]["train"]
        # A term that is exactly 0 is one that this module does not use.
        parts = [f"{name} {_format_number(value)}" for name, value in means.items() if name != "total" and value]
        text = Text.assemble((f"loss {_format_number(means['total'])}", "bold"), "  ", (" · ".join(parts), "dim"))
        if validation := self._validation():
            text.append("\n" + validation)
        return Group(bar, Padding(text, (0, 0, 0, 2)))

    def _validation(self) -> str:
        """Latest and best validation loss; empty before the first."""
        losses = [
            (selection_loss(values), r["epoch"]) for r in self._history if (values := r["validation"]) is not None
        ]
        if not losses:
            return ""
        latest, best = losses[-1], min(losses)
        where = "the best so far" if latest == best else f"best {_format_number(best[0])} in epoch {best[1]}"
        return f"validation loss {_format_number(latest[0])}, {where}"

    def _time_left(self) -> str:
        left = self.seconds_left()
        if left is None:
            return ""
        return f"{duration(left)} left" + (" at most" if self._plan.patience is not None else "")

    def _epoch_line(self, record: Record) -> str:
        parts = [f"epoch {record['epoch']}/{self._plan.max_epochs}: loss {_format_number(record['train']['total'])}"]
        if record["validation"] is not None:
            parts.append(self._validation())
        return ", ".join([*parts, self._time_left()])


def summary(history: History, seconds: float) -> str:
    """One sentence about a training that ended.

    Examples
    --------
    >>> summary(History(stopped="interrupted"), 5.0)
    'Interrupted after 0 epochs and 0:05 (cpu, 32-true); no epoch was completed.'
    """
    verb = {
        "finished": "Trained",
        "early": "Stopped early after",
        "time": "Out of time after",
        "interrupted": "Interrupted after",
        None: "Trained",
    }
    start = f"{verb[history.stopped]} {len(history)} epoch{'' if len(history) == 1 else 's'}"
    joined = "and" if history.stopped in ("interrupted", "time") else "in"
    text = f"{start} {joined} {duration(seconds)} ({history.device}, {history.precision}); "
    best = history.best
    if best is None:
        return text + "no epoch was completed."
    if best["validation"] is None:
        return text + f"loss {_format_number(best['train']['total'])}."
    return text + f"best epoch {best['epoch']}, validation loss {_format_number(selection_loss(best['validation']))}."


def duration(seconds: float) -> str:
    """Minutes and seconds, and hours where there are any.

    Examples
    --------
    >>> duration(65), duration(3725)
    ('1:05', '1:02:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _format_number(value: float) -> str:
    """Four significant digits, more of large numbers: 0.01235, 12.35, 1235."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
