"""What the model makes: reconstructions of some inputs, and samples drawn from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knownot.data import label_codes
from knownot.report.examples import titles_of
from knownot.report.inputs import as_numbers, outputs, some_rows
from knownot.report.pictures import data_uri
from knownot.report.sections.section import Section
from knownot.report.subject import Subject
from knownot.report.wording import cell

MOST_COLUMNS = 8
MOST_CLASSES = 20


@dataclass(frozen=True)
class Strip:
    """Inputs and reconstructions of one kind, or generated samples of one class.

    ``pictures`` are (image, reconstruction or None, name), ``rows`` (name, values) of a table.
    """

    title: str
    pictures: list[tuple[str, str | None, str]] = field(default_factory=list)
    rows: list[tuple[str, list[str]]] = field(default_factory=list)


class Generated(Section):
    """Reconstructions and samples, as far as the estimator makes them."""

    name = "generated"
    link = "Generated"

    def applies(self, subject: Subject) -> bool:
        return subject.can("reconstruct") or subject.can("sample")

    def collect(self, subject: Subject) -> dict[str, Any]:
        return {
            "reconstructions": reconstruction_strips(subject) if subject.can("reconstruct") else [],
            "samples": sample_strips(subject) if subject.can("sample") else [],
            "by_class": subject.has("class"),
            "columns": subject.feature_names[:MOST_COLUMNS],
        }


def reconstruction_strips(subject: Subject, per_group: int = 8) -> list[Strip]:
    """A few inputs and their reconstructions, known (or accepted) and unknown (or rejected) apart."""
    scale = np.zeros(0) if subject.features is None else np.nan_to_num(np.abs(subject.features)).max(axis=0)
    strips = []
    for title, members in _groups(subject):
        index = np.random.default_rng(subject.seed).permutation(np.flatnonzero(members))[:per_group]
        if not len(index):
            continue
        made = outputs(subject.estimator.reconstruct(some_rows(subject.X, index)))
        strip = Strip(title)
        for i, values, name in zip(index, made, _short_names(subject, index), strict=True):
            if subject.images is not None:
                strip.pictures.append((data_uri(subject.images[i]), data_uri(values), name))
            elif subject.features is not None:
                strip.rows.append((name, _cells(subject.printed(i), scale)))
                strip.rows.append(("reconstruction", _cells(values, scale)))
        strips.append(strip)
    return strips


def sample_strips(subject: Subject, per_strip: int = 8) -> list[Strip]:
    """Generated samples: one strip a class, a single one without classes."""
    # Some classifiers draw the class as well: with three times as many, each class has its share.
    n = 3 * per_strip * len(subject.classes) if subject.has("class") else per_strip
    sample = subject.estimator.sample
    seeded = {"random_state": subject.seed} if "random_state" in signature(sample).parameters else {}
    made = sample(n, **seeded)
    values, labels = made if isinstance(made, tuple) else (made, None)
    values = outputs(values)
    scale = np.abs(as_numbers(values)).max(axis=0, initial=0.0) if subject.images is None else np.zeros(0)
    if not subject.has("class"):
        return [_strip(subject, "samples", values, scale)]
    codes = label_codes(labels, subject.classes)
    names = subject.class_names[:MOST_CLASSES]
    return [_strip(subject, name, values[codes == c][:per_strip], scale) for c, name in enumerate(names)]


def _groups(subject: Subject) -> list[tuple[str, NDArray[np.bool_]]]:
    """Samples that are reconstructed apart."""
    if subject.known is not None:
        return [("Known", subject.known), ("Unknown", ~subject.known)]
    if subject.accepted is not None:
        return [("Accepted", subject.accepted), ("Rejected", ~subject.accepted)]
    return [("Drawn at random", np.ones(len(subject), dtype=bool))]


def _short_names(subject: Subject, index: NDArray[np.int64]) -> list[str]:
    """The true or the nearest class of each sample, otherwise the verdict."""
    if subject.true_names is None and subject.has("nearest_class"):
        return [subject.class_names[c] for c in subject.nearest[index]]
    return titles_of(subject, index)


def _strip(subject: Subject, name: str, values: NDArray[Any], scale: NDArray[Any], most_rows: int = 3) -> Strip:
    if subject.images is not None:
        return Strip(name, pictures=[(data_uri(image), None, name) for image in values])
    return Strip(name, rows=[(name, _cells(row, scale)) for row in values[:most_rows]])


def _cells(values: NDArray[Any], scale: NDArray[Any]) -> list[str]:
    """The first few features; what is rounding beside the largest of them is printed as zero."""
    least = 1e-9 * scale[:MOST_COLUMNS].max(initial=0.0)
    shown = values[:MOST_COLUMNS].tolist()
    return [cell(0.0 if isinstance(value, float) and abs(value) < least else value) for value in shown]
