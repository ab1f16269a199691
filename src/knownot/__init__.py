"""Open-set classifiers: they say "none of these" instead of guessing.

Importing this package is cheap: torch and scikit-learn load when an estimator is first touched.

Examples
--------
>>> import knownot
>>> knownot.__all__
['CROSRClassifier', 'GMVAEClassifier', 'SoftmaxClassifier', '__version__', 'load']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from knownot.estimators import CROSRClassifier, GMVAEClassifier, SoftmaxClassifier, load

__version__ = "0.1.0"

# Where each public name lives (PEP 562).
_HOMES = dict.fromkeys(("CROSRClassifier", "GMVAEClassifier", "SoftmaxClassifier", "load"), "knownot.estimators")

__all__ = ["CROSRClassifier", "GMVAEClassifier", "SoftmaxClassifier", "__version__", "load"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'knownot' has no attribute {name!r}. It has: {', '.join(__all__)}.")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
