"""Two processes that train together."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch


def run(script, *arguments):
    """Run a script beside this file, which starts processes of its own."""
    command = [sys.executable, Path(__file__).with_name(script), *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """What two processes saw and got, which train on batches of both kinds, one after the other."""
    folder = tmp_path_factory.mktemp("together")
    for data in ("memory", "loader"):
        (folder / data).mkdir()
    run("distributed_training.py", folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("data", ["memory", "loader"])
def test_train_with_two_processes_trains_one_module(together, data):
    folder = together / data
    first, second = (torch.load(folder / f"{rank}.pt") for rank in (0, 1))
    assert first["world_size"] == second["world_size"] == 2
    for name, weight in first["weights"].items():
        assert torch.isfinite(weight).all()
        assert torch.equal(weight, second["weights"][name])
    assert first["losses"] == second["losses"]
    # Together they saw every sample once, and the mean is over all of them.
    assert sorted(first["seen"] + second["seen"]) == list(range(40))
    assert first["losses"][0] == pytest.approx(first["expected"], rel=1e-5)
    # Resumed in the middle it ends with the same weights.
    assert all(torch.equal(first["weights"][name], first["resumed"][name]) for name in first["weights"])
    assert (folder / "resumed" / "checkpoint.pt").exists()


@pytest.mark.slow
def test_train_in_a_notebook_returns_the_weights_to_the_module():
    run("forked_training.py")
