"""The map of the embedding: coordinates, marks, what each point tells, and the sheet of images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from knownot.metrics import UNKNOWN
from knownot.report.examples import facts, subtitles_of, titles_of, unusual_features
from knownot.report.pictures import sprite_sheet
from knownot.report.projection import project
from knownot.report.sections.section import Section
from knownot.report.subject import Subject

# Okabe and Ito's colours without black and yellow, and two more; the mark changes with each round,
# so that no two classes are told apart by colour alone where colours repeat.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a7f00", "#7a5bb5")
KNOWN_MARKS = ("circle", "square", "triangle", "diamond")
UNKNOWN_MARKS = ("cross", "plus", "star", "bar")


@dataclass(frozen=True)
class Groups:
    """What the colours and marks of the map stand for: the first ``n_coloured`` names have colours."""

    title: str
    names: list[str]
    of: NDArray[np.int64]
    n_coloured: int
    sentence: str = ""


class Map(Section):
    """A scatter plot of the embedding, or of the table itself where the estimator needs no embedding."""

    name = "map"
    link = "Map"
    script = "map.js"

    def applies(self, subject: Subject) -> bool:
        return bool(subject.projections) and subject.embedding is not None

    def collect(self, subject: Subject) -> dict[str, Any]:
        index = drawn(subject)
        groups = groups_of(subject, index)
        return {
            "what": "embedding" if subject.has("embedding") else "samples",
            "shown": len(index),
            "methods": subject.projections,
            "sentence": groups.sentence,
            "payload": as_json(payload(subject, index, groups)),
        }


def drawn(subject: Subject) -> NDArray[np.int64]:
    """Which samples are on the map, in their order."""
    return np.sort(np.random.default_rng(subject.seed).permutation(len(subject))[: subject.max_points])


def payload(subject: Subject, index: NDArray[np.int64], groups: Groups) -> dict[str, Any]:
    """Everything the script of the map needs, ready for JSON.

    Returns
    -------
    dict
        ``classes`` (name, colour or None for the unknown, mark, count) under the heading ``legend``, ``maps``
        (method to x and y in [0, 1]), ``group``, ``accepted`` (None if nothing is ever rejected), ``title``,
        ``subtitle`` and ``facts`` of each point, ``sprite`` and ``features``, each of which may be None.
    """
    classes = []
    for g, name in enumerate(groups.names):
        unknown = g >= groups.n_coloured
        place = g - groups.n_coloured if unknown else g
        marks = UNKNOWN_MARKS if unknown else KNOWN_MARKS
        # Unknown classes share the colour of the text and differ by mark alone.
        mark = marks[(place if unknown else place // len(COLOURS)) % len(marks)]
        colour = None if unknown else COLOURS[place % len(COLOURS)]
        classes.append({"name": name, "colour": colour, "mark": mark, "count": int(np.sum(groups.of == g))})
    sprite = None
    if subject.images is not None:
        sheet = sprite_sheet(subject.images[index])
        sprite = {key: getattr(sheet, key) for key in ("uri", "tile", "width", "height", "columns", "rows")}
    return {
        "legend": groups.title,
        "classes": classes,
        "maps": maps(subject, index),
        "group": groups.of.tolist(),
        "accepted": None if subject.accepted is None else subject.accepted[index].astype(int).tolist(),
        "title": _coded(titles_of(subject, index)),
        "subtitle": _coded(subtitles_of(subject, index)),
        "facts": facts(subject, index),
        "sprite": sprite,
        "features": unusual_features(subject, index),
    }


def maps(subject: Subject, index: NDArray[np.int64]) -> dict[str, list[list[float]]]:
    """Coordinates in [0, 1] by method: all x, then all y."""
    assert subject.embedding is not None
    embedding = subject.embedding[index].astype(np.float64)
    score = next((subject.columns[name] for name in ("knownness", "probability") if subject.has(name)), None)
    second = np.zeros(len(index)) if score is None else score[index]
    return {
        method: _unit(project(embedding, method, second, subject.seed)).round(4).T.tolist()
        for method in subject.projections
    }


def groups_of(subject: Subject, index: NDArray[np.int64]) -> Groups:
    """The cluster, the true class, the nearest class, or nothing that tells the points apart."""
    if subject.has("cluster"):
        clusters, codes = np.unique(subject.columns["cluster"], return_inverse=True)
        names = [str(cluster) for cluster in clusters]
        return Groups("Clusters", names, codes[index], len(names), "Colours are clusters.")
    if subject.y_true is not None and subject.true_names is not None:
        codes, true_names = subject.y_true[index], subject.true_names[index]
        unknown = codes == UNKNOWN
        others, inverse = np.unique(true_names[unknown], return_inverse=True)
        codes = codes.copy()
        codes[unknown] = len(subject.class_names) + inverse
        return Groups("Known classes", [*subject.class_names, *others.tolist()], codes, len(subject.class_names))
    if subject.has("nearest_class"):
        names = subject.class_names
        return Groups("Nearest class", names, subject.nearest[index], len(names), "Colours are nearest classes.")
    return Groups("Samples", ["all samples"], np.zeros(len(index), np.int64), 1)


def as_json(value: Any) -> Markup:
    """JSON that can stand in a <script> element: no character of it opens or closes a tag."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704


def _coded(texts: Sequence[str]) -> dict[str, list[Any]]:
    """Each text once, and which of them each point has."""
    distinct, codes = np.unique(np.array(texts, dtype=np.str_), return_inverse=True)
    return {"texts": distinct.tolist(), "of": codes.tolist()}


def _unit(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale to [0, 1] on both axes by one factor, so that distances keep their ratios."""
    low = points.min(axis=0)
    size = float((points.max(axis=0) - low).max())
    scaled = (points - low) / (size or 1.0)
    return scaled + 0.5 * (1.0 - scaled.max(axis=0))
