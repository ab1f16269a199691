"""What was rejected: how much of each class, and the most surprising samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knownot.report.examples import Gallery, gallery
from knownot.report.sections.section import Section
from knownot.report.subject import Subject
from knownot.report.wording import p_text


@dataclass(frozen=True)
class Refusals:
    """How many samples of one class were rejected."""

    name: str
    is_known: bool
    n: int
    share: float
    p_value: str


class Rejected(Section):
    """Rejected share of each class, and galleries."""

    name = "rejected"
    link = "Rejected"

    def applies(self, subject: Subject) -> bool:
        return subject.has("knownness") and subject.accepted is not None

    def collect(self, subject: Subject) -> dict[str, Any]:
        return {"refusals": refusals(subject), "galleries": galleries(subject)}


def refusals(subject: Subject) -> list[Refusals]:
    """Rejected share of each class: the true one, or the nearest one without labels; empty without either."""
    assert subject.accepted is not None
    if subject.known is not None and subject.true_names is not None:
        names, known = subject.true_names, subject.known
    elif subject.has("nearest_class"):
        names, known = np.array(subject.class_names)[subject.nearest], np.ones(len(subject), dtype=bool)
    else:
        return []
    p_values = subject.columns.get("p_value")
    found = []
    for is_known in (True, False):
        for name in np.unique(names[known == is_known]):
            members = (names == name) & (known == is_known)
            p_value = "" if p_values is None else p_text(float(np.median(p_values[members])))
            share = float(np.mean(~subject.accepted[members]))
            found.append(Refusals(str(name), is_known, int(members.sum()), share, p_value))
    order = {name: i for i, name in enumerate(subject.class_names)}
    return sorted(found, key=lambda row: (not row.is_known, order.get(row.name, len(order)), row.name))


def galleries(subject: Subject, most: int = 12) -> list[Gallery]:
    """The most surprising samples, in groups; empty groups are kept, for "none" is an answer, too."""
    assert subject.accepted is not None
    known, accepted = subject.known, subject.accepted
    rising = np.argsort(subject.knownness, kind="stable")

    def where(mask: NDArray[np.bool_], order: NDArray[np.int64] = rising) -> NDArray[np.int64]:
        return order[mask[order]]

    found = []
    if known is not None and known.any():
        chosen = where(known & ~accepted)
        found.append(gallery(subject, "Known, but refused", "Least known first.", chosen, most))
    if known is not None and not known.all():
        chosen = where(~known & accepted, rising[::-1])
        found.append(gallery(subject, "Unknown, but accepted", "Highest knownness first.", chosen, most))
    if subject.has("class"):
        chosen = where(~accepted)
        found.append(gallery(subject, "Most unknown of all rejected", "Lowest knownness first.", chosen, most))
    else:
        found.append(gallery(subject, "Least known of all samples", "Lowest knownness first.", rising, most))
    return found
