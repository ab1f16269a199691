"""Evidence from the shape of the training samples around a sample, and from the plane they lie near."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor

from knownot.rules.base import Evidence, Rule, State, Verdict
from knownot.rules.neighbours import Neighbours
from knownot.rules.products import row_product
from knownot.rules.search import nearest

_SMALLEST = 1e-12


class LocalNeighbours(Neighbours):
    """Knownness is minus the log of the distance to the nearest training embeddings over their own spacing.

    The spacing of a training embedding is its mean distance to its own nearest neighbours in its class, so that
    a sample at the edge of a scattered class is no more unknown than one at the edge of a dense class.

    Parameters
    ----------
    k : int
        Neighbours.
    max_references, random_state
        As in :class:`Neighbours`.

    References
    ----------
    After Breunig et al., "LOF: identifying density-based local outliers", 2000, with classes.

    Examples
    --------
    >>> import torch
    >>> z, y = torch.tensor([[0.0], [0.1], [5.0], [9.0]]), torch.tensor([0, 0, 1, 1])
    >>> dense, scattered = LocalNeighbours(k=1).fit(z, y).score(torch.tensor([[1.0], [10.0]]))[1]
    >>> bool(dense < scattered)
    True
    """

    name = "local"

    def __init__(self, k: int = 3, max_references: int | None = None, random_state: int = 0) -> None:
        super().__init__(k, max_references, random_state)

    def fit(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> Self:
        super().fit(z, y, evidence)
        spacing = torch.full((len(self.references_),), torch.nan, dtype=z.dtype, device=z.device)
        for members in torch.argsort(self.labels_, stable=True).split(torch.bincount(self.labels_).tolist()):
            k = min(self.k, len(members) - 1)
            if k > 0:
                own = self.references_[members]
                # The nearest of all is the embedding itself.
                spacing[members] = nearest(own, own, k + 1)[0][:, 1:].mean(1)
        typical = spacing.nanmean().nan_to_num(nan=1.0).clamp_min(_SMALLEST)
        self.spacing_ = torch.where(spacing.isnan(), typical, spacing).clamp_min(1e-6 * float(typical))
        return self

    def _knownness(self, distances: Tensor, indices: Tensor) -> Tensor:
        return self.spacing_[indices].mean(1).log() - distances.mean(1).clamp_min(_SMALLEST).log()

    def state(self) -> State:
        return {**super().state(), "spacing": self.spacing_}

    def restore(self, state: State) -> Self:
        super().restore(state)
        self.spacing_ = state["spacing"]
        return self


class Residual(Rule):
    """Knownness is minus the length of what the leading principal components leave of an embedding.

    Known samples lie near a plane; a sample off it breaks a relation between columns that held for
    all of them. The class is that of the nearest class mean.

    Parameters
    ----------
    variance : float
        Share of the variance that the plane holds, in (0, 1).

    References
    ----------
    Wang et al., "ViM: out-of-distribution with virtual-logit matching", CVPR 2022, section 3.

    Examples
    --------
    >>> import torch
    >>> z = torch.tensor([[0.0, 0.1], [1.0, 0.9], [2.0, 2.1], [3.0, 2.9]])
    >>> rule = Residual().fit(z, torch.tensor([0, 0, 1, 1]))
    >>> on, off = rule.score(torch.tensor([[5.0, 5.0], [0.0, 3.0]]))[1]
    >>> bool(on > off)
    True
    """

    name = "residual"

    def __init__(self, variance: float = 0.9) -> None:
        self.variance = variance

    def check(self, n_subclusters: Sequence[int]) -> None:
        """Refuse a share that is none."""
        super().check(n_subclusters)
        if not isinstance(self.variance, numbers.Real) or not 0.0 < self.variance < 1.0:
            raise ValueError(f"variance={self.variance!r} does not work: give a share above 0 and below 1.")

    def fit(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> Self:
        self.check([1] * (int(y.max()) + 1))
        rows = z.detach().double()
        centre = rows.mean(0)
        scatter = (rows - centre).T @ (rows - centre) / len(rows)
        variances, directions = torch.linalg.eigh(scatter)
        explained = variances.flip(0).cumsum(0) / variances.sum().clamp_min(_SMALLEST)
        n_plane = min(int((explained < self.variance).sum()) + 1, max(1, len(variances) - 1))
        rest = len(variances) - n_plane
        counts = torch.bincount(y).double().to(rows.device)
        means = torch.zeros(len(counts), z.shape[1], dtype=torch.float64, device=rows.device).index_add_(0, y, rows)
        self.centre_, self.directions_ = centre.to(z), directions[:, :rest].contiguous().to(z)
        self.means_ = (means / counts[:, None]).to(z)
        self.variance_ = float(variances.mean()) + _SMALLEST
        return self

    def evaluate(self, z: Tensor, evidence: Evidence | None = None) -> Verdict:
        residual = row_product(z - self.centre_, self.directions_).norm(dim=1)
        squared = torch.cdist(z, self.means_, compute_mode="donot_use_mm_for_euclid_dist").square()
        return Verdict(-squared / (2.0 * self.variance_), -residual)

    def state(self) -> State:
        return {
            "centre": self.centre_,
            "directions": self.directions_,
            "means": self.means_,
            "variance": torch.tensor(self.variance_, dtype=torch.float64),
        }

    def restore(self, state: State) -> Self:
        self.centre_, self.directions_ = state["centre"], state["directions"]
        self.means_, self.variance_ = state["means"], float(state["variance"])
        return self
