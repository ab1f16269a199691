"""A rule on evidence: gather what is known of samples, and let a rule judge it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from knownot.estimators.base import Estimator
from knownot.estimators.columns import unjudged
from knownot.estimators.inputs import Samples
from knownot.estimators.persistence import Saved
from knownot.rules import Rule, Verdict, make_rule

# Samples and their class indices, 0 for all where there are no labels.
Part = tuple[Samples, NDArray[np.int64]]
# Evidence by name on a chunk of samples, which may be filled up, and how many rows of it are true.
Chunk = tuple[dict[str, Tensor], int]


class RuleBased(Estimator):
    """What an estimator with a rule can do: gather evidence on samples, and let the rule judge them.

    Without labels all samples are of one class.

    Attributes
    ----------
    rule_ : Rule
    """

    rule: str | Rule
    rule_: Rule

    # What NeuralEstimator beside this class provides, or the subclass.
    if TYPE_CHECKING:

        @property
        def _evidence_names(self) -> Collection[str]:
            """Names of the evidence beside "embedding"."""

    #: Evidence on checked samples: "embedding", and of the names asked for those that there are.
    _evidence_chunks: Callable[[Samples, Collection[str] | None], Iterator[Chunk]]

    def _subclusters_per_class(self) -> list[int]:
        """Subclusters of each class, as far as they are known."""
        return [1]

    def _rule_settings(self) -> dict[str, Any]:
        """What else a rule that is given by name is made with."""
        return {}

    def _make_rule(self, seed: int = 0) -> Rule:
        return make_rule(self.rule, self._subclusters_per_class(), seed, self._rule_settings())

    def _check_evidence(self) -> None:
        """Refuse a rule that cannot work with these classes or this evidence, before anything is trained."""
        rule = self._make_rule()
        rule.check(self._subclusters_per_class())
        rule.check_evidence(self._evidence_names)

    def _fit_rule(self, training: Part, selection: Part | None, seed: int, like: Rule | None = None) -> None:
        """Fit the rule; without a selection part, its temperature is left to be fitted.

        ``like`` is the rule fitted to more samples of the same classes, whose choices it takes over.
        """
        rule = self._make_rule(seed)
        if rule.learns_from_embeddings:
            seen = self._collect_evidence(training[0], rule.learns_from)
        else:
            # A pass over all training samples would be for nothing.
            seen = {"embedding": torch.empty(len(training[1]), 0)}
        z, y = seen["embedding"], torch.from_numpy(training[1]).to(seen["embedding"].device)
        self.rule_ = rule.fit(z, y, seen) if like is None else like.fit_again(z, y, seen)
        if selection is None:
            return
        held = self._collect_evidence(selection[0], self._evidence_needed)
        self.rule_.calibrate(held["embedding"], torch.from_numpy(selection[1]).to(held["embedding"].device), held)

    @property
    def _evidence_needed(self) -> set[str]:
        return set(self.rule_.uses) | set(self.rule_.may_use)

    def evidence(self, X: Any, names: Collection[str] | None = None) -> dict[str, Tensor]:
        """What is known of each sample, as rules take it: for your own rules.

        Parameters
        ----------
        X : array-like
        names : collection of str, optional
            Some of the names that there are; all by default.

        Returns
        -------
        dict of str to Tensor
            "embedding" (N, d) and each of ``names``, (N,) or (N, C), on the CPU.
        """
        return {name: value.cpu() for name, value in self._collect_evidence(self._read(X), names).items()}

    def _collect_evidence(self, samples: Samples, names: Collection[str] | None) -> dict[str, Tensor]:
        pieces = [
            {name: value[:n] for name, value in chunk.items()} for chunk, n in self._evidence_chunks(samples, names)
        ]
        return {name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]}

    def _judge_in_chunks(self, samples: Samples) -> Iterator[tuple[Verdict, Tensor]]:
        """Verdict and embedding of every piece of the samples."""
        start = 0
        for evidence, n in self._evidence_chunks(samples, self._evidence_needed):
            if start == 0:
                # A model that was moved to another device takes its rule along.
                self.rule_.to(evidence["embedding"].device)
            verdict = self._judge_chunk(evidence, samples[start : start + n])
            start += n
            yield verdict, evidence["embedding"][:n]

    def _judge_chunk(self, evidence: dict[str, Tensor], samples: Samples) -> Verdict:
        """Verdict on one piece of the samples, from evidence on it that may be filled up."""
        n = len(samples)
        with torch.inference_mode():
            # The rule sees the filled-up chunk too, so that its results do not depend on n either.
            logits, knownness = self._evaluate_rule(evidence["embedding"], evidence)
            knownness = torch.nan_to_num(knownness[:n], nan=-torch.inf)
            # Their gaps were filled for the sake of the nearest class.
            knownness[torch.from_numpy(unjudged(samples))] = -torch.inf
            return Verdict(logits[:n], knownness)

    def _evaluate_rule(self, z: Tensor, evidence: dict[str, Tensor]) -> Verdict:
        return self.rule_.evaluate(z, evidence)

    def _classes_and_knownness(self, samples: Samples) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Class index and knownness of checked samples."""
        classes, scores, start = np.empty(len(samples), np.int64), np.empty(len(samples)), 0
        for verdict, _ in self._judge_in_chunks(samples):
            stop = start + len(verdict.knownness)
            classes[start:stop] = verdict.logits.argmax(-1).cpu().numpy()
            scores[start:stop] = verdict.knownness.cpu().numpy()
            start = stop
        return classes, scores

    def _scores(self, samples: Samples) -> NDArray[np.float64]:
        return self._classes_and_knownness(samples)[1]

    def _pack(self, saved: Saved) -> None:
        super()._pack(saved)
        saved.add("rule", self.rule_.state())
        saved.facts["temperature"] = self.rule_.temperature

    def _restore(self, saved: Saved) -> None:
        super()._restore(saved)
        self.rule_ = self._make_rule().restore(saved.group("rule"))
        self.rule_.temperature = saved.facts["temperature"]
