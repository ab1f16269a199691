"""Experiments from the declaration to the file, on the bundled digits."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from knownot.data import PROTOCOLS, OpenSetSplit, Protocol
from knownot.experiments import Clock, Experiment, Method, Model, OutOfTime, Preset, Results, Runner
from knownot.experiments.open_set import Scored, load_parts, measure
from knownot.metrics import auroc, closed_set_accuracy, open_macro_f1

PRESET = Preset("smoke", {"": {"max_epochs": 3, "batch_size": 64}}, n_train=200, n_test=150)
EXPERIMENT = Experiment(
    name="test/digits",
    title="Digits",
    reference="nowhere",
    kind="open-set",
    mapped=("gmvae",),
    protocol="digits-0-to-5",
    presets={"smoke": PRESET},
    models=(
        Model("gmvae", "GMVAEClassifier", {"hidden": (16,), "blocks": (), "latent_dim": 4}),
        Model("softmax", "SoftmaxClassifier", {"hidden": (16,), "blocks": ()}),
    ),
    methods=(
        Method("gmvae+nc-u", "GMVAE + NC-U", "gmvae", "nc-u"),
        Method("knownot", "default rule", "gmvae", "evidence"),
        Method("softmax+msp", "largest probability", "softmax", "max-softmax"),
        Method("pixels+5nn", "pixels", None, "euclidean"),
    ),
    seeds=(0, 1),
)


@pytest.fixture(autouse=True)
def digits(monkeypatch) -> None:
    """A protocol on the bundled digits."""
    protocol = Protocol("digits-0-to-5", "digits", (OpenSetSplit(range(6), (6, 7, 8, 9)),), None, 120, 80)
    monkeypatch.setitem(PROTOCOLS, protocol.name, protocol)


class OneEpoch(Clock):
    """Time for one epoch of the next training alone."""

    def left(self) -> float:
        return 1e-9


def runner(folder, **settings) -> Runner:
    return Runner(Results(folder), device="cpu", tell=lambda _: None, **settings)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The result of seed 0, run at one go."""
    with pytest.MonkeyPatch.context() as patch:
        protocol = Protocol("digits-0-to-5", "digits", (OpenSetSplit(range(6), (6, 7, 8, 9)),), None, 120, 80)
        patch.setitem(PROTOCOLS, protocol.name, protocol)
        folder = tmp_path_factory.mktemp("whole")
        path = runner(folder / "results", models=folder / "models").run(EXPERIMENT, PRESET, 0)
    return folder, path


def measured(path):
    """What must not depend on when and where it ran."""
    run = json.loads(path.read_text())
    return run["methods"], {name: facts["curves"] for name, facts in run["models"].items()}


def test_a_result_says_what_was_measured_and_where(uninterrupted):
    folder, path = uninterrupted
    run = json.loads(path.read_text())
    assert path == folder / "results" / "test" / "digits" / "smoke" / "seed0.json"
    assert (run["format"], run["experiment"], run["preset"], run["seed"]) == (1, "test/digits", "smoke", 0)
    assert list(run["methods"]) == [method.name for method in EXPERIMENT.methods]
    assert {len(method["f1"]) for method in run["methods"].values()} == {5}
    assert run["samples"] == {"train": 200, "test": 150}
    assert run["unknown_classes"] == [6, 7, 8, 9]
    assert run["models"]["gmvae"]["epochs"] == 3
    assert run["models"]["gmvae"]["settings"]["latent_dim"] == 4
    assert len(run["models"]["softmax"]["curves"]["train"]["total"]) == 3
    assert {"commit", "date", "hardware", "versions"} <= set(run["provenance"])
    # 200 images suffice for pixels to be far better than chance.
    assert run["methods"]["pixels+5nn"]["auroc"] > 0.9
    assert run["methods"]["pixels+5nn"]["accuracy"] > 0.9
    assert not (folder / "results" / ".unfinished" / "test" / "digits" / "smoke" / "seed0").exists()
    maps = Results(folder / "results").maps("test/digits", "smoke")
    assert maps is not None
    assert np.array(maps["maps"]["gmvae"]["points"]).shape == (200, 2)
    assert np.array(maps["maps"]["gmvae"]["centroids"]).shape == (6, 2)


