"""A forecast for any classifier: hide known classes, fit on the rest, and see how it meets the hidden ones."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from knownot.data import LeaveClassesOut, check_labels, label_codes
from knownot.metrics import auroc, oscr
from knownot.rules.weighing import interval_of, note_for


@dataclass(frozen=True)
class HiddenResult:
    """How a classifier that never saw some classes met them.

    Attributes
    ----------
    hidden : tuple
        Labels of the hidden classes.
    n_known, n_hidden : int
        Samples that were tested.
    auroc, oscr : float
    acceptance : float
        Share of held-out known samples that were accepted; NaN where nothing is rejected.
    rejection : float
        Share of samples of hidden classes that were rejected.
    """

    hidden: tuple[Any, ...]
    n_known: int
    n_hidden: int
    auroc: float
    oscr: float
    acceptance: float
    rejection: float


@dataclass(frozen=True)
class Rehearsal:
    """What :func:`rehearse` found.

    Attributes
    ----------
    auroc, oscr, acceptance, rejection : float
        Means over the hidden groups.
    low, high : float
        Interval that should hold the AUROC against new unknown classes nine times of ten.
    results : tuple of HiddenResult
        One for each hidden group.
    note : str
        What it cannot know.
    """

    auroc: float
    low: float
    high: float
    oscr: float
    acceptance: float
    rejection: float
    results: tuple[HiddenResult, ...]
    note: str

    def __str__(self) -> str:
        lines = [f"expected AUROC against unknown classes: {self.auroc:.3f} ({self.low:.3f} to {self.high:.3f})"]
        lines.append(f"expected OSCR: {self.oscr:.3f}")
        lines.append(f"unknown samples rejected: {self.rejection:.1%}, known ones accepted: {self.acceptance:.1%}")
        return "\n".join([*lines, self.note] if self.note else lines)


def rehearse(
    estimator: Any,
    X: Any,
    y: ArrayLike,
    *,
    groups: Sequence[Sequence[Any]] | None = None,
    test_size: float = 0.3,
    random_state: int | None = 0,
    progress: Callable[[HiddenResult], None] | None = None,
) -> Rehearsal:
    """Foretell how well unknown classes will be refused, by hiding known ones.

    A copy of the estimator is fitted, with all that belongs to it, once for each hidden group; a network is trained
    anew, since one that has seen the hidden class would be too sure of itself.

    Parameters
    ----------
    estimator : classifier
        With ``fit``, ``predict``, ``score_samples`` and ``predict_proba``; need not be fitted.
    X : array-like
    y : array-like, shape (N,)
        Class labels, at least two.
    groups : sequence of sequences of labels, optional
        Classes to hide together. Default: of up to six classes each alone, of more two random partitions into thirds.
    test_size : float
        Share of the samples of the remaining classes to test on.
    random_state : int or None
        Seed of the folds.
    progress : callable, optional
        Called with each :class:`HiddenResult`.

    Returns
    -------
    Rehearsal

    Raises
    ------
    ValueError
        If there is one class, or a fold cannot be fitted.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from knownot import EmbeddingClassifier, rehearse
    >>> found = rehearse(EmbeddingClassifier("gaussian", random_state=0), *load_iris(return_X_y=True))
    >>> round(found.auroc, 2), len(found.results)
    (0.99, 3)
    """
    labels = check_labels(y, len(np.asarray(y)))
    folds = LeaveClassesOut(groups, test_size=test_size, random_state=random_state)
    results = []
    for train, test in folds.split(X, labels):
        fitted = clone(estimator)
        with warnings.catch_warnings():
            # Of few calibration samples, say: said once for the whole by whoever fits on all of them.
            warnings.simplefilter("ignore")
            fitted.fit(_safe_indexing(X, train), labels[train])
        results.append(_meet(fitted, _safe_indexing(X, test), labels[test]))
        if progress is not None:
            progress(results[-1])
    mean, low, high = interval_of(np.array([result.auroc for result in results]))
    means = {
        name: float(np.mean([getattr(result, name) for result in results]))
        for name in ("oscr", "acceptance", "rejection")
    }
    return Rehearsal(mean, low, high, **means, results=tuple(results), note=note_for(len(np.unique(labels))))


def _meet(fitted: Any, X: Any, labels: np.ndarray) -> HiddenResult:
    codes = label_codes(labels, np.asarray(fitted.classes_))
    known, scores = codes >= 0, fitted.score_samples(X)
    correct = fitted.predict_proba(X).argmax(1) == codes
    rejects = getattr(fitted, "accept", None) is not None
    accepted = label_codes(np.asarray(fitted.predict(X)), np.asarray(fitted.classes_)) >= 0
    return HiddenResult(
        hidden=tuple(np.unique(labels[~known]).tolist()),
        n_known=int(known.sum()),
        n_hidden=int((~known).sum()),
        auroc=auroc(known, scores),
        oscr=oscr(known, correct, scores),
        acceptance=float(accepted[known].mean()) if rejects else math.nan,
        rejection=float((~accepted[~known]).mean()) if rejects else math.nan,
    )
