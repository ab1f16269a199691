"""Numbers over sets and seeds: means over seeds first, then what methods are to each other."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from statistics import correlation, fmean, stdev
from typing import Any, NamedTuple

from knownot.experiments.records import Run

#: AUROC by method, set and run.
Aurocs = Mapping[str, Mapping[str, Sequence[float]]]
_SAME = 1e-12


class Place(NamedTuple):
    """What a method is to the others.

    Attributes
    ----------
    rank : float
        Mean over the sets; the best has 1, equals share the mean of their ranks.
    wins : int
        Sets on which no method is better.
    shortfall : float
        How far it is from the best method of a set, at worst.
    """

    rank: float
    wins: int
    shortfall: float


class Lead(NamedTuple):
    """Mean AUROC of a method less that of another, and the spread of the difference over the runs."""

    over: str
    mean: float
    sd: float | None


class ForecastQuality(NamedTuple):
    """How forecasts of the AUROC came true.

    Attributes
    ----------
    correlation : float
        Of forecast and truth; NaN where it is not defined.
    error : float
        Mean absolute error.
    coverage : float
        Share of intervals that hold the truth.
    n : int
    """

    correlation: float
    error: float
    coverage: float
    n: int


def aurocs(runs: Sequence[Run], sets: Collection[str]) -> dict[str, dict[str, list[float]]]:
    """AUROC by method, set and run: of methods that were measured on all sets in all runs."""
    methods = dict.fromkeys(name for run in runs for name in run["methods"])
    found = {}
    for name in methods:
        of_runs = [run["methods"].get(name, {}).get("sets", {}) for run in runs]
        if all(one in of for of in of_runs for one in sets):
            found[name] = {one: [of[one]["auroc"] for of in of_runs] for one in sets}
    return found


def places(found: Aurocs) -> dict[str, Place]:
    """Ranks, wins and shortfalls by the mean AUROC over the runs.

    Examples
    --------
    >>> places({"a": {"x": [0.9], "y": [0.6]}, "b": {"x": [0.8], "y": [0.6]}})["b"]
    Place(rank=1.75, wins=1, shortfall=0.09999999999999998)
    """
    means = {name: {one: fmean(values) for one, values in sets.items()} for name, sets in found.items()}
    sets = list(next(iter(means.values()), {}))
    placed = {}
    for name, own in means.items():
        ranks, short = [], []
        for one in sets:
            others = [means[other][one] for other in means if other != name]
            better = sum(value > own[one] + _SAME for value in others)
            equal = sum(abs(value - own[one]) <= _SAME for value in others)
            ranks.append(1 + better + equal / 2)
            short.append(max([*others, own[one]]) - own[one])
        placed[name] = Place(fmean(ranks), sum(value <= _SAME for value in short), max(short))
    return placed


def best_single(found: Aurocs, among: Collection[str]) -> str | None:
    """The method with the best mean AUROC over all sets and runs."""
    means = {name: fmean(v for values in found[name].values() for v in values) for name in among if name in found}
    return max(means, key=lambda name: means[name], default=None)


def lead(found: Aurocs, method: str, competitors: Collection[str]) -> Lead | None:
    """How far a method is ahead of the best single one of its competitors; None where there is none."""
    best = best_single(found, [name for name in competitors if name != method])
    if best is None:
        return None
    sets = list(found[method])
    n_runs = len(found[method][sets[0]])
    by_run = [fmean(found[method][one][i] - found[best][one][i] for one in sets) for i in range(n_runs)]
    return Lead(best, fmean(by_run), stdev(by_run) if n_runs > 1 else None)


def forecasts(runs: Sequence[Run], method: str, sets: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Set and numbers of every split for which the method had a forecast."""
    for run in runs:
        for one, numbers in run["methods"].get(method, {}).get("sets", {}).items():
            if one in sets and "forecast" in numbers:
                yield one, numbers


def forecast_quality(splits: Sequence[Mapping[str, float]]) -> ForecastQuality:
    """How forecasts came true; NaN throughout without any."""
    if not splits:
        return ForecastQuality(math.nan, math.nan, math.nan, 0)
    expected, true = [s["forecast"] for s in splits], [s["auroc"] for s in splits]
    varies = len(set(expected)) > 1 and len(set(true)) > 1
    return ForecastQuality(
        correlation(expected, true) if varies else math.nan,
        fmean(abs(a - b) for a, b in zip(expected, true, strict=True)),
        fmean(s["forecast_low"] <= s["auroc"] <= s["forecast_high"] for s in splits),
        len(splits),
    )
