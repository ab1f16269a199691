"""What a command says and how it ends: results on stdout, everything else on stderr, four exit codes."""

from __future__ import annotations

import json
import math
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.text import Text
from rich.theme import Theme

Counter = Callable[[int, int], None]

EXIT_FINE, EXIT_UNEXPECTED, EXIT_MISTAKE, EXIT_INTERRUPTED = 0, 1, 2, 130
TRACEBACK_VARIABLE = "KNOWNOT_TRACEBACK"
SECONDS_BETWEEN_LINES = 5.0

# Colour carries one meaning each: what is known, what is not, what went wrong.
THEME = Theme(
    {
        "known": "green",
        "unknown": "magenta",
        "wrong": "red",
        "value": "bold",
        "aside": "dim",
        "path": "cyan",
        "title": "bold",
        "table.header": "dim",
    }
)


class Terminal:
    """Where a command writes.

    Parameters
    ----------
    as_json : bool
        One JSON object on stdout instead of tables; progress stays on stderr.
    quiet : bool
        No progress.
    """

    def __init__(self, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json, self.quiet = as_json, quiet
        self.out = Console(theme=THEME, highlight=False)
        self.err = Console(theme=THEME, highlight=False, stderr=True)
        self._noted: set[str] = set()

    def say(self, text: str) -> None:
        """Tell on stderr what is being done."""
        if not self.quiet:
            self.err.print(text, markup=False)

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Show a spinner on stderr while something without countable steps runs."""
        if self.quiet or not self.err.is_terminal:
            self.say(f"{what} ...")
            yield
            return
        with self.err.status(Text(f"{what} ...")):
            yield

    @contextmanager
    def counting(self, what: str) -> Iterator[Counter]:
        """Show progress on stderr; the function that is yielded takes the steps done and the steps in all.

        A bar on a terminal, from the first call on; elsewhere a line every few seconds.
        """
        if self.quiet:
            yield lambda done, total: None
        elif not self.err.is_terminal:
            self.say(f"{what} ...")
            yield self._lines(what)
        else:
            from knownot.cli.progress import bar_of_steps

            with bar_of_steps(self.err) as progress:
                task = progress.add_task(f"{what} ...", total=None)
                yield lambda done, total: progress.update(task, completed=done, total=total)

    def _lines(self, what: str) -> Counter:
        last = time.monotonic()

        def count(done: int, total: int) -> None:
            nonlocal last
            if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                self.say(f"{what} ... {done:,} of {total:,}")

        return count

    def note(self, text: str) -> None:
        """Print on stderr, once and even when quiet, what a reader of the results must know."""
        if text in self._noted:
            return
        self._noted.add(text)
        self.err.print(Text.assemble(("note: ", "bold yellow"), (text, "yellow")))

    def result(self, facts: dict[str, Any], *shown: RenderableType) -> None:
        """End a command: ``facts`` as JSON where that was asked for, else what a user reads."""
        if self.as_json:
            sys.stdout.write(json.dumps(plain(facts), ensure_ascii=False, allow_nan=False) + "\n")
            return
        for part in shown:
            self.out.print(part)


def plain(value: Any) -> Any:
    """Turn NumPy's and path types into JSON's; what is not finite becomes null.

    Examples
    --------
    >>> import numpy as np
    >>> plain({"a": np.float32(0.5), "b": (np.int64(1), float("nan"))})
    {'a': 0.5, 'b': [1, None]}
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    return str(value)


def complain(sentence: str) -> None:
    """Print a sentence in red on stderr."""
    console = Console(theme=THEME, highlight=False, stderr=True)
    console.print(Text.assemble(("knownot: ", "bold red"), (sentence, "red")), soft_wrap=not console.is_terminal)


def answers(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command its exit codes: what went wrong becomes a sentence on stderr, not a traceback.

    A user's mistake (`ValueError`, a file that cannot be read, a missing extra) ends with 2, a training that
    diverged and anything unexpected with 1, Ctrl-C with 130. With the environment variable
    ``KNOWNOT_TRACEBACK`` set, the traceback is shown as well.
    """

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            with _warnings_as_notes():
                command(*args, **kwargs)
        except KeyboardInterrupt:
            complain("Interrupted.")
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except BrokenPipeError:
            raise
        except (ValueError, OSError, ModuleNotFoundError) as mistake:
            _end(mistake, sentence_for(mistake), EXIT_MISTAKE)
        except RuntimeError as error:
            if not _diverged(error):
                raise
            _end(error, str(error), EXIT_UNEXPECTED)

    return guarded


@contextmanager
def _warnings_as_notes() -> Iterator[None]:
    """Print warnings as a line for users, without the place in the code."""
    terminal = Terminal()

    def note(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        terminal.note(str(message))

    with warnings.catch_warnings():
        warnings.showwarning = note
        yield


def sentence_for(mistake: Exception) -> str:
    """Say what a user can do about a mistake."""
    if isinstance(mistake, ModuleNotFoundError):
        name = (mistake.name or str(mistake)).split(".")[0]
        extras = {"matplotlib": "report", "jinja2": "report", "pandas": "data", "pyarrow": "data", "datasets": "data"}
        if name not in extras:
            return f"{mistake}. Install it and try again."
        return f"This needs {name}, which is not installed. Install it with: pip install 'knownot[{extras[name]}]'"
    if isinstance(mistake, OSError) and mistake.strerror:
        return f"{mistake.strerror}: {mistake.filename}. Check the path and its permissions."
    return str(mistake)


def _end(error: Exception, sentence: str, code: int) -> None:
    if os.environ.get(TRACEBACK_VARIABLE):
        Console(stderr=True).print_exception()
    complain(sentence)
    raise typer.Exit(code) from None


def _diverged(error: RuntimeError) -> bool:
    training = sys.modules.get("knownot.training")
    return training is not None and isinstance(error, training.DivergenceError)
