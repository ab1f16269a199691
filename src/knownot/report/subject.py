"""What a report is about: a fitted estimator, some samples, and what one pass over them brought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knownot.data import label_codes
from knownot.metrics import UNKNOWN, unknown_mask
from knownot.report.measures import clustering_metrics, detection_metrics, open_set_metrics


@dataclass(frozen=True, eq=False)
class Subject:
    """A fitted estimator and samples, with all that it says of them.

    Sections ask this for what they need. What an estimator can do shows in the columns that its ``assess``
    gives: "class", "nearest_class", "knownness" and "p_value" of a classifier, "known" instead of classes of
    a density, "cluster" and "probability" of a clusterer, "embedding" of any with a network.

    Attributes
    ----------
    estimator : fitted estimator
    X : array, tensor or data frame of N samples
    columns : dict of str to ndarray
        As of the estimator's ``assess``, each of length N.
    title : str
    classes : ndarray, shape (C,)
        Labels of the known classes: those that a classifier learned, otherwise those among ``labels``.
    class_names : list of str
        What these are called.
    labels : ndarray, shape (N,), optional
        True labels.
    true_names : ndarray of str, shape (N,), optional
        Names of the true classes, those of unknown classes included.
    images : ndarray, shape (N, H, W, C), optional
        uint8, or float in [0, 1].
    features : ndarray, shape (N, F), optional
        The table, where there are no images; of text, how many samples have another.
    cells : ndarray, shape (N, F), optional
        The table as it is printed. Default: ``features``.
    feature_names : list of str
    max_points : int
        The map shows so many samples at most.
    projections : tuple of {"t-SNE", "PCA"}
        Maps of the embedding.
    seed : int
        Seed of all that is drawn at random.
    """

    estimator: Any
    X: Any
    columns: Mapping[str, NDArray[Any]]
    title: str
    classes: NDArray[Any] = field(default_factory=lambda: np.empty(0, np.int64))
    class_names: list[str] = field(default_factory=list)
    labels: NDArray[Any] | None = None
    true_names: NDArray[np.str_] | None = None
    images: NDArray[Any] | None = None
    features: NDArray[np.float64] | None = None
    cells: NDArray[Any] | None = None
    feature_names: list[str] = field(default_factory=list)
    max_points: int = 2000
    projections: tuple[str, ...] = ("t-SNE", "PCA")
    seed: int = 0

    def __len__(self) -> int:
        return len(self.X)

    def has(self, *columns: str) -> bool:
        """Whether the estimator gave all these columns."""
        return all(name in self.columns for name in columns)

    def can(self, method: str) -> bool:
        """Whether the estimator has a method of this name."""
        return callable(getattr(self.estimator, method, None))

    @property
    def knownness(self) -> NDArray[np.float64]:
        """Higher means more known, shape (N,)."""
        return self.columns["knownness"]

    @property
    def threshold(self) -> float:
        """Lowest accepted knownness, minus infinity where none is set."""
        return float(getattr(self.estimator, "offset_", -np.inf))

    @cached_property
    def sample_threshold(self) -> float | NDArray[np.float64]:
        """Threshold of each sample, shape (N,), where predicted classes have their own; else one for all."""
        offsets = getattr(self.estimator, "class_offsets_", None)
        return self.threshold if offsets is None else np.asarray(offsets)[self.nearest]

    @property
    def accept(self) -> float | None:
        """Share of known samples that the threshold was made to accept, if one was asked for."""
        asked = getattr(self.estimator, "accept_", getattr(self.estimator, "accept", None))
        return float(asked) if isinstance(asked, (int, float, np.floating)) else None

    @cached_property
    def y_true(self) -> NDArray[np.int64] | None:
        """Positions of the true classes in ``classes``, -1 for the unknown; None without labels."""
        if self.labels is None:
            return None
        return np.where(unknown_mask(self.labels), UNKNOWN, label_codes(self.labels, self.classes))

    @cached_property
    def y_pred(self) -> NDArray[np.int64]:
        """Positions of the predicted classes, -1 for the unknown. Needs the column "class"."""
        return label_codes(self.columns["class"], self.classes)

    @cached_property
    def nearest(self) -> NDArray[np.int64]:
        """Positions of the nearest classes, without rejection. Needs the column "nearest_class"."""
        return label_codes(self.columns["nearest_class"], self.classes)

    @property
    def accepted(self) -> NDArray[np.bool_] | None:
        """True where a sample was taken for known, shape (N,); None if the estimator rejects nothing."""
        if self.has("class"):
            return self.y_pred != UNKNOWN
        return self.columns["known"] if self.has("known") else None

    @property
    def known(self) -> NDArray[np.bool_] | None:
        """True where a sample is known, shape (N,); None without labels, or if the estimator rejects nothing."""
        return None if self.y_true is None or self.accepted is None else self.y_true != UNKNOWN

    @property
    def has_both(self) -> bool:
        """Whether there are both known and unknown samples, and labels to tell."""
        return self.known is not None and bool(self.known.any()) and not bool(self.known.all())

    @cached_property
    def embedding(self) -> NDArray[Any] | None:
        """Points that a map can show, shape (N, d): the column, or a table that needs no embedding; None for images."""
        if self.has("embedding"):
            return self.columns["embedding"]
        return self.features if self.features is not None and np.isfinite(self.features).all() else None

    @cached_property
    def feature_spread(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Median of each feature, and the median distance from it. Needs a table."""
        assert self.features is not None
        middle = np.nanmedian(self.features, axis=0)
        spread = np.nanmedian(np.abs(self.features - middle), axis=0)
        return middle, np.where(spread > 0, spread, np.maximum(np.nanstd(self.features, axis=0), 1e-12))

    def printed(self, i: int) -> NDArray[Any]:
        """Cells of one sample, as they are printed. Needs a table."""
        table = self.features if self.cells is None else self.cells
        assert table is not None
        return table[i]

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Metrics by name, as far as labels allow."""
        if self.y_true is None or self.true_names is None:
            return {}
        if self.has("class"):
            return open_set_metrics(
                self.y_true, self.true_names, self.nearest, self.knownness, self.sample_threshold, len(self.classes)
            )
        if self.known is not None:
            return detection_metrics(self.known, self.knownness, self.threshold)
        labelled = self.y_true != UNKNOWN
        if self.has("cluster") and labelled.any():
            return clustering_metrics(self.y_true[labelled], self.columns["cluster"][labelled])
        return {}
