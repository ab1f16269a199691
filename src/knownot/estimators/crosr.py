"""CROSR as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from knownot.estimators.neural import NeuralEstimator
from knownot.estimators.rejection import RejectingClassifier
from knownot.modules.crosr import CROSR
from knownot.networks.conv import Blocks
from knownot.networks.reconstruction import CROSR_CIFAR, CROSR_MNIST
from knownot.rules import Rule
from knownot.training import TrainingSettings

_SMALL: dict[str, Any] = {"blocks": ((1, 32), (1, 64)), "hidden": (256,), "top": ()}
_TABLE: dict[str, Any] = {"blocks": ((1, 128), (1, 128)), "hidden": (), "top": ()}
_ARCHITECTURES: dict[str, dict[str, Any]] = {"mnist": CROSR_MNIST, "cifar": CROSR_CIFAR, "small": _SMALL}
_CIFAR_MIN_SIZE = 32


class CROSRClassifier(RejectingClassifier, NeuralEstimator):
    """Open-set classifier that learns to classify and to reconstruct with one network (CROSR).

    A softmax classifier keeps at every stage a few numbers from which the input is
    reconstructed. Where logits and these numbers lie too far from those of the class, a sample
    is answered with -1 (or "unknown").

    Parameters
    ----------
    architecture : {"auto", "mnist", "cifar", "small"}
        Network for images. "mnist" and "cifar" are those of the paper; "small" is for images of a
        few pixels. "auto": "small" below 16 pixels, "cifar" for colour images of 32 pixels or
        more, "mnist" for all others. Tables have two linear stages of 128, whatever this says.
    blocks : sequence of (int, int), optional
        Stages (layers, channels) in place of the architecture's; for tables (layers, width).
    hidden : sequence of int, optional
        Linear layers behind the stages in place of the architecture's.
    bottleneck_dim : int
        What each stage keeps for the reconstruction.
    reconstruction_weight : float
        Weight of the squared error, averaged over the input's values, beside the cross-entropy.
    rule : {"weibull", "nc-d", "nc-u", "neighbours"} or Rule
        How embeddings become class and knownness. "weibull", the default, is the paper's.
    accept … verbose
        As in :class:`GMVAEClassifier`.

    Attributes
    ----------
    classes_ : ndarray, shape (C,)
    input_shape_ : tuple of int
        (F,) or (channels, height, width).
    module_ : CROSR
        ``transform`` gives its embedding: C columns of logits, then ``bottleneck_dim`` for each
        stage.
    rule_, offset_, threshold_, history_, n_features_in_, feature_names_in_
        As in :class:`GMVAEClassifier`.

    References
    ----------
    Yoshihashi et al., "Classification-Reconstruction Learning for Open-Set Recognition", CVPR 2019.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> X, y = make_blobs(300, centers=3, n_features=8, random_state=0)
    >>> known = y < 2
    >>> model = CROSRClassifier(rule="nc-d", max_epochs=15, random_state=0).fit(X[known], y[known])
    >>> bool((model.predict(X[y == 2]) == -1).mean() > 0.9)
    True
    """

    module_: CROSR

    def __init__(
        self,
        architecture: str = "auto",
        *,
        blocks: Blocks | None = None,
        hidden: Sequence[int] | None = None,
        bottleneck_dim: int = 32,
        reconstruction_weight: float = 1.0,
        rule: str | Rule = "weibull",
        accept: float | None = 0.95,
        max_epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float = 1e-3,
        validation_fraction: float = 0.2,
        training: TrainingSettings | None = None,
        accelerator: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.architecture = architecture
        self.blocks = blocks
        self.hidden = hidden
        self.bottleneck_dim = bottleneck_dim
        self.reconstruction_weight = reconstruction_weight
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

    def _architecture_settings(self) -> dict[str, Any]:
        """Stages and layers of the architecture that is named, or that suits the samples."""
        if self.architecture not in ("auto", *_ARCHITECTURES):
            raise ValueError(
                f"architecture={self.architecture!r} is not known: use 'auto', "
                f"{', '.join(map(repr, _ARCHITECTURES))}, or give blocks and hidden."
            )
        if len(self.input_shape_) == 1:
            return _TABLE
        if self.architecture != "auto":
            return _ARCHITECTURES[self.architecture]
        channels, *size = self.input_shape_
        return (
            _SMALL
            if self._is_small()
            else CROSR_CIFAR
            if channels > 1 and min(size) >= _CIFAR_MIN_SIZE
            else CROSR_MNIST
        )

    def _make_module(self) -> CROSR:
        network = self._architecture_settings()
        return CROSR(
            self.input_shape_,
            len(self.classes_),
            blocks=network["blocks"] if self.blocks is None else self.blocks,
            # Convolutions behind the last stage belong to the architecture's own stages.
            top=network["top"] if self.blocks is None else (),
            hidden=network["hidden"] if self.hidden is None else self.hidden,
            bottleneck_dim=self.bottleneck_dim,
            reconstruction_weight=self.reconstruction_weight,
        )
