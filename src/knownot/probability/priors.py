"""Priors p(z) of latent codes, as mixtures of Gaussians: the standard normal one, a learned mixture, VampPrior.

A prior gives its components once a step; densities, samples and divergences are functions of these.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from knownot.probability.gaussian import at_least_float32, soft_bound
from knownot.probability.mixtures import Components

Posterior = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Inputs (N, ...) to mean and log-variance of q(z|x), each (N, d)."""


class Prior(nn.Module, ABC):
    """Gives a mixture of Gaussians over latent codes.

    Attributes
    ----------
    n_components : int
        K.
    """

    n_components: int

    @abstractmethod
    def components(self, posterior: Posterior | None = None) -> Components:
        """Components as they are now, with gradients.

        Parameters
        ----------
        posterior : callable, optional
            The encoder, (N, ...) to mean and log-variance of q(z|x). Only a :class:`VampPrior` needs it;
            others take it too, so that whoever holds a prior need not ask which one it is.

        Returns
        -------
        Components
            To hand to :func:`~knownot.probability.mixture_log_prob`,
            :func:`~knownot.probability.sample_components` and
            :func:`~knownot.probability.cauchy_schwarz`; one call a step is enough.
        """

    def start_from(self, x: Tensor, seed: int) -> None:
        """See some training samples before the first step; most priors have no use for them.

        Parameters
        ----------
        x : Tensor, shape (N, ...)
        seed : int
            Of what is random in the start.
        """


class StandardNormalPrior(Prior):
    """N(0, I), the prior of the plain VAE: one component, nothing to learn.

    Parameters
    ----------
    latent_dim : int
        d.

    Raises
    ------
    ValueError
        If it is not a positive number.

    Examples
    --------
    >>> [tuple(part.shape) for part in StandardNormalPrior(3).components()]
    [(1,), (1, 3), (1, 3)]
    """

    log_weights: Tensor
    zeros: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        _check_counts(latent_dim=latent_dim)
        self.latent_dim, self.n_components = latent_dim, 1
        # Not saved, but moved with the module.
        self.register_buffer("log_weights", torch.zeros(1), persistent=False)
        self.register_buffer("zeros", torch.zeros(1, latent_dim), persistent=False)

    def components(self, posterior: Posterior | None = None) -> Components:
        """The one component; see :class:`Prior`."""
        return Components(self.log_weights, self.zeros, self.zeros)


