"""Experiments on action units: who is tested, which frames are labelled, and what is done without the data."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from knownot import load
from knownot.data import load_action_units, read_images
from knownot.experiments import EXPERIMENTS, Model, Preset, Results, Runner, queue
from knownot.experiments.kinds.action_units import ActionUnitsExperiment, choose_frames, choose_labelled_frames
from knownot.experiments.trained import make_estimator
from knownot.metrics import f1_by_label

PEOPLE, FRAMES = 6, 24
SMALL = {
    "network": "mlp",
    "hidden": (32,),
    "latent_dim": 2,
    "n_components": 3,
    "batch_size": 16,
    "max_epochs": 15,
    "learning_rate": 3e-3,
    "balanced": True,
    "pretrain_epochs": 1,
    "training__keep": "last",
}
EXPERIMENT = ActionUnitsExperiment(
    name="test/faces",
    title="Drawn faces",
    reference="nowhere",
    dataset="fera2015",
    shares=(0.5,),
    models=(
        Model("ours", "MultiLabelVAE", SMALL, "ours"),
        Model("alone", "MultiLabelVAE", {**SMALL, "max_epochs": 2}, "alone"),
    ),
    labelled_only=("alone",),
    presets={"smoke": Preset("smoke", at_most={"frames": 20, "pixels": 16, "epochs": 20})},
    published={"ours": {"f1 0.5": 0.4}},
    emphasised="ours",
)


@pytest.fixture
def faces(tmp_path, monkeypatch):
    """Grey faces of six people; each action unit is a bright spot in a place of its own."""
    root, random = tmp_path / "data" / "FERA2015", np.random.default_rng(0)
    (root / "AUCoding").mkdir(parents=True)
    for person in range(PEOPLE):
        name = f"F{person:03}_T1"
        (root / "Frames" / name).mkdir(parents=True)
        rows = ["0,6,10,12,14,17"]
        for frame in range(FRAMES):
            there = random.integers(0, 2, 5)
            rows.append(",".join(map(str, (frame, *(there * random.integers(2, 6, 5))))))
            image = random.integers(0, 40, (16, 16)) + 5 * person
            for unit, on in enumerate(there):
                image[3 * unit : 3 * unit + 3, 2:14] += 140 * on
            Image.fromarray(image.astype(np.uint8)).save(root / "Frames" / name / f"{frame}.png")
        (root / "AUCoding" / f"{name}.csv").write_text("\n".join(rows))
    monkeypatch.setenv("KNOWNOT_DATA", str(root.parent))


def test_action_units_experiment_measures_f1_of_people_it_has_not_seen(faces, tmp_path):
    assert EXPERIMENT.lacking() == ""
    runner = Runner(Results(tmp_path / "results"), models=tmp_path / "models", device="cpu", tell=lambda _: None)
    result = json.loads(runner.run(EXPERIMENT, EXPERIMENT.presets["smoke"], 0).read_text())
    units = load_action_units("fera2015")
    units = units.select(choose_frames(units.subjects, 20, 0))
    x = read_images(units.paths, image_size=16, channels=3).x
    for name in ("ours", "alone"):
        found = result["methods"][name]
        means = []
        for fold in range(3):
            [kept] = (tmp_path / "models").rglob(f"{name}-0.5-fold{fold}-seed0.safetensors")
            model = load(kept)
            # People of a fold by what the result says of them: no two folds test the same.
            people = sorted(result["tested"][fold])
            test = np.isin(units.subjects, people)
            # No other labels than those of the chosen frames have been seen.
            chosen = choose_labelled_frames(units.labels[~test], 0.5, 0)
            np.testing.assert_allclose(model.prevalence_, units.labels[~test][chosen].mean(0), rtol=1e-6)
            means.append(f1_by_label(units.labels[test], model.predict(x[test])).mean())
        assert found["folds 0.5"] == pytest.approx(means)
        assert found["f1 0.5"] == pytest.approx(np.mean(means))
        assert np.mean([found[f"f1 0.5 {unit}"] for unit in units.label_names]) == pytest.approx(found["f1 0.5"])
    assert result["methods"]["ours"]["f1 0.5"] > 0.8
    assert result["methods"]["network"]["f1 0.5"] > 0.8
    assert sorted(person for fold in result["tested"] for person in fold) == sorted(set(units.subjects.tolist()))
    pytest.importorskip("matplotlib")
    [drawing] = EXPERIMENT.figures([result], {})
    rows = [label.get_text() for label in drawing.figure.axes[0].get_yticklabels()]
    assert "ours, 50%" in rows


def test_labelled_frames_are_a_share_and_hold_every_label():
    labels = np.zeros((400, 3), np.float32)
    labels[7, 0] = labels[:200, 1] = labels[100:300, 2] = 1
    labels[300:, 2] = np.nan
    labels[350:] = np.nan
    few, more = (choose_labelled_frames(labels, share, 0) for share in (0.1, 0.25))
    assert (7 in few, len(few), len(more)) == (True, 36, 89)
    assert few.max() < 350
    assert set(few) < set(more)
    assert set(few) != set(choose_labelled_frames(labels, 0.1, 1))


def test_frames_are_as_many_of_each_person_at_most():
    people = np.repeat(["a", "b", "c"], (5, 2, 9))
    assert np.unique(people[choose_frames(people, 4, 0)], return_counts=True)[1].tolist() == [4, 2, 4]
    assert choose_frames(people, None, 0).tolist() == list(range(16))


@pytest.mark.parametrize("name", ["disfa", "fera2015"])
def test_declared_experiments_wait_for_their_data(name, tmp_path, monkeypatch):
    monkeypatch.setenv("KNOWNOT_DATA", str(tmp_path))
    experiment = EXPERIMENTS[f"cauchy-schwarz/{name}"]
    assert f"needs the data set {name!r}, which is licensed and not in the folder" in experiment.lacking()
    results = Results(tmp_path / "results")
    assert experiment.name not in {item.experiment.name for item in queue(results)}
    with pytest.raises(ValueError, match="its authors license it, so ask them"):
        Runner(results, tell=lambda _: None).run(experiment, experiment.presets["smoke"], 0)
    for preset in experiment.presets.values():
        for model in experiment.models:
            assert make_estimator(model, preset.settings_of(model), 0).training.keep == "last"
