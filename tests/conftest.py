"""What all tests share: one thread a process, repeatable noise, real data where it is at hand."""

from __future__ import annotations

import os
from pathlib import Path

# Before torch is imported: processes of pytest-xdist divide the cores among themselves, and more threads
# than cores make small models several times slower.
if "PYTEST_XDIST_WORKER" in os.environ:
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = "1"

import hypothesis
import numpy as np
import pytest
import torch

hypothesis.settings.register_profile("repeatable", deadline=None, max_examples=50, derandomize=True)
hypothesis.settings.register_profile("search", deadline=None, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = pytest.mark.skip(reason="KNOWNOT_DATA names no folder with real data sets")
    for item in items:
        if item.get_closest_marker("data") and not os.environ.get("KNOWNOT_DATA"):
            item.add_marker(missing)


@pytest.fixture(autouse=True)
def same_noise_every_time() -> None:
    """Start every test from the same global random numbers, whatever ran before it and on which process."""
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002  (scikit-learn's random_state=None draws from it)


@pytest.fixture
def few_trees(monkeypatch) -> None:
    """A forest of four trees in the default rule, most of whose fit it takes: for tests of anything else."""
    monkeypatch.setattr("knownot.rules.weighted._N_TREES", 4)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of real data sets. Unset: the test is skipped. Set, but not there: an error, never a silent skip."""
    root = os.environ.get("KNOWNOT_DATA")
    if not root:
        pytest.skip("KNOWNOT_DATA names no folder with real data sets")
    path = Path(root)
    if not path.is_dir():
        raise FileNotFoundError(f"KNOWNOT_DATA={root} is not a folder.")
    return path
