"""A classifier of another package as a source of evidence beside the samples themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import torch
from numpy.typing import NDArray
from torch import Tensor

from knownot.rules.base import Evidence, Rule, State, Verdict
from knownot.rules.sources import SOURCES, Source
from knownot.rules.weighted import WeightedEvidence

#: The evidence that a fit sees, the places of the samples, and that judging sees, the classifier's logits.
PLACE, LOGITS = "place", "logits"
_CLASSIFIER = "classifier"

# Fits a classifier to the samples at some places with these class indices; gives what returns logits at others.
FitOutside = Callable[[NDArray[Any], NDArray[Any]], Callable[[NDArray[Any]], NDArray[Any]]]


class OutsideClassifier(Rule):
    """Knownness is the largest logit of a classifier that is fitted elsewhere.

    Its "embeddings" are places of samples, (N,), while it is tried, and logits, (N, C), when it judges.

    Parameters
    ----------
    fit_outside : callable, optional
        Takes places and class indices, and gives a function from places to logits.
    """

    def __init__(self, fit_outside: FitOutside | None = None) -> None:
        self.fit_outside = fit_outside

    def fit(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> Self:
        if self.fit_outside is None:
            raise ValueError("a classifier from outside needs fit_outside to be fitted.")
        self.logits_ = self.fit_outside(z.numpy(), y.numpy())
        return self

    def evaluate(self, z: Tensor, evidence: Evidence | None = None) -> Verdict:
        logits = torch.as_tensor(self.logits_(z.numpy())) if z.ndim == 1 else z
        return Verdict(logits, logits.max(1).values)

    def state(self) -> State:
        return {}

    def restore(self, state: State) -> Self:
        return self


class OutsideEvidence(WeightedEvidence):
    """Evidence weighted by hiding known classes, that of a classifier from outside among it.

    That classifier is fitted again without each group of hidden classes, and names the class alone.

    Parameters
    ----------
    fit_outside : callable, optional
        As in :class:`OutsideClassifier`.
    sources, class_weight, random_state
        As in :class:`WeightedEvidence`; ``sources`` names those beside the classifier.
    """

    name = "outside"
    learns_from = (*WeightedEvidence.learns_from, PLACE)
    may_use = (*WeightedEvidence.may_use, LOGITS)

    def __init__(
        self,
        fit_outside: FitOutside | None = None,
        sources: Sequence[str] | None = None,
        *,
        class_weight: str | Mapping[int, float] | None = None,
        random_state: int = 0,
    ) -> None:
        super().__init__(sources, class_weight=class_weight, random_state=random_state)
        self.fit_outside = fit_outside

    def _all_sources(self) -> tuple[Source, ...]:
        outside = OutsideClassifier(self.fit_outside)
        return (*SOURCES, Source(_CLASSIFIER, "", LOGITS, lead=True, needs_classes=2, prototype=outside))

    def _sources_for(self, n_classes: int, views: Mapping[str, Tensor]) -> list[Source]:
        *others, outside = self._all_sources()
        chosen = [s for s in others if s.view in views and s.needs_classes <= n_classes <= s.max_classes]
        named = chosen if self.sources is None else [s for s in chosen if s.name in self.sources]
        return [*named, outside]

    def _views(self, z: Tensor, evidence: Evidence) -> dict[str, Tensor]:
        return {**super()._views(z, evidence), LOGITS: evidence[PLACE] if PLACE in evidence else evidence[LOGITS]}

    def _choose_voters(self, sources: Sequence[Source], logits: Mapping[str, Tensor], y: Tensor) -> None:
        super()._choose_voters([s for s in sources if s.name == _CLASSIFIER], logits, y)

    def _fit_kept(self, views: Mapping[str, Tensor], y: Tensor) -> dict[str, Rule]:
        # The classifier that judges is fitted by whoever holds it.
        others = [source for source in self._kept_sources() if source.name != _CLASSIFIER]
        return {**self._fit_sources(others, views, y).rules, _CLASSIFIER: OutsideClassifier()}
