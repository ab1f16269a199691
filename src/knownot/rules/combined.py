"""The default rule: several kinds of evidence on one scale, that of held-out known samples."""

from __future__ import annotations

import torch
from torch import Tensor

from knownot.rules.base import Evidence, Rule, State, Verdict, best_temperature
from knownot.rules.neighbours import Neighbours
from knownot.rules.surprise import Surprise, Surprises
from knownot.rules.weighted import WeightedEvidence

_N_FOR_CLASS_SCALE = 50
# The margin between classes says less than the others, and nothing where classes lie far apart.
_MARGIN_WEIGHT = 0.5

#: Evidence: the standardised rows of a table.
ROWS = "rows"
_ERRORS = ("relative error", "smooth error")
# Sources that cost little beside the network, and their weight; chosen on development tables (docs/evidence.md).
_ROW_SOURCES = ("gaussian", "relative-mahalanobis", "residual", "linear")
_ROWS_WEIGHT = 4.0


class CombinedEvidence(Rule):
    """Knownness is minus the sum of the surprises of several kinds of evidence.

    The parts, each in the direction "higher = more known": density of the latent code under
    the best class mixture; distance to the nearest training codes; deviance of the
    reconstruction; for images, its error relative to the image's energy, pixel by pixel and
    smoothed; and, half as heavy, the lead of the best class's density over the second best's.
    Each is turned into minus the log of the share of held-out known samples that score
    as low (Fisher's way of combining tests), half of it measured against all known samples and
    half against those of the predicted class. Pooled scales alone favour classes that are easy
    to reconstruct, class scales alone forgive samples sent to the most variable class.

    For tables the rows themselves are heard beside the network, and count more: what densities, residual and a linear
    classifier on the columns say, weighted by hiding known classes (:class:`WeightedEvidence`). The class is then the
    one most probable by both.

    No training images are kept, only latent codes.

    Parameters
    ----------
    k : int
        Neighbours.
    max_references : int
        Training codes kept.
    random_state : int
        Seed of their choice.

    Notes
    -----
    :meth:`calibrate` must see held-out known samples before :meth:`evaluate`.
    """

    name = "evidence"
    uses = ("class log-density", "deviance")
    may_use = (*_ERRORS, ROWS)
    learns_from = (ROWS,)
    calibrates_on_held_out = True

    def __init__(self, k: int = 5, max_references: int = 10_000, random_state: int = 0) -> None:
        self.k = k
        self.max_references = max_references
        self.random_state = random_state

    def fit(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> CombinedEvidence:
        self.neighbours_ = self._make_neighbours().fit(z, y)
        self.surprises_: Surprises | None = None
        self.rows_rule_ = None
        if evidence and ROWS in evidence:
            self.rows_rule_ = WeightedEvidence(_ROW_SOURCES, random_state=self.random_state).fit(evidence[ROWS], y)
        return self

    def _make_neighbours(self) -> Neighbours:
        return Neighbours(self.k, self.max_references, self.random_state)

    def calibrate(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> CombinedEvidence:
        parts, logits = self._evidence_columns(z, evidence)
        self.network_temperature_ = best_temperature(logits, y)
        predicted = logits.argmax(-1)
        pooled = [Surprise.fit(part) for part in parts.T]
        rows = [pooled]
        for c in range(logits.shape[1]):
            members = parts[predicted == c]
            enough = len(members) >= _N_FOR_CLASS_SCALE
            rows.append([Surprise.fit(part) for part in members.T] if enough else pooled)
        self.surprises_ = Surprises(rows)
        super().calibrate(z, y, evidence)
        return self

    def evaluate(self, z: Tensor, evidence: Evidence | None = None) -> Verdict:
        if self.surprises_ is None:
            raise ValueError(
                "the combined rule has no scale yet: call calibrate with held-out known samples "
                "after fit (an estimator does so by itself)."
            )
        parts, logits = self._evidence_columns(z, evidence)
        # A rule that was saved before the lead counted has one scale less.
        n_parts = self.surprises_.scales.shape[1]
        # Row 0 is of all classes together.
        of_all, own = torch.zeros(len(parts), dtype=torch.int64, device=parts.device), logits.argmax(-1) + 1
        scored = parts[:, :n_parts]
        surprise = 0.5 * (self.surprises_(scored, of_all) + self.surprises_(scored, own))
        if logits.shape[1] > 1 and n_parts == parts.shape[1]:
            surprise[:, -1] *= _MARGIN_WEIGHT
        if self.rows_rule_ is None:
            return Verdict(logits, -surprise.sum(1))
        of_rows = self.rows_rule_.evaluate(self._require_rows(evidence))
        by_network = torch.log_softmax(logits.double() / self.network_temperature_, 1)
        return Verdict(by_network + of_rows.logits, _ROWS_WEIGHT * of_rows.knownness - surprise.sum(1))

    @staticmethod
    def _require_rows(evidence: Evidence | None) -> Tensor:
        if not evidence or ROWS not in evidence:
            raise ValueError(f"the combined rule was fitted with the rows of a table: give the evidence {ROWS!r} too.")
        return evidence[ROWS]

    def _evidence_columns(self, z: Tensor, evidence: Evidence | None) -> tuple[Tensor, Tensor]:
        evidence = self._require_evidence(evidence)
        logits = evidence["class log-density"]
        distance = self.neighbours_.nearest(z)[0].mean(1)
        columns = [
            logits.max(-1).values.double(),
            -torch.log(distance.double().clamp_min(1e-12)),
            -torch.log(evidence["deviance"].double().clamp_min(1e-12)),
        ]
        columns += [-torch.log(evidence[name].double().clamp_min(1e-12)) for name in _ERRORS if name in evidence]
        if logits.shape[1] > 1:
            best, second = logits.double().topk(2).values.unbind(-1)
            columns.append(best - second)
        return torch.stack(columns, 1), logits

    def state(self) -> State:
        if self.surprises_ is None:
            raise ValueError("the combined rule has no scale yet: call calibrate before saving it.")
        rows = {} if self.rows_rule_ is None else self.rows_rule_.state()
        if rows:
            rows["network temperature"] = torch.tensor(self.network_temperature_, dtype=torch.float64)
        return {
            **{f"{ROWS} {name}": tensor for name, tensor in rows.items()},
            **self.neighbours_.state(),
            "knots": self.surprises_.knots,
            "scales": self.surprises_.scales,
        }

    def restore(self, state: State) -> CombinedEvidence:
        self.neighbours_ = self._make_neighbours().restore(state)
        start = f"{ROWS} "
        rows = {name.removeprefix(start): tensor for name, tensor in state.items() if name.startswith(start)}
        self.rows_rule_ = None
        if rows:
            self.network_temperature_ = float(rows.pop("network temperature"))
            self.rows_rule_ = WeightedEvidence(_ROW_SOURCES, random_state=self.random_state).restore(rows)
        self.surprises_ = Surprises.restore(state["knots"], state["scales"])
        return self
