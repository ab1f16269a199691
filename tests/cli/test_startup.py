"""What an answer at once must not import."""

from __future__ import annotations

import subprocess
import sys

import pytest

import knownot

HEAVY = ("torch", "sklearn", "pandas", "scipy", "numpy", "lightning", "matplotlib", "safetensors")
RUN = """
from knownot.cli import main
for arguments in {}:
    sys.argv[1:] = arguments
    try:
        main()
    except SystemExit as end:
        assert not end.code, (arguments, end.code)
    found = [name for name in {} if name in sys.modules]
    assert not found, (arguments, found)
"""
COMMANDS = ("fit", "predict", "evaluate", "inspect", "demo", "embed", "rehearse")


def run(program: str) -> None:
    """Run a program in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", f"import sys\n{program}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_help_imports_nothing_heavy():
    run(RUN.format([["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)], HEAVY))


def test_package_imports_nothing_heavy():
    run(f"import knownot; dir(knownot); knownot.__version__; assert not sys.modules.keys() & set({HEAVY})")


def test_inspect_does_not_import_torch(model):
    run(RUN.format([["inspect", str(model)]], ("torch", "sklearn", "pandas", "scipy", "lightning")))


def test_package_has_its_names_when_touched():
    assert set(knownot.__all__) <= set(dir(knownot))
    for name in knownot.__all__:
        assert getattr(knownot, name) is not None
    with pytest.raises(AttributeError, match=r"no attribute 'GMVAE'.*GMVAEClassifier"):
        knownot.GMVAE  # noqa: B018
