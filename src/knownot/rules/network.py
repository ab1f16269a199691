"""Evidence of a network that classifies: its logits, and where its features lie."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from knownot.rules.base import Evidence, Rule, State, Verdict
from knownot.rules.gaussian import Mahalanobis
from knownot.rules.neighbours import CosineNeighbours
from knownot.rules.surprise import Surprise, Surprises

PARTS = ("logit", "neighbours", "norm", "whitened")


class NetworkEvidence(Rule):
    """Knownness is minus the sum of the surprises of what a classifying network says of a sample.

    The parts, each in the direction "higher = more known": its largest logit; the cosine similarity of its features to
    those of the nearest training samples; the length of its features; and minus their distance to the nearest class
    mean where the classes have the unit covariance on average. Each is turned into minus the log of the share of
    held-out known samples that score as low (Fisher's way of combining tests), so that none needs a unit. The class is
    that of the largest logit.

    Parameters
    ----------
    parts : sequence of {"logit", "neighbours", "norm", "whitened"}
        Which of them are added up. The whitened distance took more from the sum than it gave where the rule was
        developed, on classes of CIFAR-10 and MNIST that were hidden for it: a network draws each class together so far
        that most directions within it are noise.
    k : int
        Neighbours.
    max_references : int or None
        Training features kept; None keeps all.
    random_state : int
        Seed of their choice.

    Notes
    -----
    :meth:`calibrate` must see held-out known samples before :meth:`evaluate`.

    Examples
    --------
    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> y = torch.arange(200) % 2
    >>> z = torch.eye(2)[y] * 5 + torch.rand(200, 2)
    >>> rule = NetworkEvidence().fit(z, y)
    >>> rule = rule.calibrate(z, y, {"logits": z})
    >>> strange = torch.tensor([[0.4, 0.4]])
    >>> bool(rule.score(strange, {"logits": strange})[1] < rule.score(z, {"logits": z})[1].min())
    True
    """

    name = "network"
    uses = ("logits",)
    calibrates_on_held_out = True

    def __init__(
        self,
        parts: Sequence[str] = ("logit", "neighbours", "norm"),
        k: int = 10,
        max_references: int | None = 10_000,
        random_state: int = 0,
    ) -> None:
        self.parts = parts
        self.k = k
        self.max_references = max_references
        self.random_state = random_state

    def check(self, n_subclusters: Sequence[int]) -> None:
        """Refuse a single class, and parts that there are not."""
        super().check(n_subclusters)
        if len(n_subclusters) < 2:
            raise ValueError(
                f"rule={self.name!r} reads logits that tell classes apart, but there is one class: give samples of at "
                "least two classes, or use another classifier with rule='nc-d' or 'neighbours'."
            )
        if not self.parts or len(set(self.parts)) < len(self.parts) or any(part not in PARTS for part in self.parts):
            raise ValueError(f"parts={self.parts!r} does not work: give some of {', '.join(PARTS)}, each once.")
        self._make_neighbours().check(n_subclusters)

    def _make_neighbours(self) -> CosineNeighbours:
        return CosineNeighbours(self.k, self.max_references, self.random_state)

    def fit(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> NetworkEvidence:
        self.check([1] * (int(y.max()) + 1))
        self.neighbours_ = self._make_neighbours().fit(z, y) if "neighbours" in self.parts else None
        self.whitened_ = Mahalanobis().fit(z, y) if "whitened" in self.parts else None
        self.surprises_: Surprises | None = None
        return self

    def _columns(self, z: Tensor, logits: Tensor) -> Tensor:
        """Each part of each sample, (N, P), float64."""
        found = []
        for part in self.parts:
            if part == "logit":
                score = logits.max(1).values
            elif part == "norm":
                score = z.norm(dim=1)
            elif part == "neighbours":
                assert self.neighbours_ is not None
                score = self.neighbours_.evaluate(z).knownness
            else:
                assert self.whitened_ is not None
                score = self.whitened_.evaluate(z).knownness
            found.append(score.double())
        return torch.stack(found, 1)

    def calibrate(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> NetworkEvidence:
        logits = self._require_evidence(evidence)["logits"]
        self.surprises_ = Surprises([[Surprise.fit(column) for column in self._columns(z, logits).T]])
        self.fit_temperature(logits, y)
        return self

    def evaluate(self, z: Tensor, evidence: Evidence | None = None) -> Verdict:
        logits = self._require_evidence(evidence)["logits"]
        if self.surprises_ is None:
            raise ValueError(
                "the rule 'network' has no scale yet: call calibrate with held-out known samples after fit (an "
                "estimator does so by itself)."
            )
        row = torch.zeros(len(z), dtype=torch.int64, device=z.device)
        return Verdict(logits, -self.surprises_(self._columns(z, logits), row).sum(1))

    def state(self) -> State:
        if self.surprises_ is None:
            raise ValueError("the rule 'network' has no scale yet: call calibrate before saving it.")
        found = {"knots": self.surprises_.knots, "scales": self.surprises_.scales}
        for name, part in (("neighbours", self.neighbours_), ("whitened", self.whitened_)):
            if part is not None:
                found |= {f"{name} {key}": tensor for key, tensor in part.state().items()}
        return found

    def restore(self, state: State) -> NetworkEvidence:
        def of(name: str) -> State:
            start = f"{name} "
            return {key.removeprefix(start): tensor for key, tensor in state.items() if key.startswith(start)}

        self.neighbours_ = self._make_neighbours().restore(of("neighbours")) if of("neighbours") else None
        self.whitened_ = Mahalanobis().restore(of("whitened")) if of("whitened") else None
        self.surprises_ = Surprises.restore(state["knots"], state["scales"])
        return self
