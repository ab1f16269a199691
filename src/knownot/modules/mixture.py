"""A mixture of diagonal Gaussians, trained by gradients: the smallest density and the smallest clustering."""

from __future__ import annotations

import math
from math import prod

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn

from knownot.data import Batch
from knownot.modules.base import Loss, Module
from knownot.probability import diagonal_gaussian, pairwise_log_prob


class GaussianMixture(Module):
    """p(x) = sum_k pi_k N(x; mu_k, s_k^2), s_k^2 = variance_floor + exp(.), diagonal.

    Parameters
    ----------
    input_shape : tuple of int
        (F,) for tables, (C, H, W) for images.
    n_components : int
        K.
    variance_floor : float
        Least variance of a component in any dimension, above 0: without it a component could shrink onto a
        single sample, with an infinite density.

    Raises
    ------
    ValueError
        If a number is out of its range.

    References
    ----------
    Dempster, Laird and Rubin, "Maximum likelihood from incomplete data via the EM algorithm", 1977, section
    4.3, whose likelihood is climbed here by its gradient.

    Examples
    --------
    >>> module = GaussianMixture((2,), n_components=3)
    >>> module.log_prob(torch.zeros(5, 2)).shape, module.responsibilities(torch.zeros(5, 2)).shape
    (torch.Size([5]), torch.Size([5, 3]))
    """

    def __init__(self, input_shape: tuple[int, ...], n_components: int, variance_floor: float = 1e-3) -> None:
        super().__init__()
        if n_components < 1:
            raise ValueError(f"n_components={n_components!r} does not work: give a whole number, 1 or more.")
        if not 0.0 < variance_floor < math.inf:
            raise ValueError(f"variance_floor={variance_floor!r} does not work: give a number above 0.")
        self.input_shape, self.latent_dim = tuple(input_shape), n_components
        self.variance_floor = variance_floor
        self.logits = nn.Parameter(torch.zeros(n_components))
        self.means = nn.Parameter(torch.randn(n_components, prod(input_shape)))
        self.raw_log_variances = nn.Parameter(torch.zeros(n_components, prod(input_shape)))

    def start_from(self, x: Tensor, seed: int) -> None:
        """Place the components where k-means finds groups.

        Parameters
        ----------
        x : Tensor, shape (N, ...)
            Some training samples, at least as many as components.
        seed : int
            Of k-means.
        """
        rows = x.flatten(1).double().cpu().numpy()
        k = len(self.logits)
        if len(rows) < k:
            raise ValueError(f"{k} components need at least {k} training samples, but there are {len(rows)}.")
        found = KMeans(k, n_init=1, random_state=seed).fit(rows)
        # Of fewer different samples than components, k-means leaves some empty.
        groups = [rows[found.labels_ == j] for j in range(k)]
        spread = np.stack([(group if len(group) else rows).var(0) for group in groups])
        shares = np.bincount(found.labels_, minlength=k) / len(rows)
        with torch.no_grad():
            self.means.copy_(torch.from_numpy(found.cluster_centers_))
            self.raw_log_variances.copy_(torch.from_numpy(np.log(np.maximum(spread, self.variance_floor))))
            self.logits.copy_(torch.from_numpy(np.log(np.maximum(shares, 1e-6))))

    @property
    def log_variances(self) -> Tensor:
        """Log-variances of the components, (K, D), the variance floor included."""
        return torch.log(self.variance_floor + self.raw_log_variances.exp())

    def _log_joint(self, x: Tensor) -> Tensor:
        """log pi_k + log p(x|k), (N, K), float64."""
        return torch.log_softmax(self.logits, 0) + pairwise_log_prob(x.flatten(1), self.means, self.log_variances)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of each sample in nats, (N,), float64."""
        return torch.logsumexp(self._log_joint(x), 1)

    def responsibilities(self, x: Tensor) -> Tensor:
        """Probability of each component given the sample, (N, K)."""
        return torch.softmax(self._log_joint(x), 1)

    def embed(self, x: Tensor) -> Tensor:
        """The responsibilities, which are all that a mixture says of where a sample lies."""
        return self.responsibilities(x).float()

    def loss(self, batch: Batch) -> Loss:
        """Negative log-likelihood."""
        nll = -self.log_prob(batch.x)
        return Loss(nll.mean(), {"negative log-likelihood": nll.detach()})

    def sample(self, n: int) -> Tensor:
        """Draw from the mixture, (n, ...); images within [0, 1]."""
        k = torch.multinomial(torch.softmax(self.logits, 0), n, replacement=True)
        x = diagonal_gaussian(self.means[k], self.log_variances[k]).sample().unflatten(1, self.input_shape)
        return x.clamp(0.0, 1.0) if len(self.input_shape) == 3 else x