class MixturePrior(Prior):
    """A learned mixture of Gaussians, sum_k w_k N(nu_k, t_k^2).

    At the start the means are drawn from N(0, spread^2), and the variances are 1. Log-variances are
    bounded softly (:func:`~knownot.probability.soft_bound`).

    Parameters
    ----------
    latent_dim : int
        d.
    n_components : int
        K.
    covariance : {"shared", "diagonal"}
        One diagonal covariance for all components, or each its own. With the first, Cauchy-Schwarz
        divergences are some ten times faster.
    parametrisation : {"free", "network"}
        Means and log-variances as parameters of their own, or as what a small network makes of the number
        of each component, one-hot: 784 and 256 units with ReLU, then a linear head, as in Table 6 of the
        paper. In the network a step of one component moves the others too, and it costs as much as a
        batch of K through an encoder. A shared covariance is a parameter either way.
    learn_weights : bool
        Weights as further parameters; equal ones at the start, and for good by default.
    spread : float
        Standard deviation of the means at the start.

    Raises
    ------
    ValueError
        If a setting is not one of the above.

    References
    ----------
    Tran, Pantic and Deisenroth, "Cauchy-Schwarz regularized autoencoder", 2022, section 3.2, equation 22.

    Examples
    --------
    >>> prior = MixturePrior(2, n_components=5)
    >>> [tuple(part.shape) for part in prior.components()]
    [(5,), (5, 2), (1, 2)]
    """

    log_weights: Tensor

    def __init__(
        self,
        latent_dim: int,
        n_components: int,
        covariance: str = "shared",
        parametrisation: str = "free",
        learn_weights: bool = False,
        spread: float = 1.0,
    ) -> None:
        super().__init__()
        _check_counts(latent_dim=latent_dim, n_components=n_components)
        _check_choice("covariance", covariance, ("shared", "diagonal"))
        _check_choice("parametrisation", parametrisation, ("free", "network"))
        if not 0.0 < spread < math.inf:
            raise ValueError(f"spread={spread!r} does not work: give a number above 0, the spread of the means.")
        self.latent_dim, self.n_components = latent_dim, n_components
        shared = covariance == "shared"
        self.network: nn.Sequential | None = None
        self.means: nn.Parameter | None = None
        self.raw_log_variances: nn.Parameter | None = None
        if parametrisation == "network":
            self.network = _numbers_network(n_components, latent_dim, 1 if shared else 2, spread)
        else:
            self.means = nn.Parameter(spread * torch.randn(n_components, latent_dim))
        if shared or parametrisation == "free":
            self.raw_log_variances = nn.Parameter(torch.zeros(1 if shared else n_components, latent_dim))
        self.logits = nn.Parameter(torch.zeros(n_components)) if learn_weights else None
        self.register_buffer("log_weights", _equal_log_weights(n_components), persistent=False)

    def components(self, posterior: Posterior | None = None) -> Components:
        """Components as they are now; see :class:`Prior`."""
        means: Tensor | None = self.means
        log_variances: Tensor | None = self.raw_log_variances
        if self.network is not None:
            # A one-hot number times a matrix is one of its rows: no product is needed for the first layer.
            first = self.network[0]
            assert isinstance(first, nn.Linear)
            given = at_least_float32(self.network[1:](first.weight.T + first.bias))
            means = given[:, : self.latent_dim]
            log_variances = given[:, self.latent_dim :] if log_variances is None else log_variances
        assert means is not None
        assert log_variances is not None
        weights = self.log_weights if self.logits is None else torch.log_softmax(at_least_float32(self.logits), 0)
        return Components(weights, means, soft_bound(log_variances))


class VampPrior(Prior):
    """The mixture of the posteriors of K learned pseudo-inputs, 1/K sum_k q(z|u_k).

    The encoder gives the components and is handed over in every call. It is no part of this module: it
    would be saved, and counted, twice.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of one input.
    n_components : int
        K, the number of pseudo-inputs.
    value_range : (float, float) or None
        Range that inputs have, in which pseudo-inputs are held: [0, 1] for images. None for tables.
    noise_std : float
        Standard deviation of what tells pseudo-inputs apart at the start.

    Raises
    ------
    ValueError
        If a setting is out of its range.

    References
    ----------
    Tomczak and Welling, "VAE with a VampPrior", 2018.

    Examples
    --------
    >>> prior = VampPrior((4,), n_components=3)
    >>> encoder = nn.Linear(4, 2 * 2)
    >>> [tuple(part.shape) for part in prior.components(lambda x: encoder(x).chunk(2, -1))]
    [(3,), (3, 2), (3, 2)]
    """

    log_weights: Tensor

    def __init__(
        self,
        input_shape: tuple[int, ...],
        n_components: int,
        value_range: tuple[float, float] | None = (0.0, 1.0),
        noise_std: float = 0.01,
    ) -> None:
        super().__init__()
        _check_counts(n_components=n_components)
        if value_range is not None and not value_range[0] < value_range[1]:
            raise ValueError(f"value_range={value_range!r} is empty: give the lower end first, or None for no range.")
        if not 0.0 < noise_std < math.inf:
            raise ValueError(
                f"noise_std={noise_std!r} does not work: give a number above 0, since without noise all pseudo-inputs "
                "would be, and remain, the same."
            )
        self.input_shape, self.n_components = tuple(input_shape), n_components
        self.value_range, self.noise_std = value_range, noise_std
        middle = 0.0 if value_range is None else 0.5 * sum(value_range)
        self.raw_pseudo_inputs = nn.Parameter(middle + noise_std * torch.randn(n_components, *self.input_shape))
        self.register_buffer("log_weights", _equal_log_weights(n_components), persistent=False)

    @property
    def pseudo_inputs(self) -> Tensor:
        """The pseudo-inputs, within the range, (K, ...)."""
        if self.value_range is None:
            return self.raw_pseudo_inputs
        return _HoldInRange.apply(self.raw_pseudo_inputs, *self.value_range)

    def components(self, posterior: Posterior | None = None) -> Components:
        """Posteriors of the pseudo-inputs; see :class:`Prior`.

        Raises
        ------
        ValueError
            Without a posterior.
        """
        if posterior is None:
            raise ValueError(
                "a VampPrior has the encoder's posteriors as its components, and no posterior was given: "
                "call components(posterior) with a function of inputs to mean and log-variance."
            )
        mean, log_variance = posterior(self.pseudo_inputs)
        return Components(self.log_weights, at_least_float32(mean), at_least_float32(log_variance))

    @torch.no_grad()
    def start_from(self, x: Tensor, seed: int) -> None:
        """Start all pseudo-inputs at the mean of some training samples, with a little noise.

        Parameters
        ----------
        x : Tensor, shape (N, ...)
            Training samples, as the encoder sees them.
        seed : int
            Of the noise.

        Raises
        ------
        ValueError
            If there are none, or they have another shape.
        """
        if x.shape[1:] != self.input_shape or not len(x):
            raise ValueError(
                f"the pseudo-inputs have shape {self.input_shape}, and the samples are {tuple(x.shape)}: "
                "give at least one sample of that shape."
            )
        generator = torch.Generator().manual_seed(seed)
        noise = self.noise_std * torch.randn(self.raw_pseudo_inputs.shape, generator=generator)
        start = x.double().mean(0) + noise.to(x.device)
        self.raw_pseudo_inputs.copy_(start if self.value_range is None else start.clamp(*self.value_range))


