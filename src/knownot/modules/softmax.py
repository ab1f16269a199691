"""Softmax classifiers: a plain network, and one for photographs.

Features and logits carry most of what such a network knows of unknown samples; Vaze et
al., "Open-set recognition: a good closed-set classifier is all you need?", ICLR 2022.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from math import prod
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from knownot.data import Batch
from knownot.modules.base import Loss, Module
from knownot.networks import ConvEncoder, mlp
from knownot.networks.conv import Blocks
from knownot.probability import at_least_float32


class CrossEntropyModule(Module):
    """What modules share that learn by cross-entropy: the loss, and logits as evidence.

    Parameters
    ----------
    n_classes : int
        Number of known classes, C, at least 2.
    label_smoothing : float
        Share of the target that is spread evenly over all classes, in [0, 1).
    class_weight : sequence of float, optional
        Factor of the loss of each class's samples, C numbers above 0. Default: 1 for all.
    """

    class_weight: Tensor | None

    def __init__(self, n_classes: int, label_smoothing: float, class_weight: Sequence[float] | None) -> None:
        super().__init__()
        if n_classes < 2:
            raise ValueError(
                f"n_classes={n_classes} does not work: a softmax classifier learns from what tells classes apart, "
                "so give at least two classes, or use a classifier that models each class by itself."
            )
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(f"label_smoothing={label_smoothing!r} does not work: give a share from 0 to below 1.")
        weights = torch.ones(n_classes) if class_weight is None else torch.tensor(class_weight, dtype=torch.float32)
        if weights.shape != (n_classes,) or not bool((weights > 0).all()) or not bool(weights.isfinite().all()):
            raise ValueError(
                f"class_weight={class_weight!r} does not work: give a finite number above 0 for each of the "
                f"{n_classes} classes."
            )
        # Only training needs them, so that they are no part of the fitted weights.
        self.register_buffer("class_weight", None if class_weight is None else weights, persistent=False)
        self.n_classes, self.label_smoothing = n_classes, label_smoothing

    @abstractmethod
    def _features(self, x: Tensor) -> Tensor:
        """Penultimate features, (N, d)."""

    @abstractmethod
    def _logits(self, features: Tensor) -> Tensor:
        """Logits of penultimate features, (N, C)."""

    def embed(self, x: Tensor) -> Tensor:
        """Penultimate features, after their ReLU, (N, d)."""
        return at_least_float32(self._features(x))

    def loss(self, batch: Batch) -> Loss:
        """Cross-entropy with smoothed labels.

        -sum_c t_c log softmax_c, t = (1 - s) [c = y] + s / C with s the label smoothing. Its mean is over
        samples, each times the weight of its class.

        Parameters
        ----------
        batch : Batch

        Returns
        -------
        Loss
            Term "class", in nats.
        """
        logits = at_least_float32(self._logits(self._features(self._viewed(batch.x))))
        term = F.cross_entropy(logits, batch.y, reduction="none", label_smoothing=self.label_smoothing)
        weighted = term if self.class_weight is None else term * self.class_weight[batch.y]
        return Loss(weighted.mean(), {"class": term.detach()})

    def _viewed(self, x: Tensor) -> Tensor:
        """Samples as a training step sees them."""
        return x

    @property
    def evidence_names(self) -> tuple[str, ...]:
        """Names that :meth:`evidence` can supply beside the embedding."""
        return ("logits",)

    def evidence(self, x: Tensor, names: Collection[str] | None = None) -> dict[str, Tensor]:
        """What the model knows of samples, by name, from one pass through the encoder.

        Parameters
        ----------
        x : Tensor, shape (N, ...)
        names : collection of str, optional
            Some of :attr:`evidence_names`; all by default.

        Returns
        -------
        dict of str to Tensor
            "embedding" (N, d), always; "logits" (N, C), the activations before softmax.
        """
        features = self._features(x)
        found = {"embedding": at_least_float32(features)}
        if names is None or "logits" in names:
            found["logits"] = at_least_float32(self._logits(features))
        return found


class SoftmaxNet(CrossEntropyModule):
    """Encoder with a linear classification layer, trained by cross-entropy.

    ``encoder`` is a :class:`~knownot.networks.ConvEncoder` for images and an
    :func:`~knownot.networks.mlp` for tables whose linear head gives the logits. Its weights but
    those of the last layer go by the same names as in any other module with such an encoder, so
    that they can be taken over from here.

    Parameters
    ----------
    input_shape : tuple of int
        (F,) for tables, (C, H, W) for images.
    n_classes : int
        Number of known classes, C, at least 2.
    blocks : sequence of (int, int)
        Convolution blocks (layers, channels). Images only.
    hidden : sequence of int
        Linear layers before the last one. With none, the embedding is what the blocks give, or
        the table itself.
    label_smoothing : float
        Share of the target that is spread evenly over all classes, in [0, 1).
    class_weight : sequence of float, optional
        Factor of the loss of each class's samples, C numbers above 0. Default: 1 for all.

    Attributes
    ----------
    latent_dim : int
        Width of the penultimate layer.

    Raises
    ------
    ValueError
        If there are fewer than two classes, or ``label_smoothing`` or ``class_weight`` is out of range.

    References
    ----------
    Label smoothing: Szegedy et al., "Rethinking the Inception architecture for computer vision",
    CVPR 2016, section 7.

    Examples
    --------
    >>> import torch
    >>> module = SoftmaxNet((4,), n_classes=3, hidden=(16, 8))
    >>> batch = Batch(torch.zeros(2, 4), torch.tensor([0, 2]))
    >>> sorted(module.loss(batch).terms)
    ['class']
    >>> module.embed(batch.x).shape
    torch.Size([2, 8])
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        n_classes: int,
        blocks: Blocks = ((2, 20), (2, 50)),
        hidden: Sequence[int] = (500, 100),
        label_smoothing: float = 0.0,
        class_weight: Sequence[float] | None = None,
    ) -> None:
        super().__init__(n_classes, label_smoothing, class_weight)
        self.input_shape = tuple(input_shape)
        if len(self.input_shape) == 3:
            self.encoder: ConvEncoder | nn.Sequential = ConvEncoder(self.input_shape, blocks, hidden, n_classes)
        else:
            self.encoder = mlp(prod(self.input_shape), hidden, n_classes)
        self.latent_dim = self.classifier.in_features

    @property
    def _head(self) -> nn.Sequential:
        return self.encoder.head if isinstance(self.encoder, ConvEncoder) else self.encoder

    @property
    def classifier(self) -> nn.Linear:
        """The last layer, from features to logits."""
        return cast(nn.Linear, self._head[-1])

    def _logits(self, features: Tensor) -> Tensor:
        return self.classifier(features)

    def _features(self, x: Tensor) -> Tensor:
        features = self.encoder.trunk(x).flatten(1) if isinstance(self.encoder, ConvEncoder) else x
        for layer in list(self._head)[:-1]:
            features = layer(features)
        return features


