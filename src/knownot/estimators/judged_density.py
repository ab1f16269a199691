"""A density whose outliers are judged by a rule: by its log-density, or by more that its module says."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from knownot.data import compressed_bits
from knownot.estimators.columns import unjudged
from knownot.estimators.density import DensityEstimator
from knownot.estimators.inputs import Samples
from knownot.estimators.judging import RuleBased
from knownot.rules import ConformalThreshold
from knownot.rules.outliers import COMPLEXITY, LOG_DENSITY

_NATS_PER_BIT = float(np.log(2.0))


class JudgedDensity(RuleBased, DensityEstimator):
    """What an estimator of a density can do whose score is a rule's.

    The rule sees all samples as of one class. ``score_samples`` is its knownness; ``log_density`` is that of the
    module, whatever the rule.
    """

    def _fit_score(self, training: Samples, selection: Samples) -> None:
        parts = [part[~unjudged(part)] for part in (training, selection)]
        of_one_class = [(part, np.zeros(len(part), np.int64)) for part in parts]
        self._fit_rule(of_one_class[0], of_one_class[1], seed=0)

    def _refuse_settings(self) -> None:
        """What would only show after training, before it."""
        self._make_rule().check([1])
        ConformalThreshold(1.0 if self.accept is None else self.accept)

    @property
    def _evidence_names(self) -> Collection[str]:
        names = super()._evidence_names
        return (*names, COMPLEXITY) if len(self.input_shape_) == 3 else names

    def _evidence_chunks(
        self, samples: Samples, names: Collection[str] | None
    ) -> Iterator[tuple[dict[str, Tensor], int]]:
        """Evidence of the module, its log-density in the user's units; of images also how complex they are."""
        wanted = self._evidence_names if names is None else names
        start = 0
        for evidence, n in super()._evidence_chunks(samples, [name for name in wanted if name != COMPLEXITY]):
            z = evidence["embedding"]
            if LOG_DENSITY in evidence:
                evidence[LOG_DENSITY] = evidence[LOG_DENSITY].double() + self.scaling_.log_determinant
            if COMPLEXITY in wanted and isinstance(samples, Tensor):
                nats = torch.from_numpy(compressed_bits(samples[start : start + n]) * _NATS_PER_BIT)
                # As long as the chunk, which images do not fill up.
                evidence[COMPLEXITY] = nats.to(z.device)
            start += n
            yield evidence, n

    def assess(self, X: Any) -> dict[str, NDArray[Any]]:
        """All that the model says of each sample: one column for each kind of answer.

        Returns
        -------
        dict of str to ndarray
            "known" (whether it is accepted), "knownness", "p_value" and "log_density", each of shape (N,), and
            "embedding" (N, latent_dim).
        """
        samples = self._read(X)
        scores, densities, codes, start = np.empty(len(samples)), np.empty(len(samples)), [], 0
        for evidence, n in self._evidence_chunks(samples, self._evidence_needed | {LOG_DENSITY}):
            stop = start + n
            if start == 0:
                self.rule_.to(evidence["embedding"].device)
            verdict = self._judge_chunk(evidence, samples[start:stop])
            scores[start:stop] = verdict.knownness.cpu().numpy()
            found = np.nan_to_num(evidence[LOG_DENSITY][:n].double().cpu().numpy(), nan=-np.inf)
            densities[start:stop] = np.where(unjudged(samples[start:stop]), -np.inf, found)
            codes.append(evidence["embedding"][:n].float().cpu().numpy())
            start = stop
        return {
            "known": self._accepts(scores),
            "knownness": scores,
            "p_value": self.threshold_.p_values(scores),
            "log_density": densities,
            "embedding": np.concatenate(codes),
        }
