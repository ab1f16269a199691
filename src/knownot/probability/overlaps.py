"""Overlaps of Gaussian mixtures, log of the integral of p q: what Cauchy-Schwarz divergences are made of.

Two Gaussians overlap by N(mu; nu, s^2 + t^2), so that a batch of N Gaussians and a mixture of K components take
N x K terms, and a mixture with itself K x K. Training does this in every step, so gradients are written by hand
here, in two ways:

- Components with shared variances: the square is expanded, and everything quadratic in K is a matrix product,
  in float64 since the expansion cancels.
- Each with its own: variances of pairs, s_n^2 + t_k^2, do not factorise, and the terms are (N, K, d). They are taken
  in pieces that fit the cache, with one logarithm for many dimensions, in the precision of the inputs, since
  differences of means do not cancel. Nothing of size (N, K, d) is kept for the backward pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from knownot.probability.gaussian import LOG_TWO_PI, at_least_float32, pairwise_log_prob
from knownot.probability.mixtures import Components, check_components

LOG_FOUR_PI = math.log(4.0 * math.pi)

# Numbers in one piece: on a CPU what its cache holds, elsewhere what fills the device.
_CPU_PIECE, _DEVICE_PIECE = 1 << 18, 1 << 25


def log_overlap(mean: Tensor, log_variance: Tensor, components: Components) -> Tensor:
    """log of the integral of q p, for every Gaussian q = N(mean, s^2) of a batch and one mixture p.

    It is logsumexp_k[log w_k + log N(mean; nu_k, s^2 + t_k^2)].

    Parameters
    ----------
    mean, log_variance : Tensor, shape (..., d)
        Of q; log s^2, in nats.
    components : Components
        Of p.

    Returns
    -------
    Tensor, shape (...), float64
        In nats. Where the components share their variances it is computed in float64, and exact to
        about 1e-16 of the largest (mean - centre of p)^2 / (s^2 + t^2); else in the precision of the
        inputs, with an error of some 1e-7 of the value for float32.

    Raises
    ------
    ValueError
        If the shapes do not fit together.

    Examples
    --------
    >>> import torch
    >>> standard = Components(torch.zeros(1), torch.zeros(1, 2), torch.zeros(1, 2))
    >>> log_overlap(torch.zeros(3, 2), torch.zeros(3, 2), standard)
    tensor([-2.5310, -2.5310, -2.5310], dtype=torch.float64)
    """
    check_components(components, mean.shape[-1])
    if log_variance.shape != mean.shape:
        raise ValueError(
            f"the means have shape {tuple(mean.shape)}, their log-variances {tuple(log_variance.shape)}: "
            "give every mean its log-variance."
        )
    rows = (tensor.reshape(-1, mean.shape[-1]) for tensor in (mean, log_variance))
    function = _OverlapSharing if components.share_variances else _Overlap
    return function.apply(*rows, *components).reshape(mean.shape[:-1])


def mixture_self_overlap(components: Components, as_printed: bool = False) -> Tensor:
    """log of the integral of p^2 for a mixture p, which takes all pairs of its components.

    It is logsumexp_{k,l}[log w_k + log w_l + log N(nu_k; nu_l, t_k^2 + t_l^2)]. It does not depend on
    the data: once a step is enough.

    Parameters
    ----------
    components : Components
    as_printed : bool
        With 2 t_l^2 in the place of t_k^2 + t_l^2, as in equations 6 and 56 to 59 of the paper, which
        is another number unless the variances are shared.

    Returns
    -------
    Tensor, scalar, float64
        In nats, with the precision of :func:`log_overlap`.

    Raises
    ------
    ValueError
        If the shapes of the components do not fit together.

    References
    ----------
    Tran, Pantic and Deisenroth, "Cauchy-Schwarz regularized autoencoder", 2022, equation 4.

    Examples
    --------
    >>> import torch
    >>> mixture_self_overlap(Components(torch.zeros(1), torch.zeros(1, 2), torch.zeros(1, 2)))
    tensor(-2.5310, dtype=torch.float64)
    """
    check_components(components)
    log_weights, means, log_variances = components
    if as_printed:
        pairs = pairwise_log_prob(means, means, log_variances + math.log(2.0))
        return torch.logsumexp((pairs + log_weights + log_weights[:, None]).flatten(), 0)
    # Within forward() gradients are always off.
    with_gradients = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in components)
    function = _SelfOverlapSharing if components.share_variances else _SelfOverlap
    return function.apply(*components, with_gradients)


def _columns(rows: Tensor, dtype: torch.dtype) -> Tensor:
    """Transpose (n, d) to a contiguous (d, n): long rows suit the vector units, and all products below."""
    return rows.T.to(dtype, memory_format=torch.contiguous_format).contiguous()


class _OverlapSharing(torch.autograd.Function):
    """log sum_k w_k N(mu_n; nu_k, s_n^2 + t^2); with r = 1/(s_n^2 + t^2) and everything transposed.

    log N = (mu r) . nu - 1/2 r . nu^2 - 1/2 sum_d(mu^2 r - log r + log 2 pi): one product of (2d + 1, N) and
    (2d + 1, K), the last row of which holds the weights.
    """

    @staticmethod
    def forward(
        ctx: Any, mean: Tensor, log_variance: Tensor, log_weights: Tensor, means: Tensor, log_variances: Tensor
    ) -> Tensor:
        d = mean.shape[1]
        right = torch.empty(2 * d + 1, len(means), dtype=torch.float64, device=means.device)
        nu = right[:d]
        nu.copy_(means.T)
        # Overlaps do not change when everything is moved, and near the origin less cancels.
        centre = nu.mean(1, keepdim=True)
        torch.square(nu.sub_(centre), out=right[d:-1])
        right[-1] = log_weights
        mu = _columns(mean, torch.float64) - centre
        s2, t2 = _columns(log_variance, torch.float64).exp(), _columns(log_variances, torch.float64).exp()
        variance = s2 + t2
        precision = variance.reciprocal()
        left = torch.ones(2 * d + 1, len(mean), dtype=torch.float64, device=mean.device)
        torch.mul(mu, precision, out=left[:d])
        torch.mul(precision, -0.5, out=left[d:-1])
        log_terms = left.T @ right
        largest = log_terms.amax(1)
        terms = log_terms.sub_(largest[:, None]).exp_()
        total = terms.sum(1)
        ctx.save_for_backward(left, right, terms, total, mu, precision, s2, t2)
        constant = (mu * left[:d] + variance.log_()).sum(0).add_(d * LOG_TWO_PI)
        return largest + total.log() - 0.5 * constant

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        left, right, terms, total, mu, precision, s2, t2 = ctx.saved_tensors
        d = len(mu)
        # Moments of the components under the responsibilities of each sample, (2d, N).
        first, second = (right[:-1] @ terms.T).div_(total).split(d)
        slope = precision * gradient
        by_mean = (first - mu) * slope
        squares = second - 2.0 * mu * first + mu.square()
        by_variance = squares.mul_(precision).sub_(1.0).mul_(slope).mul_(0.5)
        # Σ_n of the same, for each component.
        by_mu_r, by_r, by_log_weights = ((left * (gradient / total)) @ terms).split((d, d, 1))
        by_means = by_mu_r + 2.0 * right[:d] * by_r
        by_log_variances = (by_variance.sum(1, keepdim=True) * t2).T
        return by_mean.T, (by_variance * s2).T, by_log_weights[0], by_means.T, by_log_variances


class _SelfOverlapSharing(torch.autograd.Function):
    """log sum_{k,l} w_k w_l N(nu_k; nu_l, 2 t^2), with a = nu / sqrt(2 t^2), transposed.

    The largest of all terms has k = l, by the Cauchy-Schwarz inequality, so none need be looked for. Gradients are
    taken at once, while the (K, K) terms are at hand.
    """

    @staticmethod
    def forward(ctx: Any, log_weights: Tensor, means: Tensor, log_variances: Tensor, with_gradients: bool) -> Tensor:
        d = means.shape[1]
        log_weights, log_2t2 = log_weights.double(), _columns(log_variances, torch.float64) + math.log(2.0)
        scale = torch.exp(-0.5 * log_2t2)
        a = _columns(means, torch.float64)
        a = (a - a.mean(1, keepdim=True)).mul_(scale)
        largest = log_weights.max()
        relative = log_weights - largest
        # log w_k - |a_k|^2 / 2, added to both sides by two more rows of the product.
        constant = (relative - 0.5 * a.square().sum(0))[None]
        one = torch.ones_like(constant)
        log_terms = torch.cat((a, constant, one)).T @ torch.cat((a, one, constant))
        # Pairs k = l apart: they are known, and would cancel in the gradient. Others are held at what they can be at
        # most, which rounding may pass.
        log_terms.clamp_(max=0.0).fill_diagonal_(-math.inf)
        own, terms = torch.exp(2.0 * relative), log_terms.exp_()
        others = terms.sum(1)
        total = (own + others).sum()
        if with_gradients:
            # Σ_l terms_kl (a_k - a_l) / total
            apart = torch.addmm(a * others, a, terms, alpha=-1.0).div_(total)
            by_log_variances = (a * apart).sum(1, keepdim=True) - 0.5
            ctx.save_for_backward(2.0 * (own + others) / total, (apart * (-2.0 * scale)).T, by_log_variances.T)
        return total.log() + 2.0 * largest - 0.5 * (log_2t2.sum() + d * LOG_TWO_PI)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return (*(gradient * saved for saved in ctx.saved_tensors), None)


class _Overlap(torch.autograd.Function):
    """log sum_k w_k N(mu_n; nu_k, s_n^2 + t_k^2), in pieces of samples; their terms are computed anew backwards."""

    @staticmethod
    def forward(
        ctx: Any, mean: Tensor, log_variance: Tensor, log_weights: Tensor, means: Tensor, log_variances: Tensor
    ) -> Tensor:
        dtype = _working_dtype(mean, log_variance, means, log_variances)
        mu, nu = _columns(mean, dtype), _columns(means, dtype)
        s2, t2 = _columns(log_variance, dtype).exp(), _columns(log_variances, dtype).exp()
        pieces, n_factors = _Pieces(len(mean), nu), _n_factors(s2, t2)
        log_terms = torch.empty(len(mean), len(means), dtype=dtype, device=mean.device)
        for rows in pieces:
            (variance, difference), _ = pieces.buffers(rows)
            torch.add(s2[:, rows, None], t2[:, None], out=variance)
            torch.sub(mu[:, rows, None], nu[:, None], out=difference)
            log_determinants = _log_products(variance, n_factors)
            torch.sum(difference.square_().div_(variance), 0, out=log_terms[rows])
            log_terms[rows] += log_determinants
        log_terms.mul_(-0.5).add_(log_weights)
        value = torch.logsumexp(log_terms, 1, keepdim=True)
        ctx.save_for_backward(log_terms.sub_(value).exp_(), mu, s2, nu, t2)
        return value[:, 0].double() - 0.5 * len(mu) * LOG_TWO_PI

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        responsibilities, mu, s2, nu, t2 = ctx.saved_tensors
        weights = responsibilities * gradient[:, None].to(mu.dtype)
        by_row, by_column = mu.new_empty(2, *mu.shape), nu.new_zeros(2, *nu.shape)
        pieces = _Pieces(mu.shape[1], nu)
        for rows in pieces:
            slopes, ratio = pieces.buffers(rows)
            torch.add(s2[:, rows, None], t2[:, None], out=slopes[1])
            torch.sub(mu[:, rows, None], nu[:, None], out=ratio).div_(slopes[1])
            torch.div(weights[rows], slopes[1], out=slopes[1])
            _weigh(slopes, ratio, weights[rows])
            torch.sum(slopes, 3, out=by_row[:, :, rows])
            by_column += slopes.sum(2)
        by_log_variance, by_log_variances = -0.5 * by_row[1] * s2, -0.5 * by_column[1] * t2
        return -by_row[0].T, by_log_variance.T, weights.sum(0), by_column[0].T, by_log_variances.T


class _SelfOverlap(torch.autograd.Function):
    """log sum_{k,l} w_k w_l N(nu_k; nu_l, t_k^2 + t_l^2), in pieces of rows k with the columns l from there on.

    Pairs with l after the piece stand for (l, k) as well. The largest of all terms has k = l, by the Cauchy-Schwarz
    inequality: it is known before the first piece, and gradients are taken while the terms are at hand.
    """

    @staticmethod
    def forward(ctx: Any, log_weights: Tensor, means: Tensor, log_variances: Tensor, with_gradients: bool) -> Tensor:
        dtype = _working_dtype(means, log_variances)
        nu, t2 = _columns(means, dtype), _columns(log_variances, dtype).exp()
        log_weights = log_weights.double()
        largest = (2.0 * log_weights - 0.5 * (log_variances.double() + LOG_FOUR_PI).sum(1)).max()
        half = (log_weights - 0.5 * largest - 0.25 * len(nu) * LOG_TWO_PI).to(dtype)
        row_sums, column_sums = torch.zeros_like(half), torch.zeros_like(half)
        by_row, by_column = nu.new_empty(2, *nu.shape), nu.new_zeros(2, *nu.shape)
        pieces, n_factors = _Pieces(len(means), nu), _n_factors(t2, t2)
        for rows in pieces:
            columns = slice(rows.start, None)
            slopes, ratio = pieces.buffers(rows, columns)
            difference, precision = slopes
            torch.add(t2[:, rows, None], t2[:, None, columns], out=precision)
            exponent = _log_products(precision, n_factors)
            torch.sub(nu[:, rows, None], nu[:, None, columns], out=difference)
            torch.mul(difference, precision.reciprocal_(), out=ratio)
            exponent += difference.mul_(ratio).sum(0)
            weights = exponent.mul_(-0.5).add_(half[rows, None]).add_(half[columns]).exp_()
            weights[:, len(weights) :] *= 2.0
            row_sums[rows] = weights.sum(1)
            column_sums[columns] += weights.sum(0)
            if with_gradients:
                precision *= weights
                _weigh(slopes, ratio, weights)
                torch.sum(slopes, 3, out=by_row[:, :, rows])
                by_column[:, :, columns] += slopes.sum(2)
        total = row_sums.sum(dtype=torch.float64)
        if with_gradients:
            by_means = (by_column[0] - by_row[0]) / total
            by_log_variances = (by_column[1] + by_row[1]) * t2 * (-0.5 / total)
            ctx.save_for_backward((row_sums + column_sums) / total, by_means.T, by_log_variances.T)
        return total.log() + largest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return (*(gradient * saved for saved in ctx.saved_tensors), None)


class _Pieces:
    """Slices of rows, such that the (d, rows, K) pairs of a slice fit the cache, and buffers for three such tensors.

    Parameters
    ----------
    n_rows : int
    columns : Tensor, shape (d, K)
        Gives K, d, dtype and device.
    """

    def __init__(self, n_rows: int, columns: Tensor) -> None:
        self.d, self.n_columns = columns.shape
        budget = _CPU_PIECE if columns.device.type == "cpu" else _DEVICE_PIECE
        self.size = min(max(1, budget // columns.numel()), max(1, n_rows))
        self.n_rows = n_rows
        self.flat = columns.new_empty(3, self.size * columns.numel())

    def __iter__(self) -> Iterator[slice]:
        for start in range(0, self.n_rows, self.size):
            yield slice(start, min(start + self.size, self.n_rows))

    def buffers(self, rows: slice, columns: slice | None = None) -> tuple[Tensor, Tensor]:
        """Two tensors in one, (2, d, rows, columns), and another, (d, rows, columns), for a slice."""
        n_rows, n_columns = rows.stop - rows.start, self.n_columns - (columns.start if columns else 0)
        used = self.flat[:, : self.d * n_rows * n_columns].view(3, self.d, n_rows, n_columns)
        return used[:2], used[2]


def _weigh(slopes: Tensor, ratio: Tensor, weights: Tensor) -> None:
    """From (anything, w r) to the terms of both gradients, (w q, w r - w q^2), in place; q is the ratio.

    The weight is multiplied first: where it is 0, so is the product, however large the square would be.
    """
    torch.mul(ratio, weights, out=slopes[0])
    slopes[1].addcmul_(slopes[0], ratio, value=-1.0)


def _log_products(variances: Tensor, n_factors: int) -> Tensor:
    """Sum over the first dimension of the logarithms, (d, ...) to (...): a logarithm costs ten products."""
    first, *others = (part.prod(0).log_() for part in variances.split(n_factors))
    for other in others:
        first += other
    return first


def _n_factors(s2: Tensor, t2: Tensor) -> int:
    """Number of sums s^2 + t^2 of which the product is in the range of their type."""
    d = len(t2)
    if 0 in (s2.numel(), t2.numel()):
        return max(d, 1)
    extremes = torch.stack((s2.amin() + t2.amin(), s2.amax() + t2.amax())).log()
    each = float(extremes.abs().amax())
    limit = -math.log(torch.finfo(t2.dtype).tiny)
    if each * d < limit:
        return d
    return max(1, int(limit / each)) if math.isfinite(each) else 1


def _working_dtype(*tensors: Tensor) -> torch.dtype:
    """Float64 if one of them is, else float32."""
    return max((at_least_float32(tensor).dtype for tensor in tensors), key=lambda dtype: torch.finfo(dtype).bits)
