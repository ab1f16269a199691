"""What the weighted rule weighs: rules, what they look at, and the columns of evidence that each gives."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from knownot.rules.base import Rule, Verdict
from knownot.rules.registry import make_rule

# Columns are standardised, and so weigh alike; or in their own unit, as the columns of an embedding should stay.
STANDARD, OWN_SCALE, ALL_COLUMNS = "standard", "own scale", "all columns"
_LEAST_LOGIT = -50.0
_SMALLEST = 1e-12


@dataclass(frozen=True)
class Source:
    """A rule on a view of the samples, and what is taken from it.

    Attributes
    ----------
    name : str
    rule : str
        Its name in the catalogue.
    view : str
        :data:`STANDARD` columns, columns in their :data:`OWN_SCALE`, both reduced to the leading principal
        components where there are many; or :data:`ALL_COLUMNS`, standardised.
    knownness, lead : bool
        Columns of evidence: the rule's own knownness; the lead of the best class over the others, as the log-odds
        of its probability.
    votes : bool
        Whether it may take part in naming the class.
    prototype : Rule, optional
        The rule itself, of which unfitted copies are made, where it is not one of the catalogue.
    max_classes : int
        Above, it is left out: its size or its fitting time grows too fast.
    needs_classes : int
        Below, it has nothing to say.
    """

    name: str
    rule: str
    view: str
    knownness: bool = True
    lead: bool = False
    votes: bool = True
    max_classes: int = 1_000_000
    needs_classes: int = 1
    prototype: Rule | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its columns of evidence."""
        return (self.name,) * self.knownness + (f"{self.name} lead",) * self.lead

    def make(self, settings: Mapping[str, Any]) -> Rule:
        """The rule, unfitted, with those of the settings that it takes."""
        rule = make_rule(self.rule if self.prototype is None else self.prototype)
        taken = {name: value for name, value in settings.items() if name in rule.get_params()}
        return rule.set_params(**taken)

    def evidence(self, verdict: Verdict) -> tuple[Tensor, Tensor]:
        """Columns of evidence (N, m), float64, and logits (N, C), from what the rule says."""
        logits, knownness = verdict
        columns = []
        if self.knownness:
            # Distances count by their logarithm, so that one far off does not silence the rest.
            distance = self.rule in _DISTANCES
            columns.append(-(-knownness.double()).clamp_min(_SMALLEST).log() if distance else knownness.double())
        if self.lead:
            best = logits.double().max(1)
            others = logits.double().scatter(1, best.indices[:, None], -torch.inf)
            columns.append(best.values - others.logsumexp(1).clamp_min(_LEAST_LOGIT))
        return torch.stack(columns, 1), logits


_DISTANCES = ("neighbours", "cosine", "whitened", "whitened-cosine", "residual")

#: In the order of their columns.
SOURCES: tuple[Source, ...] = (
    Source("neighbours, own scale", "neighbours", OWN_SCALE),
    Source("cosine, own scale", "cosine", OWN_SCALE),
    Source("cosine", "cosine", STANDARD),
    Source("local", "local", STANDARD, max_classes=2000),
    Source("local, own scale", "local", OWN_SCALE, max_classes=2000),
    Source("whitened", "whitened", STANDARD),
    Source("whitened-cosine", "whitened-cosine", STANDARD),
    Source("gaussian", "gaussian", STANDARD, max_classes=300),
    Source("relative-mahalanobis", "relative-mahalanobis", STANDARD),
    Source("residual", "residual", STANDARD, votes=False),
    Source("linear", "linear", STANDARD, lead=True, max_classes=300, needs_classes=2),
    Source("forest", "forest", ALL_COLUMNS, max_classes=300, needs_classes=2),
)


def sources_for(
    n_classes: int, views: Mapping[str, Tensor], names: Sequence[str] | None = None, sources: Sequence[Source] = SOURCES
) -> list[Source]:
    """The sources that so many classes and these views allow.

    Parameters
    ----------
    n_classes : int
    views : mapping of str to Tensor
    names : sequence of str, optional
        Only these.
    sources : sequence of Source

    Raises
    ------
    ValueError
        If a name is not that of a source, none is left, or none that names classes.
    """
    known = [source.name for source in sources]
    if names is not None and (isinstance(names, str) or not isinstance(names, Collection) or not len(names)):
        raise ValueError(f"sources={names!r} does not work: give a list of some of {known}, or None for all.")
    foreign = [name for name in names or () if name not in known]
    if foreign:
        raise ValueError(f"sources names {foreign}, which are not known: use some of {known}.")
    chosen = [
        source
        for source in sources
        if source.view in views
        and source.needs_classes <= n_classes <= source.max_classes
        and (names is None or source.name in names)
    ]
    asked = "the sources" if names is None else f"sources={list(names)}"
    if not chosen:
        lacking = "" if OWN_SCALE in views else " and without columns in their own scale"
        raise ValueError(f"none of {asked} works with {n_classes} known class(es){lacking}: name others.")
    if not any(source.votes for source in chosen):
        raise ValueError(f"{asked} would leave none that tells one class from another: add others.")
    return chosen
