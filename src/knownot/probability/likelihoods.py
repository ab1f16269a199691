"""Likelihoods p(x | z) of pixels and table columns, in the idiom of torch.distributions.

Each ``...Likelihood`` is a module that turns a decoder's output into a distribution whose
``log_prob`` is summed over the event, in nats per sample, computed in float32 or better.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent, Normal, constraints
from torch.special import log_ndtr, ndtr, ndtri

from knownot.probability.gaussian import LOG_TWO_PI, at_least_float32, soft_bound, soft_clip


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


class DiscretisedLogistic(Distribution):
    """Logistic distribution whose mass is gathered on evenly spaced levels of [0, 1], such as those of 8-bit images.

    A level takes the mass of all that is nearer to it than to others; the lowest and the highest take the open
    tails (Kingma et al. 2016, section 5). With F the logistic function, and [low, high] the interval of a level
    in units of the scale, its mass is F(high) - F(low) = F(high) F(-low) (1 - exp(low - high)): a product, of
    which the logarithm is exact in the tails, where the difference is 0.

    Parameters
    ----------
    loc : Tensor
        Mean of the logistic.
    log_scale : Tensor
        Logarithm of its scale (not of its variance, scale^2 pi^2 / 3), broadcastable with ``loc``.
    n_levels : int
        L; the levels are 0, 1/(L-1), ..., 1.

    References
    ----------
    Kingma et al., "Improving variational inference with inverse autoregressive flow", 2016; Salimans et al.,
    "PixelCNN++", 2017.

    Examples
    --------
    >>> import torch
    >>> levels = torch.linspace(0.0, 1.0, 256)
    >>> DiscretisedLogistic(torch.tensor(0.3), torch.tensor(-2.0)).log_prob(levels).exp().sum()
    tensor(1.0000)
    """

    arg_constraints = {"loc": constraints.real, "log_scale": constraints.real}
    support = constraints.unit_interval

    def __init__(self, loc: Tensor, log_scale: Tensor, n_levels: int = 256) -> None:
        self.loc, self.log_scale = at_least_float32(loc), at_least_float32(log_scale)
        self.n_levels = n_levels
        super().__init__(torch.broadcast_shapes(self.loc.shape, self.log_scale.shape), validate_args=False)

    @property
    def mean(self) -> Tensor:
        """Mean of the logistic with its tails moved to 0 and 1, before it is rounded to levels.

        That of the levels is less than half a level from it, and far less where the scale is a level or more.
        """
        # In float64, since large scales cancel.
        loc, scale = self.loc.double(), self.log_scale.double().exp()
        clipped = scale * (F.softplus(loc / scale) - F.softplus((loc - 1.0) / scale))
        return clipped.clamp(0.0, 1.0).to(self.loc.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log of the mass of the level nearest to each value in [0, 1], in nats."""
        steps = self.n_levels - 1
        index = torch.round(at_least_float32(value) * steps)
        precision = torch.exp(-self.log_scale)
        log_below_high = F.logsigmoid(((index + 0.5) / steps - self.loc) * precision)
        log_above_low = F.logsigmoid((self.loc - (index - 0.5) / steps) * precision)
        log_overlap = torch.log(-torch.expm1(-precision / steps))
        lowest, highest = index <= 0, index >= steps
        inner = log_below_high + log_above_low + log_overlap
        return torch.where(lowest, log_below_high, torch.where(highest, log_above_low, inner))

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = torch.Size()) -> Tensor:
        """Draw levels; masses on points have no gradient by their samples."""
        steps = self.n_levels - 1
        shape = torch.Size(sample_shape) + self.batch_shape
        with torch.no_grad():
            uniform = torch.rand(shape, device=self.loc.device, dtype=torch.float64)
            eps = torch.finfo(torch.float64).tiny
            draw = self.loc + self.log_scale.double().exp() * torch.logit(uniform.clamp_min(eps))
            return (torch.round(draw.clamp(0.0, 1.0) * steps) / steps).to(self.loc.dtype)


class Likelihood(nn.Module, ABC):
    """Turns a decoder's output into a distribution of the input.

    Attributes
    ----------
    is_density : bool
        Whether ``log_prob`` is the logarithm of a density over the values as they are given, such as grey values
        in [0, 1]; False for the logarithm of a probability. Bits per dimension of 8-bit images have 8 added for
        the one and nothing for the other.
    """

    is_density: bool

    @abstractmethod
    def forward(self, decoded: Tensor) -> Independent:
        """Decoder output (N, ...) to a distribution with batch shape (N,)."""

    @abstractmethod
    def deviance(self, decoded: Tensor, x: Tensor) -> Tensor:
        """Reconstruction loss of x less its smallest value for this x, in nats, (N,)."""


