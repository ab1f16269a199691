"""Everything that made the report."""

from __future__ import annotations

import platform
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from knownot.report.sections.section import Section
from knownot.report.subject import Subject
from knownot.version import __version__

PACKAGES = ("torch", "numpy", "scikit-learn", "scipy", "lightning")


class Settings(Section):
    """Parameters, data, versions and date, in groups."""

    name = "settings"
    link = "Settings"

    def applies(self, subject: Subject) -> bool:
        return True

    def collect(self, subject: Subject) -> dict[str, dict[str, str]]:
        estimator = subject.estimator
        parameters = estimator.get_params(deep=False) if subject.can("get_params") else {}
        return {
            type(estimator).__name__: {name: short(value) for name, value in parameters.items()},
            "Data of this report": _data(subject),
            "Made with": {
                "date": datetime.now().astimezone().strftime("%d %B %Y, %H:%M %Z"),
                "knownot": __version__,
                **_versions(),
                "Python": platform.python_version(),
                "system": platform.platform(terse=True),
                "seed of the report": str(subject.seed),
            },
        }


def short(value: Any, limit: int = 300) -> str:
    """Text of a parameter, cut where it is very long."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]} … ({len(text):,} characters)"


def _data(subject: Subject) -> dict[str, str]:
    """Numbers and shape of the samples."""
    shape = subject.X.shape[1:]
    if len(shape) > 1:
        shape = getattr(subject.estimator, "input_shape_", shape)
    found = {"samples": f"{len(subject):,}", "input shape": str(tuple(shape))}
    if subject.known is not None:
        known = subject.known
        found |= {"of known classes": f"{np.sum(known):,}", "of unknown classes": f"{np.sum(~known):,}"}
    return found


def _versions() -> dict[str, str]:
    """Installed versions of what the package builds on."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
