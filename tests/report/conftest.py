"""Small estimators with the interface of the package's own: a classifier, a density, a clusterer, all on a PCA."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin, OutlierMixin
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture


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


class OnPCA(BaseEstimator):
    """What the estimators share: samples as rows, their embedding, and back."""

    def _flat(self, X: Any) -> NDArray[np.float64]:
        array = X.permute(0, 2, 3, 1).numpy() if hasattr(X, "permute") else np.asarray(X)
        return array.reshape(len(array), -1) / (255.0 if array.dtype == np.uint8 else 1.0)

    def _fit_embedding(self, X: Any, latent_dim: int) -> NDArray[np.float64]:
        shape = tuple(X.shape[1:])
        self.input_shape_ = shape if len(shape) == 1 else (shape[2] if len(shape) == 3 else 1, *shape[:2])
        self.pca_ = PCA(latent_dim, random_state=0).fit(self._flat(X))
        return self.pca_.transform(self._flat(X))

    def transform(self, X: Any) -> NDArray[np.float64]:
        return self.pca_.transform(self._flat(X))

    def _shaped(self, flat: NDArray[np.float64]) -> NDArray[np.float64]:
        if len(self.input_shape_) == 1:
            return flat
        channels, height, width = self.input_shape_
        return np.clip(flat, 0.0, 1.0).reshape(-1, height, width, channels)

    def reconstruct(self, X: Any) -> NDArray[np.float64]:
        return self._shaped(self.pca_.inverse_transform(self.transform(X)))


class NearestCentroid(OnPCA):
    """Follows the contract of the package's classifiers, and is trained in milliseconds."""

    def __init__(self, latent_dim: int = 8, accept: float = 0.95, random_state: int | None = None) -> None:
        self.latent_dim = latent_dim
        self.accept = accept
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> NearestCentroid:
        self.classes_, codes = np.unique(np.asarray(y), return_inverse=True)
        z = self._fit_embedding(X, self.latent_dim)
        self.centroids_ = np.stack([z[codes == c].mean(0) for c in range(len(self.classes_))])
        self.calibration_ = np.sort(self._nearest(z)[1])
        self.offset_ = float(np.quantile(self.calibration_, 1.0 - self.accept))
        self.history_ = History(24)
        return self

    def _nearest(self, z: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        distances = np.linalg.norm(z[:, None] - self.centroids_, axis=2)
        return distances.argmin(1), -distances.min(1)

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

    def assess(self, X: Any) -> dict[str, NDArray[Any]]:
        z = self.transform(X)
        codes, knownness = self._nearest(z)
        nearest = self.classes_[codes]
        unknown = "unknown" if isinstance(self.classes_[0], str) else -1
        below = np.searchsorted(self.calibration_, knownness, side="right")
        return {
            "class": np.where(knownness >= self.offset_, nearest, unknown),
            "knownness": knownness,
            "p_value": (below + 1.0) / (len(self.calibration_) + 1.0),
            "nearest_class": nearest,
            "embedding": z.astype(np.float32),
        }

    def sample(self, n_samples: int, y: Any = None) -> tuple[NDArray[np.float64], NDArray[Any]]:
        rng = np.random.default_rng(self.random_state)
        codes = rng.integers(0, len(self.classes_), n_samples)
        z = self.centroids_[codes] + 0.3 * rng.normal(size=(n_samples, self.latent_dim))
        return self._shaped(self.pca_.inverse_transform(z)), self.classes_[codes]


class EmbeddingOnly(NearestCentroid):
    """A user's classifier without ``assess`` that neither reconstructs nor generates, and gives no p-values."""

    assess = None  # type: ignore[assignment]
    reconstruct = None  # type: ignore[assignment]
    sample = None  # type: ignore[assignment]
    p_values = None  # type: ignore[assignment]


class Bell(OutlierMixin, OnPCA):
    """One Gaussian as a density: follows the contract of the package's densities."""

    def __init__(self, latent_dim: int = 8, accept: float = 0.95) -> None:
        self.latent_dim = latent_dim
        self.accept = accept

    def fit(self, X: Any, y: Any = None) -> Bell:
        self._fit_embedding(X, self.latent_dim)
        self.calibration_ = np.sort(self.score_samples(X))
        self.offset_ = float(np.quantile(self.calibration_, 1.0 - self.accept))
        self.accept_ = self.accept
        self.history_ = History(12)
        return self

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        return self.pca_.score_samples(self._flat(X))

    def predict(self, X: Any) -> NDArray[np.int64]:
        return np.where(self.score_samples(X) >= self.offset_, 1, -1)

    def assess(self, X: Any) -> dict[str, NDArray[Any]]:
        knownness = self.score_samples(X)
        below = np.searchsorted(self.calibration_, knownness, side="right")
        return {
            "known": knownness >= self.offset_,
            "knownness": knownness,
            "p_value": (below + 1.0) / (len(self.calibration_) + 1.0),
            "embedding": self.transform(X).astype(np.float32),
        }

    def sample(self, n_samples: int = 1, random_state: Any = None) -> NDArray[np.float64]:
        rng = np.random.default_rng(random_state)
        z = rng.normal(size=(n_samples, self.latent_dim)) * np.sqrt(self.pca_.explained_variance_)
        return self._shaped(self.pca_.inverse_transform(z))


class Mixture(ClusterMixin, OnPCA):
    """A Gaussian mixture on a PCA: follows the contract of the package's clusterers."""

    def __init__(self, n_clusters: int = 10, latent_dim: int = 8) -> None:
        self.n_clusters = n_clusters
        self.latent_dim = latent_dim

    def fit(self, X: Any, y: Any = None) -> Mixture:
        z = self._fit_embedding(X, self.latent_dim)
        self.mixture_ = GaussianMixture(self.n_clusters, covariance_type="diag", random_state=0).fit(z)
        self.labels_ = self.mixture_.predict(z)
        return self

    def assess(self, X: Any) -> dict[str, NDArray[Any]]:
        z = self.transform(X)
        responsibilities = self.mixture_.predict_proba(z)
        return {
            "cluster": responsibilities.argmax(1),
            "probability": responsibilities.max(1),
            "embedding": z.astype(np.float32),
        }

    reconstruct = None  # type: ignore[assignment]


class Outline(HTMLParser):
    """Tags with attributes, and the text outside of scripts and styles."""

    VOID = frozenset({"meta", "link", "img", "br", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    @property
    def anchors(self) -> list[str]:
        """Where the list of contents leads to."""
        return [a["href"][1:] for tag, a in self.tags if tag == "a" and (a.get("href") or "").startswith("#")]


@pytest.fixture(scope="session")
def outline_of() -> type[Outline]:
    return Outline


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


@pytest.fixture(scope="session")
def density(digits: Any) -> Bell:
    X, y = digits
    return Bell().fit(X[:900][y[:900] < 6])


@pytest.fixture(scope="session")
def table_density(digits: Any) -> Bell:
    X, y = digits
    return Bell().fit(X[:900][y[:900] < 6].reshape(-1, 64))


@pytest.fixture(scope="session")
def clusterer(digits: Any) -> Mixture:
    return Mixture().fit(digits[0][:900])
