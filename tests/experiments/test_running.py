"""Experiments from the declaration to the file, on the bundled digits."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from knownot.experiments import Clock, Context, Model, OutOfTime, Preset, Results, Runner
from knownot.experiments.kinds.open_set import Method, OpenSetExperiment

AT_MOST = {"train": 200, "test": 150}
PRESET = Preset("smoke", {"": {"max_epochs": 3, "batch_size": 64}}, AT_MOST)
EXPERIMENT = OpenSetExperiment(
    name="test/digits",
    title="Digits",
    reference="nowhere",
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

pytestmark = pytest.mark.usefixtures("digits")


class OneEpoch(Clock):
    """Time for one epoch of the next training alone."""

    def left(self) -> float:
        return 1e-9


def runner(folder, **settings) -> Runner:
    return Runner(Results(folder), device="cpu", tell=lambda _: None, **settings)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, digits):
    """The result of seed 0, run at one go."""
    folder = tmp_path_factory.mktemp("whole")
    path = runner(folder / "results", models=folder / "models").run(EXPERIMENT, PRESET, 0)
    return folder, path


def measured(path):
    """What must not depend on when and where it ran."""
    run = json.loads(path.read_text())
    return run["methods"], {name: facts["curves"] for name, facts in run["models"].items()}


def test_run_writes_what_was_measured_and_where(uninterrupted):
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
    maps = Results(folder / "results").attachments("test/digits", "smoke")["maps"]
    assert np.array(maps["maps"]["gmvae"]["points"]).shape == (200, 2)
    assert np.array(maps["maps"]["gmvae"]["centroids"]).shape == (6, 2)


def test_run_leaves_a_result_that_is_there(uninterrupted):
    folder, path = uninterrupted
    before = path.read_bytes()
    told: list[str] = []
    again = Runner(Results(folder / "results"), device="cpu", tell=told.append)
    assert again.run(EXPERIMENT, PRESET, 0) == path
    assert path.read_bytes() == before
    assert len(told) == 1
    assert "there already" in told[0]


def test_run_gives_the_same_numbers_again(uninterrupted, tmp_path):
    _, path = uninterrupted
    anew = runner(tmp_path).run(EXPERIMENT, PRESET, 0)
    assert measured(anew) == measured(path)


def test_run_takes_kept_models_of_the_same_settings(uninterrupted, tmp_path):
    folder, path = uninterrupted
    models = shutil.copytree(folder / "models", tmp_path / "models")
    told: list[str] = []
    again = Runner(Results(tmp_path), models=models, device="cpu", tell=told.append)
    anew = again.run(EXPERIMENT, PRESET, 0)
    assert measured(anew) == measured(path)
    assert not any("training" in line for line in told)
    told.clear()
    shorter = Preset("smoke", {"": {"max_epochs": 1, "batch_size": 64}}, AT_MOST)
    Runner(Results(tmp_path / "other"), models=models, device="cpu", tell=told.append).run(EXPERIMENT, shorter, 0)
    assert sum("training" in line for line in told) == 2


def test_run_goes_on_to_the_same_numbers_after_out_of_time(uninterrupted, tmp_path):
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


def test_run_writes_no_result_of_an_interrupted_training(tmp_path, monkeypatch):
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


def test_clock_runs_out():
    assert Clock().left() is None
    assert 0 < Clock(1000.0).left() <= 1000.0
    with pytest.raises(OutOfTime):
        Clock(1.0, started=Clock().started - 2.0).left()


def test_step_is_measured_once_for_its_settings(tmp_path):
    told: list[str] = []
    measured: list[int] = []

    def context() -> Context:
        return Context(experiment="p/e", preset=PRESET, seed=3, work=tmp_path / "work", tell=told.append)

    def measure() -> dict:
        measured.append(1)
        return {"pair": (1, 2.5)}

    first = context().step("a step", {"size": (1, 2)}, measure)
    assert first == {"pair": [1, 2.5]} == context().step("a step", {"size": (1, 2)}, measure)
    assert (len(measured), told) == (1, ["p/e seed 3: a step"])
    context().step("another", {"size": (1, 2)}, measure)
    assert len(measured) == 2
    context().step("a step", {"size": (1, 3)}, measure)
    assert len(measured) == 3


def test_step_that_is_done_needs_no_time(tmp_path):
    over = Clock(1.0, started=Clock().started - 2.0)
    context = Context(experiment="p/e", preset=PRESET, seed=3, work=tmp_path, tell=lambda _: None)
    context.step("done", {}, lambda: 1)
    context.clock = over
    assert context.step("done", {}, lambda: 2) == 1
    with pytest.raises(OutOfTime):
        context.step("not done", {}, lambda: 2)
