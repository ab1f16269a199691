"""A small classifier with the interface of the package's estimators: nearest centroid on a PCA."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA


class History(list[dict[str, Any]]):
    """Records of a made-up training, one an epoch."""

    def __init__(self, epochs: int) -> None:
        super().__init__(
            {
                "epoch": epoch,
                "seconds": 0.5,
                "learning_rate": 1e-3,
                "train": self.terms(epoch, 0.0),
                "validation": None if epoch % 2 else self.terms(epoch, 1.5),
            }
            for epoch in range(epochs)
        )
        self.best_epoch = epochs - 3
        self.stopped = "early"

    @staticmethod
    def terms(epoch: int, gap: float) -> dict[str, float]:
        reconstruction = 60.0 * np.exp(-epoch / 6.0) - 20.0 + gap * epoch / 20.0
        covering, prior = 9.0 - 6.0 * np.exp(-epoch / 5.0) + gap, 2.0 * np.exp(-epoch / 9.0)
        total = reconstruction + covering + prior
        return {"reconstruction": reconstruction, "latent covering": covering, "w-prior": prior, "total": total}


class NearestCentroid(BaseEstimator):
    """Follows the contract of the package's classifiers, and is trained in milliseconds."""

    def __init__(self, latent_dim: int = 8, accept: float = 0.95, random_state: int | None = None) -> None:
        self.latent_dim = latent_dim
        self.accept = accept
        self.random_state = random_state

    def _flat(self, X: Any) -> NDArray[np.float64]:
        array = X.permute(0, 2, 3, 1).numpy() if hasattr(X, "permute") else np.asarray(X)
        return array.reshape(len(array), -1) / (255.0 if array.dtype == np.uint8 else 1.0)

    def fit(self, X: Any, y: Any) -> NearestCentroid:
        shape = tuple(X.shape[1:])
        flat, y = self._flat(X), np.asarray(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.input_shape_ = shape if len(shape) == 1 else (shape[2] if len(shape) == 3 else 1, *shape[:2])
        self.pca_ = PCA(self.latent_dim, random_state=self.random_state).fit(flat)
        z = self.pca_.transform(flat)
        self.centroids_ = np.stack([z[codes == c].mean(0) for c in range(len(self.classes_))])
        self.calibration_ = np.sort(self._nearest(z)[1])
        self.offset_ = float(np.quantile(self.calibration_, 1.0 - self.accept))
        self.history_ = History(24)
        return self

    def _nearest(self, z: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        distances = np.linalg.norm(z[:, None] - self.centroids_, axis=2)
        return distances.argmin(1), -distances.min(1)

    def transform(self, X: Any) -> NDArray[np.float64]:
        return self.pca_.transform(self._flat(X))

    def nearest_class(self, X: Any) -> NDArray[Any]:
        return self.classes_[self._nearest(self.transform(X))[0]]

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        return self._nearest(self.transform(X))[1]

    def p_values(self, X: Any) -> NDArray[np.float64]:
        below = np.searchsorted(self.calibration_, self.score_samples(X), side="right")
        return (below + 1.0) / (len(self.calibration_) + 1.0)

    def predict(self, X: Any) -> NDArray[Any]:
        unknown = "unknown" if isinstance(self.classes_[0], str) else -1
        return np.where(self.score_samples(X) >= self.offset_, self.nearest_class(X), unknown)

    def _shaped(self, flat: NDArray[np.float64]) -> NDArray[np.float64]:
        if len(self.input_shape_) == 1:
            return flat
        channels, height, width = self.input_shape_
        return np.clip(flat, 0.0, 1.0).reshape(-1, height, width, channels)

    def reconstruct(self, X: Any) -> NDArray[np.float64]:
        return self._shaped(self.pca_.inverse_transform(self.transform(X)))

    def sample(self, n_samples: int, y: Any = None) -> tuple[NDArray[np.float64], NDArray[Any]]:
        rng = np.random.default_rng(self.random_state)
        codes = rng.integers(0, len(self.classes_), n_samples)
        z = self.centroids_[codes] + 0.3 * rng.normal(size=(n_samples, self.latent_dim))
        return self._shaped(self.pca_.inverse_transform(z)), self.classes_[codes]


class EmbeddingOnly(NearestCentroid):
    """A classifier that neither reconstructs nor generates, and gives no p-values."""

    reconstruct = None  # type: ignore[assignment]
    sample = None  # type: ignore[assignment]
    p_values = None  # type: ignore[assignment]


@pytest.fixture(scope="session")
def digits() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    data = load_digits()
    return data.images / 16.0, data.target


@pytest.fixture(scope="session")
def image_classifier(digits: Any) -> NearestCentroid:
    X, y = digits
    known = y[:900] < 6
    return NearestCentroid(random_state=0).fit(X[:900][known], y[:900][known])


@pytest.fixture(scope="session")
def embedding_only(digits: Any) -> EmbeddingOnly:
    X, y = digits
    known = y[:900] < 6
    return EmbeddingOnly(random_state=0).fit(X[:900][known], y[:900][known])


@pytest.fixture(scope="session")
def table_classifier(digits: Any) -> NearestCentroid:
    X, y = digits
    known = y[:900] < 6
    return NearestCentroid(random_state=0).fit(X[:900][known].reshape(-1, 64), y[:900][known])
