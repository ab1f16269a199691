"""From scores to a decision: a threshold by acceptance rate, and p-values."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.metaestimators import available_if

from knownot.estimators.base import Estimator
from knownot.estimators.persistence import Saved
from knownot.rules import ConformalThreshold, quantile_threshold

_METHODS = ("conformal", "quantile")


def rejects(estimator: Thresholded) -> bool:
    """Whether there is a threshold: not with accept=None, unless ``calibrate`` has set one since."""
    if not hasattr(estimator, "offset_"):
        return estimator.accept is not None
    return estimator.accept_ is not None or bool(np.isfinite(estimator.offset_))


class Thresholded(Estimator):
    """What an estimator with a score can do: accept a given share of known samples, and say how unusual one is.

    A subclass gives ``score_samples`` (higher means more known) and has the parameter ``accept``.

    Attributes
    ----------
    threshold_ : ConformalThreshold
    offset_ : float
        Samples that score below it are unknown.
    accept_ : float or None
        The acceptance rate that ``offset_`` stands for; None: there is none, or it came from unknown samples.
    """

    accept: float | None
    accept_: float | None
    offset_: float
    threshold_: ConformalThreshold

    @abstractmethod
    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Score of each sample, shape (N,); higher means more known."""

    def calibrate(self, X: Any, *, accept: float | None = None, method: str = "conformal") -> Self:
        """Set the threshold again, from samples that were not used in ``fit``.

        Parameters
        ----------
        X : array-like
            Known samples, seen by nothing so far.
        accept : float, optional
            Target acceptance rate of known samples; default is the estimator's own.
        method : {"conformal", "quantile"}
            Split-conformal, which accepts at least ``accept`` of new known samples on average over
            calibrations, or the plain quantile.

        Returns
        -------
        self
        """
        return self._set_threshold(self.score_samples(X), self.accept if accept is None else accept, method)

    def _set_threshold(self, scores: NDArray[np.float64], accept: float | None, method: str = "conformal") -> Self:
        if method not in _METHODS:
            raise ValueError(f"method={method!r} is not known: use {' or '.join(map(repr, _METHODS))}.")
        threshold = ConformalThreshold(1.0 if accept is None else accept).fit(scores)
        if method == "quantile" and accept is not None:
            threshold.offset_ = quantile_threshold(scores, accept)
        return self._store_threshold(threshold, None if accept is None else float(accept))

    def _store_threshold(self, threshold: ConformalThreshold, accept: float | None) -> Self:
        """All that a threshold is, in one step that nothing can interrupt."""
        found: Mapping[str, Any] = {"threshold_": threshold, "offset_": threshold.offset_, "accept_": accept}
        self.__dict__.update(found)
        return self

    def _accepts(self, scores: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which scores reach the threshold. What cannot be judged has -inf, and never does."""
        return (scores >= self.offset_) & (scores > -np.inf)

    @available_if(rejects)  # type: ignore[untyped-decorator]
    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Score less the threshold, ``score_samples(X) - offset_``; below 0 is unknown.

        With ``accept=None`` there is no threshold and no such method.
        """
        return self.score_samples(X) - self.offset_

    def p_values(self, X: Any) -> NDArray[np.float64]:
        """Conformal p-value of "this sample is known", in (0, 1], shape (N,).

        It is the share of calibration samples that score at most as high, this one counted in.
        """
        scores = self.score_samples(X)
        return self.threshold_.p_values(scores)

    def _pack(self, saved: Saved) -> None:
        super()._pack(saved)
        saved.facts["accept"] = self.accept_
        offset = torch.tensor(self.offset_, dtype=torch.float64)
        saved.add("threshold", {"scores": torch.from_numpy(self.threshold_.scores_), "offset": offset})

    def _restore(self, saved: Saved) -> None:
        super()._restore(saved)
        accept = saved.facts["accept"]
        threshold = ConformalThreshold(1.0 if accept is None else accept)
        threshold.scores_ = saved.tensors["threshold.scores"].numpy()
        threshold.offset_ = float(saved.tensors["threshold.offset"])
        self._store_threshold(threshold, accept)
