"""Likelihoods of densities on the scale of the literature: bits per dimension."""

from __future__ import annotations

import math

from numpy.typing import ArrayLike

from knownot.metrics.checks import Floats, as_floats, check_count, is_number

OFFSETS = {"density": 8.0, "mass": 0.0, "when-vaes-know": 4.0}
"""What is added to bits per dimension, by name; see :func:`bits_per_dim`."""


def bits_per_dim(log_prob: ArrayLike, n_dimensions: int, offset: float | str = "density") -> Floats:
    """Bits per dimension, -log2 p(x) / D + offset; fewer are better.

    Parameters
    ----------
    log_prob : float or array
        log p(x) in nats, or a lower bound on it, summed over the dimensions of a sample. An infinite one stays so.
    n_dimensions : int
        D, the number of real values of a sample, pixels times channels. Padding is not counted: 784 for digits of
        28x28, also where a network pads them to 32x32.
    offset : {"density", "mass", "when-vaes-know"} or float
        - "density": 8, for a density over images of 8 bits that were scaled to [0, 1]. A grey value is an
          interval of length 1/256, which has log2 256 = 8 bits more than the density says.
        - "mass": 0, for a likelihood that gives probabilities of grey values, such as the discretised logistic, or of
          binary pixels.
        - "when-vaes-know": 4, which the tables of "When do variational autoencoders know what they don't know?" were
          made with. Only for a comparison with them: for densities, the right offset is 8.

    Returns
    -------
    ndarray, the shape of ``log_prob``
        In bits. The mean over samples is the number of a data set. A density has no upper bound, so that
        the number may be negative.

    Raises
    ------
    ValueError
        If a log-likelihood is NaN, D is no number of dimensions, or the offset has no such name.

    References
    ----------
    Theis, van den Oord, Bethge, "A note on the evaluation of generative models", ICLR 2016.

    Examples
    --------
    >>> log_prob = [-4 * math.log(2.0), 8 * math.log(2.0)]  # over four pixels
    >>> bits_per_dim(log_prob, 4)
    array([9., 6.])
    >>> bits_per_dim(log_prob, 4, "mass")
    array([ 1., -2.])
    """
    values = as_floats(log_prob, "log_prob")
    check_count(n_dimensions, "n_dimensions", "real values of a sample")
    added = OFFSETS.get(offset) if isinstance(offset, str) else offset
    if added is None or not is_number(added):
        raise ValueError(
            f"offset={offset!r} is not an offset: choose {', '.join(map(repr, OFFSETS))}, or give a number of bits."
        )
    return values / (-math.log(2.0) * n_dimensions) + added
