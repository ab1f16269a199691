"""All metrics in a table."""

from __future__ import annotations

from knownot.report.sections.section import Section
from knownot.report.subject import Subject
from knownot.report.wording import number

NOTES = {
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
    "adjusted_rand": ("Adjusted Rand index", "share of pairs on which clusters and labels agree, corrected for chance"),
    "mutual_information": ("Normalised mutual information", "of clusters and labels, over the mean of their entropies"),
}


class Metrics(Section):
    """Name, value and meaning of every metric."""

    name = "metrics"

    def applies(self, subject: Subject) -> bool:
        return bool(subject.metrics)

    def collect(self, subject: Subject) -> list[tuple[str, str, str]]:
        rows = []
        for key, value in subject.metrics.items():
            label, note = NOTES.get(key, (key, ""))
            rows.append((label, number(value) if key == "threshold" else f"{value:.4f}", note))
        return rows
