"""A forecast for any classifier: hide known classes, fit on the rest, and see how it meets the hidden ones."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.validation import _num_samples

from knownot.data import LeaveClassesOut, check_labels, label_codes
from knownot.metrics import auroc, oscr
from knownot.model_selection.frozen import meet_without_training
from knownot.model_selection.results import HiddenResult
from knownot.rules.weighing import interval_of, note_for

_SEEN = "the network has seen the hidden classes, so this is an upper estimate, on average 0.1 too high"


@dataclass(frozen=True)
class Rehearsal:
    """What :func:`rehearse` found.

    Attributes
    ----------
    auroc, oscr, acceptance, rejection : float
        Means over the hidden groups. NaN for the last two where nothing is rejected.
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
        if not math.isnan(self.rejection):
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
    retrain: bool = True,
    progress: Callable[[HiddenResult], None] | None = None,
) -> Rehearsal:
    """Foretell how well unknown classes will be refused, by hiding known ones.

    A copy of the estimator is fitted, with all that belongs to it, once for each hidden group, of which there are at
    most six; a network is trained anew each time.

    Parameters
    ----------
    estimator : classifier
        With ``fit``, ``predict``, ``score_samples`` and ``predict_proba``; a pipeline or a search too. It need not be
        fitted.
    X : array-like
        Samples as the estimator takes them: also lists, data frames and sparse matrices.
    y : array-like, shape (N,)
        Class labels, at least two.
    groups : sequence of sequences of labels, optional
        Classes to hide together. Default: of up to six classes each alone, of more two random partitions into thirds.
    test_size : float
        Share of the samples of the remaining classes to test on.
    random_state : int or None
        Seed of the folds.
    retrain : bool
        False trains a network once, on all classes, and fits only its rule again without each hidden group. The
        network has then seen the hidden classes, and the forecast is far too high: by 0.13 of AUROC on average over
        36 small cases, where training anew was off by 0.01 (``docs/rehearsal.md``). Nor does it tell the better of
        two rules. Take it as an upper estimate: where it is low, nothing better is to be expected.
    progress : callable, optional
        Called with each :class:`HiddenResult`.

    Returns
    -------
    Rehearsal

    Raises
    ------
    ValueError
        If there is one class, the estimator lacks a method, or has no network where ``retrain=False``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from knownot import EmbeddingClassifier, rehearse
    >>> found = rehearse(EmbeddingClassifier("gaussian", random_state=0), *load_iris(return_X_y=True))
    >>> round(found.auroc, 2), len(found.results)
    (0.99, 3)
    """
    _require_methods(estimator, retrain)
    (X,) = indexable(X)
    labels = check_labels(y, _num_samples(X))
    folds = LeaveClassesOut(groups, test_size=test_size, random_state=random_state)
    parts = list(folds.split(X, labels))
    results = []
    met = _retrained(estimator, X, labels, parts) if retrain else meet_without_training(estimator, X, labels, parts)
    for result in met:
        results.append(result)
        if progress is not None:
            progress(result)
    mean, low, high = interval_of(np.array([result.auroc for result in results]))
    means = {
        name: float(np.mean([getattr(result, name) for result in results]))
        for name in ("oscr", "acceptance", "rejection")
    }
    note = note_for(len(np.unique(labels)), len(results))
    if not retrain:
        note = "; ".join(part for part in (_SEEN, note) if part)
    return Rehearsal(mean, low, high, **means, results=tuple(results), note=note)


def _require_methods(estimator: Any, retrain: bool) -> None:
    needed = ("fit", "predict", "score_samples", "predict_proba")
    missing = [name for name in needed if not hasattr(estimator, name)]
    # What a search or a pipeline can do shows in some versions only after the fit.
    if isinstance(estimator, type) or (missing and not hasattr(_innermost(estimator), "score_samples")):
        what = "a class" if isinstance(estimator, type) else f"{type(estimator).__name__}, without {', '.join(missing)}"
        raise ValueError(
            f"estimator is {what}: give an instance of a classifier of knownot, or "
            "OpenSetWrapper(...) around one that does not say how known a sample is."
        )
    if not retrain and not (hasattr(estimator, "transform") and hasattr(estimator, "evidence")):
        raise ValueError(
            f"retrain=False fits the rule of a network again, and {type(estimator).__name__} has no network: leave it "
            "out."
        )


def _innermost(estimator: Any) -> Any:
    """The classifier itself in a search or at the end of a pipeline."""
    while True:
        if hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        elif hasattr(estimator, "best_estimator_") or hasattr(estimator, "refit"):
            estimator = getattr(estimator, "best_estimator_", estimator.estimator)
        else:
            return estimator


def _retrained(
    estimator: Any, X: Any, labels: NDArray[Any], parts: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]
) -> Iterator[HiddenResult]:
    """What copies that are fitted without each group say of it."""
    for train, test in parts:
        fitted = clone(estimator)
        with warnings.catch_warnings():
            # Of few calibration samples, say: said once for the whole by whoever fits on all of them.
            warnings.simplefilter("ignore")
            fitted.fit(_safe_indexing(X, train), labels[train])
        if getattr(getattr(_innermost(fitted), "history_", None), "stopped", None) == "interrupted":
            # A network takes Ctrl-C for the end of its training; here it is that of all.
            raise KeyboardInterrupt
        yield _meet(fitted, _safe_indexing(X, test), labels[test])


def _meet(fitted: Any, X: Any, labels: np.ndarray) -> HiddenResult:
    codes = label_codes(labels, np.asarray(fitted.classes_))
    known, scores = codes >= 0, fitted.score_samples(X)
    correct = fitted.predict_proba(X).argmax(1) == codes
    rejects = getattr(_innermost(fitted), "accept", None) is not None
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
