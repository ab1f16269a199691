"""Rules by name, as estimators and the terminal call them."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import Any

from sklearn.base import clone

from knownot.catalogue import RULES, resolve
from knownot.rules.base import Rule

# Where a rule by its name alone differs from the class's own defaults.
_DEFAULT_SETTINGS: dict[str, dict[str, Any]] = {"neighbours": {"max_references": 10_000}}


def make_rule(
    rule: str | Rule,
    n_subclusters: int | Sequence[int] = 1,
    random_state: int = 0,
    settings: dict[str, Any] | None = None,
) -> Rule:
    """An unfitted rule, by its name or like another.

    Parameters
    ----------
    rule : str or Rule
        A name in :data:`knownot.catalogue.RULES`, or a rule, of which an unfitted copy is made.
    n_subclusters : int or sequence of int
        Centroids of each class, for "nc-d" and "nc-u".
    random_state : int
    settings : dict, optional
        Further arguments of the rule named.

    Examples
    --------
    >>> type(make_rule("nc-u")).__name__
    'NearestCentroidUncertainty'
    """
    if isinstance(rule, Rule):
        return clone(rule)
    if not isinstance(rule, str) or rule not in RULES:
        raise ValueError(f"rule={rule!r} is not known: use one of {', '.join(map(repr, RULES))}, or a Rule.")
    cls: type[Rule] = resolve(RULES[rule])
    given = {"n_subclusters": n_subclusters, "random_state": random_state}
    parameters = signature(cls).parameters
    foreign = [name for name in settings or {} if name not in parameters]
    if foreign:
        raise ValueError(f"rule={rule!r} does not take {', '.join(foreign)}: it takes {', '.join(parameters)}.")
    taken = {name: value for name, value in given.items() if name in parameters}
    return cls(**{**taken, **_DEFAULT_SETTINGS.get(rule, {}), **(settings or {})})
