"""Numbers of one method, beside numbers worked out by hand."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from knownot.experiments.kinds.many_sets import Method, NamedSet
from knownot.experiments.kinds.many_sets.baselines import BASELINES
from knownot.experiments.kinds.many_sets.measures import measure_method, warm_up
from knownot.experiments.kinds.many_sets.split import Split

# Known samples have knownness 5, 4, 2 and unknown ones 3, 1; the class of the second is wrong.
CODES = np.array([0, 1, 1, -1, -1])
KNOWNNESS = np.array([5.0, 4.0, 2.0, 3.0, 1.0])
NEAREST = np.array([0, 0, 1, 1, 0])
PARTS = Split(np.zeros((4, 1)), np.array([0, 0, 1, 1]), np.zeros((5, 1)), CODES, [3, 8], [5])
SET = NamedSet("a set", "tables")


class Stub:
    """An estimator that says what it is told to."""

    def __init__(self, forecast=None):
        self.forecast = forecast
        self.asked: list[tuple] = []

    def get_params(self):
        return {}

    def fit(self, X, y):
        self.asked.append(("fit", X, y))
        self.rule_ = SimpleNamespace() if self.forecast is None else SimpleNamespace(forecast_=self.forecast)
        return self

    def assess(self, X):
        self.asked.append(("assess", X))
        return {"nearest_class": NEAREST, "knownness": KNOWNNESS, "class": np.where(KNOWNNESS >= 2.5, NEAREST, -1)}


def measured(forecast=None):
    return measure_method(Method("ours", "ours", model="ours"), lambda _: Stub(forecast), PARTS, SET, 0)


def test_numbers_of_an_estimator_are_those_worked_out_by_hand():
    found = measured()
    # Five of six pairs are in order; of the pairs of the right ones, (5, 3), (5, 1) and (2, 1) of six.
    assert found["auroc"] == pytest.approx(5 / 6)
    assert found["oscr"] == pytest.approx(3 / 6)
    assert found["accuracy"] == pytest.approx(2 / 3)
    # Above 2.5: two of three known ones, one of two unknown ones.
    assert found["acceptance"] == pytest.approx(2 / 3)
    assert found["rejection"] == pytest.approx(1 / 2)
    assert found["score_rows"] == 5
    assert not any(name.startswith("forecast") for name in found)


def test_thresholds_and_rejections_are_not_mixed_up():
    codes = np.array([0, 1, 1, 0, -1])
    parts = Split(PARTS.train_x, PARTS.train_codes, PARTS.test_x, codes, [3, 8], [5])
    found = measure_method(Method("ours", "ours", model="ours"), lambda _: Stub(), parts, SET, 0)
    assert found["acceptance"] == pytest.approx(3 / 4)
    assert found["rejection"] == 1.0


def test_numbers_of_a_forecast_are_kept_under_their_names():
    found = measured(SimpleNamespace(auroc=0.9, low=0.6, high=0.95, rejection=0.4))
    kept = {name: found[name] for name in found if name.startswith("forecast")}
    assert kept == {"forecast": 0.9, "forecast_low": 0.6, "forecast_high": 0.95, "forecast_rejection": 0.4}


def test_a_forecast_that_could_not_be_made_is_left_out():
    found = measured(SimpleNamespace(auroc=math.nan, low=0.0, high=1.0, rejection=math.nan))
    assert "forecast" not in found
    json.dumps(found, allow_nan=False)


def test_a_baseline_learns_from_the_training_part_alone(monkeypatch):
    asked = []

    def fit(x, y, one_unit, seed):
        asked.append((x, y, one_unit, seed))
        return lambda new: (NEAREST, KNOWNNESS)

    monkeypatch.setitem(BASELINES, "5nn", fit)
    found = measure_method(Method("5nn", "5-NN"), lambda _: None, PARTS, NamedSet("e", "", one_unit=True), 7)
    assert found["auroc"] == pytest.approx(5 / 6)
    assert "acceptance" not in found
    [(x, y, one_unit, seed)] = asked
    assert (x is PARTS.train_x, y is PARTS.train_codes, one_unit, seed) == (True, True, True, 7)


def test_models_are_warmed_up_on_noise():
    stub = Stub()
    warm_up([Method("ours", "ours", model="ours"), Method("5nn", "5-NN")], lambda _: stub)
    assert [name for name, *_ in stub.asked] == ["fit", "assess"]
    assert set(stub.asked[0][2]) == {0, 1}
