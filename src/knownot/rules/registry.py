"""Rules by name, as estimators and the terminal call them."""

from __future__ import annotations

from collections.abc import Sequence

from knownot.rules.base import Rule
from knownot.rules.centroids import NearestCentroid, NearestCentroidUncertainty
from knownot.rules.combined import CombinedEvidence
from knownot.rules.likelihood import Likelihood
from knownot.rules.neighbours import Neighbours

RULE_NAMES = ("evidence", "nc-d", "nc-u", "neighbours", "likelihood")


def make_rule(name: str, n_subclusters: int | Sequence[int] = 1, random_state: int = 0) -> Rule:
    """A rule by its name.

    Parameters
    ----------
    name : {"evidence", "nc-d", "nc-u", "neighbours", "likelihood"}
    n_subclusters : int or sequence of int
        Centroids of each class, for "nc-d" and "nc-u".
    random_state : int

    Examples
    --------
    >>> type(make_rule("nc-u")).__name__
    'NearestCentroidUncertainty'
    """
    if name == "evidence":
        return CombinedEvidence(random_state=random_state)
    if name == "nc-d":
        return NearestCentroid(n_subclusters, random_state)
    if name == "nc-u":
        return NearestCentroidUncertainty(n_subclusters, random_state)
    if name == "neighbours":
        return Neighbours(max_references=10_000, random_state=random_state)
    if name == "likelihood":
        return Likelihood()
    raise ValueError(f"rule={name!r} is not known: use one of {', '.join(map(repr, RULE_NAMES))}.")
