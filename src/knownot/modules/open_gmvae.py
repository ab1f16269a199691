"""Open-set Gaussian-mixture VAE: a class is a mixture of subclusters in the latent space.

Notation of the paper: x input, y class, z latent code, w style noise that moves the mixture,
v subcluster. Generative model p(w) p(v|y) p(z|w,y,v) p(x|z); recognition model
q(z|x) q(w|x,y) p(v|z,w,y), the last factor being the exact posterior (equation 1).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from math import prod
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Independent

from knownot.data import Batch
from knownot.modules.base import Loss, Module
from knownot.modules.reconstruction import error_names, reconstruction_errors
from knownot.networks import ConvDecoder, ConvEncoder, mlp
from knownot.networks.conv import Blocks
from knownot.probability import (
    LOG_TWO_PI,
    at_least_float32,
    diagonal_gaussian,
    kl_standard_normal,
    make_likelihood,
    pairwise_log_prob,
    soft_bound,
)


class StyleEncoder(nn.Module):
    """phi_w: parameters of q(w | x, y). Images pass one conv3-10 and maxpool-4, then join y."""

    def __init__(self, input_shape: tuple[int, ...], n_classes: int, hidden: Sequence[int], style_dim: int) -> None:
        super().__init__()
        self.n_classes = n_classes
        if len(input_shape) == 3:
            pool = min(4, *input_shape[1:])
            self.trunk: nn.Module = nn.Sequential(
                nn.Conv2d(input_shape[0], 10, 3, padding=1), nn.ReLU(), nn.MaxPool2d(pool), nn.Flatten()
            )
            width = 10 * (input_shape[1] // pool) * (input_shape[2] // pool)
        else:
            self.trunk, width = nn.Identity(), input_shape[0]
        self.head = mlp(width + n_classes, hidden, 2 * style_dim)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(x)
        one_hot = F.one_hot(y, self.n_classes).to(features.dtype)
        mean, log_variance = at_least_float32(self.head(torch.cat([features, one_hot], -1))).chunk(2, -1)
        return mean, soft_bound(log_variance)


class OpenGMVAE(Module):
    """Gaussian-mixture VAE whose prior is one mixture of subclusters for each known class.

    Parameters
    ----------
    input_shape : tuple of int
        (F,) for tables, (C, H, W) for images.
    n_classes : int
        Number of known classes, C.
    n_subclusters : int or sequence of int
        Number of subclusters K_y, for all classes or one for each.
    latent_dim : int
        Dimension of z.
    style_dim : int, optional
        Dimension of w; the paper's tables have that of z, the default.
    likelihood : {"bernoulli", "truncated-gaussian", "gaussian"}
        p(x|z): grey images, colour images, tables.
    blocks : sequence of (int, int)
        Convolution blocks (layers, channels) of phi_z, mirrored in theta. Images only.
    hidden : sequence of int
        Linear layers of phi_z, mirrored in theta.
    prior_hidden : sequence of int
        Hidden layers of the prior network beta.
    v_prior : bool
        True: the full evidence bound of section 3.1. False: the objective of section 3.2,
        which leaves the subcluster prior out (not a bound; the same when all K_y = 1).
    classifier_weight : float
        Weight of a cross-entropy of log p(y | z, w), w drawn from its *prior* (w from q(w|x,y)
        has seen the label and leaks it). 0 is the paper.
    prior_spread : float
        Standard deviation of the components' means at the start. With 0 the clusters begin
        in one place and tend to merge.
    n_style_draws : int
        Fixed draws of w that turn the prior into one mixture per class for scoring.

    References
    ----------
    Open-set Gaussian-mixture VAE paper, sections 3.1 (objective), 3.2 (without the v-prior),
    tables 1 to 4 (networks).

    Examples
    --------
    >>> import torch
    >>> module = OpenGMVAE((4,), n_classes=2, n_subclusters=(1, 2), latent_dim=2, likelihood="gaussian")
    >>> batch = Batch(torch.zeros(3, 4), torch.tensor([0, 1, 1]))
    >>> sorted(module.loss(batch).terms)
    ['class', 'latent covering', 'reconstruction', 'v-prior', 'w-prior']
    >>> module.embed(batch.x).shape
    torch.Size([3, 2])
    """

    component_index: Tensor
    component_mask: Tensor
    log_pi: Tensor
    style_draws: Tensor

    def __init__(
        self,
        input_shape: tuple[int, ...],
        n_classes: int,
        n_subclusters: int | Sequence[int] = 1,
        latent_dim: int = 10,
        style_dim: int | None = None,
        likelihood: str = "bernoulli",
        blocks: Blocks = ((2, 20), (2, 50)),
        hidden: Sequence[int] = (500, 100),
        prior_hidden: Sequence[int] = (50, 50),
        v_prior: bool = False,
        classifier_weight: float = 0.0,
        prior_spread: float = 1.0,
        n_style_draws: int = 16,
    ) -> None:
        super().__init__()
        counts = [n_subclusters] * n_classes if isinstance(n_subclusters, int) else list(n_subclusters)
        if len(counts) != n_classes or min(counts) < 1:
            raise ValueError(
                f"n_subclusters={n_subclusters!r} does not fit {n_classes} classes: "
                "give one positive number, or one for each class."
            )
        self.input_shape = tuple(input_shape)
        self.n_classes, self.latent_dim = n_classes, latent_dim
        self.style_dim = style_dim = latent_dim if style_dim is None else style_dim
        self.v_prior, self.classifier_weight = v_prior, classifier_weight
        self.likelihood = make_likelihood(likelihood, self.input_shape)

        if len(self.input_shape) == 3:
            self.encoder: nn.Module = ConvEncoder(self.input_shape, blocks, hidden, 2 * latent_dim)
            self.decoder: nn.Module = ConvDecoder(latent_dim, blocks, hidden, self.input_shape)
            style_hidden: Sequence[int] = ()
        else:
            self.encoder = mlp(prod(self.input_shape), hidden, 2 * latent_dim)
            self.decoder = mlp(latent_dim, list(reversed(hidden)), prod(self.input_shape))
            style_hidden = tuple(hidden)[-1:]
        self.style_encoder = StyleEncoder(self.input_shape, n_classes, style_hidden, style_dim)

        # Components of all classes lie flat, class after class; classes with fewer than the
        # largest number point at component 0 and are masked out.
        total, largest = sum(counts), max(counts)
        starts = [sum(counts[:c]) for c in range(n_classes)]
        index = [[s + k if k < n else 0 for k in range(largest)] for s, n in zip(starts, counts, strict=True)]
        mask = [[k < n for k in range(largest)] for n in counts]
        self.register_buffer("component_index", torch.tensor(index), persistent=False)
        self.register_buffer("component_mask", torch.tensor(mask), persistent=False)
        self.register_buffer("log_pi", -torch.log(torch.tensor(counts, dtype=torch.float32)), persistent=False)
        self.n_components = total
        self.prior = mlp(style_dim, prior_hidden, total * 2 * latent_dim)
        head = cast(nn.Linear, self.prior[-1])
        with torch.no_grad():
            head.bias.view(total, 2, latent_dim)[:, 0] = prior_spread * torch.randn(total, latent_dim)
            head.bias.view(total, 2, latent_dim)[:, 1] = 0.0
        self.register_buffer("style_draws", torch.randn(n_style_draws, style_dim))

    def adopt_encoder(self, encoder: nn.Module) -> None:
        """Take over the layers of a trained encoder into phi_z, all but the last, and freeze them.

        The paper does so for CIFAR-10, where phi_z "is pretrained on the known classes" (section
        5.2). How is not said; what a classifier learns has no last layer for mean and log-variance,
        so that one is left to learn.

        Parameters
        ----------
        encoder : nn.Module
            Of the kind and the sizes of phi_z but for the width of its last layer.
        """
        names = list(self.encoder.state_dict())[:-2]
        given = encoder.state_dict()
        self.encoder.load_state_dict({name: given[name] for name in names}, strict=False)
        for name, parameter in self.encoder.named_parameters():
            parameter.requires_grad_(name not in names)

    # Recognition model

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), each (N, d)."""
        mean, log_variance = at_least_float32(self.encoder(x)).chunk(2, -1)
        return mean, soft_bound(log_variance)

    def embed(self, x: Tensor) -> Tensor:
        """Latent code mu(x; phi_z), shape (N, d)."""
        return self.posterior(x)[0]

    # Generative model

    def components(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Means and log-variances of p(z|w,y,v) for all components, each (..., sum K, d)."""
        parameters = at_least_float32(self.prior(w)).unflatten(-1, (self.n_components, 2, self.latent_dim))
        return parameters[..., 0, :], soft_bound(parameters[..., 1, :])

    def decode(self, z: Tensor) -> Independent:
        """p(x|z), batch shape (N,)."""
        return self.likelihood(self.decoder(z))

    def log_class_mixture(self, log_p: Tensor) -> Tensor:
        """log p(z|w,y) of every class, (..., C), from log p(z|w,y,v) of every component (..., sum K)."""
        if self.component_mask.shape[1] == 1:
            # The mixture is its only component, and its weight is 1.
            return log_p
        if self.component_mask.numel() == self.n_components:
            padded = log_p.unflatten(-1, self.component_mask.shape)
        else:
            padded = log_p[..., self.component_index].masked_fill(~self.component_mask, -math.inf)
        return torch.logsumexp(padded, -1) + self.log_pi.to(log_p.dtype)

    # What a rule may ask for

    def evidence(self, x: Tensor, names: Collection[str] | None = None) -> dict[str, Tensor]:
        """What the model knows of samples, by name; only what is asked for is computed.

        Parameters
        ----------
        x : Tensor, shape (N, ...)
        names : collection of str, optional
            Some of :attr:`evidence_names`; all by default.

        Returns
        -------
        dict of str to Tensor
            "embedding" (N, d), always; "class log-density" (N, C), log p(z|y) at z = mu(x)
            averaged over the fixed draws of w, float64; "posterior log-density" (N,),
            log q(z|x) there; "deviance" (N,), the reconstruction loss at z less its smallest
            value for this x, in nats. For images also "relative error" (N,) and, of 16 pixels or
            more, "smooth error" (N,): :func:`~knownot.modules.reconstruction.reconstruction_errors`.
        """
        wanted = set(self.evidence_names).intersection(self.evidence_names if names is None else names)
        mean, log_variance = self.posterior(x)
        found = {"embedding": mean}
        if "class log-density" in wanted:
            found["class log-density"] = self.class_log_density(mean)
        if "posterior log-density" in wanted:
            found["posterior log-density"] = -0.5 * (LOG_TWO_PI + log_variance).sum(-1)
        if wanted & {"deviance", *error_names(self.input_shape)}:
            decoded = self.decoder(mean)
            if "deviance" in wanted:
                found["deviance"] = self.likelihood.deviance(decoded, x)
            found |= reconstruction_errors(self.likelihood(decoded).mean, x, wanted)
        return found

    @property
    def evidence_names(self) -> tuple[str, ...]:
        """Names that :meth:`evidence` can supply for this kind of input."""
        return ("class log-density", "posterior log-density", "deviance", *error_names(self.input_shape))

    def class_log_density(self, z: Tensor) -> Tensor:
        """log p(z|y) of every class, averaged over the fixed draws of w; (N, C), float64."""
        means, log_variances = self.components(self.style_draws)
        log_p = pairwise_log_prob(z, means.flatten(0, 1), log_variances.flatten(0, 1))
        by_draw = self.log_class_mixture(log_p.unflatten(1, means.shape[:2]))
        return torch.logsumexp(by_draw, 1) - math.log(len(means))

    def reconstruct(self, x: Tensor) -> Tensor:
        """Mean of p(x|z) at z = mu(x), shape as x."""
        return self.decode(self.embed(x)).mean

    def sample(self, y: Tensor) -> Tensor:
        """One mean image or row of each class index in y, z drawn from the class's prior."""
        w = torch.randn(len(y), self.style_dim, device=y.device, dtype=self.style_draws.dtype)
        means, log_variances = self.components(w)
        counts = self.component_mask.sum(1)[y]
        v = (torch.rand(len(y), device=y.device) * counts).long().clamp_max(counts - 1)
        rows, own = torch.arange(len(y), device=y.device), self.component_index[y, v]
        z = diagonal_gaussian(means[rows, own], log_variances[rows, own]).rsample()
        return self.decode(z).mean

    # Objective

    def loss(self, batch: Batch, divergence_weight: float = 1.0) -> Loss:
        """Negative objective, equations of sections 3.1 and 3.2, one Monte-Carlo sample.

        Parameters
        ----------
        batch : Batch
        divergence_weight : float
            Factor of the divergences (covering, w-prior, v-prior), for a warm-up.
        """
        mean, log_variance = self.posterior(batch.x)
        q_z = diagonal_gaussian(mean, log_variance)
        z = q_z.rsample()
        w_mean, w_log_variance = self.style_encoder(batch.x, batch.y)
        w = diagonal_gaussian(w_mean, w_log_variance).rsample()

        log_p = self._log_components(z, w, batch.y)
        mask = self.component_mask[batch.y]
        log_joint = log_p.masked_fill(~mask, -math.inf) + self.log_pi[batch.y, None]
        posterior_v = torch.softmax(log_joint, -1)
        # log p_v is 0 where masked, since 0 * -inf is NaN, also in the gradient.
        expected_log_p = (posterior_v * log_p.masked_fill(~mask, 0.0)).sum(-1)

        reconstruction = -self.decode(z).log_prob(batch.x)
        covering = q_z.log_prob(z) - expected_log_p
        w_prior = kl_standard_normal(w_mean, w_log_variance)
        v_prior = expected_log_p - torch.logsumexp(log_joint, -1)
        terms = {"reconstruction": reconstruction, "latent covering": covering, "w-prior": w_prior, "v-prior": v_prior}

        divergence = covering + w_prior + (v_prior if self.v_prior else 0.0)
        per_sample = reconstruction + divergence_weight * divergence
        terms["class"] = self._class_term(z, batch.y) if self.classifier_weight else torch.zeros_like(covering)
        if self.classifier_weight:
            per_sample = per_sample + self.classifier_weight * terms["class"]
        return Loss(per_sample.mean(), {name: term.detach() for name, term in terms.items()})

    def _log_components(self, z: Tensor, w: Tensor, y: Tensor) -> Tensor:
        """log p(z|w,y,v) of the sample's own class, (N, largest K)."""
        means, log_variances = self.components(w)
        rows = torch.arange(len(y), device=y.device)[:, None]
        own = self.component_index[y]
        return diagonal_gaussian(means[rows, own], log_variances[rows, own]).log_prob(z[:, None])

    def _class_term(self, z: Tensor, y: Tensor) -> Tensor:
        """-log p(y|z,w) with w from its prior, (N,)."""
        means, log_variances = self.components(torch.randn(len(z), self.style_dim, dtype=z.dtype, device=z.device))
        log_p = diagonal_gaussian(means, log_variances).log_prob(z[:, None])
        return F.cross_entropy(self.log_class_mixture(log_p), y, reduction="none")
