"""From arrays to what the page prints: cards, tables, galleries, rows of pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knownot.metrics import UNKNOWN, UNKNOWN_NAME
from knownot.report.content import ReportContent
from knownot.report.pictures import data_uri

MOST_IN_TABLE = 30


@dataclass(frozen=True)
class Card:
    """A headline number."""

    label: str
    value: str
    note: str


@dataclass(frozen=True)
class Cell:
    """One cell of the confusion matrix; ``share`` is of its row, ``kind`` one of right, wrong, none."""

    count: int
    share: float
    kind: str


@dataclass(frozen=True)
class Confusion:
    """Confusion matrix with the unknown as a column; the rows from ``first_unknown`` on are unknown classes."""

    columns: list[str]
    rows: list[tuple[str, int, list[Cell]]]
    first_unknown: int
    pairs: list[tuple[str, str, int]]

    @property
    def is_large(self) -> bool:
        return max(len(self.rows), len(self.columns)) > MOST_IN_TABLE


@dataclass(frozen=True)
class Refusals:
    """How many samples of one class were rejected."""

    name: str
    is_known: bool
    n: int
    share: float
    p_value: str


@dataclass(frozen=True)
class Example:
    """One sample of a gallery: a picture or feature values, and what is known of it."""

    picture: str | None
    features: list[tuple[str, str]]
    title: str
    subtitle: str
    knownness: str
    p_value: str | None
    is_known: bool | None


@dataclass(frozen=True)
class Gallery:
    """Examples that have something in common."""

    title: str
    sentence: str
    total: int
    examples: list[Example]


@dataclass(frozen=True)
class Strip:
    """Inputs and reconstructions of one kind, or generated samples of one class."""

    title: str
    pictures: list[tuple[str | None, str | None, str]] = field(default_factory=list)
    rows: list[tuple[str, list[str]]] = field(default_factory=list)


def percent(share: float) -> str:
    r"""A share as a percentage with one decimal and a space that does not break.

    Examples
    --------
    >>> percent(0.95), percent(1.0)
    ('95.0\xa0%', '100\xa0%')
    """
    return f"{100.0 * share:.{0 if share in (0.0, 1.0) else 1}f}\u00a0%"


def asked_percent(share: float) -> str:
    r"""A share that somebody asked for, with no more digits than it was given.

    Examples
    --------
    >>> asked_percent(0.95), asked_percent(0.995)
    ('95\xa0%', '99.5\xa0%')
    """
    return f"{100.0 * share:.4g}\u00a0%"


def number(value: float) -> str:
    """A number with four digits that count, and a proper minus sign."""
    return f"{value:.4g}".replace("-", "\u2212").replace("inf", "\u221e")


def p_text(value: float) -> str:
    """A p-value, which is never printed as zero."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def true_name(content: ReportContent, i: int) -> str | None:
    """Name of the true class of sample i, None without labels."""
    return None if content.true_names is None else str(content.true_names[i])


def cards(content: ReportContent) -> list[Card]:
    """Headline numbers, those that the data allow."""
    metrics = content.metrics
    found = []
    if "closed_set_accuracy" in metrics:
        note = "known samples whose nearest class is right, nothing rejected"
        found.append(Card("Closed-set accuracy", percent(metrics["closed_set_accuracy"]), note))
    if "auroc" in metrics:
        found.append(Card("AUROC", f"{metrics['auroc']:.3f}", "known against unknown; 0.5 is chance, 1 perfect"))
        found.append(Card("OSCR", f"{metrics['oscr']:.3f}", "as AUROC, but the class must be right as well"))
    if "macro_f1" in metrics:
        among = "known classes and the unknown" if content.has_both else "known classes"
        found.append(Card("Macro-F1", f"{metrics['macro_f1']:.3f}", f"over {among}, at the threshold"))
    if "acceptance" in metrics:
        asked = "" if content.accept is None else f"{asked_percent(content.accept)} asked for; "
        found.append(Card("Acceptance", percent(metrics["acceptance"]), f"{asked}known samples that got a class"))
    if "unknown_rejection" in metrics:
        note = "unknown samples that were refused a class"
        found.append(Card("Unknown rejected", percent(metrics["unknown_rejection"]), note))
    if content.known is None:
        asked = "" if content.accept is None else f"; {asked_percent(content.accept)} of known samples were asked for"
        note = f"samples that got a class{asked}"
        found.append(Card("Accepted", percent(float(content.accepted.mean())), note))
        found.append(Card("Samples", f"{len(content.knownness):,}", "without labels"))
    return found


