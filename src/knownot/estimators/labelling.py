"""Labels of a classifier: encoded and decoded by value, with a label for the unknown."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knownot.data import label_codes
from knownot.estimators.base import Estimator
from knownot.estimators.columns import unjudged
from knownot.estimators.inputs import Samples, refuse_too_few
from knownot.estimators.persistence import Saved

# Samples and their class indices.
Part = tuple[Samples, NDArray[np.int64]]


class Labelled(Estimator):
    """What an estimator with known classes can do: turn labels into class indices and back.

    Attributes
    ----------
    classes_ : ndarray, shape (C,)
        In the order of the class indices.
    """

    accept: float | None
    classes_: NDArray[Any]

    def _learn_labels(self, labels: NDArray[Any]) -> NDArray[np.int64]:
        """Take over the classes of training labels, and give each sample its class index."""
        self.classes_, codes = np.unique(labels, return_inverse=True)
        self._refuse_labels(codes)
        return codes.astype(np.int64)

    def _refuse_labels(self, codes: NDArray[Any]) -> None:
        counts = np.bincount(codes)
        if counts.min() < 2:
            single = self.classes_.tolist()[int(counts.argmin())]
            raise ValueError(
                f"class {single!r} has one sample (n_samples=1): every class needs at least two, one to learn from "
                "and one to check with; add samples or leave the class out."
            )
        refuse_too_few(codes)
        if self.accept is not None:
            self._refuse_unknown_as_class()
        elif self._unknown_label() in self.classes_:
            warnings.warn(
                f"y holds {self._unknown_label()!r}, which elsewhere means unlabelled or unknown. With accept=None "
                "nothing is rejected, and it is learned as a class like the others; leave these samples out if that "
                "is not meant.",
                stacklevel=5,
            )

    def _refuse_unknown_as_class(self) -> None:
        unknown = self._unknown_label()
        if unknown in self.classes_:
            raise ValueError(
                f"y holds the label {unknown!r}, which predict returns for samples of no known class: leave these "
                "samples out of fit (they can serve in calibrate as X_unknown), or rename the class."
            )

    def _encode_labels(self, labels: NDArray[Any], name: str) -> NDArray[np.int64]:
        codes = label_codes(labels, self.classes_)
        if (codes < 0).any():
            foreign = np.unique(labels[codes < 0]).tolist()
            raise ValueError(
                f"{name} holds labels that were not in fit: {foreign[:5]}; known are {self.classes_.tolist()[:20]}."
            )
        return codes

    def _judged(self, part: Part, name: str) -> Part:
        """The part without the rows that cannot be judged, from which nothing is learned."""
        kept = ~unjudged(part[0])
        if kept.all():
            return part
        lost = np.setdiff1d(part[1], part[1][kept])
        if (name == "training" and len(lost)) or not kept.any():
            raise ValueError(
                f"class {self.classes_.tolist()[part[1][0] if not len(lost) else lost[0]]!r} has no {name} row with a "
                "value that could be learned from: add samples, or leave the class out."
            )
        return part[0][kept], part[1][kept]

    def _unknown_label(self) -> Any:
        return "unknown" if self.classes_.dtype.kind == "U" else -1

    def _decode_labels(self, codes: NDArray[np.int64], rejected: NDArray[np.bool_] | None = None) -> NDArray[Any]:
        """Labels of class indices, that of the unknown for those rejected."""
        if rejected is None:
            return self.classes_[codes]
        # Unsigned and boolean labels become signed, so that -1 fits in.
        known = self.classes_.astype(np.int64) if self.classes_.dtype.kind in "bu" else self.classes_
        return np.append(known, np.asarray([self._unknown_label()]))[np.where(rejected, -1, codes)]

    def _pack(self, saved: Saved) -> None:
        super()._pack(saved)
        saved.facts["classes"] = self.classes_.tolist()
        saved.facts["classes_dtype"] = self.classes_.dtype.str

    def _restore(self, saved: Saved) -> None:
        # Before all else: a module for so many classes is built from it.
        self.classes_ = np.array(saved.facts["classes"], dtype=np.dtype(saved.facts["classes_dtype"]))
        super()._restore(saved)
