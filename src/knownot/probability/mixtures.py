"""Mixtures of diagonal Gaussians: their density and their samples."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from knownot.probability.gaussian import at_least_float32, pairwise_log_prob


class Components(NamedTuple):
    """A mixture p(z) = sum_k w_k N(z; nu_k, t_k^2) with diagonal covariances.

    Attributes
    ----------
    log_weights : Tensor, shape (K,)
        log w_k. The weights sum to one.
    means : Tensor, shape (K, d)
        nu_k.
    log_variances : Tensor, shape (K, d) or (1, d)
        log t_k^2, logarithms of variances; (1, d) where all components share them, which is
        several times faster in everything that is quadratic in K.

    Examples
    --------
    >>> import torch
    >>> Components(torch.zeros(1), torch.zeros(1, 2), torch.zeros(1, 2)).latent_dim
    2
    """

    log_weights: Tensor
    means: Tensor
    log_variances: Tensor

    @property
    def n_components(self) -> int:
        """K."""
        return len(self.means)

    @property
    def latent_dim(self) -> int:
        """Width of a code, d."""
        return self.means.shape[-1]

    @property
    def share_variances(self) -> bool:
        """Whether one row of variances is that of all components."""
        return len(self.log_variances) == 1


def check_components(components: Components, latent_dim: int | None = None) -> None:
    """Refuse tensors that are no mixture, or one of another width.

    Parameters
    ----------
    components : Components
    latent_dim : int, optional
        Width that the codes have, d.

    Raises
    ------
    ValueError
        If the shapes do not fit together, or the mixture has another width than the codes.

    Examples
    --------
    >>> import torch
    >>> check_components(Components(torch.zeros(3), torch.zeros(3, 2), torch.zeros(1, 2)), latent_dim=2)
    """
    weights, means, log_variances = (tuple(tensor.shape) for tensor in components)
    if len(means) != 2 or weights != means[:1] or log_variances not in {means, (1, *means[1:])}:
        raise ValueError(
            f"the components have log_weights of shape {weights}, means {means} and log_variances {log_variances}: "
            "give (K,), (K, d), and (K, d) or (1, d)."
        )
    if latent_dim is not None and means[1] != latent_dim:
        raise ValueError(
            f"the codes have {latent_dim} dimensions, the components {means[1]}: give both the same width d."
        )


def mixture_log_prob(z: Tensor, components: Components) -> Tensor:
    """log p(z) = logsumexp_k[log w_k + log N(z; nu_k, t_k^2)].

    Matrix products of :func:`~knownot.probability.pairwise_log_prob`, without a tensor (N, K, d).

    Parameters
    ----------
    z : Tensor, shape (..., d)
    components : Components

    Returns
    -------
    Tensor, shape (...), float64
        Log-densities in nats. They stay float64, since what is wanted is mostly a small
        difference of them, such as log q(z|x) - log p(z).

    Raises
    ------
    ValueError
        If z and the components have different widths.

    Examples
    --------
    >>> import torch
    >>> two = Components(torch.tensor([0.5, 0.5]).log(), torch.tensor([[-3.0], [3.0]]), torch.zeros(1, 1))
    >>> mixture_log_prob(torch.tensor([[3.0], [0.0]]), two)
    tensor([-1.6121, -5.4189], dtype=torch.float64)
    """
    check_components(components, z.shape[-1])
    log_weights, means, log_variances = components
    log_joint = pairwise_log_prob(z.reshape(-1, z.shape[-1]), means, log_variances) + log_weights
    return torch.logsumexp(log_joint, -1).reshape(z.shape[:-1])


def sample_components(components: Components, n: int) -> tuple[Tensor, Tensor]:
    """Draw codes from a mixture, with the component that each one comes from.

    Parameters
    ----------
    components : Components
    n : int
        Number of draws.

    Returns
    -------
    z : Tensor, shape (n, d), float32 or better
        Gradients reach means and variances, not the weights.
    index : Tensor of int64, shape (n,)
        Component of each draw.

    Examples
    --------
    >>> import torch
    >>> far = Components(torch.tensor([0.5, 0.5]).log(), torch.tensor([[-99.0], [99.0]]), torch.zeros(1, 1))
    >>> z, index = sample_components(far, 5)
    >>> bool(((z[:, 0] > 0) == (index == 1)).all())
    True
    """
    check_components(components)
    log_weights, means, log_variances = (at_least_float32(tensor) for tensor in components)
    index = torch.multinomial(torch.softmax(log_weights, 0), n, replacement=True)
    std = torch.exp(0.5 * log_variances)
    # One row of standard deviations is broadcast over the draws.
    z = means[index] + (std if components.share_variances else std[index]) * torch.randn_like(means[index])
    return z, index
