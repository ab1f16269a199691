"""Choosing a model, and foretelling what it is worth, by hiding known classes."""

from knownot.data import LeaveClassesOut
from knownot.model_selection.rehearsal import Rehearsal, rehearse
from knownot.model_selection.results import HiddenResult
from knownot.model_selection.scorers import auroc_scorer, open_macro_f1_scorer, oscr_scorer

__all__ = [
    "HiddenResult",
    "LeaveClassesOut",
    "Rehearsal",
    "auroc_scorer",
    "open_macro_f1_scorer",
    "oscr_scorer",
    "rehearse",
]
