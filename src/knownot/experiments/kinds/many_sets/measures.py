"""Numbers of every method on one set and seed."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from knownot.data import load_named_table
from knownot.experiments.kinds.many_sets.baselines import BASELINES, Codes, Floats
from knownot.experiments.kinds.many_sets.declared import Method, NamedSet
from knownot.experiments.kinds.many_sets.split import MAX_ROWS, Split, split
from knownot.experiments.records import rounded
from knownot.metrics import auroc, closed_set_accuracy, oscr

MakeModel = Callable[[str], Any]
FORECAST = "forecast"


@dataclass(frozen=True)
class Answers:
    """What a method says of the test samples.

    Attributes
    ----------
    codes
        Nearest known class.
    knownness
        Higher is more known.
    accepted : ndarray of bool, optional
        Above the method's own threshold, where it has one.
    facts : mapping of str to float
        What else it knows.
    """

    codes: Codes
    knownness: Floats
    accepted: Any = None
    facts: Mapping[str, float] | None = None


def measure_set(
    named: NamedSet,
    methods: Mapping[str, Method],
    make_model: MakeModel,
    seed: int,
    max_rows: int | None,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Numbers of all methods on one set.

    Parameters
    ----------
    named : NamedSet
    methods : mapping of str to Method
    make_model : callable
        An unfitted estimator, by the name of its model.
    seed : int
    max_rows : int, optional
        Of more, so many are drawn. Default: 4,000.
    say : callable

    Returns
    -------
    dict
        "split": its :meth:`~Split.facts`; "methods": numbers of each, as :func:`measure_method` gives them.
    """
    parts = split(load_named_table(named.name), seed, max_rows or MAX_ROWS)
    facts = parts.facts()
    say(
        f"{named.name}: {facts['train']} rows to learn from, {facts['columns']} columns, "
        f"{len(parts.known)} known classes and {len(parts.unknown)} unknown"
    )
    return {
        "split": facts,
        "methods": {name: measure_method(method, make_model, parts, named, seed) for name, method in methods.items()},
    }


def measure_method(
    method: Method, make_model: MakeModel, parts: Split, named: NamedSet, seed: int
) -> dict[str, float | int]:
    """Numbers of one method.

    Returns
    -------
    dict
        "auroc", "oscr", "accuracy" (closed-set), "fit_seconds", "score_seconds" and "score_rows". Where the method
        has a threshold also "acceptance" of known and "rejection" of unknown test samples; where it has a forecast
        also "forecast" (AUROC), "forecast_low", "forecast_high" and "forecast_rejection".
    """
    started = time.perf_counter()
    # No method sees a label of the test part, nor the unknown samples before it is fitted.
    if method.model is None:
        score: Callable[[Floats], Answers] = _baseline(method, parts, named, seed)
    else:
        score = _model(make_model(method.model), parts)
    fitted = time.perf_counter()
    answers = score(parts.test_x)
    done = time.perf_counter()
    known = parts.test_codes >= 0
    found: dict[str, float | int] = {
        "auroc": auroc(known, answers.knownness),
        "oscr": oscr(known, answers.codes == parts.test_codes, answers.knownness),
        "accuracy": closed_set_accuracy(parts.test_codes[known], answers.codes[known]),
        "fit_seconds": rounded(fitted - started, 4),
        "score_seconds": rounded(done - fitted, 4),
        "score_rows": len(parts.test_x),
    }
    if answers.accepted is not None:
        found["acceptance"] = float(answers.accepted[known].mean())
        found["rejection"] = float((~answers.accepted[~known]).mean())
    # JSON has no NaN: a forecast that could not be made is left out.
    found |= {name: value for name, value in (answers.facts or {}).items() if math.isfinite(value)}
    return found


def _baseline(method: Method, parts: Split, named: NamedSet, seed: int) -> Callable[[Floats], Answers]:
    fitted = BASELINES[method.name](parts.train_x, parts.train_codes, named.one_unit, seed)
    return lambda x: Answers(*fitted(x))


def _model(model: Any, parts: Split) -> Callable[[Floats], Answers]:
    model.fit(parts.train_x, parts.train_codes)

    def score(x: Floats) -> Answers:
        said = model.assess(x)
        forecast = getattr(model.rule_, "forecast_", None)
        facts = {} if forecast is None else _facts(forecast)
        return Answers(said["nearest_class"], said["knownness"], said["class"] != -1, facts)

    return score


def _facts(forecast: Any) -> dict[str, float]:
    return {
        FORECAST: float(forecast.auroc),
        f"{FORECAST}_low": float(forecast.low),
        f"{FORECAST}_high": float(forecast.high),
        f"{FORECAST}_rejection": float(forecast.rejection),
    }


def warm_up(methods: Iterable[Method], make_model: MakeModel) -> None:
    """Let every method see some noise, so that no time holds what is loaded and compiled at a first call."""
    x = np.random.default_rng(0).normal(size=(60, 4))
    noise = Split(x[:40], np.arange(40) % 2, x[40:], np.arange(20) % 3 - 1, [0, 1], [2])
    for method in methods:
        if method.model is None:
            _baseline(method, noise, NamedSet("noise", ""), 0)(noise.test_x)
            continue
        model = make_model(method.model)
        if "max_epochs" in model.get_params():
            model.set_params(max_epochs=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _model(model, noise)(noise.test_x)
