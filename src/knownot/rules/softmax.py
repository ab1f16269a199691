"""Rules on the logits of a softmax classifier: maximum softmax probability, maximum logit, energy."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor

from knownot.rules.base import Evidence, Rule, State, Verdict


class LogitRule(Rule):
    """Base of the rules that read class and knownness off the logits alone.

    The class is that of the largest logit. A subclass says what the knownness is
    (:meth:`_knownness`).
    """

    uses = ("logits",)
    learns_from_embeddings = False

    def check(self, n_subclusters: Sequence[int]) -> None:
        """Refuse a single class, whose softmax probability is always 1."""
        super().check(n_subclusters)
        if len(n_subclusters) < 2:
            raise ValueError(
                f"rule={self.name!r} reads knownness off logits that tell classes apart, but there is one class: "
                "give samples of at least two classes, or use another classifier with rule='nc-d' or 'neighbours'."
            )

    def fit(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> Self:
        """Note the number of classes; the logits say the rest."""
        self.n_classes_ = int(y.max()) + 1
        self.check([1] * self.n_classes_)
        return self

    def evaluate(self, z: Tensor, evidence: Evidence | None = None) -> Verdict:
        logits = self._require_evidence(evidence)["logits"]
        if logits.ndim != 2 or logits.shape[1] != self.n_classes_:
            raise ValueError(
                f"the evidence 'logits' has shape {tuple(logits.shape)}, but {type(self).__name__} was fitted on "
                f"{self.n_classes_} classes: give logits of shape (N, {self.n_classes_}), one column a class."
            )
        # In float64, so that a float32 logit of a thousand does not absorb the smaller terms of the sum.
        return Verdict(logits, self._knownness(logits.double()))

    @abstractmethod
    def _knownness(self, logits: Tensor) -> Tensor:
        """Knownness (N,) from logits (N, C), float64."""

    def state(self) -> State:
        return {"n_classes": torch.tensor(self.n_classes_)}

    def restore(self, state: State) -> Self:
        self.n_classes_ = int(state["n_classes"])
        return self


class MaximumSoftmax(LogitRule):
    """Knownness is the largest softmax probability p, given as its log-odds log(p / (1 - p)).

    p itself rounds to 1 wherever one logit is some 40 above the others, and log p to 0 some 700
    further on; the log-odds, l_max - logsumexp of the other logits, keep the order everywhere.
    They are 0 at p = 1/2.

    References
    ----------
    Hendrycks and Gimpel, "A baseline for detecting misclassified and out-of-distribution examples
    in neural networks", ICLR 2017.

    Examples
    --------
    >>> import torch
    >>> rule = MaximumSoftmax().fit(torch.zeros(2, 1), torch.tensor([0, 1]))
    >>> rule.score(torch.zeros(2, 1), {"logits": torch.tensor([[1000.0, 0.0], [0.0, 3.0]])})
    (tensor([0, 1]), tensor([1000.,    3.], dtype=torch.float64))
    """

    name = "max-softmax"

    def _knownness(self, logits: Tensor) -> Tensor:
        largest, where = logits.max(1, keepdim=True)
        others = logits.scatter(1, where, -torch.inf)
        return (largest - torch.logsumexp(others, 1, keepdim=True)).squeeze(1)


class MaximumLogit(LogitRule):
    """Knownness is the largest logit.

    Unlike the softmax probability, it does not fall where a second class is likely too: a sample
    between two known classes is no less known for that.

    References
    ----------
    Hendrycks et al., "Scaling out-of-distribution detection for real-world settings", ICML 2022,
    section 3; Vaze et al., "Open-set recognition: a good closed-set classifier is all you
    need?", ICLR 2022, section 5.

    Examples
    --------
    >>> import torch
    >>> rule = MaximumLogit().fit(torch.zeros(2, 1), torch.tensor([0, 1]))
    >>> rule.score(torch.zeros(2, 1), {"logits": torch.tensor([[5.0, 4.0], [0.0, 3.0]])})
    (tensor([0, 1]), tensor([5., 3.], dtype=torch.float64))
    """

    name = "max-logit"

    def _knownness(self, logits: Tensor) -> Tensor:
        return logits.max(1).values


class Energy(LogitRule):
    """Knownness is minus the free energy, T · logsumexp(logits / T).

    It is the largest logit, and at most T log C above that where others are as large; for a small
    T it is the largest logit alone.

    Parameters
    ----------
    energy_temperature : float
        T, above 0. Not ``temperature``, which divides the logits in :meth:`predict_proba`.

    References
    ----------
    Liu et al., "Energy-based out-of-distribution detection", NeurIPS 2020, equation 4.

    Examples
    --------
    >>> import torch
    >>> rule = Energy().fit(torch.zeros(2, 1), torch.tensor([0, 1]))
    >>> rule.score(torch.zeros(2, 1), {"logits": torch.tensor([[1000.0, 0.0], [3.0, 3.0]])})[1]
    tensor([1000.0000,    3.6931], dtype=torch.float64)
    """

    name = "energy"

    def __init__(self, energy_temperature: float = 1.0) -> None:
        self.energy_temperature = energy_temperature

    def check(self, n_subclusters: Sequence[int]) -> None:
        """Refuse a single class, and a temperature that is not above 0."""
        super().check(n_subclusters)
        if not 0.0 < self.energy_temperature < math.inf:
            raise ValueError(
                f"energy_temperature={self.energy_temperature!r} does not work: give a number above 0 (1 is usual)."
            )

    def _knownness(self, logits: Tensor) -> Tensor:
        return self.energy_temperature * torch.logsumexp(logits / self.energy_temperature, 1)
