"""From scores to a decision: a threshold by acceptance rate, and p-values."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.metaestimators import available_if

from knownot.estimators.base import Estimator
from knownot.estimators.persistence import Saved
from knownot.rules import ConformalThreshold, discoveries, quantile_threshold

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
        threshold = self._make_threshold(scores, accept, method)
        return self._store_threshold(threshold, None if accept is None else float(accept))

    @staticmethod
    def _make_threshold(
        scores: NDArray[np.float64], accept: float | None, method: str = "conformal"
    ) -> ConformalThreshold:
        if method not in _METHODS:
            raise ValueError(f"method={method!r} is not known: use {' or '.join(map(repr, _METHODS))}.")
        threshold = ConformalThreshold(1.0 if accept is None else accept).fit(scores)
        if method == "quantile" and accept is not None:
            threshold.offset_ = quantile_threshold(scores, accept)
        return threshold

    def _store_threshold(self, threshold: ConformalThreshold, accept: float | None, **more: Any) -> Self:
        """All that a threshold is, in one step that nothing can interrupt."""
        found = {"threshold_": threshold, "offset_": threshold.offset_, "accept_": accept, **more}
        self.__dict__.update(found)
        return self

    def _accepts(self, scores: NDArray[np.float64], offsets: Any = None) -> NDArray[np.bool_]:
        """Which scores reach the threshold, or one for each. What cannot be judged has -inf, and never does."""
        return (scores >= (self.offset_ if offsets is None else offsets)) & (scores > -np.inf)

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

    def select(self, X: Any, fdr: float = 0.1) -> NDArray[np.bool_]:
        """Samples that are unknown, with the false-discovery rate controlled.

        The rate holds for the batch: of those selected, known samples are a share of ``fdr`` at most, on average
        over batches and calibrations. The method of Benjamini and Hochberg is applied to conformal p-values.

        Parameters
        ----------
        X : array-like
            N samples that are judged together.
        fdr : float
            Wished rate, in (0, 1).

        Returns
        -------
        ndarray of bool, shape (N,)

        Raises
        ------
        ValueError
            If ``fdr`` is no such share.

        Warns
        -----
        UserWarning
            If nothing is selected and there are so few calibration samples, n, that it takes several samples to be
            selected at all: the smallest p-value is 1 / (n + 1).

        Notes
        -----
        Split-conformal p-values of a batch depend on each other positively (PRDS), so that the rate is controlled at
        ``fdr`` times the share of known samples (Bates et al. 2023). The p-values are those from all calibration
        samples together, also where each class has a threshold of its own.
        """
        return discoveries(self.threshold_.p_values(self.score_samples(X)), fdr, len(self.threshold_.scores_))

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
