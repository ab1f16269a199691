"""Densities of each class: one Gaussian, a small mixture, or Gaussians that share a covariance."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor

from knownot.rules.base import Evidence, Rule, State, Verdict, least_counts
from knownot.rules.products import row_product
from knownot.rules.whitening import Whitening

_SMALLEST_VARIANCE = 1e-6
# Of a mixture: what is added to each variance, where those within classes are 1 on average, and rows a component.
_MIXTURE_RIDGE = 0.05
_ROWS_PER_COMPONENT = 20


class ClassDensity(Rule):
    """Base of the rules whose knownness is the log-density of the most likely class, in nats.

    Embeddings are first mapped to where the covariance within classes, pooled and shrunk, is the unit matrix,
    so that densities are those of the mapped embeddings.
    """

    def fit(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> Self:
        z = z.detach()
        self.check([1] * (int(y.max()) + 1))
        self.whitening_ = Whitening.fit(z, y)
        counts = torch.bincount(y).double()
        self.log_priors_ = (counts / counts.sum()).log().to(z)
        self._fit_densities(self.whitening_(z), y)
        return self

    def _fit_densities(self, z: Tensor, y: Tensor) -> None:
        """Learn the density of each class from whitened embeddings."""

    def evaluate(self, z: Tensor, evidence: Evidence | None = None) -> Verdict:
        density = self._log_density(self.whitening_(z))
        return Verdict(density + self.log_priors_, density.max(1).values)

    @abstractmethod
    def _log_density(self, z: Tensor) -> Tensor:
        """Log-density of whitened embeddings under each class, (N, C)."""

    def state(self) -> State:
        return {"log_priors": self.log_priors_, **self.whitening_.state()}

    def restore(self, state: State) -> Self:
        self.log_priors_ = state["log_priors"]
        self.whitening_ = Whitening.restore(state)
        return self


class Mahalanobis(ClassDensity):
    """Knownness is minus half the squared Mahalanobis distance to the nearest class mean.

    All classes share one covariance, as in linear discriminant analysis.

    References
    ----------
    Lee et al., "A simple unified framework for detecting out-of-distribution samples and adversarial
    attacks", NeurIPS 2018.

    Examples
    --------
    >>> import torch
    >>> z, y = torch.tensor([[0.0], [2.0], [9.0], [11.0]]), torch.tensor([0, 0, 1, 1])
    >>> Mahalanobis().fit(z, y).score(torch.tensor([[2.0], [10.0]]))
    (tensor([0, 1]), tensor([-0.5000, -0.0000]))
    """

    name = "mahalanobis"

    def _log_density(self, z: Tensor) -> Tensor:
        return -0.5 * torch.cdist(z, self.whitening_.means, compute_mode="donot_use_mm_for_euclid_dist").square()


class RelativeMahalanobis(Mahalanobis):
    """Knownness is the Mahalanobis distance to the mean of all, less that to the nearest class mean.

    Directions that tell no class apart cancel, so that what is unusual in them alone is not held
    against a sample.

    References
    ----------
    Ren et al., "A simple fix to Mahalanobis distance for improving near-OOD detection", 2021.

    Examples
    --------
    >>> import torch
    >>> z, y = torch.tensor([[0.0], [2.0], [9.0], [11.0]]), torch.tensor([0, 0, 1, 1])
    >>> RelativeMahalanobis().fit(z, y).score(torch.tensor([[10.0], [5.5]]))[1].diff() < 0
    tensor([True])
    """

    name = "relative-mahalanobis"

    def fit(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> Self:
        super().fit(z, y, evidence)
        self.background_ = Whitening.fit(z, torch.zeros_like(y))
        return self

    def evaluate(self, z: Tensor, evidence: Evidence | None = None) -> Verdict:
        verdict = super().evaluate(z, evidence)
        return Verdict(verdict.logits, verdict.knownness + 0.5 * self.background_(z).square().sum(1))

    def state(self) -> State:
        return {**super().state(), **{f"background_{name}": t for name, t in self.background_.state().items()}}

    def restore(self, state: State) -> Self:
        start = "background_"
        self.background_ = Whitening.restore(
            {name.removeprefix(start): t for name, t in state.items() if name.startswith(start)}
        )
        return super().restore(state)


class ClassGaussian(ClassDensity):
    """Knownness is the log-density of the most likely class, each a Gaussian with a covariance of its own.

    A class's covariance is shrunk to the pooled one, by half where it has as many members as columns.

    References
    ----------
    Friedman, "Regularized discriminant analysis", 1989.

    Examples
    --------
    >>> import torch
    >>> z, y = torch.tensor([[0.0], [2.0], [9.0], [11.0]]), torch.tensor([0, 0, 1, 1])
    >>> ClassGaussian().fit(z, y).score(torch.tensor([[1.0], [7.0]]))
    (tensor([0, 1]), tensor([-0.9189, -5.4189]))
    """

    name = "gaussian"

    def _fit_densities(self, z: Tensor, y: Tensor) -> None:
        d = z.shape[1]
        roots, offsets = [], []
        for c, mean in enumerate(self.whitening_.means):
            members = (z[y == c] - mean).double().cpu()
            share = len(members) / (len(members) + d)
            covariance = share * members.T @ members / len(members) + (1.0 - share) * torch.eye(d, dtype=torch.float64)
            variances, directions = torch.linalg.eigh(covariance)
            variances = variances.clamp_min(_SMALLEST_VARIANCE)
            roots.append(directions / variances.sqrt())
            offsets.append(-0.5 * (variances.log().sum() + d * math.log(2.0 * math.pi)))
        self.roots_, self.offsets_ = torch.stack(roots).to(z), torch.stack(offsets).to(z)

    def _log_density(self, z: Tensor) -> Tensor:
        # A class at a time: memory does not grow with the number of classes.
        columns = [
            offset - 0.5 * row_product(z - mean, root).square().sum(1)
            for mean, root, offset in zip(self.whitening_.means, self.roots_, self.offsets_, strict=True)
        ]
        return torch.stack(columns, 1)

    def state(self) -> State:
        return {**super().state(), "roots": self.roots_, "offsets": self.offsets_}

    def restore(self, state: State) -> Self:
        self.roots_, self.offsets_ = state["roots"], state["offsets"]
        return super().restore(state)


class ClassMixture(ClassDensity):
    """Knownness is the log-density of the most likely class, each a small mixture of Gaussians.

    The Gaussians have diagonal covariances where the covariance within classes is the unit matrix.

    Parameters
    ----------
    n_components : int
        Gaussians a class, at most; one for each 20 of its members.
    random_state : int
        Seed of the start.

    Examples
    --------
    >>> import torch
    >>> z = torch.cat([torch.linspace(-1, 1, 40), torch.linspace(9, 11, 40)])[:, None]
    >>> rule = ClassMixture(n_components=2).fit(z, torch.zeros(80, dtype=torch.int64))
    >>> known, unknown = rule.score(torch.tensor([[10.0], [5.0]]))[1]
    >>> bool(known > unknown + 5)
    True
    """

    name = "mixture"

    def __init__(self, n_components: int = 3, random_state: int = 0) -> None:
        self.n_components = n_components
        self.random_state = random_state

    def check(self, n_subclusters: Sequence[int]) -> None:
        """Refuse a mixture of nothing."""
        super().check(n_subclusters)
        least_counts(n_components=self.n_components)

    def _fit_densities(self, z: Tensor, y: Tensor) -> None:
        found: list[tuple[np.ndarray, ...]] = []
        for c in range(len(self.log_priors_)):
            members = z[y == c].double().cpu().numpy()
            k = max(1, min(self.n_components, len(members) // _ROWS_PER_COMPONENT))
            mixture = GaussianMixture(
                k, covariance_type="diag", reg_covar=_MIXTURE_RIDGE, random_state=self.random_state
            ).fit(members if len(members) > 1 else np.repeat(members, 2, 0))
            found.append((mixture.means_, mixture.covariances_, np.log(mixture.weights_), np.full(k, c)))
        means, variances, log_weights, owners = (
            torch.from_numpy(np.concatenate(column)) for column in zip(*found, strict=True)
        )
        self.means_, self.variances_, self.log_weights_ = means.to(z), variances.to(z), log_weights.to(z)
        self.owners_ = owners.to(z.device)

    def _log_density(self, z: Tensor) -> Tensor:
        d = z.shape[1]
        columns: list[list[Tensor]] = [[] for _ in self.log_priors_]
        parameters = zip(self.means_, self.variances_, self.log_weights_, self.owners_.tolist(), strict=True)
        for mean, variance, log_weight, owner in parameters:
            squared = ((z - mean).square() / variance).sum(1)
            normalisation = variance.log().sum() + d * math.log(2.0 * math.pi)
            columns[owner].append(log_weight - 0.5 * (squared + normalisation))
        return torch.stack([torch.stack(column, 1).logsumexp(1) for column in columns], 1)

    def state(self) -> State:
        own = {"mixture_means": self.means_, "variances": self.variances_, "log_weights": self.log_weights_}
        return {**super().state(), **own, "owners": self.owners_}

    def restore(self, state: State) -> Self:
        self.means_, self.variances_ = state["mixture_means"], state["variances"]
        self.log_weights_, self.owners_ = state["log_weights"], state["owners"]
        return super().restore(state)
