"""Data of the interactive map: coordinates, marks, what each point tells, and the sheet of images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from knownot.metrics import UNKNOWN
from knownot.report.content import ReportContent
from knownot.report.pictures import sprite_sheet
from knownot.report.views import number, p_text, unusual_features

# Okabe and Ito's colours without black and yellow, and two more; the mark changes with each round,
# so that no two classes are told apart by colour alone where colours repeat.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a7f00", "#7a5bb5")
KNOWN_MARKS = ("circle", "square", "triangle", "diamond")
UNKNOWN_MARKS = ("cross", "plus", "star", "bar")


def scatter_payload(content: ReportContent) -> dict[str, Any]:
    """Everything the script of the map needs, ready for JSON.

    Returns
    -------
    dict
        ``classes`` (name, colour or None for the unknown, mark, count), ``maps`` (method to x and y in
        [0, 1]), ``group``, ``accepted``, ``nearest``, ``knownness``, ``p`` of each point, ``sprite`` and
        ``features``, each of which may be None.
    """
    index = content.projected
    names, groups, n_known = _groups(content, index)
    classes = []
    for g, name in enumerate(names):
        unknown = g >= n_known
        place = g - n_known if unknown else g
        marks = UNKNOWN_MARKS if unknown else KNOWN_MARKS
        # Unknown classes share the colour of the text and differ by mark alone.
        mark = marks[(place if unknown else place // len(COLOURS)) % len(marks)]
        colour = None if unknown else COLOURS[place % len(COLOURS)]
        classes.append({"name": name, "colour": colour, "mark": mark, "count": int(np.sum(groups == g))})
    sprite = None
    if content.images is not None and len(index):
        sheet = sprite_sheet(content.images[index])
        sprite = {key: getattr(sheet, key) for key in ("uri", "tile", "width", "height", "columns", "rows")}
    features = unusual_features(content, index) if content.features is not None else None
    return {
        "classes": classes,
        "labelled": content.y_true is not None,
        "classNames": content.class_names,
        "maps": {method: _unit(points).round(4).T.tolist() for method, points in content.projections.items()},
        "group": groups.tolist(),
        "accepted": content.accepted[index].astype(int).tolist(),
        "nearest": content.nearest[index].tolist(),
        "knownness": [number(value) for value in content.knownness[index].tolist()],
        "p": None if content.p_values is None else [p_text(value) for value in content.p_values[index].tolist()],
        "sprite": sprite,
        "features": features,
    }


def _groups(content: ReportContent, index: NDArray[np.int64]) -> tuple[list[str], NDArray[np.int64], int]:
    """Names of the legend, the place of each point in it, and how many of the names are known classes."""
    if content.y_true is None or content.true_names is None:
        return content.class_names, content.nearest[index], len(content.class_names)
    codes, true_names = content.y_true[index], content.true_names[index]
    unknown = codes == UNKNOWN
    others, inverse = np.unique(true_names[unknown], return_inverse=True)
    groups = codes.copy()
    groups[unknown] = len(content.class_names) + inverse
    return [*content.class_names, *others.tolist()], groups, len(content.class_names)


def _unit(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale to [0, 1] on both axes by one factor, so that distances keep their ratios."""
    low = points.min(axis=0)
    size = float((points.max(axis=0) - low).max())
    scaled = (points - low) / (size or 1.0)
    return scaled + 0.5 * (1.0 - scaled.max(axis=0))