METRIC_NOTES = {
    "closed_set_accuracy": ("Closed-set accuracy", "share of known samples whose nearest class is right"),
    "auroc": ("AUROC", "chance that a known sample scores above an unknown one"),
    "aupr_known": ("AUPR, known positive", "average precision when known samples are looked for"),
    "aupr_unknown": ("AUPR, unknown positive", "average precision when unknown samples are looked for"),
    "tnr_at_tpr95": ("TNR at 95 % TPR", "unknown rejected where 95 % of the known are accepted"),
    "dtacc": ("Detection accuracy", "half of the best sum of both rates"),
    "oscr": ("OSCR", "area under the OSCR curve"),
    "macro_f1": ("Macro-F1", "over the classes with samples, the unknown as one of them"),
    "acceptance": ("Acceptance", "share of known samples accepted at the threshold"),
    "unknown_rejection": ("Rejection of unknown", "share of unknown samples rejected at the threshold"),
    "threshold": ("Threshold", "lowest knownness that is accepted"),
    "openness_classical": ("Openness, classical form", "1 − √(2 · trained / (tested + trained)), numbers of classes"),
    "openness_ratio": ("Openness, ratio form", "1 − √(trained / tested), numbers of classes"),
}


def metric_rows(content: ReportContent) -> list[tuple[str, str, str]]:
    """Name, value and meaning of every metric."""
    rows = []
    for key, value in content.metrics.items():
        label, note = METRIC_NOTES.get(key, (key, ""))
        rows.append((label, number(value) if key == "threshold" else f"{value:.4f}", note))
    return rows


def confusion(content: ReportContent) -> Confusion | None:
    """Rows: true classes with samples, each unknown class by name. Columns: predictions. None without labels."""
    if content.y_true is None or content.true_names is None:
        return None
    columns = [*content.class_names, UNKNOWN_NAME]
    known = content.y_true != UNKNOWN
    groups = [(content.class_names[c], c, content.y_true == c) for c in range(len(content.class_names))]
    groups = [group for group in groups if group[2].any()]
    first_unknown = len(groups)
    for name in np.unique(content.true_names[~known]):
        groups.append((str(name), UNKNOWN, ~known & (content.true_names == name)))
    rows, pairs = [], []
    for name, code, members in groups:
        # Code -1 takes the last place, the column of the unknown.
        counts = np.bincount(content.y_pred[members] % len(columns), minlength=len(columns))
        right = code % len(columns)
        kinds = ["none" if not c else "right" if j == right else "wrong" for j, c in enumerate(counts)]
        n = int(members.sum())
        rows.append((name, n, [Cell(int(c), float(c / n), kind) for c, kind in zip(counts, kinds, strict=True)]))
        pairs += [(name, columns[j], int(c)) for j, c in enumerate(counts) if c and j != right]
    pairs.sort(key=lambda pair: -pair[2])
    return Confusion(columns, rows, first_unknown, pairs[:10])


def refusals(content: ReportContent) -> list[Refusals]:
    """Rejected share of each class: the true one, or the nearest one without labels."""
    if content.y_true is None or content.true_names is None:
        names = np.array(content.class_names)[content.nearest]
        known = np.ones(len(names), dtype=bool)
    else:
        names, known = content.true_names, content.y_true != UNKNOWN
    found = []
    for is_known in (True, False):
        for name in np.unique(names[known == is_known]):
            members = (names == name) & (known == is_known)
            p_value = "" if content.p_values is None else p_text(float(np.median(content.p_values[members])))
            share = float(np.mean(~content.accepted[members]))
            found.append(Refusals(str(name), is_known, int(members.sum()), share, p_value))
    order = {name: i for i, name in enumerate(content.class_names)}
    return sorted(found, key=lambda row: (not row.is_known, order.get(row.name, len(order)), row.name))


def unusual_features(content: ReportContent, index: NDArray[np.int64], most: int = 6) -> list[list[tuple[str, str]]]:
    """Feature values of some samples, those first that lie farthest from the middle of the data."""
    assert content.features is not None
    middle = np.nanmedian(content.features, axis=0)
    spread = np.nanmedian(np.abs(content.features - middle), axis=0)
    spread = np.where(spread > 0, spread, np.maximum(content.features.std(axis=0), 1e-12))
    listed = []
    for values in content.features[index]:
        order = np.argsort(-np.abs(values - middle) / spread, kind="stable")[:most]
        listed.append([(content.feature_names[j], number(float(values[j]))) for j in order])
    return listed


def examples(content: ReportContent, index: NDArray[np.int64]) -> list[Example]:
    """Some samples with all that is known of them."""
    features = unusual_features(content, index) if content.features is not None else [[]] * len(index)
    found = []
    for i, values in zip(index, features, strict=True):
        truth = true_name(content, int(i))
        predicted = content.class_names[content.nearest[i]]
        verdict = "accepted as" if content.accepted[i] else "rejected, nearest"
        found.append(
            Example(
                picture=None if content.images is None else data_uri(content.images[i]),
                features=values,
                title=f"{verdict} {predicted}" if truth is None else truth,
                subtitle="" if truth is None else f"{verdict} {predicted}",
                knownness=number(float(content.knownness[i])),
                p_value=None if content.p_values is None else p_text(float(content.p_values[i])),
                is_known=None if content.known is None else bool(content.known[i]),
            )
        )
    return found


