"""The page: every section that applies, one after the other, in one file that needs no other."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from knownot.files import whole_file
from knownot.report.gathering import gather
from knownot.report.sections import SECTIONS, Section
from knownot.report.subject import Subject
from knownot.report.summary import eyebrow, summary
from knownot.report.wording import percent, thousands

TEMPLATES = Path(__file__).parent / "templates"


def render(subject: Subject, sections: Sequence[Section] = SECTIONS) -> str:
    """The report as one HTML text: no script, style, font or image is loaded from anywhere.

    Parameters
    ----------
    subject : Subject
        As of :func:`knownot.report.gather`, or filled by hand.
    sections : sequence of Section
        What may be shown; each says whether it applies.

    Returns
    -------
    str

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.cluster import KMeans
    >>> page = render(Subject(KMeans(2), np.eye(3), {"cluster": np.array([0, 0, 1])}, "Three samples"))
    >>> "3 samples lie in 2 clusters" in page
    True
    """
    environment = Environment(
        loader=PackageLoader("knownot.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "thousands": thousands}
    shown = [section for section in sections if section.applies(subject)]
    parts = [
        environment.get_template(f"sections/{section.name}.html.j2").render(
            section=section, subject=subject, data=section.collect(subject)
        )
        for section in shown
    ]
    scripts = dict.fromkeys(section.script for section in shown if section.script)
    return environment.get_template("page.html.j2").render(
        title=subject.title,
        eyebrow=eyebrow(subject),
        summary=summary(subject),
        sections=shown,
        # The templates of the sections have escaped what comes from users.
        parts=[Markup(part) for part in parts],  # noqa: S704
        style=_own("report.css"),
        scripts=[_own(name) for name in scripts],
    )


def write_report(
    path: str | os.PathLike[str],
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    known: Any = None,
    title: str | None = None,
    seed: int = 0,
    names: Mapping[Any, str] | None = None,
    feature_names: Sequence[str] | None = None,
    max_points: int = 2000,
    projections: Sequence[str] = ("t-SNE", "PCA"),
) -> Path:
    """Write one HTML file about a fitted estimator and some samples, readable offline.

    Parameters
    ----------
    path : path-like
        File to write; missing folders are made. An older file is replaced only when the new one is whole.
    estimator, X, y, known, title, seed, names, feature_names, max_points, projections
        As of :func:`knownot.report.gather`.

    Returns
    -------
    Path
        The file.
    """
    subject = gather(
        estimator,
        X,
        y,
        known=known,
        title=title,
        names=names,
        feature_names=feature_names,
        max_points=max_points,
        projections=projections,
        seed=seed,
    )
    page = render(subject)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(target, "w", encoding="utf-8") as file:
        file.write(page)
    return target


def _own(name: str) -> Markup:
    """A style or script of the package itself, which needs no escaping."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704
