"""How far two samples are apart as distributions: generated images from real ones, latent codes from their prior."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from knownot.metrics.checks import Floats, as_rows, is_number

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Widths over which kernels are summed, those of Wasserstein autoencoders."""

# Numbers in a block of distances, so that memory does not grow with the square of the samples.
_BLOCK = 2**17
_SMALLEST, _LARGEST = float(np.finfo(np.float64).tiny), 1e300


def frechet_distance(features_a: ArrayLike, features_b: ArrayLike) -> float:
    """Fréchet distance of two samples, |m_a - m_b|² + tr(C_a + C_b - 2 (C_a C_b)^½).

    It is the squared Wasserstein-2 distance of two Gaussians with the means m and the covariances C of the samples.
    With features of Inception v3 it is the Fréchet inception distance; numbers of different extractors cannot be
    compared with each other.

    Parameters
    ----------
    features_a, features_b : array of shape (N, D) and (M, D)
        One row of features a sample, at least two rows each.

    Returns
    -------
    float
        0 or more, in squared units of the features; lower is more alike.

    Raises
    ------
    ValueError
        If features are no such tables of finite numbers.

    Notes
    -----
    Covariances are the unbiased ones. No covariance is formed: with centred rows X and Y,
    tr (C_a C_b)^½ is the sum of the singular values of X Yᵀ, over the square root of (N - 1)(M - 1). Rounding then
    stays at the precision of float64 also where covariances have no full rank, such as with N < D, where square roots
    of their eigenvalues would lose half of the digits.

    Few samples make the distance too large, so compare numbers of equal N and M only.

    References
    ----------
    Dowson and Landau, "The Fréchet distance between multivariate normal distributions", 1982.
    Heusel et al., "GANs trained by a two time-scale update rule converge to a local Nash equilibrium", NeurIPS 2017.
    Tran, Pantic, Deisenroth, "Cauchy-Schwarz regularized autoencoder", equation (29).

    Examples
    --------
    >>> round(frechet_distance([[-1.0], [1.0]], [[1.0], [5.0]]), 9)  # means 0 and 3, standard deviations √2 and 2√2
    11.0
    """
    a = as_rows(features_a, "features_a", at_least=2)
    a, b, exponent = _about_one(a, as_rows(features_b, "features_b", at_least=2, like=("features_a", a)))
    gap = a.mean(0) - b.mean(0)
    # R of a QR decomposition has the same covariance in D rows at most.
    root_a, root_b = (np.linalg.qr(x - x.mean(0), mode="r") / np.sqrt(len(x) - 1.0) for x in (a, b))
    shared = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    distance = np.square(gap).sum() + np.square(root_a).sum() + np.square(root_b).sum() - 2.0 * shared
    with np.errstate(over="ignore", under="ignore"):
        return float(np.ldexp(max(distance, 0.0), 2 * exponent))


