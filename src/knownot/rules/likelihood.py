"""Class-conditional likelihood under the module's own mixtures."""

from __future__ import annotations

from torch import Tensor

from knownot.rules.base import Evidence, Rule, State, Verdict


class Likelihood(Rule):
    """Knownness is the class-conditional evidence bound, less the input's own entropy.

    max_y log p(z|y) - log q(z|x) - deviance, at z = mu(x). The deviance is the reconstruction
    loss less its smallest value for this input: without that, bright and dark images differ
    more than known and unknown ones do.
    """

    name = "likelihood"
    uses = ("class log-density", "posterior log-density", "deviance")

    def fit(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> Likelihood:
        return self

    def evaluate(self, z: Tensor, evidence: Evidence | None = None) -> Verdict:
        evidence = self._require_evidence(evidence)
        density = evidence["class log-density"]
        bound = density.max(-1).values - evidence["posterior log-density"] - evidence["deviance"]
        return Verdict(density, bound)

    def state(self) -> State:
        return {}

    def restore(self, state: State) -> Likelihood:
        return self
