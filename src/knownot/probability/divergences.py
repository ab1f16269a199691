"""Divergences of a posterior from a mixture prior: Cauchy-Schwarz in closed form, Kullback-Leibler by samples."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from knownot.probability.gaussian import diagonal_gaussian
from knownot.probability.mixtures import Components, check_components
from knownot.probability.overlaps import LOG_FOUR_PI, log_overlap, mixture_self_overlap


def cauchy_schwarz(
    mean: Tensor,
    log_variance: Tensor,
    components: Components,
    self_overlap: Tensor | None = None,
    as_printed: bool = False,
) -> Tensor:
    """D_CS(q || p) of Gaussians q = N(mean, s^2) from a mixture p = sum_k w_k N(nu_k, t_k^2).

    With every covariance diagonal (equations 2, 4 and 5 of the paper):

        D_CS = -log∫qp + 1/2 log∫q^2 + 1/2 log∫p^2
             = -logsumexp_k[log w_k + log N(mean; nu_k, s^2 + t_k^2)]
               - 1/2 sum_d log(2 s_d sqrt(pi))
               + 1/2 logsumexp_{k,l}[log w_k + log w_l + log N(nu_k; nu_l, t_k^2 + t_l^2)]

    It is symmetric, at least 0, and 0 where q = p alone. Components with shared variances, (1, d), are some
    ten times faster than those with their own.

    Parameters
    ----------
    mean, log_variance : Tensor, shape (..., d)
        Of q; log s^2, in nats.
    components : Components
        Of p.
    self_overlap : Tensor, scalar, optional
        log∫p^2 = ``mixture_self_overlap(components)``, where it is known already. It does not depend on
        the data; None computes it. With ``as_printed``, that of ``as_printed`` is meant here too.
    as_printed : bool
        The paper's equations 21 and 56 to 59 as they stand, to compare with:

            -log sum_k N(mean; nu_k, s^2 + t_k^2) + log K - sum_d log(2 s_d sqrt(pi))
            + log sum_{k,l} N(nu_k; nu_l, 2 t_l^2)

        Both factors 1/2 of equation 4 are lost from 56 on; 58 turns the sign of log K, which 57 still has
        right (log K - 2 log K); 2 t_l^2 (as in equations 6 and 7) stands where t_k^2 + t_l^2 is right. Then
        D_CS(p || p) is not 0, and the wider q is the better it always gets. Where the weights differ, w_k
        takes the place of 1/K.

    Returns
    -------
    Tensor, shape (...), float64
        In nats, float64 because it is a small difference of large terms; for precision see
        :func:`~knownot.probability.log_overlap`.

    Raises
    ------
    ValueError
        If the shapes do not fit together.

    References
    ----------
    Tran, Pantic and Deisenroth, "Cauchy-Schwarz regularized autoencoder", 2022, sections 2.2, 3.2 and A.3.

    Examples
    --------
    >>> import torch
    >>> standard = Components(torch.zeros(1), torch.zeros(1, 2), torch.zeros(1, 2))
    >>> mean, log_variance = torch.tensor([[0.0, 0.0], [2.0, 0.0]]), torch.zeros(2, 2)
    >>> cauchy_schwarz(mean, log_variance, standard)
    tensor([0., 1.], dtype=torch.float64)
    """
    of_both = log_overlap(mean, log_variance, components)
    # log N(mean; mean, 2 s^2) = -sum_d log(2 s_d sqrt(pi))
    of_q = -0.5 * (log_variance.double() + LOG_FOUR_PI).sum(-1)
    of_p = mixture_self_overlap(components, as_printed) if self_overlap is None else self_overlap
    if as_printed:
        return of_q + of_p - of_both + 2.0 * math.log(components.n_components)
    return 0.5 * (of_q + of_p) - of_both


def cauchy_schwarz_mixtures(q: Components, p: Components) -> Tensor:
    """D_CS(q || p) of two mixtures of diagonal Gaussians, equation 4 with both factors 1/2.

    Variances of pairs are sums of the two (the paper's equations 6 and 7 double one of them).

    Parameters
    ----------
    q, p : Components
        Of the same width d, with any numbers of components.

    Returns
    -------
    Tensor, scalar, float64
        In nats, at least 0; the same for (p, q).

    Raises
    ------
    ValueError
        If the shapes do not fit together.

    References
    ----------
    Tran, Pantic and Deisenroth, "Cauchy-Schwarz regularized autoencoder", 2022, section 2.2.

    Examples
    --------
    >>> import torch
    >>> p = Components(torch.tensor([0.5, 0.5]).log(), torch.tensor([[-3.0], [3.0]]), torch.zeros(1, 1))
    >>> round(float(cauchy_schwarz_mixtures(p, p)), 6)
    0.0
    """
    check_components(q)
    check_components(p)
    # The fast way is that of a mixture with shared variances, as the one that is not taken row by row.
    rows, columns = (p, q) if q.share_variances else (q, p)
    of_rows = log_overlap(rows.means, rows.log_variances.expand_as(rows.means), columns)
    of_both = torch.logsumexp(of_rows + rows.log_weights, 0)
    return 0.5 * (mixture_self_overlap(q) + mixture_self_overlap(p)) - of_both


def kl_sampled(z: Tensor, mean: Tensor, log_variance: Tensor, log_prior: Tensor) -> Tensor:
    """log q(z|x) - log p(z) at samples z of q = N(mean, exp(log_variance)): an unbiased estimate of KL(q || p).

    For priors without a closed form, such as mixtures. Single estimates may be negative.

    Parameters
    ----------
    z : Tensor, shape (..., N, d)
        Drawn from q with gradients (``rsample``).
    mean, log_variance : Tensor, shape (N, d)
    log_prior : Tensor, shape (..., N)
        log p(z), as of :func:`~knownot.probability.mixture_log_prob`.

    Returns
    -------
    Tensor, shape (..., N)
        In nats, in the higher precision of ``log_prior`` and the rest.

    Examples
    --------
    >>> import torch
    >>> kl_sampled(torch.ones(1, 2), torch.ones(1, 2), torch.zeros(1, 2), torch.tensor([-5.0]))
    tensor([3.1621])
    """
    return diagonal_gaussian(mean, log_variance).log_prob(z) - log_prior
