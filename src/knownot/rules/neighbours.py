"""k nearest neighbours among training embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from knownot.rules.base import Evidence, Rule, State, Verdict, least_counts
from knownot.rules.whitening import Whitening

_BLOCK = 64


def nearest(queries: Tensor, references: Tensor, k: int, chunk: int = 2048) -> tuple[Tensor, Tensor]:
    """Euclidean distances and indices of the k nearest references, in chunks.

    A chunked matrix product and an exact selection in two steps: the k nearest lie in the k
    blocks of references whose minima are smallest, so only those blocks are sorted. Memory
    grows with ``chunk`` times the number of references, not with the number of queries.

    Parameters
    ----------
    queries : Tensor, shape (N, d)
    references : Tensor, shape (M, d)
    k : int
        At most M.
    chunk : int
        Queries at a time.

    Returns
    -------
    distances : Tensor, shape (N, k), ascending
    indices : Tensor, shape (N, k), int64

    Examples
    --------
    >>> import torch
    >>> nearest(torch.tensor([[0.0]]), torch.tensor([[3.0], [1.0]]), k=1)
    (tensor([[1.]]), tensor([[1]]))
    """
    # Centring keeps |a|^2 - 2ab + |b|^2 from cancelling when the data lie far from the origin.
    centre = references.mean(0)
    references = references - centre
    half_norms = 0.5 * references.square().sum(1)
    n_padding = -len(references) % _BLOCK
    padded = F.pad(references, (0, 0, 0, n_padding))
    half_norms = F.pad(half_norms, (0, n_padding), value=torch.inf)
    distances = torch.empty((len(queries), k), dtype=references.dtype, device=references.device)
    indices = torch.empty((len(queries), k), dtype=torch.int64, device=references.device)
    for start in range(0, len(queries), chunk):
        part = queries[start : start + chunk] - centre
        gap = torch.addmm(half_norms, part, padded.T, alpha=-1.0)
        # A row with NaN finds the padding; its distances are NaN whatever it finds.
        found = _k_smallest(gap, k).clamp_max(len(references) - 1)
        # The winners' distances are taken by difference, exact also for a duplicate of a reference.
        exact = (part[:, None] - references[found]).norm(dim=2)
        exact, order = exact.sort(1)
        distances[start : start + chunk] = exact
        indices[start : start + chunk] = found.gather(1, order)
    return distances, indices


def _k_smallest(gap: Tensor, k: int) -> Tensor:
    """Indices of the k smallest entries of each row; the rows are whole blocks long."""
    n_blocks = gap.shape[1] // _BLOCK
    if n_blocks <= 2 * k:
        return gap.topk(k, dim=1, largest=False).indices
    blocks = gap.unflatten(1, (n_blocks, _BLOCK)).amin(2).topk(k, dim=1, largest=False).indices
    candidates = (blocks[:, :, None] * _BLOCK + torch.arange(_BLOCK, device=gap.device)).flatten(1)
    return candidates.gather(1, gap.gather(1, candidates).topk(k, dim=1, largest=False).indices)


class Neighbours(Rule):
    """Knownness is minus the mean distance to the k nearest training embeddings.

    The class is the one with most votes among them, ties going to the nearer ones.

    Parameters
    ----------
    k : int
        Neighbours; fewer where there are fewer embeddings.
    max_references : int, optional
        Training embeddings to keep, about in proportion to the classes, with a minimum for rare
        ones; None keeps all.
    random_state : int
        Seed of that draw.

    Examples
    --------
    >>> import torch
    >>> z, y = torch.tensor([[0.0], [1.0], [9.0]]), torch.tensor([0, 0, 1])
    >>> Neighbours(k=1).fit(z, y).score(torch.tensor([[8.0]]))
    (tensor([1]), tensor([-1.]))
    """

    name = "neighbours"

    def __init__(self, k: int = 5, max_references: int | None = None, random_state: int = 0) -> None:
        self.k = k
        self.max_references = max_references
        self.random_state = random_state

    def check(self, n_subclusters: Sequence[int]) -> None:
        """Refuse settings that leave no neighbour."""
        super().check(n_subclusters)
        least_counts(k=self.k, max_references=1 if self.max_references is None else self.max_references)

    def fit(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> Self:
        self.check([1] * (int(y.max()) + 1))
        if self.max_references is not None and len(z) > self.max_references:
            keep = self._sample_references(y)
            z, y = z[keep], y[keep]
        self.references_, self.labels_ = self._in_metric(z.detach()), y
        self.n_classes_ = int(y.max()) + 1
        return self

    def _in_metric(self, z: Tensor) -> Tensor:
        """Embeddings where Euclidean distance is the one that is meant."""
        return z

    def _sample_references(self, y: Tensor) -> Tensor:
        """Indices of the embeddings to keep."""
        assert self.max_references is not None
        generator = torch.Generator().manual_seed(self.random_state)
        shuffled = torch.randperm(len(y), generator=generator).to(y.device)
        counts = torch.bincount(y)
        floor = max(1, self.max_references // (10 * len(counts)))
        of_class = shuffled[y[shuffled].argsort(stable=True)].split(counts.tolist())
        kept = []
        for members in of_class:
            share = max(round(self.max_references * len(members) / len(y)), min(floor, len(members)))
            kept.append(members[:share])
        return torch.cat(kept)

    def evaluate(self, z: Tensor, evidence: Evidence | None = None) -> Verdict:
        k = min(self.k, len(self.references_))
        distances, indices = nearest(self._in_metric(z), self.references_, k)
        # Less than half a vote in all, so that nearness only decides between equal counts.
        rank = 0.4 * torch.arange(k, 0, -1, device=z.device) / (k * (k + 1) / 2)
        votes = (1.0 + rank).to(distances.dtype).expand(len(z), k)
        counts = distances.new_zeros(len(z), self.n_classes_)
        for voter, vote in zip(self.labels_[indices].split(1, 1), votes.split(1, 1), strict=True):
            # One neighbour at a time: memory does not grow with neighbours times classes.
            counts.scatter_add_(1, voter, vote)
        return Verdict(torch.log(counts + 0.1), self._knownness(distances, indices))

    def _knownness(self, distances: Tensor, indices: Tensor) -> Tensor:
        return -distances.mean(1)

    def state(self) -> State:
        return {"references": self.references_, "labels": self.labels_}

    def restore(self, state: State) -> Self:
        self.references_, self.labels_ = state["references"], state["labels"]
        self.n_classes_ = int(self.labels_.max()) + 1
        return self


class CosineNeighbours(Neighbours):
    """Nearest neighbours by direction: embeddings are brought to length 1 first.

    Parameters
    ----------
    k, max_references, random_state
        As in :class:`Neighbours`.

    References
    ----------
    Sun et al., "Out-of-distribution detection with deep nearest neighbors", ICML 2022.

    Examples
    --------
    >>> import torch
    >>> z, y = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])
    >>> CosineNeighbours(k=1).fit(z, y).score(torch.tensor([[0.0, 9.0]]))
    (tensor([1]), tensor([-0.]))
    """

    name = "cosine"

    def _in_metric(self, z: Tensor) -> Tensor:
        return F.normalize(z, dim=1)


class WhitenedNeighbours(Neighbours):
    """Nearest neighbours where the classes have the unit covariance on average.

    Directions in which members of one class differ count less than those that tell classes apart. The
    covariance within classes is shrunk (Ledoit and Wolf), so that few rows of many columns will do.

    Parameters
    ----------
    k, max_references, random_state
        As in :class:`Neighbours`.

    References
    ----------
    Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", 2004.

    Examples
    --------
    >>> import torch
    >>> z = torch.tensor([[0.0, -9.0], [0.1, 9.0], [1.0, -9.0], [1.1, 9.0]])
    >>> rule = WhitenedNeighbours(k=1).fit(z, torch.tensor([0, 0, 1, 1]))
    >>> rule.score(torch.tensor([[0.9, 0.0]]))[0]
    tensor([1])
    """

    name = "whitened"

    def fit(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> Self:
        self.whitening_ = Whitening.fit(z, y)
        super().fit(z, y, evidence)
        return self

    def _in_metric(self, z: Tensor) -> Tensor:
        return self.whitening_(z)

    def state(self) -> State:
        return {**super().state(), **self.whitening_.state()}

    def restore(self, state: State) -> Self:
        self.whitening_ = Whitening.restore(state)
        super().restore(state)
        return self


class WhitenedCosineNeighbours(WhitenedNeighbours):
    """Nearest neighbours by direction from the centre, where the classes have the unit covariance on average.

    Parameters
    ----------
    k, max_references, random_state
        As in :class:`Neighbours`.

    Examples
    --------
    >>> import torch
    >>> z = torch.tensor([[9.0, 0.0], [9.0, 0.1], [-9.0, 0.0], [-9.0, 0.1]])
    >>> rule = WhitenedCosineNeighbours(k=1).fit(z, torch.tensor([0, 0, 1, 1]))
    >>> rule.score(torch.tensor([[50.0, 0.0]]))[0]
    tensor([0])
    """

    name = "whitened-cosine"

    def _in_metric(self, z: Tensor) -> Tensor:
        return F.normalize(super()._in_metric(z), dim=1)