class BernoulliLikelihood(Likelihood):
    """Binary cross-entropy on grey values; the decoder emits the log-odds of each pixel.

    A probability where all values are 0 or 1, and no distribution of grey values otherwise.
    """

    is_density = False

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

    is_density = True

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

    is_density = True

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


class _BestVarianceNormal(Normal):
    """Gaussian whose ``log_prob`` takes the variance from the values: their mean squared error.

    Parameters
    ----------
    loc, scale : Tensor
        Mean; standard deviation that samples have.
    take : callable
        Mean squared error to the variance to use.
    """

    def __init__(self, loc: Tensor, scale: Tensor, take: Callable[[Tensor], Tensor]) -> None:
        super().__init__(loc, scale, validate_args=False)
        self._take = take

    def log_prob(self, value: Tensor) -> Tensor:
        squared = (value - self.loc).square()
        variance = self._take(squared.detach().mean())
        return -0.5 * (squared / variance + torch.log(variance) + LOG_TWO_PI)


# Share of the newest batch in the variance that is kept for evaluation.
_NEWEST = 0.1


class IsotropicGaussianLikelihood(Likelihood):
    """Gaussian with one variance for all pixels or columns, N(mu(z), gamma I).

    It is not truncated: gamma may become as small as the reconstructions are good, and where the data lie on a
    manifold it goes towards 0, which the paper shows to be needed. Then log-densities are large and positive, and
    losses negative.

    Parameters
    ----------
    variance : {"learned", "batch"} or float
        "learned": log gamma is a parameter, bounded by :func:`~knownot.probability.soft_clip` to (-30, 30), which
        leaves a gamma of 1e-6 and its gradient as they are to seven digits (``soft_bound`` with its 20 would
        make 6e-6 of it). "batch": the gamma of greatest likelihood, equation 2 of the paper with one sample of z:
        the mean squared error, of the batch at hand in training; in evaluation a running mean over training
        batches, which is saved. A number: fixed.
    initial_variance : float
        Gamma at the start; the default is about the variance of grey values. Without effect on a fixed one.

    Raises
    ------
    ValueError
        If a variance is neither known by name nor a number above 0.

    Notes
    -----
    The gamma of a batch is a constant for its gradient. At the optimum the loss does not change with gamma to first
    order, so the gradient of the mean loss is the same as through the error; as a constant it also is that of each
    sample by itself, and of weighted means, as in importance weighting, where gamma is not quite the optimum.

    References
    ----------
    "When do variational autoencoders know what they don't know?", under review at ICLR 2020, section 3.1.

    Examples
    --------
    >>> import torch
    >>> likelihood = IsotropicGaussianLikelihood(0.25)
    >>> likelihood(torch.zeros(1, 2)).log_prob(torch.ones(1, 2))
    tensor([-4.4516])
    >>> likelihood = IsotropicGaussianLikelihood("batch")
    >>> likelihood(torch.zeros(2, 2)).log_prob(torch.tensor([[0.0, 1.0], [2.0, 3.0]]))
    tensor([-3.2335, -4.9478])
    >>> likelihood.decoder_variance
    tensor(3.5000)
    """

    is_density = True
    log_variance: Tensor
    batch_variance: Tensor
    n_batches: Tensor

    def __init__(self, variance: str | float = "learned", initial_variance: float = 0.1) -> None:
        super().__init__()
        by_name = variance in {"learned", "batch"}
        name, value = ("initial_variance", initial_variance) if by_name else ("variance", variance)
        if isinstance(value, str) or not 0.0 < value < math.inf:
            known = "" if by_name else "'learned', 'batch' or "
            raise ValueError(f"{name}={value!r} does not work: give {known}a number above 0.")
        self.variance = variance
        if variance == "batch":
            self.register_buffer("batch_variance", torch.tensor(float(initial_variance)))
            self.register_buffer("n_batches", torch.tensor(0))
        elif variance == "learned":
            self.log_variance = nn.Parameter(torch.tensor(math.log(initial_variance)))
        else:
            self.register_buffer("log_variance", torch.tensor(math.log(float(variance))))

    @property
    def decoder_variance(self) -> Tensor:
        """Gamma as it is used in evaluation, a scalar."""
        if self.variance == "batch":
            return self.batch_variance
        return torch.exp(soft_clip(self.log_variance) if self.variance == "learned" else self.log_variance)

    def _take(self, error: Tensor) -> Tensor:
        """Variance of a batch by its mean squared error, above 0 even if there is none; remembered."""
        variance = at_least_float32(error).clamp_min(math.exp(-30.0))
        self.n_batches += 1
        # The plain mean of the first batches, then an exponential one.
        share = (1.0 / self.n_batches).clamp_min(_NEWEST)
        self.batch_variance += share * (variance - self.batch_variance)
        return variance

    def forward(self, decoded: Tensor) -> Independent:
        """Decoder output (N, ...) to a distribution with batch shape (N,)."""
        loc = at_least_float32(decoded)
        std = self.decoder_variance.sqrt().to(loc.dtype).expand_as(loc)
        if self.variance == "batch" and self.training:
            normal: Normal = _BestVarianceNormal(loc, std, self._take)
        else:
            normal = Normal(loc, std, validate_args=False)
        return Independent(normal, decoded.dim() - 1, validate_args=False)

    def deviance(self, decoded: Tensor, x: Tensor) -> Tensor:
        """Half the squared error over the variance, (N,)."""
        return 0.5 * (x - at_least_float32(decoded)).square().flatten(1).sum(1) / self.decoder_variance


