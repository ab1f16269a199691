"""Semi-supervised autoencoder: section 3.3 of the Cauchy-Schwarz autoencoder paper, for one or several labels.

Notation: x input, y label, z latent code. Generative model p(y) p(z) p(x|z, y); recognition model q(y|x) q(z|x, y).
Losses, where the paper maximises; its equation (26) lacks the weights q(y|x), its equation (27) the logarithm.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from math import prod
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from knownot.data import Batch, draw_pixels
from knownot.modules.base import Loss, Module
from knownot.networks import StridedDecoder, StridedEncoder, mlp
from knownot.probability import (
    MixturePrior,
    Prior,
    StandardNormalPrior,
    at_least_float32,
    cauchy_schwarz,
    kl_standard_normal,
    make_likelihood,
    mixture_log_prob,
    soft_bound,
)
from knownot.probability.gaussian import LOG_TWO_PI


class _SemiSupervised(Module):
    """What both kinds of labels share: networks, q(z|x, y), and the loss of an input with its label."""

    def __init__(
        self,
        input_shape: tuple[int, ...],
        n_labels: int,
        latent_dim: int = 40,
        likelihood: str = "bernoulli",
        prior: Literal["normal", "mixture"] = "mixture",
        n_components: int = 100,
        divergence: Literal["kl", "cauchy-schwarz"] = "cauchy-schwarz",
        beta: float = 1.0,
        label_weight: float = 1.0,
        classifier_weight: float = 50.0,
        network: Literal["mlp", "strided"] = "mlp",
        hidden: Sequence[int] = (300, 300),
        channels: Sequence[int] = (32, 64, 128),
        label_hidden: Sequence[int] = (256, 256),
        head_hidden: Sequence[int] = (300,),
        binarise: bool = False,
        views: Callable[[Tensor], Tensor] | None = None,
        consistency_weight: float = 0.0,
    ) -> None:
        super().__init__()
        if prior not in ("normal", "mixture"):
            raise ValueError(f"prior={prior!r} is not known: use 'normal' or 'mixture'.")
        if divergence not in ("kl", "cauchy-schwarz"):
            raise ValueError(f"divergence={divergence!r} is not known: use 'kl' or 'cauchy-schwarz'.")
        if network not in ("mlp", "strided"):
            raise ValueError(f"network={network!r} is not known: use 'mlp' or 'strided'.")
        if network == "strided" and len(input_shape) != 3:
            raise ValueError("network='strided' is of images, and these are tables: use 'mlp'.")
        for name, widths in (("hidden", hidden), ("channels", channels), ("label_hidden", label_hidden)):
            if not len(widths) or min(widths) < 1:
                raise ValueError(
                    f"{name}={widths!r} does not work: give the widths of one layer or more, 1 or more each."
                )
        for name, value in (
            ("beta", beta),
            ("label_weight", label_weight),
            ("classifier_weight", classifier_weight),
            ("consistency_weight", consistency_weight),
        ):
            if not 0.0 <= value < math.inf:
                raise ValueError(f"{name}={value!r} does not work: give 0 or a positive number.")
        self.input_shape, self.code_dim, self.n_labels = tuple(input_shape), latent_dim, n_labels
        self.latent_dim = (tuple(hidden) + tuple(head_hidden))[-1]
        self.divergence, self.beta, self.label_weight = divergence, beta, label_weight
        self.classifier_weight, self.binarise = classifier_weight, binarise
        self.views, self.consistency_weight = views, consistency_weight
        self.likelihood = make_likelihood(likelihood, self.input_shape)
        strided, n_values = network == "strided", prod(self.input_shape)
        encoder = (
            [StridedEncoder(self.input_shape, channels, hidden[-1])]  # type: ignore[arg-type]
            if strided
            else [nn.Flatten(), mlp(n_values, hidden[:-1], hidden[-1])]
        )
        self.trunk = nn.Sequential(*encoder, nn.ReLU())
        self.label_trunk = nn.Sequential(mlp(n_labels, label_hidden[:-1], label_hidden[-1]), nn.ReLU())
        self.classifier = mlp(hidden[-1], head_hidden, n_labels)
        joined = hidden[-1] + label_hidden[-1]
        self.posterior_head = mlp(joined, head_hidden, 2 * latent_dim)
        given = latent_dim + label_hidden[-1]
        self.decoder = (
            StridedDecoder(given, channels, self.input_shape)  # type: ignore[arg-type]
            if strided
            else nn.Sequential(mlp(given, tuple(hidden)[::-1], n_values), nn.Unflatten(1, self.input_shape))
        )
        self.prior: Prior = (
            StandardNormalPrior(latent_dim) if prior == "normal" else MixturePrior(latent_dim, n_components)
        )

    # Recognition model

    def label_logits(self, x: Tensor) -> Tensor:
        """Logits of q(y|x), (N, C), or of each label, (N, L)."""
        return self._logits(self.trunk(x))

    def posterior(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x, y), each (N, d), from features of x and of y."""
        joined = torch.cat([features, labels], -1)
        mean, log_variance = at_least_float32(self.posterior_head(joined)).chunk(2, -1)
        return mean, soft_bound(log_variance)

    @abstractmethod
    def expected_label(self, logits: Tensor) -> Tensor:
        """What stands for the label of samples without one: its probabilities, (N, C) or (N, L)."""

    def embed(self, x: Tensor) -> Tensor:
        """What q(y|x) is read from: the features before its last layer, (N, latent_dim).

        The latent code z knows what the label does not say, and so little of the class.
        """
        return self.evidence(x, ())["embedding"]

    def code(self, x: Tensor) -> Tensor:
        """Mean of q(z|x, y) at the label that is expected, (N, d)."""
        features = self.trunk(x)
        return self.posterior(features, self.label_trunk(self.expected_label(self._logits(features))))[0]

    def _logits(self, features: Tensor) -> Tensor:
        return at_least_float32(self.classifier(features))

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
            "embedding" (N, latent_dim), always; "logits" (N, C) of q(y|x).
        """
        embedding = self.classifier[:-1](self.trunk(x))
        found = {"embedding": at_least_float32(embedding)}
        if names is None or "logits" in names:
            found["logits"] = at_least_float32(self.classifier[-1](embedding))
        return found

    # Objective

    def loss_given_label(
        self, x: Tensor, features: Tensor, label: Tensor, weight: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """-log p(x|z, y) and D(q(z|x, y), p(z)), each (N,), and their sum with the divergence weighted.

        Parameters
        ----------
        x : Tensor, shape (N, ...)
        features : Tensor, shape (N, ...)
            Those of :attr:`trunk`.
        label : Tensor, shape (N, C) or (N, L)
            One-hot, or truth values.
        weight : float
            Of the divergence.
        """
        labels = self.label_trunk(label)
        mean, log_variance = self.posterior(features, labels)
        noise = torch.randn_like(mean)
        z = mean + torch.exp(0.5 * log_variance) * noise
        reconstruction = -self.likelihood(self.decoder(torch.cat([z, labels], -1))).log_prob(x)
        if self.divergence == "cauchy-schwarz":
            divergence = cauchy_schwarz(mean, log_variance, self.prior.components())
        elif isinstance(self.prior, StandardNormalPrior):
            divergence = kl_standard_normal(mean, log_variance)
        else:
            log_q = -0.5 * (noise.square() + log_variance + LOG_TWO_PI).sum(-1)
            divergence = log_q - mixture_log_prob(z, self.prior.components())
        return reconstruction, divergence, reconstruction + weight * divergence

    def _consistency(self, x: Tensor, logits: Tensor) -> Tensor | None:
        """How differently labels are told of an image and of a random view of it, (N,)."""
        if self.views is None or not self.training or not self.consistency_weight:
            return None
        return self.disagreement(logits.detach(), self.label_logits(self.views(x)))

    @abstractmethod
    def disagreement(self, target: Tensor, logits: Tensor) -> Tensor:
        """Cross-entropy of the labels that ``logits`` tell with those that ``target`` tells, (N,)."""

    def reconstruct(self, x: Tensor) -> Tensor:
        """Mean of p(x|z, y) at the mean of q(z|x, y) and the label that is expected, shape as x."""
        features = self.trunk(x)
        labels = self.label_trunk(self.expected_label(self._logits(features)))
        z = self.posterior(features, labels)[0]
        return self.likelihood(self.decoder(torch.cat([z, labels], -1))).mean


class SemiSupervisedVAE(_SemiSupervised):
    """Autoencoder that learns classes from a few labelled samples and many others.

    A labelled sample has the loss -log p(x|z, y) + beta D(q(z|x, y), p(z)) - label_weight log p(y) - classifier_weight
    log q(y|x); one without a label, y = -1, the mean of the first two terms over q(y|x), and label_weight KL(q(y|x),
    p(y)). p(y) is uniform.

    Parameters
    ----------
    input_shape : tuple of int
        (F,) for tables, (C, H, W) for images.
    n_classes : int
        C, at least 2.
    latent_dim : int
        Dimension of z, d. (The attribute of this name is the width of :meth:`embed`.)
    likelihood : str
        As of :class:`~knownot.modules.VAE`.
    prior : {"normal", "mixture"}
    n_components : int
        K, of "mixture".
    divergence : {"kl", "cauchy-schwarz"}
    beta : float
        Weight of the divergence of z, the paper's lambda.
    label_weight : float
        Weight of the divergence of y, the paper's beta.
    classifier_weight : float
        Weight of the cross-entropy of labelled samples, the paper's alpha.
    network : {"mlp", "strided"}
        Of x: linear layers by ``hidden``; strided convolutions by ``channels``, for images, and one linear layer as
        wide as the last of ``hidden``. The decoder mirrors it.
    hidden, channels, label_hidden, head_hidden : sequence of int
        Layers that see x, linear or convolutions; layers that see y; layers of each head.
    binarise : bool
        In training draw binary pixels anew from each batch of grey images.
    views : callable, optional
        From images to random views of them. In training q(y|x) of a view is drawn to that of the image; the paper has
        no such term.
    consistency_weight : float
        Of that term.

    References
    ----------
    Tran, Pantic and Deisenroth, "Cauchy-Schwarz regularized autoencoder", section 3.3, table 6. Kingma et al.,
    "Semi-supervised learning with deep generative models", 2014.

    Examples
    --------
    >>> module = SemiSupervisedVAE((4,), n_classes=3, latent_dim=2, likelihood="gaussian", hidden=(8, 8))
    >>> batch = Batch(torch.zeros(3, 4), torch.tensor([0, -1, 2]))
    >>> {name: len(term) for name, term in sorted(module.loss(batch).terms.items())}
    {'class': 2, 'divergence': 3, 'label divergence': 1, 'reconstruction': 3}
    """

    def __init__(self, input_shape: tuple[int, ...], n_classes: int, *settings: Any, **more: Any) -> None:
        if n_classes < 2:
            raise ValueError(f"n_classes={n_classes!r} does not work: give at least two classes.")
        super().__init__(input_shape, n_classes, *settings, **more)
        self.n_classes = n_classes

    def expected_label(self, logits: Tensor) -> Tensor:
        return torch.softmax(logits, -1)

    def disagreement(self, target: Tensor, logits: Tensor) -> Tensor:
        return F.cross_entropy(logits, torch.softmax(target, -1), reduction="none")

    def loss(self, batch: Batch, divergence_weight: float = 1.0) -> Loss:
        """Losses of labelled and unlabelled samples, equations (25) to (27).

        Parameters
        ----------
        batch : Batch
        divergence_weight : float
            Factor of the divergences, for a warm-up.

        Returns
        -------
        Loss
            Terms "reconstruction" and "divergence" of all samples, "class" of those with a label, "label divergence" of
            those without, and "consistency" where there are views.
        """
        x = draw_pixels(batch.x) if self.training and self.binarise else batch.x
        features = self.trunk(x)
        logits = self._logits(features)
        log_q, weight = F.log_softmax(logits, -1), self.beta * divergence_weight
        known = batch.y >= 0
        of_label, classes = F.one_hot(batch.y[known], self.n_classes).to(features.dtype), self.n_classes
        # Labelled samples once, unlabelled ones once with each class, in one pass.
        n_other = int((~known).sum())
        every = torch.eye(classes, device=x.device, dtype=features.dtype).repeat(n_other, 1)
        rows = torch.cat([known.nonzero()[:, 0], (~known).nonzero()[:, 0].repeat_interleave(classes)])
        reconstruction, divergence, both = self.loss_given_label(
            x[rows], features[rows], torch.cat([of_label, every]), weight
        )
        q = log_q[~known].exp()

        def expected(values: Tensor) -> Tensor:
            """Of labelled samples as it is, of the others the mean over q(y|x)."""
            of_known, of_others = values.split([len(of_label), len(every)])
            return torch.cat([of_known, (q * of_others.unflatten(0, (n_other, classes))).sum(-1)])

        # KL(q(y|x), p(y)) with p(y) uniform; -log p(y) of labelled samples is the same for all.
        label_divergence = (q * log_q[~known]).sum(-1) + math.log(classes)
        term = F.nll_loss(log_q[known], batch.y[known], reduction="none")
        n = len(x)
        total = expected(both).sum() / n + self.label_weight * divergence_weight * label_divergence.sum() / n
        total = total + self.classifier_weight * term.sum() / max(len(term), 1)
        terms = {
            "reconstruction": expected(reconstruction).detach(),
            "divergence": expected(divergence).detach(),
            "class": term.detach(),
            "label divergence": label_divergence.detach(),
        }
        consistency = self._consistency(x, logits)
        if consistency is not None:
            total = total + self.consistency_weight * consistency.mean()
            terms["consistency"] = consistency.detach()
        return Loss(total, terms)


class MultiLabelVAE(_SemiSupervised):
    """Autoencoder that learns several yes-or-no labels at once, of which some or all may be missing.

    Labels are independent given x. Where one is missing, it is drawn from q(y|x) by the Gumbel-softmax, so that
    gradients pass. Parameters are those of :class:`SemiSupervisedVAE`, and

    Parameters
    ----------
    n_labels : int
        L.
    prevalence : sequence of float, optional
        p(y), the share of samples that have each label. Default: 1/2 for all.
    temperature : float
        Of the Gumbel-softmax.

    References
    ----------
    Tran, Pantic and Deisenroth, "Cauchy-Schwarz regularized autoencoder", section 3.3, "Multi-output labels". Jang, Gu
    and Poole, "Categorical reparameterization with Gumbel-softmax", 2017.

    Examples
    --------
    >>> module = MultiLabelVAE((4,), n_labels=2, latent_dim=2, likelihood="gaussian", hidden=(8, 8))
    >>> batch = Batch(torch.zeros(3, 4), torch.tensor([[0.0, 1.0], [1.0, torch.nan], [torch.nan, torch.nan]]))
    >>> {name: len(term) for name, term in sorted(module.loss(batch).terms.items())}
    {'class': 3, 'divergence': 3, 'label divergence': 3, 'reconstruction': 3}
    """

    log_odds: Tensor

    def __init__(
        self,
        input_shape: tuple[int, ...],
        n_labels: int,
        *settings: Any,
        prevalence: Sequence[float] | None = None,
        temperature: float = 0.5,
        **more: Any,
    ) -> None:
        if n_labels < 1:
            raise ValueError(f"n_labels={n_labels!r} does not work: give at least one label.")
        if not 0.0 < temperature < math.inf:
            raise ValueError(f"temperature={temperature!r} does not work: give a number above 0.")
        super().__init__(input_shape, n_labels, *settings, **more)
        shares = torch.tensor([0.5] * n_labels if prevalence is None else prevalence, dtype=torch.float32)
        if shares.shape != (n_labels,) or not bool(((shares > 0) & (shares < 1)).all()):
            raise ValueError(f"prevalence={prevalence!r} does not work: give {n_labels} shares above 0 and below 1.")
        self.temperature = temperature
        self.register_buffer("log_odds", torch.logit(shares))

    def expected_label(self, logits: Tensor) -> Tensor:
        return torch.sigmoid(logits)

    def disagreement(self, target: Tensor, logits: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, torch.sigmoid(target), reduction="none").sum(-1)

    def loss(self, batch: Batch, divergence_weight: float = 1.0) -> Loss:
        """Losses with the labels that are there, and with drawn ones where they are missing.

        Parameters
        ----------
        batch : Batch
            ``y`` (N, L), 0 or 1, NaN where missing.
        divergence_weight : float
            Factor of the divergences, for a warm-up.

        Returns
        -------
        Loss
            Terms "reconstruction" and "divergence" of all samples; "class" of each label that is there, "label
            divergence" of each that is missing; "consistency" where there are views.
        """
        x = draw_pixels(batch.x) if self.training and self.binarise else batch.x
        features = self.trunk(x)
        logits = self._logits(features)
        known = batch.y.isfinite()
        # A missing label in the place of a known one would be NaN in gradients, too.
        given = torch.where(known, batch.y, torch.zeros_like(batch.y)).to(logits.dtype)
        label = torch.where(known, given, self._drawn(logits))
        weight = self.beta * divergence_weight
        reconstruction, divergence, both = self.loss_given_label(x, features, label.to(features.dtype), weight)
        cross_entropy = F.binary_cross_entropy_with_logits(logits, given, reduction="none")
        to_prior = _kl_bernoulli(logits, self.log_odds)
        n = len(x)
        total = both.mean() + self.label_weight * divergence_weight * to_prior[~known].sum() / n
        n_known = max(int(known.sum()), 1)
        # The mean over samples of the sum over their labels, as if all labels were there.
        total = total + self.classifier_weight * self.n_labels * cross_entropy[known].sum() / n_known
        terms = {
            "reconstruction": reconstruction.detach(),
            "divergence": divergence.detach(),
            "class": cross_entropy[known].detach(),
            "label divergence": to_prior[~known].detach(),
        }
        consistency = self._consistency(x, logits)
        if consistency is not None:
            total = total + self.consistency_weight * consistency.mean()
            terms["consistency"] = consistency.detach()
        return Loss(total, terms)

    def _drawn(self, logits: Tensor) -> Tensor:
        """Labels drawn from q(y|x) by the Gumbel-softmax of two values: between 0 and 1, (N, L)."""
        uniform = torch.rand_like(logits).clamp(1e-6, 1 - 1e-6)
        return torch.sigmoid((logits + torch.logit(uniform)) / self.temperature)


def _kl_bernoulli(logits: Tensor, prior_logits: Tensor) -> Tensor:
    """KL of Bernoulli distributions by their log-odds, in nats."""
    q = torch.sigmoid(logits)
    positive = F.logsigmoid(logits) - F.logsigmoid(prior_logits)
    negative = F.logsigmoid(-logits) - F.logsigmoid(-prior_logits)
    return q * positive + (1 - q) * negative
