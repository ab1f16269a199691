from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import typer
from rich.console import Console

from knownot.cli.terminal import THEME, Terminal, answers, plain
from knownot.training import DivergenceError


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (ValueError("x has 3 columns: give 4."), 2, "x has 3 columns: give 4."),
        (FileNotFoundError(2, "No such file or directory", "a.csv"), 2, "No such file or directory: a.csv"),
        (ModuleNotFoundError("No module named 'jinja2'", name="jinja2"), 2, "pip install 'knownot[report]'"),
        (ModuleNotFoundError("No module named 'odd.thing'", name="odd.thing"), 2, "No module named 'odd.thing'"),
        (KeyboardInterrupt(), 130, "Interrupted"),
    ],
)
def test_answers_turns_mistakes_into_sentences(error, code, sentence, capsys, monkeypatch):
    monkeypatch.delenv("KNOWNOT_TRACEBACK", raising=False)

    @answers
    def command() -> None:
        raise error

    with pytest.raises(typer.Exit) as end:
        command()
    out, err = capsys.readouterr()
    assert end.value.exit_code == code
    assert out == ""
    assert sentence in " ".join(err.split())
    assert "Traceback" not in err


def test_answers_ends_a_divergence_with_1(capsys):
    @answers
    def command() -> None:
        raise DivergenceError("Epoch 3: the term reconstruction is infinite.", 3, ["reconstruction"])

    with pytest.raises(typer.Exit) as end:
        command()
    assert end.value.exit_code == 1
    assert "reconstruction is infinite" in capsys.readouterr().err


def test_answers_lets_other_runtime_errors_through():
    @answers
    def command() -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        command()


def test_answers_shows_the_traceback_on_demand(capsys, monkeypatch):
    monkeypatch.setenv("KNOWNOT_TRACEBACK", "1")

    @answers
    def command() -> None:
        raise ValueError("wrong")

    with pytest.raises(typer.Exit):
        command()
    assert "Traceback" in capsys.readouterr().err


def test_terminal_prints_one_plain_json_object(capsys):
    facts = {
        "a": np.float32(0.5),
        "b": np.array([1, 2]),
        "c": float("nan"),
        "p": Path("x"),
        "t": (np.bool_(True), None),
    }
    Terminal(as_json=True).result(facts, "not shown")
    assert json.loads(capsys.readouterr().out) == {"a": 0.5, "b": [1, 2], "c": None, "p": "x", "t": [True, None]}
    assert plain(float("inf")) is None


def test_answers_prints_warnings_as_notes(capsys):
    import warnings

    @answers
    def command() -> None:
        warnings.warn("one image was skipped", stacklevel=1)

    command()
    out, err = capsys.readouterr()
    assert out == ""
    assert "one image was skipped" in err
    assert "test_terminal.py" not in err


def test_terminal_says_nothing_when_quiet(capsys):
    terminal = Terminal(quiet=True)
    terminal.say("hello")
    with terminal.doing("Working"):
        pass
    assert capsys.readouterr() == ("", "")


def test_terminal_tells_a_note_once_and_even_when_quiet(capsys):
    terminal = Terminal(quiet=True)
    for text in ("a copy", "a copy", "[bold]x"):
        terminal.note(text)
    assert capsys.readouterr().err == "note: a copy\nnote: [bold]x\n"


def test_terminal_counting_writes_lines_where_there_is_no_terminal(capsys, monkeypatch):
    with Terminal().counting("Reading x") as count:
        count(1, 2000)
    assert capsys.readouterr().err == "Reading x ...\n"
    monkeypatch.setattr("knownot.cli.terminal.SECONDS_BETWEEN_LINES", 0)
    with Terminal().counting("Reading x") as count:
        count(1000, 2000)
    assert capsys.readouterr().err == "Reading x ...\nReading x ... 1,000 of 2,000\n"


def test_terminal_counting_says_nothing_when_quiet(capsys):
    with Terminal(quiet=True).counting("Reading x") as count:
        count(1, 2)
    assert capsys.readouterr() == ("", "")


def test_terminal_counting_draws_a_bar_on_a_terminal():
    terminal, text = Terminal(), io.StringIO()
    terminal.err = Console(file=text, force_terminal=True, width=100, theme=THEME)
    with terminal.counting("Reading [bold]x") as count:
        assert "━" not in text.getvalue()
        count(1000, 2000)
    drawn = text.getvalue()
    assert "Reading [bold]x ..." in drawn
    assert "━" in drawn
    assert "1,000 of 2,000" in drawn
