"""Diagonal Gaussians parametrised by log-variances, and mixtures of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Independent, Normal

LOG_TWO_PI = math.log(2.0 * math.pi)


def at_least_float32(tensor: Tensor) -> Tensor:
    """Raise half precision to float32; leave float32 and float64 as they are.

    Examples
    --------
    >>> import torch
    >>> at_least_float32(torch.zeros(1, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def soft_bound(log_variance: Tensor, bound: float = 20.0) -> Tensor:
    """Bound a log-variance smoothly to (-bound, bound).

    The bound keeps ``exp`` finite when training misbehaves. It is so wide that the
    function is the identity to within 1 % for absolute values below 3.4.

    Parameters
    ----------
    log_variance : Tensor
        Any shape, in nats.
    bound : float
        Half-width of the allowed range, in nats.

    Returns
    -------
    Tensor
        Same shape, computed in float32 or better.

    Examples
    --------
    >>> import torch
    >>> soft_bound(torch.tensor([0.0, 1e6]))
    tensor([ 0., 20.])
    """
    return bound * torch.tanh(at_least_float32(log_variance) / bound)


def soft_clip(log_variance: Tensor, low: float = -30.0, high: float = 30.0) -> Tensor:
    """Keep a log-variance in (low, high), and leave it as it is but for the last few nats.

    Above the lower bound it is log(exp(x) + exp(low)): 10 nats inside, value and gradient are changed by
    5e-5, and the gradient fades over a few nats outside. :func:`soft_bound` with its bound of 20 would
    turn -13.8, the logarithm of 1e-6, into -12.0: this is for a variance that is itself a result, such
    as that of a decoder.

    Parameters
    ----------
    log_variance : Tensor
        Any shape, in nats.
    low, high : float
        Bounds in nats, at least some 20 apart.

    Returns
    -------
    Tensor
        Same shape, computed in float32 or better.

    Examples
    --------
    >>> import torch
    >>> soft_clip(torch.tensor([-1e6, -13.8, 5.0, 1e6]))
    tensor([-30.0000, -13.8000,   5.0000,  30.0000])
    """
    log_variance = at_least_float32(log_variance)
    raised = torch.logaddexp(log_variance, torch.full_like(log_variance, low))
    return -torch.logaddexp(-raised, torch.full_like(raised, -high))


def diagonal_gaussian(mean: Tensor, log_variance: Tensor) -> Independent:
    """Gaussian with diagonal covariance over the last dimension.

    Parameters
    ----------
    mean : Tensor, shape (..., d)
    log_variance : Tensor, shape (..., d)
        Logarithm of the variance (not of the standard deviation).

    Returns
    -------
    torch.distributions.Independent
        Batch shape (...), event shape (d,). Parameters are float32 or better.

    Examples
    --------
    >>> import torch
    >>> q = diagonal_gaussian(torch.zeros(2, 3), torch.zeros(2, 3))
    >>> q.log_prob(torch.zeros(2, 3))
    tensor([-2.7568, -2.7568])
    """
    std = torch.exp(0.5 * at_least_float32(log_variance))
    return Independent(Normal(at_least_float32(mean), std, validate_args=False), 1, validate_args=False)


def kl_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) || N(0, I)) in nats, summed over the last dimension.

    Parameters
    ----------
    mean, log_variance : Tensor, shape (..., d)

    Returns
    -------
    Tensor, shape (...)

    Examples
    --------
    >>> import torch
    >>> kl_standard_normal(torch.ones(2), torch.zeros(2))
    tensor(1.)
    """
    mean, log_variance = at_least_float32(mean), at_least_float32(log_variance)
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(-1)


def pairwise_log_prob(z: Tensor, means: Tensor, log_variances: Tensor) -> Tensor:
    """Log-density of every point under every one of K shared diagonal Gaussians.

    Two matrix products in float64: in float32 the expansion of the square loses up to
    3 nats by cancellation, and broadcasting is some thirty times slower at K = 400.

    Parameters
    ----------
    z : Tensor, shape (N, d)
    means : Tensor, shape (K, d)
    log_variances : Tensor, shape (K, d) or (1, d)
        (1, d) where all Gaussians have the same variances.

    Returns
    -------
    Tensor, shape (N, K), float64
        Log-densities in nats.

    Examples
    --------
    >>> import torch
    >>> pairwise_log_prob(torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(1, 2))
    tensor([[-1.8379]], dtype=torch.float64)
    """
    z, means, log_variances = z.double(), means.double(), log_variances.double()
    precision = torch.exp(-log_variances)
    linear = z @ (means * precision).T - 0.5 * (z.square() @ precision.T)
    constant = -0.5 * (means.square() * precision + log_variances + LOG_TWO_PI).sum(-1)
    return linear + constant
