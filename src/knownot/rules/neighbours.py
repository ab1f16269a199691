"""k nearest neighbours among training embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from knownot.rules.base import Evidence, Rule, State, Verdict, least_counts
from knownot.rules.references import sample_references
from knownot.rules.search import Index
from knownot.rules.whitening import Whitening


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
    #: Whether distance is that of directions: embeddings are brought to length 1.
    directions: ClassVar[bool] = False
    _index: Index | None = None

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
        self.references_, self.labels_ = self.in_metric(z.detach()), y
        self.n_classes_ = int(y.max()) + 1
        return self

    def in_metric(self, z: Tensor) -> Tensor:
        """Embeddings where Euclidean distance is the one that is meant."""
        points = self.points(z)
        return F.normalize(points, dim=1) if self.directions else points

    def points(self, z: Tensor) -> Tensor:
        """Embeddings where distance is measured, before they are brought to length 1 or not."""
        return z

    def map_state(self) -> State:
        """The numbers of the map :meth:`points`; empty where embeddings stay what they are."""
        return {}

    def _sample_references(self, y: Tensor) -> Tensor:
        """Indices of the embeddings to keep."""
        assert self.max_references is not None
        return sample_references(y, self.max_references, self.random_state)

    def evaluate(self, z: Tensor, evidence: Evidence | None = None) -> Verdict:
        return self.judge(*self.nearest(z))

    def nearest(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Distances (N, k), ascending, and indices (N, k) of the nearest of the embeddings that are kept.

        Parameters
        ----------
        z : Tensor, shape (N, d)

        Returns
        -------
        distances : Tensor, shape (N, k)
        indices : Tensor, shape (N, k), int64
        """
        return self.index.nearest(self.in_metric(z), self.n_neighbours)

    @property
    def n_neighbours(self) -> int:
        """``k``, or as many embeddings as are kept."""
        return min(self.k, len(self.references_))

    @property
    def index(self) -> Index:
        """The embeddings that are kept, prepared for a search; made when it is first asked for."""
        if self._index is None or self._index.made_from is not self.references_:
            self._index = Index(self.references_)
        return self._index

    def __getstate__(self) -> dict[str, Any]:
        # A copy makes its own.
        return {**super().__getstate__(), "_index": None}

    def judge(self, distances: Tensor, indices: Tensor) -> Verdict:
        """Logits and knownness of samples whose nearest embeddings are found.

        Parameters
        ----------
        distances : Tensor, shape (N, k), ascending
        indices : Tensor, shape (N, k), int64

        Returns
        -------
        Verdict
        """
        k = distances.shape[1]
        # Less than half a vote in all, so that nearness only decides between equal counts.
        rank = 0.4 * torch.arange(k, 0, -1, device=distances.device) / (k * (k + 1) / 2)
        votes = (1.0 + rank).to(distances.dtype).expand(len(distances), k)
        counts = distances.new_zeros(len(distances), self.n_classes_)
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
    directions = True


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

    def points(self, z: Tensor) -> Tensor:
        return self.whitening_(z)

    def map_state(self) -> State:
        return self.whitening_.state()

    def state(self) -> State:
        return {**super().state(), **self.map_state()}

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
    directions = True
