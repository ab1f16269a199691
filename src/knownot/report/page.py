"""The page: a template filled with charts, tables and the map, in one file that needs no other."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from knownot.report import figures, views
from knownot.report.content import ReportContent, gather
from knownot.report.scatter import scatter_payload


def render(content: ReportContent) -> str:
    """The report as one HTML text: no script, style, font or image is loaded from anywhere.

    Parameters
    ----------
    content : ReportContent
        As of :func:`knownot.report.gather`, or filled by hand.

    Returns
    -------
    str

    Examples
    --------
    >>> import numpy as np
    >>> codes, knownness = np.array([0, -1]), np.array([1.0, -1.0])
    >>> page = render(ReportContent("Two samples", ["cat"], codes, np.array([0, 0]), knownness, threshold=0.0))
    >>> "Of 2 samples without labels" in page
    True
    """
    environment = Environment(
        loader=PackageLoader("knownot.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = views.percent
    templates = Path(__file__).parent / "templates"
    # Both files are the package's own; what comes from users passes the template's escaping.
    style = Markup((templates / "report.css").read_text(encoding="utf-8"))  # noqa: S704
    script = Markup((templates / "map.js").read_text(encoding="utf-8"))  # noqa: S704
    return environment.get_template("report.html.j2").render(
        content=content, style=style, script=script, charts=_charts(content), **_parts(content)
    )


def write_report(
    path: str | os.PathLike[str],
    classifier: Any,
    X: Any,
    y: Any = None,
    *,
    title: str | None = None,
    seed: int = 0,
    names: Mapping[Any, str] | None = None,
    feature_names: Sequence[str] | None = None,
    max_points: int = 2000,
    projections: Sequence[str] = ("t-SNE", "PCA"),
) -> Path:
    """Write one HTML file about a fitted classifier and some test samples, readable offline.

    Parameters
    ----------
    path : path-like
        File to write; folders that miss are made. An older file is replaced only when the new one is whole.
    classifier, X, y, title, seed, names, feature_names, max_points, projections
        As of :func:`knownot.report.gather`.

    Returns
    -------
    Path
        The file.
    """
    content = gather(
        classifier,
        X,
        y,
        title=title,
        names=names,
        feature_names=feature_names,
        max_points=max_points,
        projections=projections,
        seed=seed,
    )
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    _write_whole(target, render(content))
    return target


def _write_whole(target: Path, text: str) -> None:
    """Write beside the target, then take its place: nobody ever reads half a page."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        # mkstemp makes files for the owner alone; a report is to be read like any other file.
        umask = os.umask(0)
        os.umask(umask)
        part.chmod(0o666 & ~umask)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _charts(content: ReportContent) -> dict[str, Markup]:
    """SVG of each chart that the data allow, by name."""
    drawn = {"scores": figures.score_histogram(content)}
    if content.has_both:
        drawn |= {"roc": figures.roc_chart(content), "oscr": figures.oscr_chart(content)}
    if content.history:
        drawn["training"] = figures.training_chart(content.history, content.best_epoch)
    matrix = views.confusion(content)
    if matrix is not None and matrix.is_large:
        shares = np.array([[cell.share for cell in cells] for _, _, cells in matrix.rows])
        drawn["confusion"] = figures.confusion_chart(shares, [name for name, _, _ in matrix.rows], matrix.columns)
    # matplotlib escapes the names that stand in a chart.
    return {name: Markup(svg) for name, svg in drawn.items()}  # noqa: S704


def _parts(content: ReportContent) -> dict[str, Any]:
    """What the template prints."""
    return {
        "summary": views.summary(content),
        "cards": views.cards(content),
        "metric_rows": views.metric_rows(content),
        "confusion": views.confusion(content),
        "refusals": views.refusals(content),
        "galleries": views.galleries(content),
        "reconstructions": views.reconstruction_strips(content),
        "samples": views.sample_strips(content),
        "shown_features": views.shown_features(content),
        "idle_terms": figures.idle_terms(content.history),
        "negative_loss": _has_negative_loss(content),
        "payload": _json(scatter_payload(content)) if content.projections else None,
    }


def _json(value: Any) -> Markup:
    """JSON that can stand in a <script> element: no character of it opens or closes a tag."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704


def _has_negative_loss(content: ReportContent) -> bool:
    """Whether any loss fell below zero, which readers take for a mistake."""
    parts = [record.get(part) or {} for record in content.history for part in ("train", "validation")]
    return any(value < 0.0 for part in parts for value in part.values())
