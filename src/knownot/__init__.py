"""Classifiers, densities and clusterings that know what they do not know.

Importing this package is cheap: torch and scikit-learn load when an estimator is first touched.

Examples
--------
>>> import knownot
>>> [name for name in knownot.__all__ if name.endswith("Classifier")]
['CROSRClassifier', 'EmbeddingClassifier', 'GMVAEClassifier', 'SoftmaxClassifier']
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from knownot.catalogue import PUBLIC, resolve

if TYPE_CHECKING:
    from knownot.embeddings import embed
    from knownot.estimators import (
        CROSRClassifier,
        EmbeddingClassifier,
        GaussianMixtureClusterer,
        GaussianMixtureDensity,
        GMVAEClassifier,
        SoftmaxClassifier,
        load,
    )
    from knownot.estimators.wrapper import OpenSetWrapper
    from knownot.model_selection import LeaveClassesOut, auroc_scorer, open_macro_f1_scorer, oscr_scorer, rehearse
    from knownot.training import TrainingSettings
    from knownot.version import __version__

__all__ = [
    "CROSRClassifier",
    "EmbeddingClassifier",
    "GMVAEClassifier",
    "GaussianMixtureClusterer",
    "GaussianMixtureDensity",
    "LeaveClassesOut",
    "OpenSetWrapper",
    "SoftmaxClassifier",
    "TrainingSettings",
    "__version__",
    "auroc_scorer",
    "embed",
    "load",
    "open_macro_f1_scorer",
    "oscr_scorer",
    "rehearse",
]


def __getattr__(name: str) -> Any:
    # Loaded when first touched (PEP 562).
    if name not in PUBLIC:
        raise AttributeError(f"module 'knownot' has no attribute {name!r}. It has: {', '.join(__all__)}.")
    value = globals()[name] = resolve(PUBLIC[name])
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *PUBLIC})
