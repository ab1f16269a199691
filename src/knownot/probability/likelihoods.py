"""Likelihoods p(x | z) of pixels and table columns, in the idiom of torch.distributions.

Each ``...Likelihood`` is a module that turns a decoder's output into a distribution whose
``log_prob`` is summed over the event, in nats per sample, computed in float32 or better.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent, Normal, constraints
from torch.special import log_ndtr, ndtr, ndtri

from knownot.probability.gaussian import LOG_TWO_PI, at_least_float32, soft_bound


class GreyBernoulli(Bernoulli):
    """Bernoulli whose ``log_prob`` takes grey values in [0, 1], not only 0 and 1.

    This is the "unnormalised continuous Bernoulli": plain binary cross-entropy on grey
    values. It is not a density (it does not integrate to one), so its values compare models
    on the same data and are no bits per dimension.

    Parameters
    ----------
    logits : Tensor
        Log-odds of the mean.

    Examples
    --------
    >>> import torch
    >>> GreyBernoulli(logits=torch.tensor(0.0)).log_prob(torch.tensor(0.5))
    tensor(-0.6931)
    """

    support = constraints.unit_interval  # type: ignore[assignment]

    def __init__(self, logits: Tensor) -> None:
        super().__init__(logits=logits, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        return -F.binary_cross_entropy_with_logits(self.logits, value.expand_as(self.logits), reduction="none")


def log_mass_unit_interval(loc: Tensor, scale: Tensor) -> Tensor:
    """log[Phi((1 - loc)/scale) - Phi(-loc/scale)], on the better-conditioned tail.

    The plain difference is 0 in float32 at loc = 1.6, scale = 0.1, and its logarithm -inf.

    Parameters
    ----------
    loc, scale : Tensor, broadcastable
        Mean and standard deviation of the untruncated Gaussian.

    Returns
    -------
    Tensor
        Logarithm of the mass in [0, 1], finite with finite gradients.

    Examples
    --------
    >>> import torch
    >>> log_mass_unit_interval(torch.tensor(1.6), torch.tensor(0.1))
    tensor(-20.7368)
    """
    lower, upper = -loc / scale, (1.0 - loc) / scale
    # Phi(b) - Phi(a) = Phi(-a) - Phi(-b): reflect so that both arguments lie in the left tail.
    reflect = lower + upper > 0
    low = torch.where(reflect, -upper, lower)
    high = torch.where(reflect, -lower, upper)
    log_high = log_ndtr(high)
    ratio = log_ndtr(low) - log_high
    return log_high + torch.log(-torch.expm1(torch.clamp(ratio, max=-1e-7)))


class TruncatedNormal(Distribution):
    """Gaussian restricted to [0, 1] and renormalised there.

    Parameters
    ----------
    loc : Tensor
        Mean of the Gaussian before truncation.
    scale : Tensor
        Standard deviation before truncation, broadcastable with ``loc``.

    Examples
    --------
    >>> import torch
    >>> TruncatedNormal(torch.tensor(0.5), torch.tensor(1e3)).log_prob(torch.tensor(0.2)).abs() < 1e-4
    tensor(True)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, loc: Tensor, scale: Tensor) -> None:
        self.loc, self.scale = torch.broadcast_tensors(at_least_float32(loc), at_least_float32(scale))
        super().__init__(self.loc.shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        """Mean after truncation, in [0, 1]."""
        lower, upper = -self.loc / self.scale, (1.0 - self.loc) / self.scale
        log_mass = log_mass_unit_interval(self.loc, self.scale)
        shift = torch.exp(-0.5 * (lower.square() + LOG_TWO_PI) - log_mass)
        shift = shift - torch.exp(-0.5 * (upper.square() + LOG_TWO_PI) - log_mass)
        return torch.clamp(self.loc + self.scale * shift, 0.0, 1.0)

    def log_prob(self, value: Tensor) -> Tensor:
        standard = (value - self.loc) / self.scale
        log_normal = -0.5 * (standard.square() + LOG_TWO_PI) - torch.log(self.scale)
        return log_normal - log_mass_unit_interval(self.loc, self.scale)

    def rsample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = torch.Size()) -> Tensor:
        """Draw by the inverse distribution function (float64 inside)."""
        shape = torch.Size(sample_shape) + self.loc.shape
        loc, scale = self.loc.double(), self.scale.double()
        low, high = ndtr(-loc / scale), ndtr((1.0 - loc) / scale)
        uniform = torch.rand(shape, device=loc.device, dtype=torch.float64)
        eps = torch.finfo(torch.float64).eps
        draw = ndtri(torch.clamp(low + uniform * (high - low), eps, 1.0 - eps))
        return torch.clamp(loc + scale * draw, 0.0, 1.0).to(self.loc.dtype)


