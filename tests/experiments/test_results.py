"""Results on disk, and the numbers made of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from knownot.experiments import EXPERIMENTS, Results
from knownot.experiments.records import rounded, write_json
from knownot.experiments.results import GAIN

FASHION = EXPERIMENTS["open-gmvae/fashion-mnist"]


def by_name(records):
    return {(record.method, record.metric): record for record in records}


def test_records_are_means_and_deviations_over_the_seeds(fashion):
    found = by_name(fashion.records(FASHION, "paper"))
    auroc = found["crosr+nc-d", "auroc"]
    assert auroc.mean == pytest.approx(0.81)
    assert auroc.sd == pytest.approx(np.std([0.80, 0.82], ddof=1))
    assert auroc.seeds == [0, 1]
    assert (auroc.experiment, auroc.preset, auroc.paper) == (FASHION.name, "paper", None)
    assert found["gmvae+nc-u", "f1 Q=2"].mean == pytest.approx(0.6)
    assert found["gmvae+nc-u", "f1 mean threshold Q=2"].mean == pytest.approx(0.64)
    assert found["crosr+nc-d", "f1 Q>=1"].mean == pytest.approx(0.45)
    assert found["gmvae+nc-u", "f1 mean threshold Q>=1"].mean == pytest.approx((0.6 + 0.64) / 2)
    assert not any("thresholds" in metric for _, metric in found)
    assert json.loads(json.dumps(auroc.to_dict()))["mean"] == auroc.mean


def test_records_hold_gains_over_the_seeds(fashion):
    record = by_name(fashion.records(FASHION, "paper"))["gmvae+nc-u over crosr+nc-d", GAIN]
    assert record.mean == pytest.approx((35.0 + 45.0) / 2)
    assert record.sd == pytest.approx(10.0 / np.sqrt(2))
    assert record.paper == 3.9


def test_records_of_one_seed_have_no_deviation(fashion):
    fashion.path(FASHION.name, "paper", 1).unlink()
    assert {record.sd for record in fashion.records(FASHION, "paper")} == {None}


def test_records_of_a_method_that_one_seed_lacks_are_of_the_others(fashion):
    path = fashion.path(FASHION.name, "paper", 0)
    run = json.loads(path.read_text())
    del run["methods"]["crosr+nc-d"]
    write_json(path, run)
    found = by_name(fashion.records(FASHION, "paper"))
    assert found["crosr+nc-d", "auroc"].seeds == [1]
    assert found["crosr+nc-d", "auroc"].mean == pytest.approx(0.82)
    assert found["gmvae+nc-u over crosr+nc-d", GAIN].seeds == [1]
    assert found["knownot", "auroc"].seeds == [0, 1]


def test_records_leave_out_what_is_not_finite(fashion):
    path = fashion.path(FASHION.name, "paper", 0)
    path.write_text(path.read_text().replace('"oscr": 0.6', '"oscr": NaN', 1))
    assert by_name(fashion.records(FASHION, "paper"))["pixels+5nn", "oscr"].seeds == [1]
    path = fashion.path(FASHION.name, "paper", 1)
    path.write_text(path.read_text().replace('"oscr": 0.62', '"oscr": NaN', 1))
    assert ("pixels+5nn", "oscr") not in by_name(fashion.records(FASHION, "paper"))


def test_seeds_are_those_of_whole_results(fashion):
    folder = fashion.path(FASHION.name, "paper", 0).parent
    (folder / ".seed2.json.4711.0a1b2c3d.part").write_text('{"format": 1,')
    (folder / "seedling.json").write_text("{}")
    assert fashion.seeds(FASHION.name, "paper") == [0, 1]
    assert [run["seed"] for run in fashion.runs(FASHION.name, "paper")] == [0, 1]
    assert fashion.runs(FASHION.name, "cpu") == []
    assert fashion.records(FASHION, "cpu") == []


def test_seeds_come_in_the_order_of_their_numbers(fashion):
    run = json.loads(fashion.path(FASHION.name, "paper", 0).read_text())
    fashion.write(FASHION.name, "paper", 10, {**run, "seed": 10})
    assert [run["seed"] for run in fashion.runs(FASHION.name, "paper")] == [0, 1, 10]


def test_write_leaves_nothing_of_what_could_not_be_written(fashion):
    path = fashion.path(FASHION.name, "cpu", 0)
    with pytest.raises(ValueError, match="not JSON compliant"):
        fashion.write(FASHION.name, "cpu", 0, {"auroc": float("nan")})
    assert list(path.parent.iterdir()) == []


def test_write_keeps_the_old_result_where_the_new_one_fails(fashion):
    path = fashion.path(FASHION.name, "paper", 0)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        fashion.write(FASHION.name, "paper", 0, {"auroc": float("inf")})
    assert path.read_bytes() == before


def test_write_writes_attachments_first(tmp_path):
    results = Results(tmp_path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        results.write("p/e", "cpu", 0, {"format": 1}, {"maps": float("nan")})
    assert not results.path("p/e", "cpu", 0).exists()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"format": 2}', r"seed0\.json is of format 2, this knownot reads up to 1: install a newer version"),
        ("{", r"seed0\.json is not a result: remove it"),
        ("[]", r"seed0\.json is not a result: remove it"),
        ('{"seed": 0}', r"seed0\.json is not a result: remove it"),
    ],
)
def test_runs_refuse_foreign_files(fashion, content, sentence):
    fashion.path(FASHION.name, "paper", 0).write_text(content)
    with pytest.raises(ValueError, match=sentence):
        fashion.runs(FASHION.name, "paper")


def test_attachments_are_of_the_first_seed_that_has_them(fashion):
    found = fashion.attachments(FASHION.name, "paper")
    assert list(found) == ["maps"]
    assert set(found["maps"]["maps"]) == {"crosr, [y, z]", "gmvae"}
    assert fashion.attachments(FASHION.name, "cpu") == {}
    for seed in (10, 2):
        fashion.write(FASHION.name, "smoke", seed, {}, {"maps": seed, "curves": -seed} if seed == 10 else {"maps": 2})
    (fashion.path(FASHION.name, "smoke", 2).parent / "maps-seedling.json").write_text("{")
    assert fashion.attachments(FASHION.name, "smoke") == {"maps": 2, "curves": -10}


def test_rounded_keeps_significant_digits():
    assert [rounded(x) for x in (0.000123456789, 98765432.1, -1.5)] == [0.000123457, 98765400.0, -1.5]
