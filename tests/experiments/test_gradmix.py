"""The published settings and numbers of the GradMix paper."""

from __future__ import annotations

import json

import numpy as np
import pytest

from knownot.data import NAMED, PROTOCOLS
from knownot.experiments import EXPERIMENTS, Results, Runner, queue
from knownot.experiments.gradmix import PAPER
from knownot.experiments.kinds.protocol import ProtocolExperiment
from knownot.experiments.trained import make_estimator

NAMES = [experiment.name for experiment in PAPER.experiments]
PROTOCOL = [experiment for experiment in PAPER.experiments if isinstance(experiment, ProtocolExperiment)]


def experiment_of(name):
    return EXPERIMENTS[f"gradmix/{name}"]


def test_there_is_an_experiment_for_each_table_and_figure():
    assert {name.removeprefix("gradmix/") for name in NAMES} >= {
        "mnist", "svhn", "cifar10", "cifar+10", "cifar+50", "tiny-imagenet", "intrinsic-dimension",
        "intrinsic-dimension-tiny", "augmentations-cifar10", "augmentations-tiny", "layers", "attribution",
        "closed-set", "outside", "corruptions", "self-supervised", "activated-share",
    }  # fmt: skip
    assert all(set(experiment.presets) == {"smoke", "cpu", "fast", "paper"} for experiment in PAPER.experiments)


@pytest.mark.parametrize(
    ("name", "auroc"),
    [
        ("mnist", 99.8), ("svhn", 94.7), ("cifar10", 91.33), ("cifar+10", 98.62), ("cifar+50", 97.64),
        ("tiny-imagenet", 81.92),
    ],
)  # fmt: skip
def test_published_numbers_of_table_2(name, auroc):
    assert experiment_of(name).published == {"gradmix": {"auroc": pytest.approx(auroc / 100)}}


def test_published_numbers_of_the_other_tables():
    found = experiment_of("intrinsic-dimension").published
    assert found["supcon"] == {"auroc": 0.6715, "dimension": 8.07}
    assert found["supcon+simclr"] == {"auroc": 0.8875, "dimension": 14.25}
    assert experiment_of("intrinsic-dimension-tiny").published["supcon+simclr"]["dimension"] == 17.47
    closed = [
        experiment_of(f"closed-set{name}").published["gradmix"]["accuracy"] for name in ("", "-cifar100", "-tiny")
    ]
    assert closed == [0.941, 0.78, 0.7246]
    assert experiment_of("corruptions").published["gradmix"]["drop severity 5"] == 0.2864
    assert experiment_of("corruptions").published["supcon+simclr"]["drop"] == 0.1808
    outside = experiment_of("outside").published["gradmix"]
    assert (outside["auroc cifar100"], outside["auroc svhn"], outside["aupr_in svhn"]) == (0.9322, 0.987, 0.985)
    # Not targets: they cannot go with the rest.
    assert not any(metric.startswith(("tnr95", "dtacc")) or metric == "aupr_out svhn" for metric in outside)


def test_paper_preset_is_the_papers():
    weights = {"mnist": (1.0, 3.0), "cifar10": (1.0, 1.2), "tiny-imagenet": (1.0, 1.0)}
    epochs = {"mnist": (10, 10), "cifar10": (400, 650), "tiny-imagenet": (600, 800)}
    for name, (theta, weight) in weights.items():
        experiment = experiment_of(name)
        settings = experiment.preset("paper").settings_of(experiment.models[0])
        assert (settings["supervised_weight"], settings["self_supervised_weight"]) == (theta, weight)
        assert epochs[name][0] <= settings["max_epochs"] <= epochs[name][1]
        assert (settings["network"], settings["temperature"], settings["batch_size"]) == ("resnet18", 0.05, 256)
        assert (settings["learning_rate"], settings["training__optimizer"]) == (1e-3, "adam")
        assert not experiment.preset("paper").at_most
        estimator = make_estimator(experiment.models[0], settings, 0)
        assert (estimator.rule, estimator.projection_dim, estimator.width) == ("class-similarity", 128, 1.0)
    assert experiment_of("mnist").models[0].settings["mixing"] == "none"
    assert experiment_of("cifar10").models[0].settings["mixing"] == "gradmix"


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_parameters_that_work_and_json_keeps(name):
    experiment = EXPERIMENTS[name]
    for preset in experiment.presets.values():
        for model in experiment.models:
            settings = preset.settings_of(model)
            assert json.loads(json.dumps(settings)) == settings
            estimator = make_estimator(model, settings, 3)
            assert estimator.random_state == 3
            estimator._training_settings().plan(max_epochs=estimator.max_epochs or 1)
            if hasattr(estimator, "_make_mixing"):
                estimator.input_shape_ = (1, 28, 28) if name.endswith("mnist") else (3, 32, 32)
                estimator._make_mixing()


