"""Open-set experiments: the data they cut, the numbers they measure, what tables show of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from knownot.experiments import EXPERIMENTS, Column
from knownot.experiments.kinds.open_set import Method
from knownot.experiments.kinds.open_set.maps import class_maps
from knownot.experiments.kinds.open_set.measures import Scored, columns, load_parts, measure
from knownot.metrics import auroc, closed_set_accuracy, open_macro_f1

FASHION = EXPERIMENTS["open-gmvae/fashion-mnist"]
AT_MOST = {"train": 200, "test": 150}


def test_load_parts_holds_what_the_protocol_says(digits):
    parts = load_parts(digits, AT_MOST, 0)
    assert (len(parts.train_x), len(parts.test_x), len(parts.validation_x), len(parts.unknown_x)) == (200, 150, 120, 80)
    assert set(parts.train_codes) == set(parts.validation_codes) == set(range(6))
    assert set(np.unique(parts.unknown_labels)) == {6, 7, 8, 9} == set(parts.unknown_classes)
    assert set(parts.test_labels[parts.test_codes < 0]) == {6, 7, 8, 9}
    assert sorted([*parts.selection, *parts.calibration]) == list(range(120))
    other = load_parts(digits, AT_MOST, 1)
    assert not np.array_equal(parts.train_x, other.train_x)


def test_load_parts_takes_no_more_than_asked_for(digits):
    fewer = load_parts(digits, {"validation known": 30, "validation unknown": 20}, 0)
    assert (len(fewer.validation_x), len(fewer.unknown_x)) == (30, 20)
    whole = load_parts(digits, {"validation known": 10_000, "validation unknown": 10_000, "train": 10_000}, 0)
    assert (len(whole.validation_x), len(whole.unknown_x)) == (120, 80)
    assert len(whole.train_x) > 200


def test_measure_follows_the_definitions(digits):
    parts = load_parts(digits, AT_MOST, 0)
    random = np.random.default_rng(0)

    def scored(codes):
        """Right in four of five, with known samples scored higher."""
        right = random.random(len(codes)) < 0.8
        classes = np.where(right & (codes >= 0), codes, random.integers(0, 6, len(codes)))
        return Scored(classes.astype(np.int64), random.normal(1.5 * (codes >= 0), 1.0))

    held = [parts.validation_codes[i] for i in (parts.selection, parts.calibration)]
    selection, calibration = (scored(codes) for codes in held)
    unknown, test = scored(np.full(len(parts.unknown_labels), -1)), scored(parts.test_codes)
    found = measure(parts, selection, calibration, unknown, test)
    known = parts.test_codes >= 0
    assert found["auroc"] == pytest.approx(auroc(known, test.knownness))
    assert found["accuracy"] == pytest.approx(closed_set_accuracy(parts.test_codes[known], test.classes[known]))

    # Thresholds by trying all of them on validation, F1 by its definition.
    held_codes, both = np.concatenate(held), selection + calibration
    for q in range(5):
        counted = np.isin(parts.unknown_labels, [6, 7, 8, 9][:q])
        codes = np.concatenate([held_codes, np.full(counted.sum(), -1)])
        classes = np.concatenate([both.classes, unknown.classes[counted]])
        scores = np.concatenate([both.knownness, unknown.knownness[counted]])
        best = max(
            open_macro_f1(codes, np.where(scores >= t, classes, -1)) for t in [-np.inf, *np.sort(scores), np.inf]
        )
        at = open_macro_f1(codes, np.where(scores >= found["thresholds"][q], classes, -1))
        assert at == pytest.approx(best)
        there = known | np.isin(parts.test_labels, [6, 7, 8, 9][:q])
        for key, threshold in (("f1", found["thresholds"][q]), ("f1_mean_threshold", np.mean(found["thresholds"]))):
            answers = np.where(test.knownness >= threshold, test.classes, -1)[there]
            assert found[key][q] == pytest.approx(open_macro_f1(parts.test_codes[there], answers))
    # The smallest threshold that the conformal guarantee allows, from the calibration half alone.
    n = len(calibration.knownness)
    offset = np.sort(calibration.knownness)[int(np.floor(0.05 * (n + 1))) - 1]
    assert found["acceptance"] == pytest.approx((test.knownness[known] >= offset).mean())
    assert found["rejection"] == pytest.approx((test.knownness[~known] < offset).mean())


def test_columns_cut_an_embedding_after_its_logits():
    z = np.arange(10.0).reshape(2, 5)
    assert np.array_equal(columns(z, 3, "all"), z)
    assert columns(z, 3, "logits").tolist() == [[0.0, 1.0, 2.0], [5.0, 6.0, 7.0]]
    assert columns(z, 3, "latent").tolist() == [[3.0, 4.0], [8.0, 9.0]]


def test_class_maps_have_a_panel_for_each_part_that_methods_use(digits):
    class Model:
        def transform(self, x):
            return x.reshape(len(x), -1)[:, :9].astype(np.float32)

    parts = load_parts(digits, AT_MOST, 0)
    methods = (
        Method("a", "", "both", "nc-d"),
        Method("b", "", "both", "nc-d", "logits"),
        Method("c", "", "both", "nc-d", "latent"),
        Method("d", "", "whole", "nc-d"),
    )
    maps = class_maps(methods, {"both": Model(), "whole": Model()}, parts, 0, most=60)
    assert list(maps["maps"]) == ["both, [y, z]", "both, y", "both, z", "whole"]
    assert len(maps["codes"]) == 60
    for panel in maps["maps"].values():
        assert (np.array(panel["points"]).shape, np.array(panel["centroids"]).shape) == ((60, 2), (6, 2))
    assert maps["maps"]["both, [y, z]"] == maps["maps"]["whole"]
    assert maps["maps"]["both, y"] != maps["maps"]["whole"]
    assert json.loads(json.dumps(maps)) == maps


def test_numbers_have_one_metric_for_each_q_and_their_mean():
    method = {"auroc": 0.9, "f1": [0.8, 0.6, 0.5], "f1_mean_threshold": [0.7], "thresholds": [1.0, 2.0, 3.0]}
    found = dict(FASHION.numbers(method))
    assert found.pop("f1 Q>=1") == pytest.approx(0.55)
    assert found == {"auroc": 0.9, "f1 Q=0": 0.8, "f1 Q=1": 0.6, "f1 Q=2": 0.5, "f1 mean threshold Q=0": 0.7}


def test_gain_is_the_mean_of_the_ratios():
    ours, theirs = {"f1_mean_threshold": [0.9, 0.6, 0.6]}, {"f1_mean_threshold": [0.1, 0.5, 0.4]}
    assert FASHION.gain(ours, theirs) == pytest.approx(100 * ((0.6 / 0.5 + 0.6 / 0.4) / 2 - 1))


def test_columns_and_legend_name_the_largest_q(fashion):
    records = fashion.records(FASHION, "paper")
    assert Column("f1 Q=2", "F1, Q = 2", short="macro-F1") in FASHION.columns(records)
    assert "F1, Q = 2: with all unknown classes" in FASHION.legend(records)


def test_details_have_a_column_for_each_q(fashion):
    titles, tables = zip(*FASHION.details(fashion.records(FASHION, "paper")), strict=True)
    assert titles == ("Macro-F1 at the threshold chosen for each Q", "Macro-F1 at the mean of these")
    assert [[column.metric for column in table] for table in tables] == [
        ["f1 Q=0", "f1 Q=1", "f1 Q=2"],
        ["f1 mean threshold Q=0", "f1 mean threshold Q=1", "f1 mean threshold Q=2"],
    ]
    assert [column.heading for column in tables[0]] == ["Q = 0", "Q = 1", "Q = 2"]
