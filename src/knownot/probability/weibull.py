"""The Weibull distribution of two parameters: maximum likelihood of many samples at once, and its tail."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_START = math.log(math.pi / math.sqrt(6.0))
_N_STEPS = 100
# Four or five are usual; bounds are kept only where these are not enough.
_N_BARE_STEPS = 8
# Below it one more Newton step is exact to rounding, because its error is about the square.
_TOLERANCE = 1e-8


def fit_weibull(values: Tensor, where: Tensor | None = None, dim: int = -1) -> tuple[Tensor, Tensor]:
    """Shape and scale of greatest likelihood, of every slice along a dimension at once.

    The density is (k/s) (x/s)^(k-1) exp(-(x/s)^k) for x > 0, with location 0. At the optimum
    s^k = mean(x^k), which leaves one equation for the shape k (Johnson, Kotz and Balakrishnan 1994,
    "Continuous univariate distributions" 1, chapter 21):

        k D(k) = 1,   D(k) = sum x^k log x / sum x^k - mean(log x).

    It is solved by Newton's method on log(k D(k)) over log k. D grows with k, so the slope is at
    least 1 and every point tried bounds the root on both sides; after eight steps, one that leaves
    these bounds gives way to bisection.

    Parameters
    ----------
    values : Tensor
        Any shape, positive and finite where they count. Computed in float64, in units of the
        largest value of each slice.
    where : Tensor of bool, optional
        Shape of ``values``: which of them count; None counts all.
    dim : int
        The dimension that holds a sample.

    Returns
    -------
    shape, scale : Tensor, float64
        Shape of ``values`` without ``dim``; the scale in the unit of the values. The more the
        values of a sample are alike the larger its shape; where all are equal, or there is only one,
        the shape is infinite and the scale that value, the limit of the likelihood.

    Raises
    ------
    ValueError
        If a sample is empty, or a value is not positive and finite.

    Examples
    --------
    >>> import torch
    >>> shape, scale = fit_weibull(torch.tensor([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]))
    >>> shape.round(decimals=3), scale.round(decimals=3)
    (tensor([2.7390, 2.7390], dtype=torch.float64), tensor([ 2.2590, 22.5860], dtype=torch.float64))
    """
    values = values.detach().double().movedim(dim, -1)
    present = None if where is None else where.bool().movedim(dim, -1)
    _check_values(values, present)
    if present is None:
        count = torch.tensor(float(values.shape[-1]), dtype=values.dtype, device=values.device)
    else:
        count = present.sum(-1, dtype=values.dtype)
        values = torch.where(present, values, torch.where(present, values, 0.0).amax(-1, keepdim=True))
    largest = values.amax(-1, keepdim=True)
    # log1p keeps the digits of values that are nearly equal, the logarithms those of very unequal ones.
    alike = values > 0.5 * largest
    logs = torch.where(alike, torch.log1p((values - largest) / largest), values.log() - largest.log())
    centre = logs.sum(-1) / count  # what does not count equals the largest value, and adds 0 here
    logs = logs - centre[..., None]
    if present is not None:
        logs = logs.masked_fill(~present, 0.0)
    spread = (logs.square().sum(-1) / count).sqrt()
    varied = spread > 0.0
    shape, scale = torch.full_like(spread, torch.inf), largest[..., 0].clone()
    if not varied.all():
        logs, centre, spread, count = logs[varied], centre[varied], spread[varied], count.expand_as(spread)[varied]
        present = None if present is None else present[varied]
    exponent, power_mean = _profile_root(logs / spread[..., None], present)
    power_mean = (power_mean - count.log()) / exponent
    shape[varied] = (exponent / spread).flatten()
    scale[varied] *= torch.exp(centre + spread * power_mean).flatten()
    return shape, scale


def _check_values(values: Tensor, present: Tensor | None) -> None:
    if present is not None and present.shape != values.shape:
        raise ValueError(
            f"where has shape {tuple(present.shape)} and values {tuple(values.shape)} (the sample's dimension last): "
            "give one bool for every value."
        )
    if values.shape[-1] == 0 or (present is not None and not present.any(-1).all()):
        raise ValueError("a sample without values has no Weibull distribution: give every sample at least one value.")
    valid = (values > 0.0) & (values < torch.inf)
    valid = valid if present is None else valid | ~present
    if not valid.all():
        found = float(values[~valid][0])
        raise ValueError(
            f"the Weibull distribution is one of positive numbers, and {found} is among the values: "
            "leave out what is not positive and finite, by `where` for example."
        )


def _profile_root(logs: Tensor, present: Tensor | None) -> tuple[Tensor, Tensor]:
    """Solution k of k D(k) = 1, and log sum x^k, of every sample of standardised logarithms, (..., n) to (...)."""
    powers = torch.stack((logs, logs.square()), -1)
    theta = torch.full_like(logs[..., 0], _START)
    low, high = torch.full_like(theta, -torch.inf), torch.full_like(theta, torch.inf)
    step, near = 0, logs.numel() == 0
    while not near and step < _N_STEPS:
        k = theta.exp()
        weights = _exponents(k, logs, present).softmax(-1)
        mean, square = (weights[..., None, :] @ powers)[..., 0, :].unbind(-1)
        excess = theta + mean.log()
        newton = theta - excess / (1.0 + k * (square / mean - mean))
        near = float(excess.abs().amax()) < _TOLERANCE
        if not near and step >= _N_BARE_STEPS:
            # D grows with k: with k below the root 1/D(k) is above it, and the reverse.
            other = theta - excess
            low = torch.maximum(low, torch.minimum(theta, other))
            high = torch.minimum(high, torch.maximum(theta, other))
            inside = (newton >= low) & (newton <= high) & (step % 4 != 3)
            newton = torch.where(inside, newton, 0.5 * (low + high))
        theta = newton
        step += 1
    k = theta.exp()
    return k, _exponents(k, logs, present).logsumexp(-1)


def _exponents(k: Tensor, logs: Tensor, present: Tensor | None) -> Tensor:
    exponents = k[..., None] * logs
    return exponents if present is None else exponents.masked_fill(~present, -torch.inf)


def weibull_log_survival(x: Tensor, shape: Tensor, scale: Tensor) -> Tensor:
    """Log of the probability to exceed x: -(x / scale)^shape.

    Parameters
    ----------
    x : Tensor
        Any shape; below 0 nothing is lost, and the result is 0.
    shape, scale : Tensor
        Shapes that broadcast with ``x``. An infinite shape is a step at the scale.

    Returns
    -------
    Tensor
        The broadcast shape, in nats, from 0 down to -inf.

    Examples
    --------
    >>> import torch
    >>> weibull_log_survival(torch.tensor([0.0, 1.0, 2.0, 4.0]), torch.tensor(2.0), torch.tensor(2.0))
    tensor([-0.0000, -0.2500, -1.0000, -4.0000])
    """
    return -(x / scale).clamp_min(0.0).pow(shape)


def weibull_log_cumulative_hazard(x: Tensor, shape: Tensor, scale: Tensor) -> Tensor:
    """Log of minus :func:`weibull_log_survival`: shape · log(x / scale), linear in log x.

    It orders values as their survival does, also where that is 0 or 1 to rounding.

    Parameters
    ----------
    x : Tensor
        Any shape, not negative. Finite also for x = 0 and x = inf: the range is that of the
        positive normal numbers.
    shape, scale : Tensor
        Finite, of shapes that broadcast with ``x``.

    Returns
    -------
    Tensor
        The broadcast shape; 0 where x is the scale.

    Examples
    --------
    >>> import torch
    >>> weibull_log_cumulative_hazard(torch.tensor([2.0, 2e30]), torch.tensor(10.0), torch.tensor(2.0))
    tensor([  0.0000, 690.7755])
    """
    range_ = torch.finfo(x.dtype)
    return shape * (x.clamp(range_.tiny, range_.max).log() - scale.log())
