"""A classifier on tables and embeddings as they are, without a network."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from knownot.estimators.cross import CrossCalibrated
from knownot.estimators.forecasting import Forecasting
from knownot.estimators.inputs import Samples, chunks
from knownot.estimators.judging import Chunk, Part
from knownot.rules import Rule


class EmbeddingClassifier(Forecasting, CrossCalibrated):
    """Open-set classifier for tables, and for embeddings from any model: a rule on the columns themselves.

    Parameters
    ----------
    rule : {"auto", "neighbours", "cosine", "whitened", "local", "residual", "mahalanobis", \
            "relative-mahalanobis", "gaussian", "mixture", "linear", "forest", "nc-d", "nc-u", "weibull"} or Rule
        How rows become class and knownness. "auto", the default, weighs a dozen kinds of evidence by hiding known
        classes (:class:`knownot.rules.WeightedEvidence`); the others are one of them alone, on standardised columns.
    class_weight : "balanced", or mapping of label to float, optional
        Weight of the classes where the class is named, by rule="auto", "linear" or "forest", as in scikit-learn.
    accept, validation_fraction, random_state
        As in :class:`GMVAEClassifier`.
    calibration : {"auto", "split", "cross"}
        What sets the threshold: half of the samples held out, which guarantees ``accept``, or by cross-fitting all
        of them, which then also learn; see :class:`knownot.estimators.cross.CrossCalibrated`. "auto": "cross" where
        a split would leave less than 200, as in tables below 2,000 rows, and no validation samples are given.
    per_class : bool
        A threshold for each class, so that at least ``accept`` of the new samples of *each* are accepted, and more
        of the unknown; see :class:`knownot.rules.ClassConformalThreshold`.

    Attributes
    ----------
    forecast_ : Forecast
        How well unknown classes will be refused, by hiding known ones; with rule="auto".
    expected_auroc_ : float
        Expected AUROC of known against unknown samples, of the forecast.
    classes_, input_shape_, rule_, offset_, threshold_, class_offsets_, n_features_in_, feature_names_in_
        As in :class:`GMVAEClassifier`.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> X, y = make_blobs(300, centers=3, n_features=8, random_state=0)
    >>> model = EmbeddingClassifier(random_state=0).fit(X[y < 2], y[y < 2])
    >>> bool((model.predict(X[y == 2]) == -1).mean() > 0.9)
    True
    """

    _evidence_names: Collection[str] = ("own scale",)

    def __init__(
        self,
        rule: str | Rule = "auto",
        *,
        class_weight: str | Mapping[Any, float] | None = None,
        accept: float | None = 0.95,
        validation_fraction: float = 0.2,
        calibration: str = "auto",
        per_class: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.rule = rule
        self.class_weight = class_weight
        self.accept = accept
        self.validation_fraction = validation_fraction
        self.calibration = calibration
        self.per_class = per_class
        self.random_state = random_state

    def _learn(self, training: Part, selection: Part, seed: int) -> None:
        if len(self.input_shape_) != 1:
            raise ValueError("EmbeddingClassifier takes tables and embeddings (N, F), not images: embed them first.")
        self._check_evidence()

    def _rule_settings(self) -> dict[str, Any]:
        if self.class_weight is None or isinstance(self.class_weight, str):
            return {} if self.class_weight is None else {"class_weight": self.class_weight}
        codes = self._encode_labels(np.asarray(list(self.class_weight)), "class_weight")
        return {"class_weight": dict(zip(codes.tolist(), self.class_weight.values(), strict=True))}

    def _evidence_chunks(self, samples: Samples, names: Collection[str] | None) -> Iterator[Chunk]:
        # Columns as wide as they are, but for one unit for all: what standardising takes from principal components.
        own = None if names is not None and "own scale" not in names else self.scaling_.relative_widths()
        for x, n in chunks(samples, self.scaling_, torch.device("cpu")):
            yield ({"embedding": x} if own is None else {"embedding": x, "own scale": x * own}), n