def mmd(
    x: ArrayLike,
    y: ArrayLike,
    kernel: str = "imq",
    scale: float | Sequence[float] = SCALES,
    *,
    std: float = 1.0,
    unbiased: bool = True,
) -> float:
    """Squared maximum mean discrepancy of two samples, E k(x, x') + E k(y, y') - 2 E k(x, y).

    Of latent codes and draws from the prior it says how far the aggregate posterior is from the prior.

    Parameters
    ----------
    x, y : array of shape (N, D) and (M, D)
        At least two rows each.
    kernel : {"imq", "rbf"}
        With C = 2 D std² times a scale, "imq" is the inverse multiquadratic kernel C / (C + |x - x'|²), "rbf" is
        exp(-|x - x'|² / C), a Gaussian of variance C / 2. The former has the heavier tails.
    scale : float or sequence of floats
        Kernels of all these scales are **added up**, not averaged, as for Wasserstein autoencoders.
    std : float
        Standard deviation of the prior in each dimension: 2 D std² is the expected |x - x'|² of two draws from it.
    unbiased : bool
        Leave out the pairs of a sample with itself. The mean over samples is then right, and a single value can fall
        below 0. Else all pairs count, k(x, x) = 1 among them, and the value is 0 or more.

    Returns
    -------
    float
        Squared, without unit. No more than twice the number of scales, 14 by default.

    Raises
    ------
    ValueError
        If samples are no tables of finite numbers with the same columns, or a setting makes no sense.

    Notes
    -----
    "When do variational autoencoders know what they don't know?" compares aggregate posterior and prior by MMD
    (supplement, table 1), and names no kernel. Its values, 93.3 and 291.8, are larger than any of this kernel: compare
    which is smaller, not by how much.

    References
    ----------
    Gretton et al., "A kernel two-sample test", JMLR 2012.
    Tolstikhin et al., "Wasserstein auto-encoders", ICLR 2018, and its code for the scales.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> prior, codes, shrunk = rng.normal(size=(3, 1000, 2))
    >>> round(abs(mmd(codes, prior)), 2), round(mmd(0.5 * shrunk, prior), 2)
    (0.0, 0.37)
    """
    if kernel not in _KERNELS:
        raise ValueError(f"kernel={kernel!r} is not a kernel: choose {' or '.join(map(repr, _KERNELS))}.")
    scales = np.atleast_1d(np.asarray(scale, dtype=object)).tolist()
    for name, values in (("std", [std]), ("scale", scales)):
        if not values or not all(is_number(value) and value > 0 for value in values):
            found = std if name == "std" else scale
            raise ValueError(f"{name}={found!r} does not work: give finite numbers above 0.")
    a = as_rows(x, "x", at_least=2)
    a, b, exponent = _about_one(a, as_rows(y, "y", at_least=2, like=("x", a)))
    with np.errstate(over="ignore", under="ignore"):
        base = 2.0 * a.shape[1] * np.square(np.ldexp(float(std), -exponent))
        widths = [min(max(float(base * value), _SMALLEST), _LARGEST) for value in scales]
        within = sum(_mean_within(rows, kernel, widths, unbiased) for rows in (a, b))
        between = _kernel_sum(a, b, kernel, widths) / (len(a) * len(b))
    return float(within - 2.0 * between)


def _mean_within(rows: Floats, kernel: str, widths: list[float], unbiased: bool) -> float:
    n = len(rows)
    total = _kernel_sum(rows, rows, kernel, widths)
    # Each sample with itself adds exactly 1 a width.
    return (total - n * len(widths)) / (n * (n - 1.0)) if unbiased else total / n**2


def _kernel_sum(x: Floats, y: Floats, kernel: str, widths: list[float]) -> float:
    """Sum of the kernels of all widths over all pairs of rows."""
    function, total = _KERNELS[kernel], 0.0
    x_norms, y_norms = np.square(x).sum(1), np.square(y).sum(1)
    step = max(1, _BLOCK // len(y))
    for start in range(0, len(x), step):
        part = x[start : start + step]
        gaps = x_norms[start : start + step, None] + y_norms
        gaps -= 2.0 * (part @ y.T)
        np.maximum(gaps, 0.0, out=gaps)
        if x is y:
            gaps[np.arange(len(part)), np.arange(start, start + len(part))] = 0.0
        values = np.empty_like(gaps)
        for width in widths:
            function(gaps, width, values)
            total += float(values.sum())
    return total


def _inverse_multiquadratic(gaps: Floats, width: float, out: Floats) -> None:
    np.add(gaps, width, out=out)
    np.divide(width, out, out=out)


def _gaussian(gaps: Floats, width: float, out: Floats) -> None:
    np.divide(gaps, -width, out=out)
    np.exp(out, out=out)


_KERNELS: dict[str, Callable[[Floats, float, Floats], None]] = {"imq": _inverse_multiquadratic, "rbf": _gaussian}


def _about_one(a: Floats, b: Floats) -> tuple[Floats, Floats, int]:
    """Two samples moved to the mean of the first and scaled to about 1, and the power of two that was taken out.

    Neither rounds differences, and squares are then numbers whatever the scale, and keep their digits far from 0.
    """
    exponent = int(np.frexp(max(np.abs(a).max(), np.abs(b).max()))[1])
    a, b = np.ldexp(a, -exponent), np.ldexp(b, -exponent)
    centre = a.mean(0)
    a, b = a - centre, b - centre
    smaller = int(np.frexp(max(np.abs(a).max(), np.abs(b).max()))[1])
    return np.ldexp(a, -smaller), np.ldexp(b, -smaller), exponent + smaller
