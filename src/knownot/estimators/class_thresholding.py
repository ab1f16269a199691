"""A threshold for each predicted class beside the one for all."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from knownot.estimators.labelling import Labelled
from knownot.estimators.persistence import Saved
from knownot.estimators.thresholding import Thresholded
from knownot.rules import ClassConformalThreshold, ConformalThreshold

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]

_MOST_NAMED = 5


class ClassThresholded(Labelled, Thresholded):
    """What an estimator with a score and known classes can do: accept a given share of every class.

    Attributes
    ----------
    class_threshold_ : ClassConformalThreshold or None
        None: one threshold holds for all classes.
    class_offsets_ : ndarray, shape (C,), or None
        Samples that are predicted as a class and score below its offset are unknown. ``offset_`` is then that
        of all classes together.
    """

    class_threshold_: ClassConformalThreshold | None
    class_offsets_: Floats | None

    def _set_threshold(
        self,
        scores: Floats,
        accept: float | None,
        method: str = "conformal",
        *,
        codes: tuple[Codes, Codes] | None = None,
        per_class: bool | None = None,
    ) -> Self:
        """Set the threshold; ``codes``, class indices true and predicted, allow for one of each class."""
        if accept is not None:
            self._refuse_unknown_as_class()
        threshold = self._make_threshold(scores, accept, method)
        per_class = getattr(self, "per_class", False) if per_class is None else per_class
        of_classes = None
        if per_class and codes is not None and accept is not None:
            of_classes = ClassConformalThreshold(accept).fit(scores, *codes, n_classes=len(self.classes_))
            self._warn_of_pooled(of_classes)
        return self._store_threshold(threshold, None if accept is None else float(accept), class_threshold_=of_classes)

    def _store_threshold(self, threshold: ConformalThreshold, accept: float | None, **more: Any) -> Self:
        of_classes = more.setdefault("class_threshold_", None)
        offsets = None if of_classes is None else of_classes.offsets_
        return super()._store_threshold(threshold, accept, class_offsets_=offsets, **more)

    def _warn_of_pooled(self, threshold: ClassConformalThreshold) -> None:
        small = np.flatnonzero(threshold.pooled_)
        if not len(small):
            return
        sizes = np.bincount(threshold.true_, minlength=len(self.classes_))
        named = [f"{self.classes_[c].item()!r} ({sizes[c]})" for c in small[:_MOST_NAMED]]
        more = f" and {len(small) - _MOST_NAMED} more" if len(small) > _MOST_NAMED else ""
        warnings.warn(
            f"{len(small)} of {len(self.classes_)} classes have too few calibration samples for a threshold of their "
            f"own, {', '.join(named)}{more}: that of all classes is used for what is predicted as one of them. "
            f"{threshold.needed_} of each class are needed to accept {threshold.accept:.1%}.",
            stacklevel=4,
        )

    def _offsets(self, classes: Codes) -> float | Floats:
        """Threshold of samples of these predicted classes."""
        return self.offset_ if self.class_offsets_ is None else self.class_offsets_[classes]

    def _p_values(self, classes: Codes, scores: Floats) -> Floats:
        if self.class_threshold_ is None:
            return self.threshold_.p_values(scores)
        return self.class_threshold_.p_values(scores, classes)

    def _pack(self, saved: Saved) -> None:
        super()._pack(saved)
        if (found := self.class_threshold_) is None:
            return
        columns = {"true": found.true_, "predicted": found.predicted_}
        columns["class_offsets"] = found.offsets_
        saved.add("threshold", {name: torch.from_numpy(values) for name, values in columns.items()})

    def _restore(self, saved: Saved) -> None:
        super()._restore(saved)
        # Files of before there were thresholds of classes hold none.
        if "threshold.class_offsets" not in saved.tensors:
            return
        scores, true, predicted = (
            saved.tensors[f"threshold.{name}"].numpy() for name in ("scores", "true", "predicted")
        )
        found = ClassConformalThreshold(saved.facts["accept"]).fit(scores, true, predicted, len(self.classes_))
        self._store_threshold(self.threshold_, self.accept_, class_threshold_=found)