def test_what_is_there_is_not_run_again(uninterrupted):
    folder, path = uninterrupted
    before = path.read_bytes()
    told: list[str] = []
    again = Runner(Results(folder / "results"), device="cpu", tell=told.append)
    assert again.run(EXPERIMENT, PRESET, 0) == path
    assert path.read_bytes() == before
    assert len(told) == 1
    assert "there already" in told[0]


def test_a_seed_run_anew_gives_the_same_numbers(uninterrupted, tmp_path):
    _, path = uninterrupted
    anew = runner(tmp_path).run(EXPERIMENT, PRESET, 0)
    assert measured(anew) == measured(path)


def test_kept_models_are_taken_again_where_their_settings_are_the_same(uninterrupted, tmp_path):
    folder, path = uninterrupted
    models = shutil.copytree(folder / "models", tmp_path / "models")
    told: list[str] = []
    again = Runner(Results(tmp_path), models=models, device="cpu", tell=told.append)
    anew = again.run(EXPERIMENT, PRESET, 0)
    assert measured(anew) == measured(path)
    assert not any("training" in line for line in told)
    told.clear()
    shorter = Preset("smoke", {"": {"max_epochs": 1, "batch_size": 64}}, n_train=200, n_test=150)
    Runner(Results(tmp_path / "other"), models=models, device="cpu", tell=told.append).run(EXPERIMENT, shorter, 0)
    assert sum("training" in line for line in told) == 2


def test_out_of_time_goes_on_to_the_same_numbers(uninterrupted, tmp_path):
    _, path = uninterrupted
    short = runner(tmp_path, clock=OneEpoch())
    with pytest.raises(OutOfTime):
        short.run(EXPERIMENT, PRESET, 0)
    results = Results(tmp_path)
    assert not results.path(EXPERIMENT.name, "smoke", 0).exists()
    unfinished = results.unfinished_path(EXPERIMENT.name, "smoke", 0)
    assert any(file.is_file() for file in unfinished.rglob("*"))
    finished = runner(tmp_path).run(EXPERIMENT, PRESET, 0)
    assert measured(finished) == measured(path)
    assert not unfinished.exists()


def test_an_interrupted_training_is_no_result(tmp_path, monkeypatch):
    from knownot.estimators import GMVAEClassifier

    fit = GMVAEClassifier.fit

    def interrupted(self, *arguments, **settings):
        fit(self, *arguments, **settings)
        self.history_.stopped = "interrupted"
        return self

    monkeypatch.setattr(GMVAEClassifier, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        runner(tmp_path, models=tmp_path / "models").run(EXPERIMENT, PRESET, 0)
    assert not list(tmp_path.rglob("*.json"))
    assert not list(tmp_path.rglob("*.safetensors"))


def test_the_clock_runs_out():
    assert Clock().left() is None
    assert 0 < Clock(1000.0).left() <= 1000.0
    with pytest.raises(OutOfTime):
        Clock(1.0, started=Clock().started - 2.0).left()


def test_parts_hold_what_the_protocol_says():
    parts = load_parts(EXPERIMENT, PRESET, 0)
    assert (len(parts.train_x), len(parts.test_x), len(parts.validation_x), len(parts.unknown_x)) == (200, 150, 120, 80)
    assert set(parts.train_codes) == set(parts.validation_codes) == set(range(6))
    assert set(np.unique(parts.unknown_labels)) == {6, 7, 8, 9} == set(parts.unknown_classes)
    assert set(parts.test_labels[parts.test_codes < 0]) == {6, 7, 8, 9}
    assert sorted([*parts.selection, *parts.calibration]) == list(range(120))
    other = load_parts(EXPERIMENT, PRESET, 1)
    assert not np.array_equal(parts.train_x, other.train_x)
    fewer = load_parts(EXPERIMENT, Preset("x", n_validation=(30, 20)), 0)
    assert (len(fewer.validation_x), len(fewer.unknown_x)) == (30, 20)


def test_measures_follow_their_definitions():
    parts = load_parts(EXPERIMENT, PRESET, 0)
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
