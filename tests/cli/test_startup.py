"""What an answer at once must not import."""

from __future__ import annotations

import subprocess
import sys

import pytest

import knownot

HEAVY = ("torch", "sklearn", "pandas", "scipy", "numpy", "lightning", "matplotlib", "safetensors")
PROGRAM = """
import sys
try:
    {}
except SystemExit as end:
    assert not end.code, end.code
print(*(name for name in {} if name in sys.modules), file=sys.stderr)
"""


def imported(statement: str, *arguments: str, heavy: tuple[str, ...] = HEAVY) -> list[str]:
    """Heavy modules that a statement imports in a fresh interpreter."""
    command = [sys.executable, "-c", PROGRAM.format(statement, heavy), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stderr.split()


COMMANDS = ("fit", "predict", "evaluate", "inspect", "demo", "embed", "rehearse")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_nothing_heavy(arguments):
    assert imported("from knownot.cli import main; main()", *arguments) == []


def test_package_imports_nothing_heavy():
    assert imported("import knownot; dir(knownot); knownot.__version__") == []


def test_inspect_does_not_import_torch(model):
    heavy = ("torch", "sklearn", "pandas", "scipy", "lightning")
    assert imported("from knownot.cli import main; main()", "inspect", str(model), heavy=heavy) == []


def test_package_has_its_names_when_touched():
    assert set(knownot.__all__) <= set(dir(knownot))
    for name in knownot.__all__:
        assert getattr(knownot, name) is not None
    with pytest.raises(AttributeError, match=r"no attribute 'GMVAE'.*GMVAEClassifier"):
        knownot.GMVAE  # noqa: B018
