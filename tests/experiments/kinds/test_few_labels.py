"""Experiments on few labels: which samples are labelled, and what is told of the rest."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from knownot import load
from knownot.experiments import EXPERIMENTS, Model, Preset, Results, Runner
from knownot.experiments.kinds.few_labels import FewLabelsExperiment, choose_labelled, hide
from knownot.experiments.kinds.protocol.parts import load_closed
from knownot.experiments.trained import make_estimator

SMALL = {"hidden": (16,), "latent_dim": 2, "n_components": 3, "views": "none", "max_epochs": 2, "accept": None}
EXPERIMENT = FewLabelsExperiment(
    name="test/few-labels",
    title="Generated digits",
    reference="nowhere",
    dataset="mnist",
    counts=(20, 60),
    models=(
        Model("vae", "SemiSupervisedVAE", SMALL, "VAE"),
        Model("network", "SoftmaxClassifier", {"hidden": (16,), "max_epochs": 2, "accept": None}, "network"),
    ),
    labelled_only=("network",),
    presets={"smoke": Preset("smoke", only={"network": (0,)})},
    emphasised="vae",
)


def test_few_labels_experiment_measures_errors(images, tmp_path):
    runner = Runner(Results(tmp_path / "results"), models=tmp_path / "models", device="cpu", tell=lambda _: None)
    result = json.loads(runner.run(EXPERIMENT, EXPERIMENT.presets["smoke"], 0).read_text())
    parts = load_closed("mnist", None, {}, 0)
    chosen = choose_labelled(parts.train_codes, 20, 0)
    few = parts.train_x[chosen].reshape(20, -1), parts.train_codes[chosen]
    nearest = KNeighborsClassifier(1).fit(*few)
    told = nearest.predict(parts.test_x.reshape(len(parts.test_x), -1))
    assert result["methods"]["neighbours"]["error 20"] == pytest.approx((told != parts.test_codes).mean())
    for name in ("vae", "network"):
        [kept] = (tmp_path / "models").rglob(f"{name}-60-seed0.safetensors")
        model = load(kept)
        error = (model.nearest_class(parts.test_x) != parts.test_codes).mean()
        assert result["methods"][name]["error 60"] == pytest.approx(error)
    assert list(result["models"]) == ["vae, 20", "network, 20", "vae, 60", "network, 60"]
    pytest.importorskip("matplotlib")
    [drawing] = EXPERIMENT.figures([result], {})
    assert len(drawing.figure.axes[0].get_lines()) == 6


def test_as_many_samples_of_each_class_are_labelled():
    codes = np.random.default_rng(0).integers(0, 4, 400)
    few, more = choose_labelled(codes, 10, 0), choose_labelled(codes, 40, 0)
    assert np.bincount(codes[few]).tolist() == [3, 3, 2, 2]
    assert np.bincount(codes[more]).tolist() == [10] * 4
    assert set(few) < set(more)
    assert set(few) != set(choose_labelled(codes, 10, 1))
    hidden = hide(codes, few)
    assert (hidden >= 0).sum() == 10
    np.testing.assert_array_equal(hidden[few], codes[few])


def test_declared_models_learn_from_all_that_is_labelled():
    experiment = EXPERIMENTS["cauchy-schwarz/few-labels"]
    for preset in experiment.presets.values():
        for model in experiment.models:
            estimator = make_estimator(model, preset.settings_of(model), 0)
            assert estimator.training.keep == "last"
            assert estimator.accept is None
