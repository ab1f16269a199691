"""Metrics; wherever knownness is one of the arguments, higher means more known."""

from knownot.metrics.checks import UNKNOWN, UNKNOWN_NAME, unknown_mask
from knownot.metrics.clustering import clustering_accuracy, majority_accuracy, representative_accuracy
from knownot.metrics.density import bits_per_dim
from knownot.metrics.generation import frechet_distance, mmd
from knownot.metrics.geometry import (
    AccuracyDrop,
    accuracy_drop,
    activated_share,
    intrinsic_dimension,
    intrinsic_dimensions,
)
from knownot.metrics.latent import active_dimensions, information_per_dimension, knn_error
from knownot.metrics.multi_label import f1_by_label
from knownot.metrics.open_set import (
    acceptance,
    best_f1_threshold,
    closed_set_accuracy,
    f1_against_unknown_classes,
    open_macro_f1,
    open_set_report,
    openness,
)
from knownot.metrics.ranking import (
    Curve,
    aupr_known,
    aupr_unknown,
    auroc,
    dtacc,
    oscr,
    oscr_curve,
    roc_curve,
    tnr_at_tpr,
)

__all__ = [
    "UNKNOWN",
    "UNKNOWN_NAME",
    "AccuracyDrop",
    "Curve",
    "acceptance",
    "accuracy_drop",
    "activated_share",
    "active_dimensions",
    "aupr_known",
    "aupr_unknown",
    "auroc",
    "best_f1_threshold",
    "bits_per_dim",
    "closed_set_accuracy",
    "clustering_accuracy",
    "dtacc",
    "f1_against_unknown_classes",
    "f1_by_label",
    "frechet_distance",
    "information_per_dimension",
    "intrinsic_dimension",
    "intrinsic_dimensions",
    "knn_error",
    "majority_accuracy",
    "mmd",
    "open_macro_f1",
    "open_set_report",
    "openness",
    "oscr",
    "oscr_curve",
    "representative_accuracy",
    "roc_curve",
    "tnr_at_tpr",
    "unknown_mask",
]
