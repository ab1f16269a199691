"""Rules for densities, whose samples are all of one class: how a log-density becomes a knownness."""

from __future__ import annotations

from torch import Tensor

from knownot.rules.base import Evidence, Rule, State, Verdict

#: Evidence: log p(x), or a bound of it, in nats.
LOG_DENSITY = "log-density"
#: Evidence: nats that a lossless coder of images needs for the sample.
COMPLEXITY = "complexity"


class LogDensity(Rule):
    """Knownness is the log-density, in nats.

    Of images it mostly says how smooth one is: a density of photographs or clothes may be higher where images are
    simpler, at digits for example.
    """

    name = "log-density"
    uses: tuple[str, ...] = (LOG_DENSITY,)
    learns_from_embeddings = False

    def fit(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> LogDensity:
        return self

    def evaluate(self, z: Tensor, evidence: Evidence | None = None) -> Verdict:
        knownness = self._knownness(self._require_evidence(evidence))
        return Verdict(knownness.new_zeros(len(knownness), 1), knownness)

    def _knownness(self, evidence: Evidence) -> Tensor:
        return evidence[LOG_DENSITY].double()

    def state(self) -> State:
        return {}

    def restore(self, state: State) -> LogDensity:
        return self


class ComplexityCorrected(LogDensity):
    """Knownness is the log-density plus the length of the image's code by a lossless coder, both in nats.

    A coder is a density of all images, known or not, so that this is the logarithm of a likelihood ratio: an image that
    is merely simple gains as much by the one as it loses by the other.

    References
    ----------
    Serrà et al., "Input complexity and out-of-distribution detection with likelihood-based generative models", ICLR
    2020, equation (2).
    """

    name = "complexity"
    uses = (LOG_DENSITY, COMPLEXITY)

    def _knownness(self, evidence: Evidence) -> Tensor:
        return evidence[LOG_DENSITY].double() + evidence[COMPLEXITY].double()


class Typicality(LogDensity):
    """Knownness is minus the distance of the log-density from that of held-out known samples, in nats.

    In many dimensions almost all samples of a density lie where it is not highest.

    References
    ----------
    Nalisnick et al., "Detecting out-of-distribution inputs to deep generative models using typicality", 2019, with
    batches of one sample.
    """

    name = "typicality"
    calibrates_on_held_out = True

    def fit(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> Typicality:
        self.centre_: Tensor | None = None
        return self

    def calibrate(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> Typicality:
        found = self._require_evidence(evidence)[LOG_DENSITY].double()
        self.centre_ = found[found.isfinite()].mean()
        return self

    def _knownness(self, evidence: Evidence) -> Tensor:
        if self.centre_ is None:
            raise ValueError(
                "the rule 'typicality' has no centre yet: call calibrate with held-out known samples after fit (an "
                "estimator does so by itself)."
            )
        return -(evidence[LOG_DENSITY].double() - self.centre_).abs()

    def state(self) -> State:
        if self.centre_ is None:
            raise ValueError("the rule 'typicality' has no centre yet: call calibrate before saving it.")
        return {"centre": self.centre_}

    def restore(self, state: State) -> Typicality:
        self.centre_ = state["centre"]
        return self
