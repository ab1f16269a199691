"""The public interface: scikit-learn estimators, and loading a saved one."""

from __future__ import annotations

from typing import Any

from knownot.estimators.base import Estimator
from knownot.estimators.clustering import Clusterer
from knownot.estimators.crosr import CROSRClassifier
from knownot.estimators.density import DensityEstimator
from knownot.estimators.embedding import EmbeddingClassifier
from knownot.estimators.gmvae import GMVAEClassifier
from knownot.estimators.mixture import GaussianMixtureClusterer, GaussianMixtureDensity
from knownot.estimators.neural import NeuralEstimator
from knownot.estimators.persistence import load
from knownot.estimators.rejection import RejectingClassifier
from knownot.estimators.softmax import SoftmaxClassifier
from knownot.estimators.subcluster_study import SubclusterStudy
from knownot.estimators.subclusters import subcluster_curves
from knownot.estimators.thresholding import Thresholded

__all__ = [
    "CROSRClassifier",
    "Clusterer",
    "DensityEstimator",
    "EmbeddingClassifier",
    "Estimator",
    "GMVAEClassifier",
    "GaussianMixtureClusterer",
    "GaussianMixtureDensity",
    "NeuralEstimator",
    "RejectingClassifier",
    "SoftmaxClassifier",
    "SubclusterStudy",
    "Thresholded",
    "load",
    "subcluster_curves",
]

_MOVED = {
    "PAPER_SETTINGS": "it is now knownot.experiments.open_gmvae.PAPER_SETTINGS",
    "OpenSetClassifier": "it is now RejectingClassifier, and NeuralEstimator for what has a network",
}


def __getattr__(name: str) -> Any:
    moved = f": {_MOVED[name]}" if name in _MOVED else ""
    raise AttributeError(f"module 'knownot.estimators' has no attribute {name!r}{moved}.")