class PhotoNet(CrossEntropyModule):
    """A fast convolutional network for photographs, trained by cross-entropy on random views.

    What it says of an image is the mean over the image and its mirror image, where views are mirrored.

    Parameters
    ----------
    network : nn.Module
        From images (N, C, H, W) to features (N, ``network.n_features``), such as
        :class:`~knownot.networks.FastConvNet`. A ``start_from(x, seed)`` that it has sees some training images first.
    n_classes : int
        Number of known classes, C, at least 2.
    views : callable, optional
        From a batch of images to one random view of each, for training; see :mod:`knownot.views`.
    mirrored : bool
        Whether an image and its mirror image mean the same.
    label_smoothing : float
        Share of the target that is spread evenly over all classes, in [0, 1). It takes from the logits most of what
        they say of unknown samples.
    class_weight : sequence of float, optional
        Factor of the loss of each class's samples, C numbers above 0. Default: 1 for all.
    logit_scale : float
        Factor of the logits, which slows the last layer beside the others.

    Attributes
    ----------
    latent_dim : int
        Width of the penultimate features.

    References
    ----------
    Network and recipe: Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024.

    Examples
    --------
    >>> from knownot.networks import FastConvNet
    >>> module = PhotoNet(FastConvNet((3, 32, 32), widths=(8, 16, 16)), n_classes=3)
    >>> batch = Batch(torch.rand(2, 3, 32, 32), torch.tensor([0, 2]))
    >>> module.loss(batch).terms["class"].shape
    torch.Size([2])
    """

    def __init__(
        self,
        network: nn.Module,
        n_classes: int,
        views: Callable[[Tensor], Tensor] | None = None,
        mirrored: bool = True,
        label_smoothing: float = 0.0,
        class_weight: Sequence[float] | None = None,
        logit_scale: float = 1 / 9,
    ) -> None:
        super().__init__(n_classes, label_smoothing, class_weight)
        self.network, self.views, self.mirrored, self.logit_scale = network, views, mirrored, logit_scale
        self.latent_dim = int(network.n_features)  # type: ignore[arg-type]
        self.classifier = nn.Linear(self.latent_dim, n_classes, bias=False)

    def start_from(self, x: Tensor, seed: int) -> None:
        """Let the network see some training images, (N, C, H, W) in [0, 1], before it is trained."""
        start = getattr(self.network, "start_from", None)
        if start is not None:
            start(x, seed)

    def _features(self, x: Tensor) -> Tensor:
        features = self.network(x)
        if self.training or not self.mirrored:
            return cast(Tensor, features)
        return cast(Tensor, (features + self.network(x.flip(3))) / 2)

    def _logits(self, features: Tensor) -> Tensor:
        return self.classifier(features) * self.logit_scale

    def _viewed(self, x: Tensor) -> Tensor:
        return self.views(x) if self.training and self.views is not None else x