def galleries(content: ReportContent, most: int = 12) -> list[Gallery]:
    """The most surprising examples, in groups; empty groups are kept, for "none" is an answer, too."""
    order = np.argsort(content.knownness, kind="stable")
    known, accepted = content.known, content.accepted

    def gallery(title: str, sentence: str, chosen: NDArray[np.int64]) -> Gallery:
        return Gallery(title, sentence, len(chosen), examples(content, chosen[:most]))

    found = []
    if known is not None and known.any():
        chosen = order[(known & ~accepted)[order]]
        found.append(gallery("Known, but refused", "Least known first.", chosen))
    if known is not None and not known.all():
        chosen = order[::-1][(~known & accepted)[order[::-1]]]
        found.append(gallery("Unknown, but accepted", "Highest knownness first.", chosen))
    chosen = order[(~accepted)[order]]
    found.append(gallery("Most unknown of all rejected", "Lowest knownness first.", chosen))
    return found


def reconstruction_strips(content: ReportContent) -> list[Strip]:
    """Inputs and reconstructions, known (or accepted) and unknown (or rejected) apart."""
    made = content.reconstructions
    if made is None:
        return []
    groups = content.y_pred if content.y_true is None else content.y_true
    scale = np.zeros(0) if content.features is None else np.abs(content.features).max(axis=0)
    titles = ("Accepted", "Rejected") if content.y_true is None else ("Known", "Unknown")
    strips = []
    for title, wanted in zip(titles, (True, False), strict=True):
        chosen = np.flatnonzero((groups[made.index] != UNKNOWN) == wanted)
        if not len(chosen):
            continue
        strip = Strip(title)
        for j in chosen:
            i = int(made.index[j])
            name = true_name(content, i) or content.class_names[content.nearest[i]]
            if content.images is not None:
                strip.pictures.append((data_uri(content.images[i]), data_uri(made.values[j]), name))
            elif content.features is not None:
                strip.rows.append((name, _numbers(content.features[i], scale)))
                strip.rows.append(("reconstruction", _numbers(made.values[j], scale)))
        strips.append(strip)
    return strips


def sample_strips(content: ReportContent, most_classes: int = 20) -> list[Strip]:
    """Generated samples, one strip a class."""
    made = content.samples
    if made is None:
        return []
    strips = []
    scale = np.abs(made.values).max(axis=0, initial=0.0)
    for c, name in enumerate(content.class_names[:most_classes]):
        values = made.values[made.codes == c]
        if content.images is not None:
            strips.append(Strip(name, pictures=[(data_uri(image), None, name) for image in values]))
        else:
            strips.append(Strip(name, rows=[(name, _numbers(row, scale)) for row in values[:3]]))
    return strips


def shown_features(content: ReportContent, most: int = 8) -> list[str]:
    """Columns that the tables of reconstructions and samples have room for."""
    return content.feature_names[:most]


def _numbers(values: NDArray[Any], scale: NDArray[Any], most: int = 8) -> list[str]:
    """The first few features; what is rounding beside the scale of its column is printed as zero."""
    kept = np.where(np.abs(values[:most]) < 1e-9 * scale[:most].max(initial=0.0), 0.0, values[:most])
    return [number(float(value)) for value in kept]


def summary(content: ReportContent) -> str:
    """What the numbers say, in a sentence or two."""
    n, metrics = len(content.knownness), content.metrics
    if np.isneginf(content.threshold):
        return f"No threshold is set: all {n:,} samples are accepted. Calibrate the classifier for it to reject any."
    if content.known is None:
        return (
            f"Of {n:,} samples without labels, {percent(float(content.accepted.mean()))} were accepted as one of "
            f"{len(content.class_names)} known classes. How often that is right, only labels could tell."
        )
    n_known, n_unknown = int(content.known.sum()), int((~content.known).sum())
    sentences = []
    if n_known:
        wrong = content.known & content.accepted & (content.y_pred != content.y_true)
        asked = "" if content.accept is None else f" ({asked_percent(content.accept)} were asked for)"
        sentences.append(
            f"Of {n_known:,} known samples, {percent(metrics['acceptance'])} were accepted{asked}, "
            f"and {percent(float(wrong.sum()) / n_known)} were accepted with a wrong class."
        )
    if n_unknown:
        rejected = percent(metrics["unknown_rejection"])
        sentences.append(f"Of {n_unknown:,} unknown samples, {rejected} were rejected.")
    else:
        sentences.append("The data hold no unknown samples, so nothing can be said about their rejection.")
    return " ".join(sentences)
