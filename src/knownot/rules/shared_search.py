"""One search for several rules on nearest neighbours that look at the same samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from knownot.rules.base import Rule, Verdict
from knownot.rules.neighbours import Neighbours
from knownot.rules.search import TwoMetrics


@dataclass
class _Group:
    """Rules with the same references: some measure distances, some directions."""

    view: str
    by_distance: dict[str, Neighbours] = field(default_factory=dict)
    by_direction: dict[str, Neighbours] = field(default_factory=dict)
    both: TwoMetrics | None = None

    @property
    def _first(self) -> Neighbours:
        return next(iter([*self.by_distance.values(), *self.by_direction.values()]))

    def takes(self, view: str, rule: Neighbours) -> bool:
        """Whether a rule asks for what is found here already."""
        if view != self.view or not _same_points(rule, self._first):
            return False
        same_metric = self.by_direction if rule.directions else self.by_distance
        if same_metric:
            own = next(iter(same_metric.values())).references_
            return own.shape == rule.references_.shape and torch.equal(own, rule.references_)
        # Those that measure distances come first.
        return rule.directions and TwoMetrics.apply(self._first.index, rule.index)

    def add(self, name: str, rule: Neighbours) -> None:
        (self.by_direction if rule.directions else self.by_distance)[name] = rule
        if self.by_distance and self.by_direction and self.both is None:
            self.both = TwoMetrics(self._first.index, rule.index)

    def verdicts(self, view: Tensor) -> dict[str, Verdict]:
        points, found = self._first.points(view), []
        k, k_in_direction = (_most_neighbours(rules) for rules in (self.by_distance, self.by_direction))
        if self.both is not None:
            found = list(self.both.nearest(points, k, k_in_direction))
        else:
            found = [self._first.index.nearest(self._first.in_metric(view), max(k, k_in_direction))] * 2
        return {
            name: rule.judge(*(part[:, : rule.n_neighbours] for part in own))
            for rules, own in zip((self.by_distance, self.by_direction), found, strict=True)
            for name, rule in rules.items()
        }


class SharedSearch:
    """The verdicts of rules, each search for nearest neighbours made once however many rules ask for it.

    Parameters
    ----------
    rules : mapping of str to Rule
        Fitted; those that do not search for neighbours are left out.
    views : mapping of str to str
        What each of them looks at, by the names of the rules.

    Attributes
    ----------
    made_from : mapping of str to Rule
        ``rules`` as they were given.

    Examples
    --------
    >>> import torch
    >>> from knownot.rules.neighbours import CosineNeighbours
    >>> z, y = torch.tensor([[1.0, 0.0], [0.0, 5.0]]), torch.tensor([0, 1])
    >>> rules = {"near": Neighbours(k=1).fit(z, y), "in direction": CosineNeighbours(k=1).fit(z, y)}
    >>> search = SharedSearch(rules, {"near": "all", "in direction": "all"})
    >>> {name: found.logits.argmax().item() for name, found in search.verdicts({"all": z[:1] / 9}).items()}
    {'near': 0, 'in direction': 0}
    """

    def __init__(self, rules: Mapping[str, Rule], views: Mapping[str, str]) -> None:
        self.made_from = rules
        self._groups: list[_Group] = []
        searching = {name: rule for name, rule in rules.items() if isinstance(rule, Neighbours)}
        for name, rule in sorted(searching.items(), key=lambda pair: pair[1].directions):
            group = next((g for g in self._groups if g.takes(views[name], rule)), None)
            if group is None:
                group = _Group(views[name])
                self._groups.append(group)
            group.add(name, rule)

    def verdicts(self, views: Mapping[str, Tensor]) -> dict[str, Verdict]:
        """What the rules on nearest neighbours say of samples, by name.

        Parameters
        ----------
        views : mapping of str to Tensor, (N, d) each

        Returns
        -------
        dict of str to Verdict
        """
        found: dict[str, Verdict] = {}
        for group in self._groups:
            found |= group.verdicts(views[group.view])
        return found


def _most_neighbours(rules: Mapping[str, Neighbours]) -> int:
    return max((rule.n_neighbours for rule in rules.values()), default=0)


def _same_points(one: Neighbours, other: Neighbours) -> bool:
    """Whether two rules map embeddings alike before they measure."""
    mine, its = one.map_state(), other.map_state()
    return mine.keys() == its.keys() and all(
        mine[name].shape == its[name].shape and torch.equal(mine[name], its[name]) for name in mine
    )
