"""Experiments on many sets, from the declaration to the file and the page."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from knownot.data import NAMED_TABLES, load_named_table
from knownot.experiments import EXPERIMENTS, Clock, Context, Model, OutOfTime, Preset, Results, Runner
from knownot.experiments.kinds.many_sets import ManySetsExperiment, Method, NamedSet, baselines
from knownot.experiments.kinds.many_sets.split import split
from knownot.experiments.tables import grid, summary

OPEN_SET = EXPERIMENTS["tables/open-set"]
PRESET = Preset("cpu", {"softmax": {"max_epochs": 1}}, {"sets": 2, "rows": 120})
EXPERIMENT = ManySetsExperiment(
    name="test/sets",
    title="Sets",
    reference="nowhere",
    presets={"cpu": PRESET, "smoke": replace(PRESET, name="smoke")},
    models=(
        # One rule instead of all, which is fast and has no forecast.
        Model("knownot", "EmbeddingClassifier", {"rule": "neighbours"}),
        Model("softmax", "SoftmaxClassifier", {"hidden": (4,)}),
    ),
    sets=(NamedSet("iris", "tables"), NamedSet("wine", "embeddings", one_unit=True), NamedSet("vowel", "tables")),
    methods=(
        Method("knownot", "default", model="knownot"),
        Method("softmax", "a network", model="softmax"),
        Method("5nn", "5-NN"),
        Method("gaussian", "Gaussian"),
        Method("lof", "LOF", needs="a_package_that_is_not_there"),
    ),
    without={"cpu": ("softmax",)},
    compared=("softmax",),
    seeds=(0, 1),
)


class OneSet(Clock):
    """Time for one set, and no more."""

    asked = 0

    def left(self) -> float:
        self.asked += 1
        if self.asked > 1:
            raise OutOfTime
        return 1.0


def run(folder, seed=0, told=None, preset=PRESET, **settings):
    tell = [].append if told is None else told.append
    path = Runner(Results(folder), device="cpu", tell=tell, **settings).run(EXPERIMENT, preset, seed)
    return json.loads(path.read_text())


def numbers(found):
    """What does not depend on when it was measured."""
    return {
        name: {one: {k: v for k, v in of.items() if "seconds" not in k} for one, of in method["sets"].items()}
        for name, method in found["methods"].items()
    }


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    for seed in EXPERIMENT.seeds:
        run(folder, seed)
    return Results(folder)


def test_a_result_holds_every_method_on_every_set(results):
    [found, _] = results.runs("test/sets", "cpu")
    assert list(found["methods"]) == ["knownot", "5nn", "gaussian"]
    assert found["left_out"] == {"lof": "a_package_that_is_not_there"}
    assert list(found["splits"]) == ["iris", "wine"]
    assert found["splits"]["iris"]["columns"] == 4
    facts = found["splits"]["iris"]
    assert facts["train"] + facts["test known"] + facts["test unknown"] == 120
    for method in found["methods"].values():
        assert list(method["sets"]) == ["iris", "wine"]
        of = method["sets"]["iris"]
        assert of["auroc"] > 0.8
        assert of["auroc"] >= of["oscr"] > 0.7
        assert of["accuracy"] > 0.8
        assert of["score_rows"] == facts["test known"] + facts["test unknown"]
        assert of["fit_seconds"] > 0
    assert 0 <= found["methods"]["knownot"]["sets"]["iris"]["rejection"] <= 1
    assert "rejection" not in found["methods"]["5nn"]["sets"]["iris"]


def test_numbers_are_those_of_the_split(results):
    """One cell worked out from the parts, without the kind."""
    from sklearn.metrics import roc_auc_score
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    parts = split(load_named_table("iris"), 1, 120)
    model = make_pipeline(StandardScaler(), KNeighborsClassifier(5)).fit(parts.train_x, parts.train_codes)
    distances = model[1].kneighbors(model[0].transform(parts.test_x))[0].mean(1)
    found = results.runs("test/sets", "cpu")[1]["methods"]["5nn"]["sets"]["iris"]
    known = parts.test_codes >= 0
    assert found["auroc"] == pytest.approx(roc_auc_score(known, -distances))
    assert found["accuracy"] == pytest.approx(model.score(parts.test_x[known], parts.test_codes[known]))


def test_presets_leave_methods_out_and_set_parameters(tmp_path):
    found = run(tmp_path, preset=EXPERIMENT.presets["smoke"])
    assert list(found["methods"]) == ["knownot", "softmax", "5nn", "gaussian"]


def test_a_missing_package_is_said_and_its_methods_are_left_out(tmp_path):
    told: list[str] = []
    run(tmp_path, told=told)
    assert "the package a_package_that_is_not_there is not installed: lof." in told[0]
    assert "pip install 'knownot[bench]'" in told[0]
    assert any("iris: " in line and "2 known classes and 1 unknown" in line for line in told)


def test_every_method_has_the_same_split_and_no_unknown_sample_to_learn_from(tmp_path, monkeypatch):
    seen: dict[str, list] = {"5nn": [], "gaussian": []}

    def spy(name):
        def fit(x, y, one_unit, seed):
            def score(new):
                seen[name].append((x.tobytes(), y.tobytes(), new.tobytes(), one_unit))
                return np.zeros(len(new), np.int64), -new[:, 0]

            return score

        return fit

    from knownot.estimators import EmbeddingClassifier

    fits: list[tuple[bytes, bytes]] = []
    fit = EmbeddingClassifier.fit

    def watched(self, X, y, **options):
        fits.append((X.tobytes(), y.tobytes()))
        return fit(self, X, y, **options)

    monkeypatch.setattr(EmbeddingClassifier, "fit", watched)
    for name in seen:
        monkeypatch.setitem(baselines.BASELINES, name, spy(name))
    run(tmp_path)
    # The last ones: before them all methods see noise once.
    assert seen["5nn"][-2:] == seen["gaussian"][-2:]
    assert fits[-2:] == [(x, y) for x, y, _, _ in seen["5nn"][-2:]]
    assert [one_unit for *_, one_unit in seen["5nn"][-2:]] == [False, True]
    for (x, y, new, _), name in zip(seen["5nn"][-2:], ("iris", "wine"), strict=True):
        parts = split(load_named_table(name), 0, 120)
        assert (x, y, new) == (parts.train_x.tobytes(), parts.train_codes.tobytes(), parts.test_x.tobytes())
        data = load_named_table(name)
        strange = {row.tobytes() for row in data.x[np.isin(data.labels, parts.unknown)]}
        assert not strange & {row.tobytes() for row in parts.train_x}


def test_a_run_that_is_broken_off_goes_on_with_the_next_set(results, tmp_path):
    told: list[str] = []
    with pytest.raises(OutOfTime):
        run(tmp_path, told=told, clock=OneSet())
    told.clear()
    found = run(tmp_path, told=told)
    assert not any("iris" in line for line in told)
    assert any("wine" in line for line in told)
    assert numbers(found) == numbers(results.runs("test/sets", "cpu")[0])
    assert not Results(tmp_path).unfinished_path("test/sets", "cpu", 0).exists()


def test_a_run_that_goes_on_with_another_method_measures_all_again(tmp_path):
    told: list[str] = []
    with pytest.raises(OutOfTime):
        run(tmp_path, clock=OneSet())
    fewer = replace(EXPERIMENT, without={"cpu": ("softmax", "gaussian")})
    Runner(Results(tmp_path), device="cpu", tell=told.append).run(fewer, PRESET, 0)
    assert any("iris: " in line for line in told)


def test_a_missing_table_is_answered_with_a_sentence(tmp_path, monkeypatch):
    monkeypatch.delenv("KNOWNOT_DATA", raising=False)
    with pytest.raises(ValueError, match="'vowel' needs a file, and the environment variable KNOWNOT_DATA"):
        run(tmp_path, preset=replace(PRESET, at_most={}))


# What is shown


def method_of(**sets):
    """Results of a method: AUROC by set; OSCR is 0.1 less."""
    return {
        "sets": {
            one: {
                "auroc": auroc,
                "oscr": auroc - 0.1,
                "accuracy": 0.9,
                "fit_seconds": 2.0,
                "score_seconds": 0.5,
                "score_rows": 100,
            }
            for one, auroc in sets.items()
        }
    }


def written(folder, runs, preset="cpu"):
    results = Results(folder)
    provenance = {"commit": None, "changed": None, "hardware": "x", "date": "2026-11-21", "versions": {"torch": "2"}}
    for seed, methods in enumerate(runs):
        splits = {one: {} for one in next(iter(methods.values()))["sets"]}
        content = {"format": 1, "seed": seed, "methods": methods, "splits": splits, "seconds": 1.0}
        results.write(OPEN_SET.name, preset, seed, {**content, "provenance": provenance})
    return results


@pytest.fixture
def two_seeds(tmp_path):
    """The default is ahead on wine, 5-NN on iris and on the embedding; digits are not counted."""
    runs = []
    for more in (0.0, 0.02):
        ours = method_of(iris=0.8, wine=0.9 + more, embedding_mnist_pca=0.7, digits=1.0)
        for of, low in zip(ours["sets"].values(), (0.75, 0.95, 0.5, 0.0), strict=True):
            of |= {"forecast": of["auroc"] + 0.05, "forecast_low": low, "forecast_high": 1.0}
            of |= {"forecast_rejection": 0.5, "rejection": 0.4, "acceptance": 0.95}
        runs.append(
            {
                "knownot": ours,
                "gmvae": method_of(iris=0.5, wine=0.5, embedding_mnist_pca=0.5, digits=0.5),
                "5nn": method_of(iris=0.9, wine=0.8, embedding_mnist_pca=0.8, digits=0.1),
                "forest": method_of(iris=0.1, wine=0.85, embedding_mnist_pca=0.6, digits=0.1),
            }
        )
    return written(tmp_path / "results", runs)


def by_name(records):
    return {(record.method, record.metric): record for record in records}


def test_records_are_means_over_sets_and_groups(two_seeds):
    found = by_name(two_seeds.records(OPEN_SET, "cpu"))
    assert found["knownot", "auroc"].mean == pytest.approx((0.8 + 0.91 + 0.7) / 3)
    assert found["knownot", "auroc"].sd == pytest.approx(0.02 / 3 / 2**0.5)
    assert found["knownot", "auroc tables"].mean == pytest.approx((0.8 + 0.91) / 2)
    assert found["knownot", "auroc embeddings"].mean == pytest.approx(0.7)
    assert found["knownot", "auroc digits"].mean == pytest.approx(1.0)
    assert found["5nn", "oscr"].mean == pytest.approx((0.8 + 0.7 + 0.7) / 3)
    assert found["5nn", "rows_per_second"].mean == pytest.approx(200.0)
    assert found["knownot", "rank"].mean == pytest.approx((2 + 1 + 2) / 3)
    assert found["knownot", "wins"].mean == 1
    assert found["5nn", "wins"].mean == 2
    assert found["knownot", "shortfall"].mean == pytest.approx(0.1)
    # 5-NN is the best competitor: 2.5 / 3; over it the next best of the competitors counts.
    assert found["knownot", "lead"].mean == pytest.approx((2.41 - 2.5) / 3)
    assert found["knownot", "lead"].sd == pytest.approx(0.02 / 3 / 2**0.5)
    assert found["5nn", "lead"].mean == pytest.approx((2.5 - 1.55) / 3)
    assert found["knownot", "lead embeddings"].mean == pytest.approx(-0.1)
    assert found["knownot", "forecast_error"].mean == pytest.approx(0.05)
    # Of wine the interval begins above the truth.
    assert found["knownot", "forecast_coverage"].mean == pytest.approx(4 / 6)
    assert found["knownot", "forecast_n"].mean == 6


def test_main_table_has_a_row_for_each_method(two_seeds):
    records = two_seeds.records(OPEN_SET, "cpu")
    table = summary(OPEN_SET, records)
    assert table.columns[:7] == ("AUROC", "OSCR", "rank", "ahead", "short by", "wins", "tables")
    first = table.rows[0]
    assert (first.title, first.emphasised) == ("EmbeddingClassifier", True)
    assert first.cells[:6] == ("0.803 ± 0.005", "0.703 ± 0.005", "1.7", "-0.030 ± 0.005", "0.100", "1")
    legend = OPEN_SET.legend(records)
    assert (
        'Over all sets the best single competitor is "5-NN" (0.833); EmbeddingClassifier is 0.030 ± 0.005 behind'
        in legend
    )
    assert "On tables the best single competitor is" in legend
    assert "Forecasts over 6 splits:" in legend
    assert "67% of the 90 % intervals" in legend


def test_sets_are_rows_of_further_tables(two_seeds):
    by_set, foretold = OPEN_SET.grids(two_seeds.records(OPEN_SET, "cpu"), 3)
    assert by_set.of == "set"
    assert by_set.columns == ("EmbeddingClassifier", "best competitor", "which", "difference", "GMVAEClassifier")
    rows = {row.title: row.cells for row in by_set.rows}
    assert list(rows) == ["iris", "wine", "embedding_mnist_pca", "digits"]
    assert rows["iris"] == ("0.800 ± 0.000", "0.900 ± 0.000", "5-NN", "-0.100", "0.500 ± 0.000")
    assert rows["wine"][1:4] == ("0.850 ± 0.000", "forest, probability", "+0.060")
    assert dict(zip(foretold.columns, foretold.rows[1].cells, strict=True)) == {
        "AUROC expected": "0.960",
        "from": "0.950",
        "to": "1.000",
        "true": "0.910",
        "rejected, expected": "0.500",
        "rejected": "0.400",
        "accepted": "0.950",
    }


def test_details_are_groups_and_metrics_by_set(two_seeds):
    records = two_seeds.records(OPEN_SET, "cpu")
    titles = {title: grid(OPEN_SET, records, columns) for title, columns in OPEN_SET.details(records)}
    assert list(titles) == ["Tables alone", "Embeddings alone", "AUROC by set", "OSCR by set", "Accuracy by set"]
    assert titles["Embeddings alone"].rows[0].cells[0] == "0.700 ± 0.000"
    assert titles["AUROC by set"].columns == ("iris", "wine", "embedding_mnist_pca", "digits")


def test_a_method_that_one_seed_lacks_has_no_rank(two_seeds):
    path = two_seeds.path(OPEN_SET.name, "cpu", 1)
    content = json.loads(path.read_text())
    del content["methods"]["5nn"]
    path.write_text(json.dumps(content))
    found = by_name(two_seeds.records(OPEN_SET, "cpu"))
    assert ("5nn", "rank") not in found
    assert found["knownot", "lead"].mean == pytest.approx((2.41 - 1.55) / 3)
    legend = OPEN_SET.legend(list(found.values()))
    assert 'Over all sets the best single competitor is "forest, probability"' in legend


def test_pages_show_tables_and_figure(two_seeds, tmp_path):
    pytest.importorskip("matplotlib")
    from knownot.experiments.pages import write_pages

    written = write_pages(two_seeds, tmp_path / "docs")
    page = (tmp_path / "docs" / "experiments.md").read_text()
    assert "## How to read the comparison on tables and embeddings" in page
    assert "| **EmbeddingClassifier** | 0.8033 ± 0.0047 |" in page
    assert "| set | EmbeddingClassifier | best competitor | which | difference | GMVAEClassifier |" in page
    assert "| iris | 0.8000 ± 0.0000 | 0.9000 ± 0.0000 | 5-NN | -0.1000 | 0.5000 ± 0.0000 |" in page
    assert tmp_path / "docs" / "images" / "experiments" / "tables-open-set-cpu-forecast.svg" in written


def test_nothing_measured_shows_nothing(tmp_path):
    results = Results(tmp_path)
    assert results.records(OPEN_SET, "cpu") == []
    assert OPEN_SET.grids([], 3) == []
    assert list(OPEN_SET.figures([], {})) == []


# What is declared


def test_the_declared_experiment_names_what_there_is():
    assert {named.name for named in OPEN_SET.sets} == set(NAMED_TABLES)
    assert {m.name for m in OPEN_SET.methods if m.model is None} == set(baselines.BASELINES)
    assert {m.model for m in OPEN_SET.methods if m.model} == {model.name for model in OPEN_SET.models}
    assert all(not model.settings for model in OPEN_SET.models)
    assert {name for names in OPEN_SET.without.values() for name in names} <= set(OPEN_SET.titles)
    assert all(named.one_unit == named.name.startswith("embedding") for named in OPEN_SET.sets)
    assert [named.name for named in OPEN_SET.sets if not named.group] == ["digits"]
    assert OPEN_SET.emphasised in OPEN_SET.titles


@pytest.mark.slow
def test_the_smoke_preset_runs_with_all_methods(tmp_path):
    path = Runner(Results(tmp_path), device="cpu", tell=lambda _: None).run(OPEN_SET, OPEN_SET.preset("smoke"), 0)
    found = json.loads(path.read_text())
    there = [method.name for method in OPEN_SET.methods if method.can_run]
    assert list(found["methods"]) == there
    assert list(found["splits"]) == ["iris", "wine"]
    default = found["methods"]["knownot"]["sets"]["wine"]
    assert default["auroc"] > 0.9
    assert 0 <= default["forecast_low"] <= default["forecast_high"] <= 1
    assert {"forecast", "forecast_rejection", "acceptance", "rejection"} <= set(default)


def test_context_of_a_preset_gives_models_their_device(tmp_path):
    context = Context(experiment="test/sets", preset=PRESET, seed=5, work=tmp_path, device="cpu")
    model = EXPERIMENT._make(context, "softmax")
    assert (model.accelerator, model.random_state, model.max_epochs) == ("cpu", 5, 1)
    assert EXPERIMENT._make(context, "knownot").random_state == 5
