"""Contrastive open-set recognition, the GradMix paper, as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from knownot.estimators.contrasting import ContrastiveEstimator
from knownot.estimators.rejection import RejectingClassifier
from knownot.modules.contrastive import Contrastive
from knownot.rules import Rule
from knownot.training import TrainingSettings


class ContrastiveClassifier(RejectingClassifier, ContrastiveEstimator):
    """Open-set classifier on embeddings learned by contrast.

    A network brings random views of one sample together on the unit sphere, and samples of one class; what it pushes
    apart need not differ in class, so that it learns more of a sample than its class. With GradMix it is shown images
    whose most telling place is hidden under another image. A sample is as known as its cosine similarity to the
    nearest training samples of one class is high.

    Parameters
    ----------
    network : {"auto", "fast", "resnet18", "resnet34", "resnet50"}
        "fast": :class:`~knownot.networks.FastConvNet`; "resnet…": :class:`~knownot.networks.ResNet`, 18 in the
        paper. "auto": "fast" for images, linear layers for tables.
    width : float
        Factor of the channels, or of the widths of the layers.
    views : {"auto", "simclr", "photos", "digits"}
        Random views: of SimCLR, as in the paper; mirrored and shifted a little; turned, scaled and sheared a little.
        "auto": "simclr", on grey images "digits", on tables values masked and noise added.
    mixing : {"auto", "gradmix", "cutmix", "mixup", "none"}
        What the mixed term mixes. "auto": "gradmix", but on grey images and tables none, as in the paper.
    mixing_settings : mapping, optional
        Arguments of the mixing in :mod:`knownot.views`, and ``layers``, ``attribution``, ``attribution_of``,
        ``attribution_sign`` and ``area_weight`` of :class:`~knownot.modules.Contrastive`.
    projection_dim : int
        Width of the embeddings, unit vectors.
    projection_hidden : sequence of int
        Hidden layers of the projection. Default none, as in the paper.
    temperature : float
        Of the losses, above 0.
    supervised_weight, self_supervised_weight : float
        theta and lambda of the paper, of at least 0.
    rule : {"class-similarity", "neighbours", "cosine", "nc-d", "nc-u", "weibull", "auto", ...} or Rule
        How embeddings become class and knownness; Algorithm 1 of the paper is "class-similarity".
    learning_rate : float, optional
        Default: 0.001.
    max_epochs, batch_size : int, optional
        Default: by the number of samples; batches of at most 256.
    accept, validation_fraction, training, accelerator, random_state, verbose
        As in :class:`GMVAEClassifier`.

    Attributes
    ----------
    classes_ : ndarray, shape (C,)
    module_ : knownot.modules.Contrastive
        ``transform`` gives its unit vectors.
    rule_, offset_, threshold_, history_, n_features_in_, feature_names_in_
        As in :class:`GMVAEClassifier`.

    References
    ----------
    "Informed Mixing - Improving Open Set Recognition with Deep Dynamic Data Augmentation", the GradMix paper.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> X, y = make_blobs(300, centers=4, n_features=16, random_state=0)
    >>> known = y < 3
    >>> model = ContrastiveClassifier(max_epochs=20, random_state=0).fit(X[known], y[known])
    >>> model.transform(X).shape
    (300, 128)
    >>> bool(model.score_samples(X[known]).mean() > model.score_samples(X[~known]).mean())
    True
    """

    module_: Contrastive

    def __init__(
        self,
        *,
        network: str = "auto",
        width: float = 1.0,
        views: str = "auto",
        mixing: str = "auto",
        mixing_settings: Mapping[str, Any] | None = None,
        projection_dim: int = 128,
        projection_hidden: Sequence[int] = (),
        temperature: float = 0.1,
        supervised_weight: float = 1.0,
        self_supervised_weight: float = 1.0,
        rule: str | Rule = "class-similarity",
        accept: float | None = 0.95,
        max_epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        validation_fraction: float = 0.2,
        training: TrainingSettings | None = None,
        accelerator: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.network = network
        self.width = width
        self.views = views
        self.mixing = mixing
        self.mixing_settings = mixing_settings
        self.projection_dim = projection_dim
        self.projection_hidden = projection_hidden
        self.temperature = temperature
        self.supervised_weight = supervised_weight
        self.self_supervised_weight = self_supervised_weight
        self.rule = rule
        self.accept = accept
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.training = training
        self.accelerator = accelerator
        self.random_state = random_state
        self.verbose = verbose

    def _make_module(self) -> Contrastive:
        mixing, attribution = self._make_mixing()
        return Contrastive(
            self._make_network(),
            self._make_views(),
            self.projection_dim,
            self.projection_hidden,
            self.temperature,
            self.supervised_weight,
            self.self_supervised_weight,
            mixing,
            **attribution,
        )
