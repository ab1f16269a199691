"""Where and with what a number was measured."""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "lightning")


def provenance() -> dict[str, Any]:
    """Commit, date, hardware and versions, for the JSON of a result.

    Returns
    -------
    dict
        "commit" and "changed" (whether the source differs from it) are None outside a checkout.

    Examples
    --------
    >>> sorted(provenance()["versions"])[:3]
    ['lightning', 'numpy', 'python']
    """
    import torch

    commit = _git("rev-parse", "HEAD")
    return {
        "commit": commit,
        "changed": None if commit is None else bool(_git("status", "--porcelain", "--", ".")),
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "hardware": hardware(),
        "threads": torch.get_num_threads(),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in _PACKAGES},
    }


def hardware() -> str:
    """Processor, and accelerator where there is one."""
    import torch

    cpu = f"{cpu_name()}, {os.cpu_count()} cores, {platform.machine()}"
    return f"{torch.cuda.get_device_name()}; {cpu}" if torch.cuda.is_available() else cpu


def cpu_name() -> str:
    """Name of the processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    """What git says of the checkout that this file lies in; None where it is installed elsewhere."""
    here = Path(__file__).parents[1]
    try:
        # Installed elsewhere, the package may still lie within a checkout of something else.
        subprocess.run(["git", "ls-files", "--error-unmatch", "__init__.py"], cwd=here, capture_output=True, check=True)
        return subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
