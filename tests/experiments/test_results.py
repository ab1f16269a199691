"""Results on disk, and the numbers made of them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from knownot.experiments import EXPERIMENTS, Experiment, Method, Preset, Results, find_experiments, queue
from knownot.experiments.results import GAIN, gain, rounded
from knownot.experiments.tables import claims, f1_grid, listed, summary, title_of

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


def test_the_gain_is_the_mean_of_the_ratios(fashion):
    first, second = fashion.runs(FASHION.name, "paper")
    assert gain(first, "gmvae+nc-u", "crosr+nc-d") == pytest.approx(100 * ((0.6 / 0.5 + 0.6 / 0.4) / 2 - 1))
    assert gain(second, "gmvae+nc-u", "crosr+nc-d") == pytest.approx(100 * ((0.6 / 0.5 + 0.68 / 0.4) / 2 - 1))
    record = by_name(fashion.records(FASHION, "paper"))["gmvae+nc-u over crosr+nc-d", GAIN]
    assert record.mean == pytest.approx((35.0 + 45.0) / 2)
    assert record.sd == pytest.approx(10.0 / np.sqrt(2))
    assert record.paper == 3.9


def test_one_seed_has_no_deviation(fashion):
    fashion.path(FASHION.name, "paper", 1).unlink()
    assert {record.sd for record in fashion.records(FASHION, "paper")} == {None}


def test_a_method_that_one_seed_lacks_is_told_of_the_others(fashion):
    path = fashion.path(FASHION.name, "paper", 0)
    run = json.loads(path.read_text())
    del run["methods"]["crosr+nc-d"]
    fashion.write(path, run)
    found = by_name(fashion.records(FASHION, "paper"))
    assert found["crosr+nc-d", "auroc"].seeds == [1]
    assert found["crosr+nc-d", "auroc"].mean == pytest.approx(0.82)
    assert found["gmvae+nc-u over crosr+nc-d", GAIN].seeds == [1]
    assert found["knownot", "auroc"].seeds == [0, 1]


def test_what_is_not_finite_is_left_out(fashion):
    path = fashion.path(FASHION.name, "paper", 0)
    path.write_text(path.read_text().replace('"oscr": 0.6', '"oscr": NaN', 1))
    assert by_name(fashion.records(FASHION, "paper"))["pixels+5nn", "oscr"].seeds == [1]


def test_partial_files_and_others_are_no_results(fashion):
    folder = fashion.path(FASHION.name, "paper", 0).parent
    (folder / "seed2.partial").write_text('{"format": 1,')
    (folder / "seedling.json").write_text("{}")
    assert fashion.seeds(FASHION.name, "paper") == [0, 1]
    assert [run["seed"] for run in fashion.runs(FASHION.name, "paper")] == [0, 1]
    assert fashion.runs(FASHION.name, "cpu") == []
    assert fashion.records(FASHION, "cpu") == []


def test_nothing_is_left_of_what_could_not_be_written(fashion):
    path = fashion.path(FASHION.name, "cpu", 0)
    with pytest.raises(ValueError, match="not JSON compliant"):
        fashion.write(path, {"auroc": float("nan")})
    assert not path.exists()


def test_seeds_come_in_the_order_of_their_numbers(fashion):
    run = json.loads(fashion.path(FASHION.name, "paper", 0).read_text())
    fashion.write(fashion.path(FASHION.name, "paper", 10), {**run, "seed": 10})
    assert [run["seed"] for run in fashion.runs(FASHION.name, "paper")] == [0, 1, 10]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"format": 2}', r"seed0\.json is of format 2, this knownot reads up to 1: install a newer version"),
        ("{", r"seed0\.json is not a result: remove it"),
        ("[]", r"seed0\.json is not a result: remove it"),
        ('{"seed": 0}', r"seed0\.json is not a result: remove it"),
    ],
)
def test_foreign_files_are_refused(fashion, content, sentence):
    fashion.path(FASHION.name, "paper", 0).write_text(content)
    with pytest.raises(ValueError, match=sentence):
        fashion.runs(FASHION.name, "paper")


def test_maps_are_read_back(fashion):
    maps = fashion.maps(FASHION.name, "paper")
    assert maps is not None
    assert set(maps["maps"]) == {"crosr, [y, z]", "gmvae"}
    assert fashion.maps(FASHION.name, "cpu") is None


def test_the_summary_puts_methods_in_order_and_the_default_rule_apart(fashion):
    records = fashion.records(FASHION, "paper")
    grid = summary(FASHION, records)
    assert grid.columns == ("AUROC", "OSCR", "accuracy", "F1, mean τ", "F1, Q = 2", "rejected", "accepted")
    titles = [row.title for row in grid.rows]
    assert titles == ["CROSR + NC-D", "GMVAE + NC-U", "knownot, default rule", "raw pixels, 5-NN Euclidean"]
    assert [row.emphasised for row in grid.rows] == [False, False, True, False]
    assert grid.rows[0].cells == (
        "0.810 ± 0.014", "0.710 ± 0.014", "0.760 ± 0.014", "0.450 ± 0.000", "0.400 ± 0.000", "0.610 ± 0.014",
        "0.950 ± 0.000",
    )  # fmt: skip
    curves = f1_grid(FASHION, records, mean_threshold=True)
    assert curves.columns == ("Q = 0", "Q = 1", "Q = 2")
    assert curves.rows[1].cells == ("0.700 ± 0.000", "0.600 ± 0.000", "0.640 ± 0.057")


def test_claims_stand_beside_the_papers(fashion):
    first, *others = claims(FASHION, fashion.records(FASHION, "paper"))
    assert first.what == "GMVAE + NC-U over CROSR + NC-D"
    assert (first.ours, first.paper, first.difference) == ("+40.0 ± 7.1 %", "+3.9 %", "+36.1")
    assert {(claim.paper, claim.difference) for claim in others} == {("–", "–")}


def test_other_kinds_show_every_metric_beside_the_published(tmp_path):
    results = Results(tmp_path)
    experiment = Experiment(
        "p/drops",
        "Drops",
        "figure 5",
        "subclusters",
        {"paper": Preset("paper")},
        methods=(Method("even", "even digits", None, ""),),
        published={"even": {"drop 1→2": 0.86}},
    )
    for seed, drop in ((0, 0.9), (1, 1.0)):
        methods = {"odd": {"drop 1→2": 1.25 + seed / 10}, "even": {"drop 1→2": drop, "n_subclusters": 2, "true": 2}}
        results.write(results.path("p/drops", "paper", seed), {"format": 1, "seed": seed, "methods": methods})
    grid = summary(experiment, results.records(experiment, "paper"))
    assert grid.columns == ("chosen", "true", "drop 1→2")
    assert [(row.title, row.cells) for row in grid.rows] == [
        ("even digits", ("2", "2", "0.95 ± 0.07 (0.86)")),
        ("odd", ("–", "–", "1.30 ± 0.07")),
    ]
    assert claims(experiment, results.records(experiment, "paper")) == []


def test_titles_of_methods_that_are_no_more():
    assert title_of(FASHION, "crosr+evt") == "CROSR + EVT"
    assert title_of(FASHION, "gone") == "gone"


def test_numbers_in_words():
    assert [listed(seeds) for seeds in ([3], [0, 1], [0, 1, 4])] == ["3", "0 and 1", "0, 1 and 4"]


def test_the_queue_takes_first_seeds_first_and_the_most_valuable_before_others(fashion):
    items = queue(fashion)
    names = [(item.experiment.name, item.seed) for item in items]
    assert (FASHION.name, 0) not in names
    assert (FASHION.name, 2) in names
    rounds = [item.experiment.seeds.index(item.seed) for item in items]
    assert rounds == sorted(rounds)
    first = [item.experiment.value for item in items if item.seed == item.experiment.seeds[0]]
    assert first == sorted(first, reverse=True)
    assert all(item.minutes > 0 for item in items)


def test_experiments_are_found_by_name_and_by_paper():
    assert find_experiments("open-gmvae/cifar10") == [EXPERIMENTS["open-gmvae/cifar10"]]
    assert find_experiments("open-gmvae") == [e for e in EXPERIMENTS.values() if e.name.startswith("open-gmvae/")]
    assert find_experiments() == list(EXPERIMENTS.values())
    with pytest.raises(ValueError, match=r"no experiment 'open-gmvae/cifar11'; did you mean open-gmvae/cifar10\?"):
        find_experiments("open-gmvae/cifar11")


def test_an_unknown_preset_is_refused():
    with pytest.raises(ValueError, match="has no preset 'huge': use one of smoke, cpu, paper"):
        FASHION.preset("huge")


def test_settings_of_a_preset_go_over_those_of_the_model():
    model = FASHION.models[1]
    preset = Preset("x", {"": {"max_epochs": 3, "latent_dim": 7}, model.name: {"latent_dim": 8}})
    settings = FASHION.settings(model, preset)
    assert (settings["max_epochs"], settings["latent_dim"], settings["rule"]) == (3, 8, "nc-u")
    assert replace(FASHION).settings(model, Preset("y")) == dict(model.settings)


def test_rounding_keeps_significant_digits():
    assert [rounded(x) for x in (0.000123456789, 98765432.1, -1.5)] == [0.000123457, 98765400.0, -1.5]
