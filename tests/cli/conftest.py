"""A model trained in a moment through the command itself, and a way to run commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from knownot.cli import app

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def run() -> Run:
    """Run a command: `run("fit", path, "--json")`."""
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def flowers(tmp_path_factory) -> Path:
    """A table of three kinds far from one another; the third is left unknown by `model`."""
    random = np.random.default_rng(0)
    centres = np.array([[0.0, 0, 0, 0], [6, 6, 0, 0], [0, 0, 9, 9]])
    kinds = np.repeat([0, 1, 2], 200)
    x = centres[kinds] + random.normal(size=(600, 4))
    path = tmp_path_factory.mktemp("tables") / "flowers.csv"
    rows = [
        f"{','.join(f'{v:.4f}' for v in row)},{['rose', 'tulip', 'weed'][k]}" for row, k in zip(x, kinds, strict=True)
    ]
    path.write_text("\n".join(["a,b,c,d,kind", *rows]) + "\n")
    return path


@pytest.fixture(scope="session")
def model(run: Run, flowers: Path, tmp_path_factory) -> Path:
    """A model of roses and tulips."""
    path = tmp_path_factory.mktemp("models") / "flowers.safetensors"
    result = run(
        "fit", flowers, "--label", "kind", "--known", "rose,tulip", "--epochs", 40, "--latent-dim", 2,
        "--precision", "32-true", "--model", path, "--quiet",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return path