@pytest.mark.parametrize("name", NAMES)
def test_names_are_of_what_there_is(name):
    experiment = EXPERIMENTS[name]
    models = {model.name for model in experiment.models}
    assert {method.model for method in getattr(experiment, "methods", ())} <= models | {None}
    assert set(experiment.published) <= set(experiment.titles)
    assert experiment.emphasised in experiment.titles
    assert getattr(experiment, "protocol", "mnist") in PROTOCOLS
    assert {getattr(experiment, "dataset", "mnist"), *getattr(experiment, "outside", ())} <= set(NAMED)
    for names in getattr(experiment, "lines", {}).values():
        assert set(names) <= models


@pytest.mark.parametrize("name", [name for name in NAMES if EXPERIMENTS[name].models_of])
def test_shared_models_are_the_same(name):
    """A kept model is told from another by its settings, not by the data that it learned from."""
    experiment = EXPERIMENTS[name]
    other = EXPERIMENTS[experiment.models_of]
    theirs = {model.name: model for model in other.models}
    shared = [model for model in experiment.models if model.name in theirs]
    assert shared
    for size in experiment.presets:
        ours, of_other = experiment.preset(size), other.preset(size)
        for part in ("train", "pixels"):
            assert ours.at_most.get(part) == of_other.at_most.get(part)
        for model in shared:
            assert ours.settings_of(model) == of_other.settings_of(theirs[model.name])
    for what in ("protocol", "dataset"):
        assert getattr(experiment, what, None) == getattr(other, what, None)
    assert experiment.seeds == other.seeds


@pytest.mark.parametrize("experiment", PROTOCOL, ids=lambda experiment: experiment.name)
def test_seeds_run_the_published_splits(experiment):
    assert [experiment.split_of(seed) for seed in experiment.seeds] == [1, 2, 3, 4, 5]


def test_queue_has_the_size_for_pieces_first_and_cifar10_at_its_head(tmp_path):
    items = queue(Results(tmp_path))
    assert (items[0].experiment.name, items[0].preset.name, items[0].seed) == ("gradmix/cifar10", "fast", 0)
    sizes = {item.experiment.name: item.preset.name for item in items}
    assert {size for name, size in sizes.items() if name in NAMES} == {"fast"}
    assert {size for name, size in sizes.items() if name not in NAMES} == {"paper"}
    assert {item.preset.name for item in queue(Results(tmp_path), "paper")} == {"paper"}
    assert "gradmix/cifar10" in {item.experiment.name for item in queue(Results(tmp_path), "paper")}
    assert all(item.minutes > 0 for item in items)


@pytest.mark.parametrize("name", ["cifar+10", "svhn"])
def test_data_that_are_not_at_hand_run_where_there_are_files(name, monkeypatch, tmp_path):
    """Files as their publishers have them, with a few images in each."""
    import importlib.util
    from pathlib import Path

    from scipy.io import savemat

    spec = importlib.util.spec_from_file_location("formats", Path(__file__).parents[1] / "data" / "test_formats.py")
    formats = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(formats)
    data, random = tmp_path / "data", np.random.default_rng(0)
    monkeypatch.setenv("KNOWNOT_DATA", str(data))
    for folder in ("cifar-10-batches-py", "cifar-100-python", "SVHN"):
        (data / folder).mkdir(parents=True)

    def drawn(n):
        return random.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)

    for batch in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        formats.write_cifar(data / "cifar-10-batches-py" / batch, drawn(100), [i % 10 for i in range(100)])
    formats.write_cifar(data / "cifar-100-python" / "test", drawn(200), [i % 100 for i in range(200)], "fine_labels")
    for part in ("train", "test"):
        labels = (np.arange(400) % 10 + 1)[:, None].astype(np.uint8)
        savemat(data / "SVHN" / f"{part}_32x32.mat", {"X": drawn(400).transpose(1, 2, 3, 0), "y": labels})

    experiment = experiment_of(name)
    runner = Runner(Results(tmp_path / "results"), device="cpu", tell=lambda _: None)
    run = json.loads(runner.run(experiment, experiment.preset("smoke"), 1).read_text())
    assert run["split"] == 2
    assert [int(c) for c in run["known_classes"]] == list(PROTOCOLS[name].splits[1].labels)
    assert run["samples"]["test unknown"] == (20 if name == "cifar+10" else 160)
    assert set(run["methods"]) == set(experiment.titles)
