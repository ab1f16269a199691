"""Rules of extreme value theory: a Weibull distribution fitted to the farthest members of each class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from knownot.probability.weibull import fit_weibull, weibull_log_cumulative_hazard
from knownot.rules.base import Evidence, Rule, State, Verdict

# Fewer distances have no usable shape: that of two depends on their ratio alone.
_MIN_TAIL = 3
# Distances that are equal to within this share count as one, as those of the two members of a class.
_EQUAL_WITHIN = 1e-4


class Weibull(Rule):
    """Knownness is the largest probability of inclusion in a class, from the tail of its distances.

    The rule of CROSR (Yoshihashi et al. 2019, section 3.3) as the open-set GMVAE paper states it in
    section 2: P(x in class i) = exp(-(d_i / scale_i)^shape_i), with d_i the distance to the mean of the
    class and the Weibull distribution fitted to the ``tail_size`` largest distances among its
    correctly classified training samples. The class is the one of largest P.

    Knownness and logits are -log(-log P), which has the order of P also where P is 0 or 1 to
    rounding: 0 means P = 1/e, 2 means P = 0.87, -2 means P = 0.0006. In the logarithm of the distance
    it is a straight line.

    Parameters
    ----------
    tail_size : int
        Largest distances of each class that are fitted, at least 3; a class with fewer gives all.

    Attributes
    ----------
    means_ : Tensor, shape (C, d), float64
    shapes_, scales_ : Tensor, shape (C,), float64

    Notes
    -----
    Correctly classified means: by the largest logit where :meth:`fit` is given logits, else by the
    nearest mean of all samples of a class. A class without any such sample keeps all of its samples.
    Where the distances of a class do not make a tail (fewer than three, or all alike), it takes the
    geometric means of the other classes' shapes and scales, the scale at least its own largest distance.

    Examples
    --------
    >>> import torch
    >>> z = torch.tensor([[-1.0], [0.0], [0.5], [2.0], [8.0], [9.0], [9.5], [11.0]])
    >>> y = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    >>> rule = Weibull().fit(z, y)
    >>> rule.score(torch.tensor([[1.0], [5.0]]))[0]
    tensor([0, 1])
    >>> rule.inclusion(torch.tensor([[1.0], [5.0]])).round(decimals=2)
    tensor([[0.5400, 0.0000],
            [0.0000, 0.0000]], dtype=torch.float64)
    """

    name = "weibull"
    learns_from = ("logits",)

    def __init__(self, tail_size: int = 20) -> None:
        self.tail_size = tail_size

    def check(self, n_subclusters: Sequence[int]) -> None:
        """Refuse a tail too short to have a shape."""
        super().check(n_subclusters)
        if not self.tail_size >= _MIN_TAIL:
            raise ValueError(
                f"tail_size={self.tail_size!r} does not work: a Weibull distribution needs the largest {_MIN_TAIL} "
                "distances of a class at least, and 20 are usual."
            )

    def fit(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> Weibull:
        """Learn means and tails from training embeddings.

        Parameters
        ----------
        z : Tensor, shape (N, d)
        y : Tensor, shape (N,), int64
            Class indices 0 … C - 1, each present.
        evidence : mapping of str to Tensor, optional
            With "logits" of shape (N, C), these say which samples are correctly classified.
        """
        z, n_classes = z.detach(), int(y.max()) + 1
        self.check([1] * n_classes)
        means = torch.stack([z[y == c].double().mean(0) for c in range(n_classes)])
        logits = None if evidence is None else evidence.get("logits")
        self.means_ = torch.empty_like(means)
        tails = means.new_zeros((n_classes, self.tail_size))
        for c in range(n_classes):
            members = z[y == c].double()
            against = -_distances(members, means) if logits is None else logits[y == c]
            correct = against.argmax(1) == c
            members = members[correct] if correct.any() else members
            self.means_[c] = members.mean(0)
            tail = _distances(members, self.means_[c : c + 1])[:, 0]
            # Equal embeddings may differ by rounding: that is no distance.
            noise = 8.0 * torch.finfo(z.dtype).eps * self.means_[c].abs().max()
            tail = torch.where(tail > noise, tail, 0.0).topk(min(self.tail_size, len(tail))).values
            tails[c, : len(tail)] = tail
        self.shapes_, self.scales_ = _fit_tails(tails)
        return self

    def evaluate(self, z: Tensor, evidence: Evidence | None = None) -> Verdict:
        logits = -self._log_hazard(z)
        return Verdict(logits, logits.max(1).values)

    def inclusion(self, z: Tensor) -> Tensor:
        """P(x in class), the probability of inclusion in each class by itself, (N, C)."""
        return torch.exp(-torch.exp(self._log_hazard(z)))

    def _log_hazard(self, z: Tensor) -> Tensor:
        """log(-log P) of every sample and class, (N, C), finite."""
        return weibull_log_cumulative_hazard(_distances(z.double(), self.means_), self.shapes_, self.scales_)

    def state(self) -> State:
        return {"means": self.means_, "shapes": self.shapes_, "scales": self.scales_}

    def restore(self, state: State) -> Weibull:
        self.means_, self.shapes_, self.scales_ = state["means"], state["shapes"], state["scales"]
        return self


class OpenMax(Weibull):
    """OpenMax: the largest logits give up to an unknown class what the Weibull tails take from them.

    Bendale and Boult, "Towards open set deep networks", CVPR 2016, algorithm 2. With v the logits, the
    i-th largest of them (i = 0 … ``alpha`` - 1) is multiplied by

        w_i = 1 - (alpha - i) / alpha · (1 - exp(-(d_i / scale_i)^shape_i)),

    the unknown class gets the sum of v_i (1 - w_i), and a softmax over all C + 1 gives P(unknown).
    Knownness is the log-odds log((1 - P(unknown)) / P(unknown)), which does not saturate; the class is
    the largest of the revised logits.

    Parameters
    ----------
    tail_size : int
        As in :class:`Weibull`.
    alpha : int
        Logits to revise, at least 1; all where there are fewer. 10 is what the authors' code takes.

    Notes
    -----
    The algorithm as printed counts i from 1, so that alpha = 1 changes nothing, and revises by
    exp(-(d_i / scale_i)^shape_i), which would reverse it: this is what the authors' code does.
    Their fit shifts the tail to begin at 1; here it is the one of :class:`Weibull`, on the distances
    themselves. Theirs are distances between logits; here, d_i is that of the embedding to the mean of
    class i, whatever the module's embedding is. Logits count only up to a constant elsewhere but not
    here: a negative one among the revised takes from the unknown class, as published.

    Examples
    --------
    >>> import torch
    >>> z = torch.tensor([[-1.0], [0.0], [0.5], [2.0], [8.0], [9.0], [9.5], [11.0]])
    >>> rule = OpenMax(alpha=1).fit(z, torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]))
    >>> logits = torch.tensor([[6.0, 0.0], [6.0, 0.0]])
    >>> rule.evaluate(torch.tensor([[1.0], [-9.0]]), {"logits": logits}).knownness.round(decimals=2)
    tensor([ 0.5700, -5.3100], dtype=torch.float64)
    """

    name = "openmax"
    uses = ("logits",)

    def __init__(self, tail_size: int = 20, alpha: int = 10) -> None:
        super().__init__(tail_size)
        self.alpha = alpha

    def check(self, n_subclusters: Sequence[int]) -> None:
        """Refuse a tail too short to have a shape, and a revision of no logit."""
        super().check(n_subclusters)
        if not self.alpha >= 1:
            raise ValueError(
                f"alpha={self.alpha!r} does not work: OpenMax revises the largest logit at least; give 1 or more."
            )

    def evaluate(self, z: Tensor, evidence: Evidence | None = None) -> Verdict:
        logits = self._require_evidence(evidence)["logits"].double()
        n_classes = len(self.means_)
        if logits.shape != (len(z), n_classes):
            raise ValueError(
                f"the evidence 'logits' has shape {tuple(logits.shape)}, but {len(z)} samples of {n_classes} classes "
                f"need {(len(z), n_classes)}: fit the rule to the classes that the network tells apart."
            )
        alpha = min(self.alpha, n_classes)
        ranked = logits.topk(alpha, 1).indices
        share = torch.arange(alpha, 0, -1, dtype=logits.dtype, device=logits.device) / alpha
        outside = -torch.expm1(-torch.exp(self._log_hazard(z).gather(1, ranked)))
        given_up = logits.gather(1, ranked) * (share * outside)
        revised = logits.scatter_add(1, ranked, -given_up)
        return Verdict(revised, torch.logsumexp(revised, 1) - given_up.sum(1))


def _distances(z: Tensor, means: Tensor) -> Tensor:
    # By differences, as matrix products cancel far from the origin.
    return torch.cdist(z, means, compute_mode="donot_use_mm_for_euclid_dist")


def _fit_tails(tails: Tensor) -> tuple[Tensor, Tensor]:
    """Shapes and scales of the rows of distances, (C, tail_size), of which zeros do not count."""
    counts = tails > 0.0
    largest = tails.amax(1)
    smallest = torch.where(counts, tails, torch.inf).amin(1)
    sound = (counts.sum(1) >= _MIN_TAIL) & (smallest < (1.0 - _EQUAL_WITHIN) * largest)
    shapes, scales = torch.ones_like(largest), largest.clone()
    if sound.any():
        shapes[sound], scales[sound] = fit_weibull(tails[sound], counts[sound])
        shapes[~sound] = shapes[sound].log().mean().exp()
        scales[~sound] = torch.maximum(largest[~sound], scales[sound].log().mean().exp())
    return shapes, torch.where(scales > 0.0, scales, 1.0)
