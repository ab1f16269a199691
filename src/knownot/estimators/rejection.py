"""A classifier that may answer "none of these": labels, a rule on evidence, and a threshold. No network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Self, overload

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if

from knownot.data import check_labels, label_codes
from knownot.estimators.base import all_or_nothing
from knownot.estimators.class_thresholding import ClassThresholded
from knownot.estimators.inputs import Samples, halves, hold_out
from knownot.estimators.judging import Part, RuleBased
from knownot.estimators.thresholding import rejects
from knownot.rules import ConformalThreshold, f1_threshold, make_rule


class RejectingClassifier(ClassifierMixin, RuleBased, ClassThresholded):
    """What a classifier that answers "none of these" can do, wherever its evidence comes from.

    Evidence, named tensors with one row a sample, comes from a network (:class:`NeuralEstimator`) or from the
    samples themselves. A rule makes a class and a knownness of it; a threshold on the knownness decides.
    """

    validation_fraction: float
    random_state: Any

    #: Trains what the evidence comes from on a part, with another to choose by, and a seed. NeuralEstimator
    #: beside this class provides it, or the subclass.
    _learn: Callable[[Part, Part, int], None]

    # Fitting

    @all_or_nothing
    def fit(self, X: Any, y: ArrayLike, *, validation: tuple[Any, ArrayLike] | None = None) -> None:
        """Learn from labelled samples, then calibrate on some that were held out.

        Parameters
        ----------
        X : array-like
            Tables (N, F); images (N, H, W), (N, H, W, C) or tensors (N, C, H, W), uint8 or
            float in [0, 1].
        y : array-like, shape (N,)
            Class labels, whole numbers or strings.
        validation : (X, y), optional
            Held-out samples of the same classes. Default: ``validation_fraction`` of X. Half
            of them choose the weights and the rule's scales, half set the threshold.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the input cannot be learned from.
        knownot.training.DivergenceError
            If a term of the loss becomes infinite. Whatever is raised, the estimator is then what
            it was before.
        """
        samples = self._read(X, reset=True)
        codes = self._learn_labels(check_labels(y, len(samples)))
        self._refuse_settings()
        random = check_random_state(self.random_state)
        self._fit_and_calibrate(samples, codes, validation, random)

    def _fit_and_calibrate(
        self,
        samples: Samples,
        codes: NDArray[np.int64],
        validation: tuple[Any, ArrayLike] | None,
        random: np.random.RandomState,
    ) -> None:
        training, selection, calibration = self._split_for_fit(samples, codes, validation, random)
        training, selection = self._judged(training, "training"), self._judged(selection, "selection")
        seed = int(random.randint(2**31 - 1))
        self.scaling_ = self._fit_scaling(training[0])
        self._learn(training, selection, seed)
        self._fit_rule(training, selection, seed)
        predicted, scores = self._classes_and_knownness(calibration[0])
        self._set_threshold(scores, self.accept, codes=(calibration[1], predicted))

    def _subclusters_per_class(self) -> list[int]:
        return [1] * len(self.classes_)

    def _refuse_settings(self) -> None:
        """What would only show after training, before it."""
        make_rule(self.rule).check(self._subclusters_per_class())
        ConformalThreshold(1.0 if self.accept is None else self.accept)

    def _split_for_fit(
        self,
        samples: Samples,
        codes: NDArray[np.int64],
        validation: tuple[Any, ArrayLike] | None,
        random: np.random.RandomState,
    ) -> list[Part]:
        if validation is None:
            places = hold_out(codes, self.validation_fraction, random)
            samples = self._learn_columns(samples, places[0])
            return [(samples[i], codes[i]) for i in places]
        samples = self._learn_columns(samples)
        held = self._read(validation[0])
        held_codes = self._encode_labels(check_labels(validation[1], len(held)), "validation")
        if len(held) < 2:
            raise ValueError(f"validation holds {len(held)} samples: give at least two.")
        return [(samples, codes), *((held[i], held_codes[i]) for i in halves(held_codes))]

    # Thresholds

    def calibrate(
        self,
        X: Any,
        y: ArrayLike | None = None,
        *,
        accept: float | None = None,
        X_unknown: Any = None,
        method: str = "conformal",
        per_class: bool | None = None,
    ) -> Self:
        """Set the threshold again, from samples that were not used in ``fit``.

        Parameters
        ----------
        X : array-like
            Samples of known classes, seen by nothing so far.
        y : array-like, optional
            Their labels; needed with ``X_unknown`` and ``per_class``.
        accept : float, optional
            Target acceptance rate of known samples; default is the estimator's own.
        X_unknown : array-like, optional
            Samples of unknown classes: the threshold then has the best macro-F1 over all classes
            and "unknown" on X and X_unknown together, whatever ``accept`` says.
        method : {"conformal", "quantile"}
            Split-conformal, which accepts at least ``accept`` of new known samples on average over
            calibrations, or the plain quantile.
        per_class : bool, optional
            A threshold for each predicted class, so that at least ``accept`` of the new samples of each class are
            accepted; see :class:`knownot.rules.ClassConformalThreshold`. Default: what the estimator was made with,
            where it has such a parameter, else False.

        Returns
        -------
        self
        """
        samples = self._read(X)
        per_class = getattr(self, "per_class", False) if per_class is None else per_class
        if per_class and (y is None or X_unknown is not None or method != "conformal"):
            raise ValueError(
                "per_class=True needs the labels y of X, and goes with neither X_unknown nor another method than "
                "'conformal': give calibrate(X, y, per_class=True), or say per_class=False."
            )
        classes, scores = self._classes_and_knownness(samples)
        accept = self.accept if accept is None else accept
        if X_unknown is None and not per_class:
            return self._set_threshold(scores, accept, method)
        codes = self._encode_labels(check_labels(y, len(samples)), "y")
        if X_unknown is None:
            return self._set_threshold(scores, accept, method, codes=(codes, classes), per_class=True)
        taken_for, unknown = self._classes_and_knownness(self._read(X_unknown))
        self._refuse_unknown_as_class()
        threshold = ConformalThreshold(1.0).fit(scores)
        threshold.offset_ = f1_threshold(scores, codes, classes, unknown, taken_for)
        return self._store_threshold(threshold, None)

    # Predicting

    def _predicted_labels(self, classes: NDArray[np.int64], scores: NDArray[np.float64]) -> NDArray[Any]:
        """Labels of class indices, or that of the unknown below the threshold."""
        return self._decode_labels(classes, ~self._accepts(scores, self._offsets(classes)) if rejects(self) else None)

    def predict(self, X: Any) -> NDArray[Any]:
        """Class of each sample, or -1 (``"unknown"`` for string labels) where it is none of them.

        Parameters
        ----------
        X : array-like

        Returns
        -------
        ndarray, shape (N,)
        """
        return self._predicted_labels(*self._classes_and_knownness(self._read(X)))

    @overload
    def nearest_class(self, X: Any, *, return_knownness: Literal[False] = False) -> NDArray[Any]: ...

    @overload
    def nearest_class(self, X: Any, *, return_knownness: Literal[True]) -> tuple[NDArray[Any], NDArray[np.float64]]: ...

    def nearest_class(self, X: Any, *, return_knownness: bool = False) -> Any:
        """Class of each sample without rejection.

        Parameters
        ----------
        X : array-like
        return_knownness : bool
            Give the knownness as well, from the same pass.

        Returns
        -------
        classes : ndarray, shape (N,)
        knownness : ndarray, shape (N,)
            Only with ``return_knownness=True``; what :meth:`score_samples` gives.
        """
        classes, scores = self._classes_and_knownness(self._read(X))
        return (self._decode_labels(classes), scores) if return_knownness else self._decode_labels(classes)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities of the known classes, given that a sample is of one of them, (N, C)."""
        samples = self._read(X)
        return np.concatenate([self.rule_.predict_proba(v).cpu().numpy() for v, _ in self._judge_in_chunks(samples)])

    def score(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Accuracy with the unknown as one more class: the share of samples that :meth:`predict` answers rightly.

        A sample whose label was not in ``fit``, -1 and "unknown" included, is answered rightly by a rejection,
        whatever its label is; a known one by its own class alone, so that a rejection counts as a mistake. At
        accept=0.95, samples of known classes thus score about 0.95 at most.

        Parameters
        ----------
        X : array-like
        y : array-like, shape (N,)
            True labels.
        sample_weight : array-like, shape (N,), optional

        Returns
        -------
        float
        """
        samples = self._read(X)
        labels = check_labels(y, len(samples))
        if (labels.dtype.kind == "U") != (self.classes_.dtype.kind == "U"):
            kinds = ["strings" if array.dtype.kind == "U" else "numbers" for array in (labels, self.classes_)]
            raise ValueError(f"y holds {kinds[0]}, but {kinds[1]} were learned: give labels of the same kind.")
        codes = label_codes(labels, self.classes_)
        classes, scores = self._classes_and_knownness(samples)
        answers = np.where(scores >= self._offsets(classes), classes, -1) if rejects(self) else classes
        return float(np.average(answers == codes, weights=None if sample_weight is None else np.asarray(sample_weight)))

    @available_if(rejects)  # type: ignore[untyped-decorator]
    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Score less the threshold, that of the predicted class where each has its own; below 0 is unknown.

        With ``accept=None`` there is no threshold and no such method.
        """
        classes, scores = self._classes_and_knownness(self._read(X))
        return scores - self._offsets(classes)

    def p_values(self, X: Any) -> NDArray[np.float64]:
        """Conformal p-value of "this sample is known", in (0, 1], shape (N,).

        It is the share of calibration samples that score at most as high, this one counted in; where each class has
        a threshold of its own, the largest of those of the classes.
        """
        return self._p_values(*self._classes_and_knownness(self._read(X)))

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Knownness of each sample, shape (N,); higher means more known."""
        return self._scores(self._read(X))

    def assess(self, X: Any) -> dict[str, NDArray[Any]]:
        """All that the model says of each sample, from one pass: one column for each kind of answer.

        Parameters
        ----------
        X : array-like

        Returns
        -------
        dict of str to ndarray
            "class" (what :meth:`predict` gives), "knownness", "p_value" and "nearest_class", each of shape
            (N,), and, of a model with a network, "embedding" (N, latent_dim).
        """
        pieces = [
            (verdict.logits.argmax(-1).cpu(), verdict.knownness.double().cpu(), embedding.cpu())
            for verdict, embedding in self._judge_in_chunks(self._read(X))
        ]
        classes, scores, embedding = (torch.cat(column).numpy() for column in zip(*pieces, strict=True))
        own = {"embedding": embedding} if hasattr(self, "transform") else {}
        return {
            "class": self._predicted_labels(classes, scores),
            "knownness": scores,
            "p_value": self._p_values(classes, scores),
            "nearest_class": self._decode_labels(classes),
            **own,
        }
