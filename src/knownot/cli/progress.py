"""A bar of counted steps, loaded when there is something to count."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text


def bar_of_steps(console: Console) -> Progress:
    """A spinner, what is done, a bar, and how many steps of how many."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), _Bar(bar_width=30), _Count())
    return Progress(*columns, console=console, transient=True)


class _Bar(BarColumn):
    """A bar, as soon as steps are counted."""

    def render(self, task: Task) -> Any:
        return Text("") if task.total is None else super().render(task)


class _Count(ProgressColumn):
    """Steps done and in all, and the time left."""

    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text("")
        left = task.time_remaining
        minutes, seconds = divmod(round(left or 0), 60)
        return Text.assemble(
            f"{task.completed:,.0f} of {task.total:,.0f}",
            ("" if left is None else f"  {minutes}:{seconds:02d} left", "aside"),
        )
