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
    from knownot.training import TrainingSettings
    from knownot.version import __version__

__all__ = [
    "CROSRClassifier",
    "EmbeddingClassifier",
    "GMVAEClassifier",
    "GaussianMixtureClusterer",
    "GaussianMixtureDensity",
    "SoftmaxClassifier",
    "TrainingSettings",
    "__version__",
    "embed",
    "load",
]


def __getattr__(name: str) -> Any:
    # Loaded when first touched (PEP 562).
    if name not in PUBLIC:
        raise AttributeError(f"module 'knownot' has no attribute {name!r}. It has: {', '.join(__all__)}.")
    value = globals()[name] = resolve(PUBLIC[name])
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *PUBLIC})
