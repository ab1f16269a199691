"""Nearest-centroid rules of the open-set GMVAE paper, section 3.3."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from sklearn.cluster import KMeans
from torch import Tensor

from knownot.rules.base import Evidence, Rule, State, Verdict


class NearestCentroid(Rule):
    """NC-D: knownness is minus the distance to the nearest centroid (Algorithm 1).

    Each class has as many centroids as subclusters, found by k-means on its embeddings.

    Parameters
    ----------
    n_subclusters : int or sequence of int
        Centroids of each class.
    random_state : int
        Seed of k-means.

    Examples
    --------
    >>> import torch
    >>> z, y = torch.tensor([[0.0], [2.0], [9.0], [11.0]]), torch.tensor([0, 0, 1, 1])
    >>> NearestCentroid().fit(z, y).score(torch.tensor([[1.0], [7.0]]))
    (tensor([0, 1]), tensor([-0., -3.]))
    """

    name = "nc-d"

    def __init__(self, n_subclusters: int | Sequence[int] = 1, random_state: int = 0) -> None:
        self.n_subclusters = n_subclusters
        self.random_state = random_state

    def fit(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> NearestCentroid:
        n_classes = int(y.max()) + 1
        counts = [self.n_subclusters] * n_classes if isinstance(self.n_subclusters, int) else self.n_subclusters
        centroids, owners, within = [], [], torch.zeros((), dtype=torch.float64)
        for c in range(n_classes):
            members = z[y == c].detach().cpu()
            k = min(counts[c], len(members))
            if k == 1:
                centres = members.double().mean(0, keepdim=True)
            else:
                kmeans = KMeans(k, n_init=10, random_state=self.random_state).fit(members.double().numpy())
                centres = torch.from_numpy(kmeans.cluster_centers_)
            within += torch.cdist(members.double(), centres).min(1).values.square().sum()
            centroids.append(centres)
            owners.append(torch.full((k,), c))
        self.centroids_ = torch.cat(centroids).to(z)
        self.owners_ = torch.cat(owners).to(z.device)
        # Pooled within-cluster variance a dimension: the scale on which a distance is large.
        self.variance_ = float(within / (len(z) * z.shape[1])) + 1e-12
        self.check(torch.bincount(self.owners_).tolist())
        return self

    def evaluate(self, z: Tensor, evidence: Evidence | None = None) -> Verdict:
        # By differences: the matrix product that cdist takes from 25 rows on cancels far from the origin.
        distances = torch.cdist(z, self.centroids_, compute_mode="donot_use_mm_for_euclid_dist")
        n_classes = int(self.owners_.max()) + 1
        nearest = torch.full((len(z), n_classes), torch.inf, dtype=distances.dtype, device=z.device)
        nearest = nearest.scatter_reduce(1, self.owners_.expand(len(z), -1), distances, "amin")
        return Verdict(-nearest.square() / (2.0 * self.variance_), self._knownness(distances))

    def _knownness(self, distances: Tensor) -> Tensor:
        return -distances.min(1).values

    def state(self) -> State:
        return {
            "centroids": self.centroids_,
            "owners": self.owners_,
            "variance": torch.tensor(self.variance_, dtype=torch.float64),
        }

    def restore(self, state: State) -> NearestCentroid:
        self.centroids_, self.owners_ = state["centroids"], state["owners"]
        self.variance_ = float(state["variance"])
        return self


class NearestCentroidUncertainty(NearestCentroid):
    """NC-U: knownness is minus the uncertainty U (Algorithm 2).

    U = distance to the nearest centroid / mean distance to all the *other* centroids, those
    of the same class included. It is 0 on a centroid and 1 at equal distance from all.

    Examples
    --------
    >>> import torch
    >>> z, y = torch.tensor([[0.0], [2.0], [9.0], [11.0]]), torch.tensor([0, 0, 1, 1])
    >>> NearestCentroidUncertainty().fit(z, y).score(torch.tensor([[3.0]]))
    (tensor([0]), tensor([-0.2857]))
    """

    name = "nc-u"

    def check(self, n_subclusters: Sequence[int]) -> None:
        """Refuse a single centroid, for which U is undefined."""
        super().check(n_subclusters)
        if sum(n_subclusters) < 2:
            raise ValueError(
                "NC-U compares the nearest centroid with the others, but one class with one subcluster "
                "has a single centroid: use rule='nc-d', or give n_subclusters of at least 2."
            )

    def _knownness(self, distances: Tensor) -> Tensor:
        nearest = distances.min(1).values
        others = (distances.sum(1) - nearest) / (distances.shape[1] - 1)
        return -nearest / others.clamp_min(torch.finfo(distances.dtype).tiny)
