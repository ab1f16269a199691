"""The softmax classifier, the open-set baseline, as a scikit-learn classifier."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight

from knownot.estimators.judging import Part
from knownot.estimators.neural import NeuralEstimator
from knownot.estimators.photographs import (
    choose_network,
    choose_views,
    make_network,
    photo_batch_size,
    photo_epochs,
)
from knownot.estimators.rejection import RejectingClassifier
from knownot.modules.softmax import PhotoNet, SoftmaxNet
from knownot.networks.conv import Blocks
from knownot.networks.sizes import default_sizes
from knownot.rules import Rule
from knownot.rules.base import least_counts
from knownot.training import ADAM, FAST_SGD, Recipe, TrainingSettings


class SoftmaxClassifier(RejectingClassifier, NeuralEstimator):
    """Open-set classifier on a softmax network: for photographs, and the baseline to compare with elsewhere.

    A network learns by cross-entropy to tell the known classes apart. A sample that excites none
    of its logits is answered with -1 (or "unknown"). On tables its scores say little of
    what is unknown, and a warning says so: far from all classes a network of few columns is as sure as near them.
    :class:`EmbeddingClassifier` is made for tables.

    Parameters
    ----------
    network : {"auto", "plain", "fast", "resnet18", "resnet34", "resnet50"}
        "plain": convolutions by ``blocks``, or linear layers on tables. "fast":
        :class:`~knownot.networks.FastConvNet`, which learns photographs within minutes on a CPU. "resnet…":
        :class:`~knownot.networks.ResNet`. "auto": "fast" for images of at least 16 pixels, if neither
        ``blocks`` nor ``hidden`` is given, else "plain".
    width : float
        Factor of the channels of "fast" and "resnet…".
    n_networks : int
        How many networks of "fast" and "resnet…" are trained as an ensemble, whose logits are averaged.
    views : {"auto", "photos", "shifts", "digits", "simclr", "none"}
        What training does to images, but for "plain": mirror and shift them and hide a square; shift them; turn,
        scale, shear and shift them a little; what SimCLR does. "auto": "photos", on grey images "shifts".
    blocks : sequence of (int, int), optional
        Convolution blocks (layers, channels) of "plain". Default: ((2, 20), (2, 50));
        ((1, 32), (1, 64)) for images of less than 16 pixels.
    hidden : sequence of int, optional
        Linear layers of "plain" before the last one; the width of the last of them is that of the embedding.
        Default: (500, 100) for images, (256,) for images of less than 16 pixels, (256, 128) for
        tables.
    label_smoothing : float
        Share of the target that is spread evenly over all classes, in [0, 1). It narrows the range
        of the logits, and takes from them much of what they say of unknown samples.
    class_weight : None, "balanced" or mapping of label to float
        Factor of the loss of each class's samples. "balanced": inversely proportional to their number, as in
        scikit-learn; a label that a mapping does not name has 1.
    rule : {"max-logit", "energy", "max-softmax", "nc-d", "nc-u", "neighbours", "weibull"} or Rule
        How logits, or embeddings, become class and knownness.
    learning_rate : float, optional
        Default: 0.001; for "fast" and "resnet…", which are trained by SGD, 0.0015 times the batch size.
    accept … verbose
        As in :class:`GMVAEClassifier`.

    Attributes
    ----------
    classes_ : ndarray, shape (C,)
    class_weight_ : ndarray, shape (C,)
        Weights that a fit with ``class_weight`` used.
    input_shape_ : tuple of int
        (F,) or (channels, height, width).
    module_ : SoftmaxNet or PhotoNet
        ``transform`` gives its penultimate features.
    rule_, offset_, threshold_, history_, n_features_in_, feature_names_in_
        As in :class:`GMVAEClassifier`.

    References
    ----------
    Vaze et al., "Open-set recognition: a good closed-set classifier is all you need?", ICLR 2022.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> X, y = make_blobs(300, centers=3, n_features=8, random_state=0)
    >>> known = y < 2
    >>> with warnings.catch_warnings(action="ignore"):
    ...     model = SoftmaxClassifier(rule="nc-d", max_epochs=30, random_state=0).fit(X[known], y[known])
    >>> bool((model.predict(X[y == 2]) == -1).mean() > 0.9)
    True
    """

    class_weight_: NDArray[np.float64]
    module_: SoftmaxNet | PhotoNet

    def __init__(
        self,
        *,
        network: str = "auto",
        width: float = 1.0,
        n_networks: int = 1,
        views: str = "auto",
        blocks: Blocks | None = None,
        hidden: Sequence[int] | None = None,
        label_smoothing: float = 0.0,
        class_weight: str | Mapping[Any, float] | None = None,
        rule: str | Rule = "max-logit",
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
        self.n_networks = n_networks
        self.views = views
        self.blocks = blocks
        self.hidden = hidden
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
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

    def _refuse_settings(self) -> None:
        super()._refuse_settings()
        if isinstance(self.class_weight, Mapping):
            self._encode_labels(np.array(list(self.class_weight)), "class_weight")
        elif self.class_weight not in (None, "balanced"):
            raise ValueError(
                f"class_weight={self.class_weight!r} does not work: give None, 'balanced', or a mapping of labels to "
                "numbers above 0."
            )
        if len(self.input_shape_) == 1:
            warnings.warn(
                "SoftmaxClassifier is made for images: on tables its scores say little of what is unknown. Use "
                "EmbeddingClassifier there.",
                stacklevel=4,
            )

    def _learn(self, training: Part, selection: Part, seed: int) -> None:
        if self.class_weight is not None:
            codes = np.arange(len(self.classes_))
            weight = self.class_weight
            if isinstance(weight, Mapping):
                weight = {code: weight.get(label, 1.0) for code, label in enumerate(self.classes_.tolist())}
            self.class_weight_ = compute_class_weight(weight, classes=codes, y=training[1])
        super()._learn(training, selection, seed)

    @property
    def _is_photo_net(self) -> bool:
        return self._network_name() != "plain"

    def _network_name(self) -> str:
        plain = self.blocks is not None or self.hidden is not None
        return choose_network(self.network, self.input_shape_, plain=plain)

    def _recipe(self) -> Recipe:
        return FAST_SGD if self._is_photo_net else ADAM

    def _batch_size(self, n_samples: int) -> int:
        if self._is_photo_net and self.batch_size is None:
            return photo_batch_size(n_samples)
        return super()._batch_size(n_samples)

    def epochs_for(self, n_samples: int) -> int:
        """Epochs that a training on so many samples takes at most: ``max_epochs``, or what stands for None."""
        if self._is_photo_net and self.max_epochs is None:
            return photo_epochs(n_samples)
        return super().epochs_for(n_samples)

    def _make_module(self) -> SoftmaxNet | PhotoNet:
        weight = getattr(self, "class_weight_", None)
        weights = None if weight is None else weight.tolist()
        if self._is_photo_net:
            views, mirrored = choose_views(self.views, self.input_shape_)
            least_counts(n_networks=self.n_networks)
            name = self._network_name()
            networks = [make_network(name, self.input_shape_, self.width) for _ in range(self.n_networks)]
            return PhotoNet(networks, len(self.classes_), views, mirrored, self.label_smoothing, weights)
        blocks, hidden = default_sizes(self.input_shape_)
        return SoftmaxNet(
            self.input_shape_,
            len(self.classes_),
            blocks=blocks if self.blocks is None else self.blocks,
            hidden=hidden if self.hidden is None else self.hidden,
            label_smoothing=self.label_smoothing,
            class_weight=weights,
        )
