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
        mean, term = self._cross_entropy(self._logits(self._features(batch.x)), batch.y)
        return Loss(mean, {"class": term.detach()})

    def _cross_entropy(self, logits: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted mean over samples, and the unweighted loss of each."""
        term = F.cross_entropy(at_least_float32(logits), y, reduction="none", label_smoothing=self.label_smoothing)
        weighted = term if self.class_weight is None else term * self.class_weight[y]
        return weighted.mean(), term

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
    """Fast convolutional networks for photographs, trained by cross-entropy on random views.

    Several networks are an ensemble: each learns by itself, from views of its own; features are those of all of them,
    logits are their mean. What is said of an image is the mean over the image and its mirror image, where these mean
    the same.

    Parameters
    ----------
    networks : sequence of nn.Module
        Each from images (N, C, H, W) to features (N, ``n_features``), such as
        :class:`~knownot.networks.FastConvNet`. A ``start_from(x, seed)`` that one has sees some training images first.
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
        Width of the penultimate features, of all networks together.

    References
    ----------
    Network and recipe: Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024. Ensembles: Lakshminarayanan et
    al., "Simple and scalable predictive uncertainty estimation using deep ensembles", NeurIPS 2017.

    Examples
    --------
    >>> from knownot.networks import FastConvNet
    >>> module = PhotoNet([FastConvNet((3, 32, 32), widths=(8, 16, 16)) for _ in range(2)], n_classes=3)
    >>> batch = Batch(torch.rand(2, 3, 32, 32), torch.tensor([0, 2]))
    >>> module.loss(batch).terms["class"].shape
    torch.Size([2])
    >>> module.embed(batch.x).shape
    torch.Size([2, 32])
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        n_classes: int,
        views: Callable[[Tensor], Tensor] | None = None,
        mirrored: bool = True,
        label_smoothing: float = 0.0,
        class_weight: Sequence[float] | None = None,
        logit_scale: float = 1 / 9,
    ) -> None:
        super().__init__(n_classes, label_smoothing, class_weight)
        self.networks = nn.ModuleList(networks)
        self.views, self.mirrored, self.logit_scale = views, mirrored, logit_scale
        self.widths = [int(network.n_features) for network in networks]  # type: ignore[arg-type]
        self.latent_dim = sum(self.widths)
        self.classifiers = nn.ModuleList(nn.Linear(width, n_classes, bias=False) for width in self.widths)

    def start_from(self, x: Tensor, seed: int) -> None:
        """Let the networks see some training images, (N, C, H, W) in [0, 1], before they are trained."""
        for network in self.networks:
            start = getattr(network, "start_from", None)
            if start is not None:
                start(x, seed)

    def loss(self, batch: Batch) -> Loss:
        """Cross-entropy with smoothed labels, the sum over the networks; in training on a view for each of them.

        Parameters
        ----------
        batch : Batch

        Returns
        -------
        Loss
            Term "class", in nats, the mean over the networks.
        """
        total, terms = batch.x.new_zeros(()), []
        for number, network in enumerate(self.networks):
            x = self.views(batch.x) if self.training and self.views is not None else batch.x
            mean, term = self._cross_entropy(self._of_network(network(x), number), batch.y)
            total = total + mean
            terms.append(term.detach())
        return Loss(total, {"class": torch.stack(terms).mean(0)})

    def _of_network(self, features: Tensor, number: int) -> Tensor:
        """Logits by one network."""
        return cast(Tensor, self.classifiers[number](features)) * self.logit_scale

    def _features(self, x: Tensor) -> Tensor:
        found = torch.cat([network(x) for network in self.networks], 1)
        if not self.mirrored:
            return found
        x = x.flip(3)
        return (found + torch.cat([network(x) for network in self.networks], 1)) / 2

    def _logits(self, features: Tensor) -> Tensor:
        parts = features.split(self.widths, 1)
        logits = [self._of_network(part, number) for number, part in enumerate(parts)]
        return torch.stack(logits).mean(0)
