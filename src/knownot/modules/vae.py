"""Variational autoencoders: one family, likelihood x prior x divergence x number of importance samples.

Two papers describe it: "When do variational autoencoders know what they don't know?" (a Gaussian likelihood whose
variance is learned) and "Cauchy-Schwarz regularized autoencoder" (mixture priors with a divergence in closed form).
Notation of both: x input, z latent code, q(z|x) = N(mu(x), s^2(x)) the encoder, p(x|z) the decoder, p(z) the prior. The
names of the literature are settings:

- VAE: ``prior="normal"``, ``divergence="kl"``;
- beta-VAE: the same with ``beta`` above 1;
- IWAE: the same with ``n_importance_samples`` above 1;
- VampPrior-VAE: ``prior="vamp"``, ``divergence="kl"``;
- CSRAE: ``prior="normal"``, ``divergence="cauchy-schwarz"``;
- MixtureCSRAE: ``prior="mixture"``, ``divergence="cauchy-schwarz"``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from math import prod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import Independent

from knownot.data import Batch, draw_pixels
from knownot.modules.base import Loss, Module
from knownot.modules.reconstruction import error_names, reconstruction_errors
from knownot.networks import StridedDecoder, StridedEncoder, mlp
from knownot.probability import (
    LOG_TWO_PI,
    Components,
    IsotropicGaussianLikelihood,
    MixturePrior,
    Prior,
    StandardNormalPrior,
    VampPrior,
    at_least_float32,
    cauchy_schwarz,
    kl_standard_normal,
    make_likelihood,
    mixture_log_prob,
    pairwise_log_prob,
    sample_components,
    soft_bound,
)

PriorName = Literal["normal", "mixture", "vamp"]
Divergence = Literal["kl", "cauchy-schwarz"]
Bound = Literal["elbo", "importance"]
# Numbers of a decoder's output that are held at once when many codes of a sample are decoded.
_MOST_DECODED = 1 << 22


class VAE(Module):
    """Variational autoencoder with a choice of likelihood, prior and divergence.

    The loss is -E_q log p(x|z) + beta D(q(z|x), p(z)), or, with several importance samples, the negative logarithm of
    their mean weight. The best weights are chosen at weight 1, whatever ``beta`` they are trained with.

    Parameters
    ----------
    input_shape : tuple of int
        (F,) for tables, (C, H, W) for images.
    latent_dim : int
        Dimension of z, d.
    likelihood : {"isotropic-gaussian", "gaussian", "bernoulli", "truncated-gaussian", "discretised-logistic"}
        p(x|z): one variance for all pixels or columns; one for each; binary images; colour images; 8-bit images.
    decoder_variance : {"learned", "batch"} or float
        gamma of "isotropic-gaussian": a *variance*, learned as its logarithm; the mean squared error of the batch,
        which is the value of greatest likelihood; or fixed.
    prior : {"normal", "mixture", "vamp"}
        p(z): N(0, I); a learned mixture of Gaussians; the mixture of the encoder's posteriors of learned
        pseudo-inputs.
    n_components : int
        K, of "mixture" and "vamp".
    covariance : {"shared", "diagonal"}
        Of "mixture": whether its components share their variances. Shared ones make divergences matrix products.
    divergence : {"kl", "cauchy-schwarz"}
        Kullback-Leibler, in closed form for the normal prior, else by the Monte-Carlo sample at hand; or Cauchy-Schwarz
        in closed form.
    as_printed : bool
        Cauchy-Schwarz with the misprints of the paper's equations (56) to (59), to compare with.
    n_importance_samples : int
        Above 1 the objective is the importance-weighted bound; with "kl" only.
    beta : float
        Weight of the divergence, the second paper's lambda.
    network : {"mlp", "strided"}
        Linear layers; or, of images, convolutions of stride 2.
    hidden : sequence of int
        Linear layers of "mlp", mirrored in the decoder.
    channels : sequence of int
        Convolutions of "strided", mirrored in the decoder.
    width : float
        Factor of ``hidden`` and ``channels``: the capacity of the first paper.
    binarise : bool
        In training draw binary pixels anew from each batch of grey images.
    bound : {"elbo", "importance"}
        What :meth:`log_prob` gives: the evidence lower bound, or the importance-weighted one, which is tighter.
    n_draws : int
        Fixed draws of noise by which :meth:`log_prob` is computed.

    Attributes
    ----------
    prior : Prior
    likelihood : Likelihood

    Raises
    ------
    ValueError
        If a setting is not known, or two do not go together.

    References
    ----------
    Kingma and Welling, "Auto-encoding variational Bayes", 2014. Burda, Grosse and Salakhutdinov, "Importance weighted
    autoencoders", 2016. Tomczak and Welling, "VAE with a VampPrior", 2018. "When do variational autoencoders know what
    they don't know?", 2019, equations (1) and (2). Tran, Pantic and Deisenroth, "Cauchy-Schwarz regularized
    autoencoder", equations (13), (20) and (28).

    Examples
    --------
    >>> module = VAE((4,), latent_dim=2, likelihood="gaussian", hidden=(8,))
    >>> batch = Batch(torch.zeros(3, 4), torch.full((3,), -1))
    >>> sorted(module.loss(batch).terms)
    ['divergence', 'reconstruction']
    >>> module.log_prob(batch.x).shape, module.embed(batch.x).shape
    (torch.Size([3]), torch.Size([3, 2]))
    """

    noise: Tensor

    def __init__(
        self,
        input_shape: tuple[int, ...],
        latent_dim: int = 40,
        likelihood: str = "bernoulli",
        decoder_variance: str | float = "learned",
        prior: PriorName = "normal",
        n_components: int = 1,
        covariance: Literal["shared", "diagonal"] = "shared",
        divergence: Divergence = "kl",
        as_printed: bool = False,
        n_importance_samples: int = 1,
        beta: float = 1.0,
        network: Literal["mlp", "strided"] = "mlp",
        hidden: Sequence[int] = (300, 300),
        channels: Sequence[int] = (64, 128, 256),
        width: float = 1.0,
        binarise: bool = False,
        bound: Bound = "elbo",
        n_draws: int = 4,
    ) -> None:
        super().__init__()
        _refuse_names(prior=prior, divergence=divergence, network=network, bound=bound)
        _refuse_counts(n_importance_samples=n_importance_samples, n_draws=n_draws, latent_dim=latent_dim)
        _refuse_pairs(divergence, n_importance_samples, beta, network, input_shape)
        _refuse_counts(
            **{"the least of hidden": min(hidden, default=1), "the least of channels": min(channels, default=1)}
        )
        if not 0.0 < width < math.inf:
            raise ValueError(f"width={width!r} does not work: give a factor above 0, such as 0.5.")
        self.input_shape, self.latent_dim = tuple(input_shape), latent_dim
        self.divergence, self.as_printed, self.beta = divergence, as_printed, beta
        self.n_importance_samples, self.binarise, self.bound = n_importance_samples, binarise, bound
        self.likelihood = (
            IsotropicGaussianLikelihood(decoder_variance)
            if likelihood == "isotropic-gaussian"
            else make_likelihood(likelihood, self.input_shape)
        )
        if network == "strided":
            widths = [max(1, round(width * n)) for n in channels]
            self.encoder: nn.Module = StridedEncoder(self.input_shape, widths, 2 * latent_dim)  # type: ignore[arg-type]
            self.decoder: nn.Module = StridedDecoder(latent_dim, widths, self.input_shape)  # type: ignore[arg-type]
        else:
            widths, n_values = [max(1, round(width * n)) for n in hidden], prod(self.input_shape)
            self.encoder = nn.Sequential(nn.Flatten(), mlp(n_values, widths, 2 * latent_dim))
            decode = mlp(latent_dim, widths[::-1], n_values)
            self.decoder = nn.Sequential(decode, nn.Unflatten(1, self.input_shape))
        self.prior: Prior = (
            StandardNormalPrior(latent_dim)
            if prior == "normal"
            else MixturePrior(latent_dim, n_components, covariance)
            if prior == "mixture"
            else VampPrior(self.input_shape, n_components, (0.0, 1.0) if len(self.input_shape) == 3 else None)
        )
        self.register_buffer("noise", _balanced_noise(n_draws, latent_dim))

    def start_from(self, x: Tensor, seed: int) -> None:
        """Let prior and variance see some training samples, (N, ...), before the first step.

        Parameters
        ----------
        x : Tensor, shape (N, ...)
            Images in [0, 1], or scaled rows.
        seed : int
        """
        for part in (self.prior, self.likelihood):
            start = getattr(part, "start_from", None)
            if start is not None:
                start(x, seed)

    # Recognition model and prior

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), each (N, d)."""
        mean, log_variance = at_least_float32(self.encoder(x)).chunk(2, -1)
        return mean, soft_bound(log_variance)

    def embed(self, x: Tensor) -> Tensor:
        """Latent code mu(x), shape (N, d)."""
        return self.posterior(x)[0]

    def components(self) -> Components:
        """The prior as a mixture, one component where it is normal."""
        return self.prior.components(self.posterior)

    def log_prior(self, z: Tensor, components: Components | None) -> Tensor:
        """log p(z) in nats, (...), of codes (..., d); ``components`` of a normal prior are not needed."""
        if isinstance(self.prior, StandardNormalPrior):
            return -0.5 * (z.square() + LOG_TWO_PI).sum(-1)
        assert components is not None
        return mixture_log_prob(z, components)

    def responsibilities(self, x: Tensor) -> Tensor:
        """Probability of each component of the prior given the sample's code, (N, K)."""
        log_weights, means, log_variances = self.components()
        each = pairwise_log_prob(self.embed(x), means, log_variances.expand_as(means))
        return torch.softmax(each + log_weights, 1)

    # Generative model

    def decode(self, z: Tensor) -> Independent:
        """p(x|z), batch shape (N,)."""
        return self.likelihood(self.decoder(z))

    def sample(self, n: int) -> Tensor:
        """Draw from the model, (n, ...): of images the mean of p(x|z), of rows x itself."""
        z, _ = sample_components(self.components(), n)
        found = self.decode(z.to(self.noise))
        return found.mean if len(self.input_shape) == 3 else found.sample()

    def reconstruct(self, x: Tensor) -> Tensor:
        """Mean of p(x|z) at z = mu(x), shape as x."""
        return self.decode(self.embed(x)).mean

    # Objective

    def loss(self, batch: Batch, divergence_weight: float = 1.0) -> Loss:
        """Negative objective: equation (1) of the first paper, (13) and (20) of the second.

        Parameters
        ----------
        batch : Batch
        divergence_weight : float
            Factor of the divergence beside ``beta``, for a warm-up.

        Returns
        -------
        Loss
            Terms "reconstruction", -log p(x|z), and "divergence", in nats. Its criterion is the objective at
            weight 1. A density may be above 1, so that the loss may be below 0.
        """
        x = draw_pixels(batch.x) if self.training and self.binarise else batch.x
        mean, log_variance = self.posterior(x)
        components = self._components_if_needed()
        weight = self.beta * divergence_weight
        if self.n_importance_samples == 1:
            z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
            reconstruction = -self.decode(z).log_prob(x)
            divergence = self._divergence(mean, log_variance, z, components)
            terms = {"reconstruction": reconstruction.detach(), "divergence": divergence.detach()}
            total = (reconstruction + weight * divergence).mean()
            return Loss(total, terms, criterion=terms["reconstruction"] + terms["divergence"])
        noise = torch.randn((self.n_importance_samples, *mean.shape), device=mean.device, dtype=mean.dtype)
        reconstruction, log_ratio = self._weigh(x, mean, log_variance, noise, components)
        terms = {"reconstruction": reconstruction.detach().mean(0), "divergence": -log_ratio.detach().mean(0)}
        total = -_log_mean_exp(weight * log_ratio - reconstruction).mean()
        return Loss(total, terms, criterion=-_log_mean_exp((log_ratio - reconstruction).detach()))

    def _components_if_needed(self) -> Components | None:
        normal = isinstance(self.prior, StandardNormalPrior) and self.divergence == "kl"
        return None if normal else self.components()

    def _divergence(self, mean: Tensor, log_variance: Tensor, z: Tensor, components: Components | None) -> Tensor:
        """D(q(z|x), p(z)) of each sample in nats, (N,)."""
        if self.divergence == "cauchy-schwarz":
            assert components is not None
            return cauchy_schwarz(mean, log_variance, components, as_printed=self.as_printed)
        if isinstance(self.prior, StandardNormalPrior):
            return kl_standard_normal(mean, log_variance)
        noise = (z - mean) * torch.exp(-0.5 * log_variance)
        return _log_posterior(noise, log_variance) - self.log_prior(z, components)

    def _weigh(
        self, x: Tensor, mean: Tensor, log_variance: Tensor, noise: Tensor, components: Components | None
    ) -> tuple[Tensor, Tensor]:
        """-log p(x|z) and log p(z) - log q(z|x), each (S, N), of the codes that some noise (S, N or 1, d) makes."""
        noise = noise.expand(-1, len(mean), -1)
        z = mean + torch.exp(0.5 * log_variance) * noise
        repeated = x.expand(len(z), *x.shape).flatten(0, 1)
        reconstruction = -self.decode(z.flatten(0, 1)).log_prob(repeated).unflatten(0, z.shape[:2])
        return reconstruction, self.log_prior(z, components) - _log_posterior(noise, log_variance)

    # Density

    def log_prob(self, x: Tensor) -> Tensor:
        """Lower bound of log p(x) of each sample in nats, (N,), by fixed draws of noise.

        The same sample has the same bound whatever is beside it. It is a bound for every prior and divergence.
        """
        reconstruction, log_ratio, mean, log_variance = self._weighed(x)
        if self.bound == "importance":
            return _log_mean_exp(log_ratio - reconstruction)
        if isinstance(self.prior, StandardNormalPrior):
            return -reconstruction.mean(0) - kl_standard_normal(mean, log_variance)
        return (log_ratio - reconstruction).mean(0)

    def _weighed(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mean, log_variance = self.posterior(x)
        components = None if isinstance(self.prior, StandardNormalPrior) else self.components()
        reconstruction, log_ratio = self._weigh(x, mean, log_variance, self.noise[:, None], components)
        return reconstruction, log_ratio, mean, log_variance

    @torch.no_grad()
    def log_likelihood(self, x: Tensor, n_samples: int = 500) -> Tensor:
        """log p(x) of each sample in nats, (N,), float64, by importance sampling from the encoder.

        Samples are encoded once; codes are decoded some at a time.

        Parameters
        ----------
        x : Tensor, shape (N, ...)
        n_samples : int
            Codes drawn for each sample, S. On average the result is below log p(x), and grows with S.

        References
        ----------
        Cauchy-Schwarz autoencoder paper, equation (28).
        """
        mean, log_variance = self.posterior(x)
        components = None if isinstance(self.prior, StandardNormalPrior) else self.components()
        at_once = max(1, _MOST_DECODED // max(1, x.numel()))
        total = torch.full((len(x),), -math.inf, dtype=torch.float64, device=x.device)
        for start in range(0, n_samples, at_once):
            n = min(at_once, n_samples - start)
            noise = torch.randn((n, *mean.shape), device=mean.device, dtype=mean.dtype)
            reconstruction, log_ratio = self._weigh(x, mean, log_variance, noise, components)
            total = torch.logaddexp(total, torch.logsumexp((log_ratio - reconstruction).double(), 0))
        return total - math.log(n_samples)

    # What a rule may ask for

    @property
    def evidence_names(self) -> tuple[str, ...]:
        """Names that :meth:`evidence` can supply beside the embedding."""
        return (
            "log-density",
            "class log-density",
            "posterior log-density",
            "deviance",
            *error_names(self.input_shape),
        )

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
            "embedding" (N, d), always; "log-density" (N,), :meth:`log_prob`; "class log-density" (N, 1), log p(z) at
            z = mu(x), all samples being of one class; "posterior log-density" (N,), log q(z|x) there; "deviance" (N,),
            the reconstruction loss at z less its smallest value for this x, in nats. Of images the errors of
            :meth:`OpenGMVAE.evidence`.
        """
        wanted = set(self.evidence_names).intersection(self.evidence_names if names is None else names)
        mean, log_variance = self.posterior(x)
        found = {"embedding": mean}
        if "log-density" in wanted:
            found["log-density"] = self.log_prob(x)
        if "class log-density" in wanted:
            components = None if isinstance(self.prior, StandardNormalPrior) else self.components()
            found["class log-density"] = self.log_prior(mean, components).double()[:, None]
        if "posterior log-density" in wanted:
            found["posterior log-density"] = -0.5 * (LOG_TWO_PI + log_variance).sum(-1)
        if wanted & {"deviance", *error_names(self.input_shape)}:
            decoded = self.decoder(mean)
            if "deviance" in wanted:
                found["deviance"] = self.likelihood.deviance(decoded, x)
            found |= reconstruction_errors(self.likelihood(decoded).mean, x, wanted)
        return found


def _balanced_noise(n: int, latent_dim: int) -> Tensor:
    """Draws from N(0, I) in opposite pairs, scaled to variance 1 in each dimension, (n, d).

    A few such draws say as much of a mean as many others: of a quadratic function without mixed terms the whole.
    """
    half = torch.randn(-(-n // 2), latent_dim)
    half = half / half.square().mean(0).sqrt()
    return torch.cat([half, -half])[:n]


def _log_posterior(noise: Tensor, log_variance: Tensor) -> Tensor:
    """log q(z|x) in nats, (..., N), of z = mu + s noise."""
    return -0.5 * (noise.square() + log_variance + LOG_TWO_PI).sum(-1)


def _log_mean_exp(log_weights: Tensor) -> Tensor:
    """Logarithm of the mean over the first dimension."""
    return torch.logsumexp(log_weights, 0) - math.log(len(log_weights))


_KNOWN = {
    "prior": ("normal", "mixture", "vamp"),
    "divergence": ("kl", "cauchy-schwarz"),
    "network": ("mlp", "strided"),
    "bound": ("elbo", "importance"),
}


def _refuse_names(**given: str) -> None:
    """Refuse names that are not known."""
    for name, value in given.items():
        if value not in _KNOWN[name]:
            raise ValueError(f"{name}={value!r} is not known: use {' or '.join(map(repr, _KNOWN[name]))}.")


def _refuse_counts(**given: int) -> None:
    """Refuse numbers below 1."""
    for name, value in given.items():
        if value < 1:
            raise ValueError(f"{name}={value!r} does not work: give a whole number, 1 or more.")


def _refuse_pairs(
    divergence: str, n_importance_samples: int, beta: float, network: str, input_shape: Sequence[int]
) -> None:
    """Refuse settings that do not go together, or are out of range."""
    if not 0.0 <= beta < math.inf:
        raise ValueError(f"beta={beta!r} does not work: give 0 or a positive number.")
    if n_importance_samples > 1 and divergence != "kl":
        raise ValueError(
            f"n_importance_samples={n_importance_samples} does not go with divergence={divergence!r}: the importance-"
            "weighted bound has no divergence apart from the Kullback-Leibler one. Use 'kl', or one sample."
        )
    if network == "strided" and len(input_shape) != 3:
        raise ValueError("network='strided' is for images: use 'mlp' for tables.")
