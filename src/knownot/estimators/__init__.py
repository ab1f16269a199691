"""What users hold: scikit-learn classes, and loading a saved one."""

from __future__ import annotations

import os

from knownot.estimators.base import OpenSetClassifier
from knownot.estimators.crosr import CROSRClassifier
from knownot.estimators.gmvae import PAPER_SETTINGS, GMVAEClassifier
from knownot.estimators.persistence import unpack
from knownot.estimators.saving import load_model
from knownot.estimators.softmax import SoftmaxClassifier
from knownot.estimators.subcluster_study import SubclusterStudy
from knownot.estimators.subclusters import subcluster_curves

_ESTIMATORS: dict[str, type[OpenSetClassifier]] = {
    cls.__name__: cls for cls in (GMVAEClassifier, CROSRClassifier, SoftmaxClassifier)
}


def load(path: str | os.PathLike[str]) -> OpenSetClassifier:
    """Read an estimator that ``save`` wrote; it is on the CPU and predicts as before.

    Parameters
    ----------
    path : path
        A ``.safetensors`` file. Nothing in it is executed.

    Returns
    -------
    OpenSetClassifier

    Raises
    ------
    ValueError
        If the file is missing, truncated, of another kind, or of a newer format.
    """
    tensors, config = load_model(path)
    name = config["estimator"]
    if name not in _ESTIMATORS:
        raise ValueError(f"{path} holds a {name}, which this knownot does not have: update knownot.")
    try:
        return unpack(_ESTIMATORS[name], tensors, config)
    except (KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path} does not hold a whole {name} ({error}): save it again.") from error


__all__ = [
    "PAPER_SETTINGS",
    "CROSRClassifier",
    "GMVAEClassifier",
    "OpenSetClassifier",
    "SoftmaxClassifier",
    "SubclusterStudy",
    "load",
    "subcluster_curves",
]