class _HoldInRange(torch.autograd.Function):
    """Clamp whose gradient stops only what would move a value further out.

    A plain clamp, whose gradient is 0 outside, never lets go of a pixel again that one step brought there, and half
    the black pixels of a mean image start at the edge.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, low: float, high: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.range = low, high
        return x.clamp(low, high)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        low, high = ctx.range
        # Descent moves against the gradient.
        outwards = ((x <= low) & (gradient > 0)) | ((x >= high) & (gradient < 0))
        return gradient.masked_fill(outwards, 0.0), None, None


def _numbers_network(n_components: int, latent_dim: int, n_heads: int, spread: float) -> nn.Sequential:
    """Network on one-hot numbers of components, with means of the given spread and log-variances of 0 at its start."""
    network = nn.Sequential(
        nn.Linear(n_components, 784), nn.ReLU(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, n_heads * latent_dim)
    )
    first, second, head = (layer for layer in network if isinstance(layer, nn.Linear))
    with torch.no_grad():
        # Of a one-hot input one number counts, whatever its length: in the usual start, for many that count, all
        # components would be nearly the same.
        first.weight.normal_(std=math.sqrt(2.0))
        nn.init.kaiming_normal_(second.weight, nonlinearity="relu")
        for layer in (first, second, head):
            layer.bias.zero_()
        head.weight[latent_dim:] = 0.0
        means = network(torch.eye(n_components))[:, :latent_dim]
        if n_components > 1:
            scale = spread / means.std(0)
            head.weight[:latent_dim] *= scale[:, None]
            head.bias[:latent_dim] = -scale * means.mean(0)
        else:
            head.bias[:latent_dim] = spread * torch.randn(latent_dim) - means[0]
    return network


def _equal_log_weights(n_components: int) -> Tensor:
    return torch.full((n_components,), -math.log(n_components))


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name}={count!r} does not work: give a whole number, 1 or more.")


def _check_choice(name: str, value: str, choices: tuple[str, str]) -> None:
    if value not in choices:
        raise ValueError(f"{name}={value!r} is not known: use {choices[0]!r} or {choices[1]!r}.")
