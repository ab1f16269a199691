"""The headline numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from knownot.report.sections.section import Section
from knownot.report.subject import Subject
from knownot.report.wording import asked_percent, percent, thousands


@dataclass(frozen=True)
class Card:
    """A headline number."""

    label: str
    value: str
    note: str


class Headline(Section):
    """Cards, those that the data allow."""

    name = "headline"

    def applies(self, subject: Subject) -> bool:
        return True

    def collect(self, subject: Subject) -> list[Card]:
        cards = _judged(subject)
        if subject.accepted is not None and subject.known is None:
            given = "got a class" if subject.has("class") else "were accepted"
            asked = (
                "" if subject.accept is None else f"; {asked_percent(subject.accept)} of known samples were asked for"
            )
            cards.append(Card("Accepted", percent(float(subject.accepted.mean())), f"samples that {given}{asked}"))
        if subject.has("cluster"):
            n = len(np.unique(subject.columns["cluster"]))
            cards.append(Card("Clusters", thousands(n), "that hold any of the samples"))
        if subject.has("probability"):
            mean = float(subject.columns["probability"].mean())
            cards.append(Card("Mean probability", f"{mean:.3f}", "of a sample in its cluster"))
        if not subject.metrics:
            without = "" if subject.labels is not None else "without labels"
            cards.append(Card("Samples", thousands(len(subject)), without))
        return cards


def _judged(subject: Subject) -> list[Card]:
    """Cards of the metrics."""
    metrics = subject.metrics
    found = []
    if "closed_set_accuracy" in metrics:
        note = "known samples whose nearest class is right, nothing rejected"
        found.append(Card("Closed-set accuracy", percent(metrics["closed_set_accuracy"]), note))
    if "auroc" in metrics:
        found.append(Card("AUROC", f"{metrics['auroc']:.3f}", "known against unknown; 0.5 is chance, 1 perfect"))
    if "oscr" in metrics:
        found.append(Card("OSCR", f"{metrics['oscr']:.3f}", "as AUROC, but the class must be right as well"))
    if "macro_f1" in metrics:
        among = "known classes and the unknown" if subject.has_both else "known classes"
        found.append(Card("Macro-F1", f"{metrics['macro_f1']:.3f}", f"over {among}, at the threshold"))
    if "acceptance" in metrics:
        asked = "" if subject.accept is None else f"{asked_percent(subject.accept)} asked for; "
        given = "got a class" if subject.has("class") else "were accepted"
        found.append(Card("Acceptance", percent(metrics["acceptance"]), f"{asked}known samples that {given}"))
    if "unknown_rejection" in metrics:
        what = "refused a class" if subject.has("class") else "rejected"
        note = f"unknown samples that were {what}"
        found.append(Card("Unknown rejected", percent(metrics["unknown_rejection"]), note))
    if "adjusted_rand" in metrics:
        note = "agreement with the labels; 0 is chance, 1 perfect"
        found.append(Card("Adjusted Rand index", f"{metrics['adjusted_rand']:.3f}", note))
    if "mutual_information" in metrics:
        note = "shared by clusters and labels, normalised; 1 is perfect"
        found.append(Card("Mutual information", f"{metrics['mutual_information']:.3f}", note))
    return found
