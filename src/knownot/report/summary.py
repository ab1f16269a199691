"""What the numbers say, in a sentence or two."""

from __future__ import annotations

import numpy as np

from knownot.report.subject import Subject
from knownot.report.wording import asked_percent, percent, thousands


def eyebrow(subject: Subject) -> str:
    """What kind of report this is."""
    kinds = {"class": "Open-set report", "known": "Density report", "cluster": "Clustering report"}
    return next((kind for column, kind in kinds.items() if subject.has(column)), "Report")


def summary(subject: Subject) -> str:
    """What the numbers say, by what the estimator can do."""
    if subject.has("cluster"):
        return _of_clusters(subject)
    if subject.accepted is None:
        return f"What the model makes of {_samples(len(subject))}."
    if np.isneginf(subject.threshold):
        what = "classifier" if subject.has("class") else "model"
        n = thousands(len(subject))
        return f"No threshold is set: all {n} samples are accepted. Calibrate the {what} for it to reject any."
    if subject.known is None:
        return _without_labels(subject)
    return " ".join([*_of_known(subject), _of_unknown(subject)])


def _without_labels(subject: Subject) -> str:
    assert subject.accepted is not None
    accepted = percent(float(subject.accepted.mean()))
    as_what = f" as one of {len(subject.classes)} known classes" if subject.has("class") else ""
    return (
        f"Of {_samples(len(subject))} without labels, {accepted} were accepted{as_what}. "
        "How often that is right, only labels could tell."
    )


def _of_known(subject: Subject) -> list[str]:
    assert subject.known is not None and subject.accepted is not None  # noqa: PT018
    n = int(subject.known.sum())
    if not n:
        return []
    asked = "" if subject.accept is None else f" ({asked_percent(subject.accept)} were asked for)"
    sentence = f"Of {thousands(n)} known samples, {percent(subject.metrics['acceptance'])} were accepted{asked}"
    if subject.has("class"):
        wrong = subject.known & subject.accepted & (subject.y_pred != subject.y_true)
        sentence += f", and {percent(float(wrong.sum()) / n)} were accepted with a wrong class"
    return [sentence + "."]


def _of_unknown(subject: Subject) -> str:
    assert subject.known is not None
    n = int((~subject.known).sum())
    if not n:
        return "The data hold no unknown samples, so nothing can be said about their rejection."
    return f"Of {thousands(n)} unknown samples, {percent(subject.metrics['unknown_rejection'])} were rejected."


def _of_clusters(subject: Subject) -> str:
    _, counts = np.unique(subject.columns["cluster"], return_counts=True)
    n = len(counts)
    largest = percent(float(counts.max() / counts.sum()))
    sentence = f"{_samples(len(subject))} lie in {n} clusters; the largest holds {largest} of them."
    if n == 1:
        sentence = f"{_samples(len(subject))} lie in one cluster."
    if subject.has("probability"):
        mean = float(subject.columns["probability"].mean())
        sentence += f" A sample belongs to its cluster with a probability of {mean:.3f} on average."
    return sentence


def _samples(n: int) -> str:
    return "1 sample" if n == 1 else f"{thousands(n)} samples"
