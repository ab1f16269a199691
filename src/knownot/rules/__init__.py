"""From embeddings to class and knownness, and from knownness to a decision."""

from knownot.rules.base import Rule, Verdict
from knownot.rules.centroids import NearestCentroid, NearestCentroidUncertainty
from knownot.rules.class_similarity import ClassSimilarity
from knownot.rules.class_threshold import ClassConformalThreshold
from knownot.rules.classifiers import Forest, Linear
from knownot.rules.combined import CombinedEvidence
from knownot.rules.gaussian import ClassGaussian, ClassMixture, Mahalanobis, RelativeMahalanobis
from knownot.rules.likelihood import Likelihood
from knownot.rules.local import LocalNeighbours, Residual
from knownot.rules.neighbours import CosineNeighbours, Neighbours, WhitenedCosineNeighbours, WhitenedNeighbours
from knownot.rules.network import NetworkEvidence
from knownot.rules.outliers import ComplexityCorrected, LogDensity, Typicality
from knownot.rules.registry import make_rule
from knownot.rules.search import nearest
from knownot.rules.softmax import Energy, MaximumLogit, MaximumSoftmax
from knownot.rules.surprise import Surprise
from knownot.rules.threshold import ConformalThreshold, discoveries, f1_threshold, quantile_threshold
from knownot.rules.weibull import OpenMax, Weibull
from knownot.rules.weighing import Forecast
from knownot.rules.weighted import WeightedEvidence

__all__ = [
    "ClassConformalThreshold",
    "ClassGaussian",
    "ClassMixture",
    "ClassSimilarity",
    "CombinedEvidence",
    "ComplexityCorrected",
    "ConformalThreshold",
    "CosineNeighbours",
    "Energy",
    "Forecast",
    "Forest",
    "Likelihood",
    "Linear",
    "LocalNeighbours",
    "LogDensity",
    "Mahalanobis",
    "MaximumLogit",
    "MaximumSoftmax",
    "NearestCentroid",
    "NearestCentroidUncertainty",
    "Neighbours",
    "NetworkEvidence",
    "OpenMax",
    "RelativeMahalanobis",
    "Residual",
    "Rule",
    "Surprise",
    "Typicality",
    "Verdict",
    "Weibull",
    "WeightedEvidence",
    "WhitenedCosineNeighbours",
    "WhitenedNeighbours",
    "discoveries",
    "f1_threshold",
    "make_rule",
    "nearest",
    "quantile_threshold",
]
