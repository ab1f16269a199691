"""Experiments on the number of subclusters, from the declaration to the file."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from knownot.data import load_named, synthetic
from knownot.estimators import subcluster_curves
from knownot.experiments import EXPERIMENTS, Clock, OutOfTime, Preset, Results, Runner
from knownot.experiments.kinds.subclusters import Group, SubclusterExperiment, curves_figure, samples
from knownot.experiments.tables import claims, summary

SETTINGS = {"max_epochs": 8, "batch_size": 32, "max_subclusters": 2}
PRESET = Preset("smoke", {"": SETTINGS})
GROUPS = tuple(
    Group(name, k, shape="blobs", arguments={"n_samples": 120, "n_clusters": k, "n_features": 2, "separation": 12.0})
    for name, k in (("one blob", 1), ("two blobs", 2))
)
EXPERIMENT = SubclusterExperiment(
    name="test/blobs",
    title="Blobs",
    reference="nowhere",
    presets={"smoke": PRESET},
    groups=GROUPS,
)


class OneGroup(Clock):
    """Time for one group, and no more."""

    asked = 0

    def left(self) -> float:
        self.asked += 1
        if self.asked > 1:
            raise OutOfTime
        return 1.0


def runner(folder, told: list[str], **settings) -> Runner:
    return Runner(Results(folder), device="cpu", tell=told.append, **settings)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    told: list[str] = []
    folder = tmp_path_factory.mktemp("whole")
    return json.loads(runner(folder, told).run(EXPERIMENT, PRESET, 3).read_text())


def test_measure_says_what_the_study_found(uninterrupted):
    assert list(uninterrupted["methods"]) == list(uninterrupted["curves"]) == [group.name for group in GROUPS]
    for group in GROUPS:
        study = subcluster_curves(samples(group, 3), accelerator="cpu", random_state=3, **SETTINGS)
        found = uninterrupted["methods"][group.name]
        assert found["n_subclusters"] == study.n_subclusters
        assert found["true"] == group.true
        assert found["drop 1→2"] == pytest.approx(study.drops[0], rel=1e-5)
        assert found["gain 1→2"] == pytest.approx(study.gains[0], rel=1e-5)
        curves = uninterrupted["curves"][group.name]
        assert [curve["n_subclusters"] for curve in curves] == [1, 2]
        for curve, [own] in zip(curves, study.curves, strict=True):
            for term in ("reconstruction", "covering", "bound"):
                np.testing.assert_allclose(curve[term], getattr(own, term), rtol=1e-5)


def test_samples_of_shapes_are_drawn_by_the_seed():
    np.testing.assert_array_equal(samples(GROUPS[1], 3), synthetic.blobs(**GROUPS[1].arguments, seed=3).x)
    assert not np.array_equal(samples(GROUPS[1], 3), samples(GROUPS[1], 4))


def test_measure_keeps_the_groups_that_are_done_when_time_is_over(uninterrupted, tmp_path):
    told: list[str] = []
    with pytest.raises(OutOfTime):
        runner(tmp_path, told, clock=OneGroup()).run(EXPERIMENT, PRESET, 3)
    assert [line.split(": ")[1] for line in told] == ["one blob"]
    told.clear()
    finished = json.loads(runner(tmp_path, told).run(EXPERIMENT, PRESET, 3).read_text())
    assert [line.split(": ")[1] for line in told] == ["two blobs"]
    assert [finished[key] for key in ("methods", "curves")] == [uninterrupted[key] for key in ("methods", "curves")]
    assert not Results(tmp_path).unfinished_path(EXPERIMENT.name, "smoke", 3).exists()


def test_measure_of_other_settings_starts_anew(tmp_path):
    told: list[str] = []
    with pytest.raises(OutOfTime):
        runner(tmp_path, told, clock=OneGroup()).run(EXPERIMENT, PRESET, 3)
    told.clear()
    other = Preset("smoke", {"": {**SETTINGS, "max_epochs": 6}})
    found = json.loads(runner(tmp_path, told).run(EXPERIMENT, other, 3).read_text())
    assert len(told) == 2
    assert {len(curve["bound"]) for curves in found["curves"].values() for curve in curves} == {6}


def test_samples_of_a_data_set_are_those_of_the_labels():
    group = Group("3 and 8", 2, "digits", (3, 8))
    data = load_named("digits", "train")
    np.testing.assert_array_equal(samples(group, 0), data.x[(data.labels == 3) | (data.labels == 8)])


def test_columns_are_every_metric_beside_the_published(tmp_path):
    results = Results(tmp_path)
    experiment = replace(
        EXPERIMENT,
        name="p/drops",
        presets={"paper": Preset("paper")},
        groups=(Group("even", 2), Group("odd", 2)),
        published={"even": {"drop 1→2": 0.86}},
    )
    for seed, drop in ((0, 0.9), (1, 1.0)):
        methods = {"odd": {"drop 1→2": 1.25 + seed / 10}, "even": {"drop 1→2": drop, "n_subclusters": 2, "true": 2}}
        results.write("p/drops", "paper", seed, {"format": 1, "seed": seed, "methods": methods})
    records = results.records(experiment, "paper")
    grid = summary(experiment, records, digits=4)
    assert grid.columns == ("chosen", "true", "drop 1→2")
    assert [(row.title, row.cells) for row in grid.rows] == [
        ("even", ("2", "2", "0.95 ± 0.07 (0.86)")),
        ("odd", ("–", "–", "1.30 ± 0.07")),
    ]
    assert claims(experiment, records) == []
    assert "by which the number is chosen." in experiment.legend(records)


def study(seed: int) -> dict:
    """A result on subclusters: the covering of K lies K below that of 1, and early epochs far away."""
    epochs = np.arange(8.0)
    curves = [
        {
            "n_subclusters": k,
            "reconstruction": np.where(epochs < 4, 500.0, 20.0 - epochs).tolist(),
            "covering": (epochs - k + seed).tolist(),
            "bound": (epochs + 50.0).tolist(),
        }
        for k in (1, 2, 3)
    ]
    drops = {"drop 1→2": 1.0 + seed, "drop 2→3": 1.0, "n_subclusters": 2 + seed, "true": 2}
    return {"seed": seed, "methods": {"even": drops, "odd": drops}, "curves": {"even": curves, "odd": curves}}


def test_curves_figure_shows_the_second_half_of_the_epochs():
    pytest.importorskip("matplotlib")
    figure = curves_figure([study(0), study(1)])
    assert len(figure.axes) == 2
    assert figure.axes[0].get_title(loc="left").strip() == "even"
    lines = figure.axes[0].get_lines()
    assert len(lines) == 6
    strong = {line.get_label(): line for line in lines if line.get_alpha() is None}
    assert set(strong) == {"K = 1", "K = 2", "K = 3"}
    assert strong["K = 2"].get_xdata().tolist() == [13.0, 14.0, 15.0, 16.0]
    assert strong["K = 2"].get_ydata().tolist() == [5.0, 4.0, 3.0, 2.0]
    [text] = [text.get_text() for text in figure.axes[0].texts]
    assert text == "drops 1→2: 1.50, 2→3: 1.00; chosen 2, 3"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["K = 1", "K = 2", "K = 3"]


def test_figures_are_the_curves():
    pytest.importorskip("matplotlib")
    experiment = EXPERIMENTS["open-gmvae/subclusters-mnist"]
    [drawing] = experiment.figures([study(0)], {})
    assert drawing.name == "curves.svg"
