"""Single samples: what the estimator says of them, in words, with a picture or feature values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knownot.report.pictures import data_uri
from knownot.report.subject import Subject
from knownot.report.wording import cell, number, p_text


@dataclass(frozen=True)
class Example:
    """One sample of a gallery: a picture or feature values, and what is known of it."""

    picture: str | None
    features: list[tuple[str, str]]
    title: str
    subtitle: str
    facts: dict[str, str]
    is_known: bool | None


@dataclass(frozen=True)
class Gallery:
    """Examples that have something in common, at most so many of ``total``."""

    title: str
    sentence: str
    total: int
    examples: list[Example]


def gallery(subject: Subject, title: str, sentence: str, index: NDArray[np.int64], most: int = 12) -> Gallery:
    """The first ``most`` of some samples."""
    return Gallery(title, sentence, len(index), examples(subject, index[:most]))


def examples(subject: Subject, index: NDArray[np.int64]) -> list[Example]:
    """Some samples with all that is known of them."""
    features = unusual_features(subject, index)
    titles, subtitles, told = titles_of(subject, index), subtitles_of(subject, index), facts(subject, index)
    return [
        Example(
            picture=None if subject.images is None else data_uri(subject.images[i]),
            features=[] if features is None else features[j],
            title=titles[j],
            subtitle=subtitles[j],
            facts={name: values[j] for name, values in told.items()},
            is_known=None if subject.known is None else bool(subject.known[i]),
        )
        for j, i in enumerate(index)
    ]


def titles_of(subject: Subject, index: NDArray[np.int64]) -> list[str]:
    """What each sample is called: its true class, or without labels the verdict."""
    return verdicts(subject, index) if subject.true_names is None else subject.true_names[index].tolist()


def subtitles_of(subject: Subject, index: NDArray[np.int64]) -> list[str]:
    """The verdict, where the title is the true class."""
    return [""] * len(index) if subject.true_names is None else verdicts(subject, index)


def verdicts(subject: Subject, index: NDArray[np.int64]) -> list[str]:
    """What the estimator says of some samples, in words."""
    if subject.has("cluster"):
        return [f"cluster {cluster}" for cluster in subject.columns["cluster"][index]]
    if subject.accepted is None:
        return ["sample"] * len(index)
    accepted = subject.accepted[index]
    if not subject.has("nearest_class"):
        return ["accepted" if is_in else "rejected" for is_in in accepted]
    names = [subject.class_names[c] for c in subject.nearest[index]]
    return [
        f"{'accepted as' if is_in else 'rejected, nearest'} {name}" for is_in, name in zip(accepted, names, strict=True)
    ]


def facts(subject: Subject, index: NDArray[np.int64]) -> dict[str, list[str]]:
    """Scores of some samples as text, by name."""
    formats = {
        "knownness": ("knownness", number),
        "p_value": ("p-value", p_text),
        "probability": ("probability", number),
    }
    return {
        name: [form(float(value)) for value in subject.columns[column][index]]
        for column, (name, form) in formats.items()
        if subject.has(column)
    }


def unusual_features(subject: Subject, index: NDArray[np.int64], most: int = 6) -> list[list[tuple[str, str]]] | None:
    """Feature values of some samples, those first that lie farthest from the middle of the data; None for images."""
    if subject.features is None:
        return None
    middle, spread = subject.feature_spread
    listed = []
    for i in index:
        # A gap is the most usual of all.
        far = np.nan_to_num(np.abs(subject.features[i] - middle) / spread)
        order, printed = np.argsort(-far, kind="stable")[:most], subject.printed(int(i)).tolist()
        listed.append([(subject.feature_names[j], cell(printed[j])) for j in order])
    return listed
