"""Two processes that train together."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch


@pytest.mark.slow
@pytest.mark.parametrize("data", ["memory", "loader"])
def test_train_with_two_processes_trains_one_module(tmp_path, data):
    script = Path(__file__).with_name("distributed_training.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, script, tmp_path, data],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
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
    assert (tmp_path / "resumed" / "checkpoint.pt").exists()


@pytest.mark.slow
def test_train_in_a_notebook_returns_the_weights_to_the_module():
    script = Path(__file__).with_name("forked_training.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=300, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
