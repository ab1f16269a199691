"""From embeddings to class and knownness, and from knownness to a decision."""

from knownot.rules.base import Rule, Verdict
from knownot.rules.centroids import NearestCentroid, NearestCentroidUncertainty
from knownot.rules.class_threshold import ClassConformalThreshold
from knownot.rules.combined import CombinedEvidence, Surprise
from knownot.rules.likelihood import Likelihood
from knownot.rules.neighbours import Neighbours, nearest
from knownot.rules.registry import make_rule
from knownot.rules.softmax import Energy, MaximumLogit, MaximumSoftmax
from knownot.rules.threshold import ConformalThreshold, discoveries, f1_threshold, quantile_threshold
from knownot.rules.weibull import OpenMax, Weibull

__all__ = [
    "ClassConformalThreshold",
    "CombinedEvidence",
    "ConformalThreshold",
    "Energy",
    "Likelihood",
    "MaximumLogit",
    "MaximumSoftmax",
    "NearestCentroid",
    "NearestCentroidUncertainty",
    "Neighbours",
    "OpenMax",
    "Rule",
    "Surprise",
    "Verdict",
    "Weibull",
    "discoveries",
    "f1_threshold",
    "make_rule",
    "nearest",
    "quantile_threshold",
]