class Likelihood(nn.Module, ABC):
    """Turns a decoder's output into a distribution of the input."""

    @abstractmethod
    def forward(self, decoded: Tensor) -> Independent:
        """Decoder output (N, ...) to a distribution with batch shape (N,)."""

    @abstractmethod
    def deviance(self, decoded: Tensor, x: Tensor) -> Tensor:
        """Reconstruction loss of x less its smallest value for this x, in nats, (N,)."""


class BernoulliLikelihood(Likelihood):
    """Binary cross-entropy on grey values; the decoder emits the log-odds of each pixel."""

    def forward(self, decoded: Tensor) -> Independent:
        """Decoder output (N, ...) to a distribution with batch shape (N,)."""
        return Independent(GreyBernoulli(logits=at_least_float32(decoded)), decoded.dim() - 1, validate_args=False)

    def deviance(self, decoded: Tensor, x: Tensor) -> Tensor:
        """Loss of x less that of a perfect reconstruction, (N,): the sum of KL(x || mean) over pixels."""
        perfect = torch.special.entr(x) + torch.special.entr(1.0 - x)
        return -self(decoded).log_prob(x) - perfect.flatten(1).sum(1)


class TruncatedGaussianLikelihood(Likelihood):
    """Gaussian truncated to [0, 1] with one learned standard deviation for all pixels.

    Parameters
    ----------
    initial_std : float
        Standard deviation at the start, in units of the [0, 1] grey scale.
    learn_std : bool
        False keeps it fixed.
    """

    def __init__(self, initial_std: float = 0.2, learn_std: bool = True) -> None:
        super().__init__()
        self.log_variance = nn.Parameter(torch.tensor(2.0 * math.log(initial_std)), requires_grad=learn_std)

    def forward(self, decoded: Tensor) -> Independent:
        """Decoder output (N, ...) to a distribution with batch shape (N,)."""
        std = torch.exp(0.5 * soft_bound(self.log_variance))
        return Independent(TruncatedNormal(at_least_float32(decoded), std), decoded.dim() - 1, validate_args=False)

    def deviance(self, decoded: Tensor, x: Tensor) -> Tensor:
        """Half the squared error over the variance, (N,), the truncation left out."""
        precision = torch.exp(-soft_bound(self.log_variance))
        return 0.5 * precision * (x - at_least_float32(decoded)).square().flatten(1).sum(1)


class GaussianLikelihood(Likelihood):
    """Gaussian with one learned variance per column, for tables and embeddings.

    Parameters
    ----------
    event_shape : tuple of int
        Shape of one sample.
    initial_variance : float
        Variance at the start, in squared units of the (standardised) input.
    """

    def __init__(self, event_shape: tuple[int, ...], initial_variance: float = 1.0) -> None:
        super().__init__()
        self.log_variance = nn.Parameter(torch.full(event_shape, math.log(initial_variance)))

    def forward(self, decoded: Tensor) -> Independent:
        """Decoder output (N, ...) to a distribution with batch shape (N,)."""
        std = torch.exp(0.5 * soft_bound(self.log_variance))
        normal = Normal(at_least_float32(decoded), std.expand_as(decoded), validate_args=False)
        return Independent(normal, decoded.dim() - 1, validate_args=False)

    def deviance(self, decoded: Tensor, x: Tensor) -> Tensor:
        """Half the squared error over the variances, (N,)."""
        precision = torch.exp(-soft_bound(self.log_variance))
        return 0.5 * (precision * (x - at_least_float32(decoded)).square()).flatten(1).sum(1)


def make_likelihood(name: str, event_shape: tuple[int, ...]) -> Likelihood:
    """Likelihood by name: "bernoulli", "truncated-gaussian" or "gaussian".

    Examples
    --------
    >>> make_likelihood("bernoulli", (1, 28, 28))
    BernoulliLikelihood()
    """
    if name == "bernoulli":
        return BernoulliLikelihood()
    if name == "truncated-gaussian":
        return TruncatedGaussianLikelihood()
    if name == "gaussian":
        return GaussianLikelihood(event_shape)
    raise ValueError(
        f"likelihood={name!r} is not known: use 'bernoulli' (grey images), 'truncated-gaussian' "
        "(colour images) or 'gaussian' (tables)."
    )
