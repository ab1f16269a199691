"""Experiments on densities and on generative models: their numbers by other means, from the declaration to the page."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from knownot import VAE
from knownot.data import binarise
from knownot.experiments import EXPERIMENTS, Model, Preset, Results, Runner
from knownot.experiments.kinds.density import DensityExperiment
from knownot.experiments.kinds.density.measures import load_sets
from knownot.experiments.kinds.generation import GenerationExperiment
from knownot.experiments.kinds.generation.figures import tiled
from knownot.experiments.kinds.generation.measures import load_binary
from knownot.experiments.tables import summary
from knownot.metrics import frechet_distance, knn_error

SMALL = {"network": "mlp", "hidden": (16,), "max_epochs": 2, "batch_size": 32, "validation_fraction": 0.2}
DENSITY = DensityExperiment(
    name="test/density",
    title="Generated images",
    reference="nowhere",
    dataset="cifar10",
    outside=("svhn", "fashion-mnist-that-is-not-there"),
    models=(
        Model("d2", "VAE", {**SMALL, "latent_dim": 2}, "two"),
        Model("d4", "VAE", {**SMALL, "latent_dim": 4}, "four"),
    ),
    rules={"complexity": "corrected", "typicality": "typical", "evidence": "evidence"},
    presets={"smoke": Preset("smoke", at_most={"test": 60}, only={"d2": (0,)})},
    emphasised="d4",
    along="dimensions",
)
PAPERS = (DensityExperiment, GenerationExperiment)
GENERATION = GenerationExperiment(
    name="test/generation",
    title="Generated digits",
    reference="nowhere",
    dataset="mnist",
    models=(
        Model("vae", "VAE", {**SMALL, "likelihood": "binarised", "latent_dim": 3, "accept": None}, "VAE"),
        Model(
            "mixture",
            "VAE",
            {
                **SMALL,
                "likelihood": "binarised",
                "latent_dim": 3,
                "prior": "mixture",
                "n_components": 14,
                "accept": None,
            },
            "mixture",
        ),
    ),
    presets={"smoke": Preset("smoke", at_most={"likelihood": 20, "codes": 7})},
    emphasised="mixture",
    along="nothing",
)


def run(experiment, folder, seed):
    from knownot import load

    runner = Runner(Results(folder / "results"), models=folder / "models", device="cpu", tell=lambda _: None)
    result = json.loads(runner.run(experiment, experiment.presets["smoke"], seed).read_text())
    kept = (folder / "models").rglob(f"*-seed{seed}.safetensors")
    return result, {path.stem.partition("-seed")[0]: load(path) for path in kept}, runner.results


def test_density_experiment_measures_what_its_models_say(images, tmp_path):
    result, models, results = run(DENSITY, tmp_path, 0)
    assert set(models) == {"d2", "d4"}
    assert list(result["left_out"]) == ["fashion-mnist-that-is-not-there"]
    sets = load_sets("cifar10", ("svhn",), {"test": 60}, 0, print)
    model, found = models["d4"], result["methods"]["d4"]
    known = np.arange(60 + len(sets.outside["svhn"])) < 60
    x = np.concatenate([sets.test, sets.outside["svhn"]])
    assert found["auroc svhn"] == pytest.approx(roc_auc_score(known, model.log_density(x)))
    assert found["bpd svhn"] == pytest.approx(model.bits_per_dim(sets.outside["svhn"]).mean())
    assert found["acceptance"] == pytest.approx((model.predict(sets.test) == 1).mean())
    assert found["variance"] == pytest.approx(model.decoder_variance_)
    assert found["error"] == pytest.approx(
        np.square(model.reconstruct(sets.test) - sets.test / 255).sum((1, 2, 3)).mean()
    )
    for rule in DENSITY.rules:
        ruled = VAE(**{**SMALL, "latent_dim": 4}, rule=rule, random_state=0).fit(sets.train)
        expected = roc_auc_score(known, ruled.score_samples(x))
        assert result["methods"][f"d4+{rule}"]["auroc svhn"] == pytest.approx(expected, abs=1e-6), rule
    assert "d2+complexity" not in result["methods"]
    table = summary(DENSITY, results.records(DENSITY, "smoke"))
    assert [row.title for row in table.rows] == ["two", "four", *(f"four, {t}" for t in DENSITY.rules.values())]
    pytest.importorskip("matplotlib")
    names = [d.name for d in DENSITY.figures([result], results.attachments(DENSITY.name, "smoke"))]
    assert names == ["histograms.svg", "information.svg", "along.svg"]


def test_density_experiment_leaves_models_out_at_some_seeds(images, tmp_path):
    result, models, _ = run(DENSITY, tmp_path, 1)
    assert (set(models), list(result["models"])) == ({"d4"}, ["d4"])


def test_generation_experiment_measures_samples_and_codes(images, tmp_path):
    result, models, results = run(GENERATION, tmp_path, 0)
    parts = load_binary("mnist", {}, 0)
    assert set(np.unique(parts.test_binary)) == {0, 255}
    np.testing.assert_array_equal(parts.test_binary, binarise(parts.test_x, seed=0))
    model, features, found = models["mixture"], models["features"], result["methods"]["mixture"]
    drawn = (model.sample(len(parts.test_x), random_state=0) * 255).round().astype(np.uint8)
    expected = frechet_distance(features.transform(drawn), features.transform(parts.test_x))
    assert found["frechet"] == pytest.approx(expected)
    likelihood = model.log_likelihood(parts.test_binary[:20], 7, random_state=0)
    assert found["log-likelihood"] == pytest.approx(likelihood.mean())
    errors = knn_error(
        model.transform(parts.train_binary), parts.train_y, model.transform(parts.test_binary), parts.test_y, k=(5,)
    )
    assert found["knn mean k=5"] == pytest.approx(errors[5], abs=0.02)
    assert 0 < found["reconstruction"] < 14 * 14
    pytest.importorskip("matplotlib")
    drawings = {d.name: d for d in GENERATION.figures([result], results.attachments(GENERATION.name, "smoke"))}
    assert list(drawings) == ["samples.png", "reconstructions.png", "components.png", "trade-off.svg"]
    [axes] = drawings["components.png"].figure.axes
    assert axes.get_title(loc="left") == "mixture"


def test_a_variance_can_be_fixed_at_what_another_model_has_learned(images, tmp_path):
    experiment = replace(
        DENSITY,
        models=(DENSITY.models[0], replace(DENSITY.models[0], name="fixed")),
        fixed_at={"fixed": "d2"},
        rules={},
        presets={"smoke": Preset("smoke")},
        emphasised="d2",
    )
    result, models, _ = run(experiment, tmp_path, 0)
    learned = models["d2"].decoder_variance_
    assert models["fixed"].likelihood == models["fixed"].decoder_variance_ == pytest.approx(learned)
    assert result["methods"]["fixed"]["variance"] == pytest.approx(learned)
    assert len(result["models"]["fixed"]["gradient_norms"]) == 2
    assert result["methods"]["fixed"]["last gradient"] == result["models"]["fixed"]["gradient_norms"][1]
    pytest.importorskip("matplotlib")
    assert "gradients.svg" in [d.name for d in experiment.figures([result], {})]


def test_images_are_tiled_row_by_row():
    images = np.arange(13, dtype=np.uint8)[:, None, None] * np.ones((13, 2, 2), np.uint8)
    grid = tiled(images)
    assert grid[0, ::4].tolist() == list(range(12))
    assert (grid[4, 0], grid[4, 4]) == (12, 0)


@pytest.mark.parametrize("name", [n for n, e in EXPERIMENTS.items() if isinstance(e, PAPERS)])
def test_declared_models_can_be_made(name):
    from knownot.experiments.trained import make_estimator

    experiment = EXPERIMENTS[name]
    shape = (3, 32, 32) if experiment.dataset == "cifar10" else (1, 28, 28)
    for preset in experiment.presets.values():
        for model in experiment.models:
            estimator = make_estimator(model, preset.settings_of(model), 0)
            estimator.input_shape_ = shape
            if estimator.width <= 1:
                module = estimator._make_module()
                assert module.latent_dim == estimator.latent_dim
            assert estimator._make_plan(1000, 0).max_epochs == estimator.max_epochs
    paper = experiment.presets["paper"]
    assert {paper.settings_of(model)["max_epochs"] for model in experiment.models} <= {240, 400}
