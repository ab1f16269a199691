"""Any classifier with scikit-learn's interface, made able to answer "none of these"."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone, is_regressor
from sklearn.utils import _safe_indexing, get_tags, indexable
from sklearn.utils.validation import _num_samples, check_is_fitted

from knownot.data import label_codes
from knownot.estimators.cross import CrossCalibrated
from knownot.estimators.forecasting import Forecasting
from knownot.estimators.foreign import led_by, logits_of
from knownot.estimators.inputs import Scaling, chunks
from knownot.estimators.judging import Chunk, Part
from knownot.rules import Rule, Verdict, make_rule
from knownot.rules.outside import LOGITS, PLACE, OutsideEvidence
from knownot.rules.sources import OWN_SCALE

# Rows that a classifier judges at a time: calls of some are slow, and memory stays flat.
_PIECE = 16_384


@dataclass(frozen=True)
class Given:
    """Samples as the user gave them, for the classifier, beside the rows that evidence is taken from.

    Attributes
    ----------
    X : array-like
    rows : ndarray, shape (N, F), or None
        None where the samples are no table.
    """

    X: Any
    rows: NDArray[Any] | None

    def __len__(self) -> int:
        return int(_num_samples(self.X))

    def __getitem__(self, index: Any) -> Given:
        return Given(_safe_indexing(self.X, index), None if self.rows is None else self.rows[index])

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), 1) if self.rows is None else self.rows.shape


@dataclass(frozen=True)
class _Fits:
    """Fits copies of a classifier to samples by their place."""

    estimator: BaseEstimator
    given: Given
    labels: NDArray[Any]

    def __call__(self, places: NDArray[Any], codes: NDArray[Any]) -> Any:
        # Labels as the user has them, since a classifier may name them in its parameters.
        fitted = clone(self.estimator).fit(_safe_indexing(self.given.X, places), self.labels[places])
        return lambda others: logits_of(fitted, _safe_indexing(self.given.X, others), int(codes.max()) + 1)

    def __deepcopy__(self, memo: Any) -> Self:
        # Copies of the rule share the samples.
        return self


class OpenSetWrapper(Forecasting, CrossCalibrated):
    """Any scikit-learn classifier that may also answer "none of these".

    The classifier names the class, as it always did. How known a sample is comes from its logits and, where the
    samples are a table, from the rows themselves.

    Parameters
    ----------
    estimator : classifier
        With ``predict_proba`` or ``decision_function``; a pipeline or a search too. Copies of it are fitted, on the
        training part alone, so that the calibration keeps its promise.
    rule : {"auto", "max-logit", "energy", "max-softmax", "neighbours", "cosine", "whitened", "gaussian", …} or Rule
        How logits or rows become knownness. "auto" weighs all by hiding known classes. It fits the classifier six
        times, and once for each hidden group, of which there are at most six; another rule fits it once.
    accept, validation_fraction, per_class
        As in :class:`EmbeddingClassifier`.
    calibration : {"auto", "split", "cross"}
        As in :class:`EmbeddingClassifier`. "cross" fits the classifier ten times more.
    random_state : int, RandomState or None
        Seed of splits and of the rule; the classifier has its own.

    Attributes
    ----------
    estimator_ : classifier
        The fitted copy.
    classes_, forecast_, expected_auroc_, rule_, offset_, threshold_, n_features_in_, feature_names_in_
        As in :class:`EmbeddingClassifier`.

    Notes
    -----
    It is kept with ``pickle`` or ``joblib``, as the classifier is; :meth:`save` refuses, since a file of knownot holds
    no foreign classes.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = make_blobs(300, centers=3, n_features=8, random_state=0)
    >>> model = OpenSetWrapper(LogisticRegression(), random_state=0).fit(X[y < 2], y[y < 2])
    >>> bool((model.predict(X[y == 2]) == -1).mean() > 0.9)
    True
    """

    estimator_: Any
    _evidence_names: Collection[str] = (OWN_SCALE, LOGITS, PLACE)

    def __init__(
        self,
        estimator: Any,
        *,
        rule: str | Rule = "auto",
        accept: float | None = 0.95,
        validation_fraction: float = 0.2,
        calibration: str = "auto",
        per_class: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.rule = rule
        self.accept = accept
        self.validation_fraction = validation_fraction
        self.calibration = calibration
        self.per_class = per_class
        self.random_state = random_state

    def _read(self, X: Any, *, reset: bool = False) -> Any:
        if not reset:
            check_is_fitted(self)
        if reset:
            self._require_classifier()
            self.has_rows_ = _is_table(X)
        # Not every sparse format, nor every object that can be made an array, has rows to take.
        (X,) = indexable(X)
        if self.has_rows_:
            return Given(X, np.asarray(super()._read(X, reset=reset)))
        self.input_shape_, self.columns_ = (1,), None
        return Given(X, None)

    def _learn_columns(self, samples: Any, training: Any = slice(None), *, quietly: bool = False) -> Any:
        # The classifier gets the columns as they are; how it takes text and gaps is its own affair.
        if samples.rows is None:
            return samples
        return Given(samples.X, np.asarray(super()._learn_columns(samples.rows, training, quietly=quietly)))

    def _fit_scaling(self, samples: Any) -> Scaling:
        return Scaling(np.zeros(1), np.ones(1)) if samples.rows is None else super()._fit_scaling(samples.rows)

    def _learn(self, training: Part, selection: Part, seed: int) -> None:
        given: Any = training[0]
        self._check_evidence()
        if not self.has_rows_ and self.rule != "auto" and LOGITS not in make_rule(self.rule).uses:
            raise ValueError(
                f"rule={self.rule!r} looks at the rows of a table, and X is none (texts, or a sparse matrix): use "
                "rule='auto', 'max-softmax' or 'max-logit'."
            )
        labels = self.classes_[training[1]]
        self._fits = _Fits(self.estimator, given, labels)
        self.estimator_ = clone(self.estimator).fit(given.X, labels)
        some = logits_of(self.estimator_, _safe_indexing(given.X, slice(0, 10)), len(self.classes_))
        if make_rule(self.rule).name == "energy" and np.allclose(np.exp(some).sum(1), 1.0):
            raise ValueError(
                f"rule='energy' sums the exponentials of logits, and {type(self.estimator).__name__} gives "
                "probabilities, whose sum is always 1: use rule='max-softmax' or 'auto'."
            )

    def _require_classifier(self) -> None:
        usable = all(hasattr(self.estimator, name) for name in ("fit", "predict", "get_params"))
        if not usable or isinstance(self.estimator, type) or is_regressor(self.estimator):
            raise ValueError(
                f"estimator={self.estimator!r} is no classifier: give an instance with scikit-learn's interface, such "
                "as LogisticRegression()."
            )

    def _make_rule(self, seed: int = 0) -> Rule:
        if self.rule != "auto":
            return super()._make_rule(seed)
        sources = None if getattr(self, "has_rows_", True) else ()
        return OutsideEvidence(getattr(self, "_fits", None), sources, random_state=seed)

    def _fit_rule(self, training: Part, selection: Part | None, seed: int, like: Rule | None = None) -> None:
        super()._fit_rule(training, selection, seed, like)
        # The rule has no more use for the samples, and without them it can be pickled.
        del self._fits
        if isinstance(self.rule_, OutsideEvidence):
            self.rule_.fit_outside = None

    def _evidence_chunks(self, samples: Any, names: Collection[str] | None) -> Iterator[Chunk]:
        own = self.scaling_.relative_widths()
        wanted = (OWN_SCALE, LOGITS) if names is None else names
        for start in range(0, len(samples), _PIECE):
            piece = samples[start : start + _PIECE]
            logits = None
            if LOGITS in wanted:
                found = logits_of(self.estimator_, piece.X, len(self.classes_))
                named = label_codes(np.asarray(self.estimator_.predict(piece.X)), self.classes_)
                logits = torch.from_numpy(led_by(found, named))
            rows = np.zeros((len(piece), 1)) if piece.rows is None else piece.rows
            at = 0
            for x, n in chunks(rows, self.scaling_, torch.device("cpu")):
                evidence = {"embedding": x, **({OWN_SCALE: x * own} if OWN_SCALE in wanted else {})}
                if logits is not None:
                    part = logits[at : at + n]
                    evidence[LOGITS] = torch.nn.functional.pad(part, (0, 0, 0, len(x) - n))
                if PLACE in wanted:
                    evidence[PLACE] = start + at + torch.arange(len(x))
                at += n
                yield evidence, n

    @property
    def _evidence_needed(self) -> set[str]:
        # The classifier names the class, whatever the rule looks at.
        return super()._evidence_needed | {LOGITS}

    def _evaluate_rule(self, z: torch.Tensor, evidence: dict[str, torch.Tensor]) -> Verdict:
        return Verdict(evidence[LOGITS], super()._evaluate_rule(z, evidence).knownness)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        if hasattr(self.estimator, "__sklearn_tags__") and not isinstance(self.estimator, type):
            own = get_tags(self.estimator).input_tags
            tags.input_tags.sparse, tags.input_tags.allow_nan = own.sparse, own.allow_nan
        return tags

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Refuse: a file of knownot holds no classifier of another package.

        Raises
        ------
        ValueError
        """
        return self._refuse_to_save()

    def _refuse_to_save(self) -> NoReturn:
        raise ValueError(
            f"OpenSetWrapper holds a {type(self.estimator).__name__} of another package, which a file of knownot "
            "cannot keep without running foreign code when it is read: use joblib.dump(model, path), and read it only "
            "from whom you trust."
        )


def _is_table(X: Any) -> bool:
    """Whether samples are rows of columns: a data frame, or a dense array of two axes."""
    return len(getattr(X, "shape", np.shape(X) if isinstance(X, list | tuple) else ())) == 2 and not hasattr(X, "tocsr")
