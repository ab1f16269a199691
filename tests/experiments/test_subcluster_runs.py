"""Experiments on the number of subclusters, from the declaration to the file."""

from __future__ import annotations

import json

import numpy as np
import pytest

from knownot.data import synthetic
from knownot.estimators import subcluster_curves
from knownot.experiments import Clock, Experiment, OutOfTime, Preset, Results, Runner
from knownot.experiments.declaration import Group
from knownot.experiments.subclusters import samples

SETTINGS = {"max_epochs": 8, "batch_size": 32, "max_subclusters": 2}
PRESET = Preset("smoke", {"": SETTINGS})
GROUPS = tuple(
    Group(name, k, shape="blobs", arguments={"n_samples": 120, "n_clusters": k, "n_features": 2, "separation": 12.0})
    for name, k in (("one blob", 1), ("two blobs", 2))
)
EXPERIMENT = Experiment(
    name="test/blobs",
    title="Blobs",
    reference="nowhere",
    kind="subclusters",
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


def test_a_result_says_what_the_study_found(uninterrupted):
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


def test_samples_are_drawn_by_the_seed():
    np.testing.assert_array_equal(samples(GROUPS[1], 3), synthetic.blobs(**GROUPS[1].arguments, seed=3).x)
    assert not np.array_equal(samples(GROUPS[1], 3), samples(GROUPS[1], 4))


def test_out_of_time_keeps_the_groups_that_are_done(uninterrupted, tmp_path):
    told: list[str] = []
    with pytest.raises(OutOfTime):
        runner(tmp_path, told, clock=OneGroup()).run(EXPERIMENT, PRESET, 3)
    assert [line.split(": ")[1] for line in told] == ["one blob"]
    told.clear()
    finished = json.loads(runner(tmp_path, told).run(EXPERIMENT, PRESET, 3).read_text())
    assert [line.split(": ")[1] for line in told] == ["two blobs"]
    assert [finished[key] for key in ("methods", "curves")] == [uninterrupted[key] for key in ("methods", "curves")]
    assert not Results(tmp_path).unfinished_path(EXPERIMENT.name, "smoke", 3).exists()


def test_groups_of_other_settings_are_measured_anew(tmp_path):
    told: list[str] = []
    with pytest.raises(OutOfTime):
        runner(tmp_path, told, clock=OneGroup()).run(EXPERIMENT, PRESET, 3)
    told.clear()
    other = Preset("smoke", {"": {**SETTINGS, "max_epochs": 6}})
    found = json.loads(runner(tmp_path, told).run(EXPERIMENT, other, 3).read_text())
    assert len(told) == 2
    assert {len(curve["bound"]) for curves in found["curves"].values() for curve in curves} == {6}