class DiscretisedLogisticLikelihood(Likelihood):
    """Probabilities of 8-bit values by a logistic distribution, with one learned scale per channel.

    Parameters
    ----------
    event_shape : tuple of int
        Shape of one sample: (C, H, W) for images, with a scale for each channel; (F,) for rows, with one for
        each column.
    n_levels : int
        Values are 0, 1/(n_levels - 1), ..., 1; others count as the nearest of these.
    initial_scale : float
        Scale at the start. The standard deviation is 1.8 times that.

    Raises
    ------
    ValueError
        If there are fewer than two levels, or the scale is not above 0.

    References
    ----------
    Kingma et al., "Improving variational inference with inverse autoregressive flow", 2016; Salimans et al.,
    "PixelCNN++", 2017.

    Examples
    --------
    >>> import torch
    >>> likelihood = DiscretisedLogisticLikelihood((3, 8, 8))
    >>> likelihood(torch.zeros(2, 3, 8, 8)).log_prob(torch.zeros(2, 3, 8, 8)).shape
    torch.Size([2])
    """

    is_density = False

    def __init__(self, event_shape: tuple[int, ...], n_levels: int = 256, initial_scale: float = 0.1) -> None:
        super().__init__()
        if n_levels < 2:
            raise ValueError(f"n_levels={n_levels!r} does not work: give 2 or more, 256 for 8-bit images.")
        if not 0.0 < initial_scale < math.inf:
            raise ValueError(f"initial_scale={initial_scale!r} does not work: give a number above 0.")
        self.n_levels = n_levels
        shape = (event_shape[0], *(1,) * (len(event_shape) - 1))
        self.log_scale = nn.Parameter(torch.full(shape, math.log(initial_scale)))

    def forward(self, decoded: Tensor) -> Independent:
        """Decoder output (N, ...) to a distribution with batch shape (N,)."""
        logistic = DiscretisedLogistic(decoded, soft_clip(self.log_scale), self.n_levels)
        return Independent(logistic, decoded.dim() - 1, validate_args=False)

    def deviance(self, decoded: Tensor, x: Tensor) -> Tensor:
        """Loss of x less the smallest at this scale, (N,): at the level itself, or far outside for 0 and 1."""
        index = torch.round(at_least_float32(x) * (self.n_levels - 1))
        inside = (index > 0) & (index < self.n_levels - 1)
        # F(w) - F(-w) = tanh(w / 2), with w half the width of a level over the scale
        half_width = 0.5 / (self.n_levels - 1) * torch.exp(-soft_clip(self.log_scale))
        best = torch.where(inside, torch.log(torch.tanh(0.5 * half_width)), 0.0)
        return best.flatten(1).sum(1) - self(decoded).log_prob(x)


def make_likelihood(name: str, event_shape: tuple[int, ...]) -> Likelihood:
    """Likelihood by name.

    Parameters
    ----------
    name : {"bernoulli", "truncated-gaussian", "gaussian", "isotropic-gaussian", "discretised-logistic"}
        With the settings of its class at their defaults.
    event_shape : tuple of int
        Shape of one sample.

    Raises
    ------
    ValueError
        If the name is another.

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
    if name == "isotropic-gaussian":
        return IsotropicGaussianLikelihood()
    if name == "discretised-logistic":
        return DiscretisedLogisticLikelihood(event_shape)
    raise ValueError(
        f"likelihood={name!r} is not known: use 'bernoulli' (grey images), 'truncated-gaussian' (colour images), "
        "'gaussian' (tables, a variance for each column), 'isotropic-gaussian' (one variance, which may become very "
        "small) or 'discretised-logistic' (probabilities of 8-bit values)."
    )
