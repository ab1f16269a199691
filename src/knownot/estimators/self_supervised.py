"""Encoders that learn without labels, by contrast: SimCLR and MoCo, with or without mixing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from knownot.estimators.base import all_or_nothing
from knownot.estimators.contrasting import ContrastiveEstimator
from knownot.estimators.inputs import hold_out, refuse_too_few
from knownot.modules.contrastive import Contrastive, MomentumContrast
from knownot.training import TrainingSettings


class SelfSupervisedEncoder(ContrastiveEstimator):
    """Features learned without labels: a transformer for pipelines.

    ``make_pipeline(SelfSupervisedEncoder(), LogisticRegression())`` is a linear probe.

    Parameters
    ----------
    method : {"simclr", "moco"}
        Contrast with the other samples of a batch, or with a queue of earlier ones.
    network, width, views, mixing, mixing_settings, projection_dim, temperature
        As in :class:`ContrastiveClassifier`.
    projection_hidden : sequence of int
        Hidden layers of the projection, which is not part of the features.
    queue_size : int
        Earlier samples that "moco" contrasts with.
    key_momentum : float
        By which the second encoder of "moco" follows the first, from 0 to 1.
    max_epochs, batch_size, learning_rate, validation_fraction, training, accelerator, random_state, verbose
        As in :class:`ContrastiveClassifier`. Half of the share that is held out is not used: nothing is calibrated.

    Attributes
    ----------
    module_ : Contrastive or MomentumContrast
    history_ : History
    input_shape_ : tuple of int
    n_features_in_, feature_names_in_
        Of tables.

    References
    ----------
    Chen et al., "A simple framework for contrastive learning of visual representations", ICML 2020; He et al.,
    "Momentum contrast for unsupervised visual representation learning", CVPR 2020; the GradMix paper, section 4.5.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> X, y = load_digits(return_X_y=True)
    >>> images = X.reshape(-1, 8, 8) / 16
    >>> encoder = SelfSupervisedEncoder(width=0.25, max_epochs=2, random_state=0)
    >>> probe = make_pipeline(encoder, LogisticRegression(max_iter=500)).fit(images[:600], y[:600])
    >>> probe.score(images[600:800], y[600:800]) > 0.5
    True
    """

    module_: Contrastive

    def __init__(
        self,
        *,
        method: str = "simclr",
        network: str = "auto",
        width: float = 1.0,
        views: str = "auto",
        mixing: str = "auto",
        mixing_settings: Mapping[str, Any] | None = None,
        projection_dim: int = 128,
        projection_hidden: Sequence[int] = (),
        temperature: float = 0.1,
        queue_size: int = 8192,
        key_momentum: float = 0.999,
        max_epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        validation_fraction: float = 0.1,
        training: TrainingSettings | None = None,
        accelerator: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.method = method
        self.network = network
        self.width = width
        self.views = views
        self.mixing = mixing
        self.mixing_settings = mixing_settings
        self.projection_dim = projection_dim
        self.projection_hidden = projection_hidden
        self.temperature = temperature
        self.queue_size = queue_size
        self.key_momentum = key_momentum
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.training = training
        self.accelerator = accelerator
        self.random_state = random_state
        self.verbose = verbose

    @all_or_nothing
    def fit(self, X: Any, y: Any = None) -> None:
        """Learn from samples; labels are not looked at.

        Parameters
        ----------
        X : array-like
            Tables (N, F); images (N, H, W), (N, H, W, C) or tensors (N, C, H, W), uint8 or float in [0, 1].
        y : ignored
            For pipelines.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the input or a setting cannot be learned with.
        knownot.training.DivergenceError
            If the loss becomes infinite.
        """
        samples = self._read(X, reset=True)
        refuse_too_few(samples)
        random = check_random_state(self.random_state)
        training, selection, _ = hold_out(np.zeros(len(samples), np.int64), self.validation_fraction, random)
        samples = self._learn_columns(samples, training)
        self._learn_unlabelled(samples[training], samples[selection], random)

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Features of each sample, before the projection, shape (N, n_features), float32."""
        samples = self._read(X)
        return torch.cat(list(self._apply_in_chunks(samples, self.module_.network))).numpy()

    @property
    def _n_features_out(self) -> int:
        return int(self.module_.network.n_features)  # type: ignore[arg-type]

    def _make_module(self) -> Contrastive:
        mixing, attribution = self._make_mixing()
        parts = (self._make_network(), self._make_views(), self.projection_dim, self.projection_hidden)
        if self.method == "simclr":
            return Contrastive(*parts, self.temperature, 0.0, 1.0, mixing, **attribution)
        if self.method == "moco":
            return MomentumContrast(*parts, self.temperature, mixing, self.queue_size, self.key_momentum, **attribution)
        raise ValueError(f"method={self.method!r} is not known: use 'simclr' or 'moco'.")
