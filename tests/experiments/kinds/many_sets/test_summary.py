"""Numbers over sets and seeds, beside numbers worked out by hand."""

from __future__ import annotations

import math

import pytest

from knownot.experiments.kinds.many_sets.summary import (
    aurocs,
    best_single,
    forecast_quality,
    forecasts,
    lead,
    places,
)

# Means: a 0.9, 0.5, 0.7; b 0.8, 0.5, 0.9; c 0.7, 0.4, 0.95.
FOUND = {
    "a": {"x": [0.85, 0.95], "y": [0.5, 0.5], "z": [0.7, 0.7]},
    "b": {"x": [0.8, 0.8], "y": [0.6, 0.4], "z": [0.9, 0.9]},
    "c": {"x": [0.7, 0.7], "y": [0.4, 0.4], "z": [0.9, 1.0]},
}


def run(seed, numbers):
    """A run with AUROC by method and set."""
    return {
        "seed": seed,
        "splits": {one: {} for one in next(iter(numbers.values()))},
        "methods": {
            name: {"sets": {one: {"auroc": value} for one, value in of.items()}} for name, of in numbers.items()
        },
    }


def test_places_are_by_the_means_over_the_runs():
    found = places(FOUND)
    # On y the first two share the ranks 1 and 2.
    assert found["a"].rank == pytest.approx((1 + 1.5 + 3) / 3)
    assert found["b"].rank == pytest.approx((2 + 1.5 + 2) / 3)
    assert found["c"].rank == pytest.approx((3 + 3 + 1) / 3)
    assert [found[name].wins for name in "abc"] == [2, 1, 1]
    assert [found[name].shortfall for name in "abc"] == pytest.approx([0.25, 0.1, 0.2])


def test_places_of_one_method_are_the_first():
    assert places({"a": {"x": [0.3]}})["a"] == (1.0, 1, 0.0)
    assert places({}) == {}


def test_best_single_has_the_best_mean():
    assert best_single(FOUND, ["a", "b", "c"]) == "b"
    assert best_single(FOUND, ["a", "c"]) == "a"
    assert best_single(FOUND, ["gone"]) is None


def test_lead_is_that_over_the_best_other():
    # Of a over b by run: (0.05 - 0.1 - 0.2) / 3 and (0.15 + 0.1 - 0.2) / 3.
    found = lead(FOUND, "a", ["b", "c"])
    assert found.over == "b"
    assert found.mean == pytest.approx((-0.25 / 3 + 0.05 / 3) / 2)
    assert found.sd == pytest.approx(0.3 / 3 / math.sqrt(2))
    assert lead(FOUND, "b", ["b", "c"]).over == "c"
    assert lead({"a": {"x": [0.7]}, "b": {"x": [0.8]}}, "a", ["b"]) == ("b", pytest.approx(-0.1), None)
    assert lead(FOUND, "a", ["a"]) is None


def test_aurocs_leave_out_a_method_that_misses_a_set_or_a_run():
    runs = [
        run(0, {"a": {"x": 0.5, "y": 0.6}, "b": {"x": 0.7, "y": 0.8}, "c": {"x": 0.1, "y": 0.2}}),
        run(1, {"a": {"x": 0.7, "y": 0.8}, "b": {"x": 0.7}}),
    ]
    assert aurocs(runs, ["x", "y"]) == {"a": {"x": [0.5, 0.7], "y": [0.6, 0.8]}}
    assert set(aurocs(runs, ["x"])) == {"a", "b"}


def test_forecast_quality_is_what_came_true():
    splits = [
        {"forecast": 0.9, "forecast_low": 0.8, "forecast_high": 0.95, "auroc": 0.8},
        {"forecast": 0.7, "forecast_low": 0.6, "forecast_high": 0.75, "auroc": 0.5},
        {"forecast": 0.8, "forecast_low": 0.7, "forecast_high": 0.9, "auroc": 0.85},
    ]
    found = forecast_quality(splits)
    assert found.error == pytest.approx((0.1 + 0.2 + 0.05) / 3)
    assert found.coverage == pytest.approx(2 / 3)
    # Deviations from the means: 0.1, -0.1, 0 and 1/12, -13/60, 2/15.
    assert found.correlation == pytest.approx(
        (0.1 / 12 + 1.3 / 60) / math.sqrt(0.02 * (1 / 144 + 169 / 3600 + 4 / 225))
    )
    assert found.n == 3
    assert math.isnan(forecast_quality(splits[:1]).correlation)
    assert math.isnan(forecast_quality([]).error)


def test_forecasts_are_those_of_the_sets_asked_for():
    runs = [run(0, {"a": {"x": 0.5, "y": 0.6}})]
    runs[0]["methods"]["a"]["sets"]["x"]["forecast"] = 0.7
    assert [one for one, _ in forecasts(runs, "a", ["x", "y"])] == ["x"]
    assert list(forecasts(runs, "a", ["y"])) == []
    assert list(forecasts(runs, "gone", ["x"])) == []
