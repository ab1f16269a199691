from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer

from knownot.cli.terminal import Terminal, answers, plain
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
def test_mistakes_become_sentences(error, code, sentence, capsys, monkeypatch):
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


def test_a_divergence_is_not_the_users_mistake(capsys):
    @answers
    def command() -> None:
        raise DivergenceError("Epoch 3: the term reconstruction is infinite.", 3, ["reconstruction"])

    with pytest.raises(typer.Exit) as end:
        command()
    assert end.value.exit_code == 1
    assert "reconstruction is infinite" in capsys.readouterr().err


def test_other_runtime_errors_pass_through():
    @answers
    def command() -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        command()


def test_the_traceback_can_be_asked_for(capsys, monkeypatch):
    monkeypatch.setenv("KNOWNOT_TRACEBACK", "1")

    @answers
    def command() -> None:
        raise ValueError("wrong")

    with pytest.raises(typer.Exit):
        command()
    assert "Traceback" in capsys.readouterr().err


def test_json_is_one_plain_object(capsys):
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


def test_warnings_are_notes(capsys):
    import warnings

    @answers
    def command() -> None:
        warnings.warn("one image was skipped", stacklevel=1)

    command()
    out, err = capsys.readouterr()
    assert out == ""
    assert "one image was skipped" in err
    assert "test_terminal.py" not in err


def test_quiet_says_nothing(capsys):
    terminal = Terminal(quiet=True)
    terminal.say("hello")
    with terminal.doing("Working"):
        pass
    assert capsys.readouterr() == ("", "")
