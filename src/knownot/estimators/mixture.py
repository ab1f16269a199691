"""A mixture of Gaussians trained by gradients: as a density, and as a clusterer."""

from __future__ import annotations

import numpy as np

from knownot.estimators.clustering import Clusterer
from knownot.estimators.density import DensityEstimator
from knownot.modules import GaussianMixture
from knownot.training import TrainingSettings


class GaussianMixtureDensity(DensityEstimator):
    """Mixture of diagonal Gaussians that says of a sample whether it is like those it was fitted on.

    Parameters
    ----------
    n_components : int
    variance_floor : float
        Least variance of a component, in units of the standardised columns.
    accept, max_epochs, batch_size, learning_rate, validation_fraction, training, accelerator, random_state, verbose
        As in :class:`GMVAEClassifier`.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> X, y = make_blobs(300, centers=3, n_features=4, random_state=0)
    >>> model = GaussianMixtureDensity(n_components=2, random_state=0).fit(X[y < 2])
    >>> bool((model.predict(X[y == 2]) == -1).mean() > 0.9)
    True
    """

    def __init__(
        self,
        n_components: int = 1,
        *,
        variance_floor: float = 1e-3,
        accept: float | None = 0.95,
        max_epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float = 1e-2,
        validation_fraction: float = 0.2,
        training: TrainingSettings | None = None,
        accelerator: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.variance_floor = variance_floor
        self.accept = accept
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.training = training
        self.accelerator = accelerator
        self.random_state = random_state
        self.verbose = verbose

    def _make_module(self) -> GaussianMixture:
        return GaussianMixture(self.input_shape_, self.n_components, self.variance_floor)


class GaussianMixtureClusterer(Clusterer):
    """Mixture of diagonal Gaussians whose components are clusters.

    Parameters
    ----------
    n_components : int
    n_init : int
        Trainings from different random numbers, of which the best by the objective is kept.
    variance_floor, max_epochs, batch_size, learning_rate, validation_fraction, training, accelerator, random_state, verbose
        As in :class:`GaussianMixtureDensity`.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> X, y = make_blobs(300, centers=3, n_features=4, random_state=0)
    >>> labels = GaussianMixtureClusterer(n_components=3, random_state=0).fit_predict(X)
    >>> len(set(zip(labels.tolist(), y.tolist())))
    3
    """  # noqa: E501 - names alone

    def __init__(
        self,
        n_components: int = 8,
        *,
        n_init: int = 1,
        variance_floor: float = 1e-3,
        max_epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float = 1e-2,
        validation_fraction: float = 0.2,
        training: TrainingSettings | None = None,
        accelerator: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.n_init = n_init
        self.variance_floor = variance_floor
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.training = training
        self.accelerator = accelerator
        self.random_state = random_state
        self.verbose = verbose

    def _make_module(self) -> GaussianMixture:
        return GaussianMixture(self.input_shape_, self.n_components, self.variance_floor)
