"""Linear probes of encoders that learned without labels."""

from __future__ import annotations

import json

import numpy as np
import pytest

from knownot.experiments import Model, Preset, Results, Runner
from knownot.experiments.kinds.probes import ProbeExperiment, epochs_figure, linear_probe
from knownot.experiments.kinds.protocol.parts import load_closed
from knownot.experiments.tables import summary

SMALL = {"network": "resnet18", "width": 0.0625, "batch_size": 32, "training__precision": "32-true"}
PRESET = Preset("smoke", {"long": {"max_epochs": 2}})
EXPERIMENT = ProbeExperiment(
    name="test/probes",
    title="Generated images",
    reference="nowhere",
    dataset="cifar10",
    known_in="cifar10",
    presets={"smoke": PRESET},
    models=(
        Model("short", "SelfSupervisedEncoder", {**SMALL, "max_epochs": 1, "mixing": "none"}, "one epoch"),
        Model("long", "SelfSupervisedEncoder", {**SMALL, "max_epochs": 1, "mixing": "none", "method": "moco"}),
    ),
    lines={"plain": ("short", "long")},
    emphasised="short",
)


def test_probe_experiment_measures_what_the_features_are_worth(images, tmp_path):
    from knownot import load

    runner = Runner(Results(tmp_path / "results"), models=tmp_path / "models", device="cpu", tell=lambda _: None)
    run = json.loads(runner.run(EXPERIMENT, PRESET, 1).read_text())
    assert [run["models"][name]["epochs"] for name in ("short", "long")] == [1, 2]
    encoder = load(tmp_path / "models" / "test" / "probes" / "smoke" / "short-seed1.safetensors")
    parts = load_closed("cifar10", None, {}, 1)
    features = [encoder.transform(x) for x in (parts.train_x, parts.test_x)]
    assert run["methods"]["short"] == pytest.approx(
        linear_probe(features[0], parts.train_codes, features[1], parts.test_codes)
    )
    assert run["methods"]["short"]["top5"] >= run["methods"]["short"]["top1"] > 0.3
    table = summary(EXPERIMENT, runner.results.records(EXPERIMENT, "smoke"))
    assert (table.columns, [row.title for row in table.rows]) == (("top-1", "top-5"), ["one epoch", "long"])
    pytest.importorskip("matplotlib")
    [drawing] = EXPERIMENT.figures([run], {})
    [line] = drawing.figure.axes[0].lines
    assert line.get_xdata().tolist() == [1, 2]
    assert line.get_ydata().tolist() == pytest.approx([run["methods"][name]["top1"] for name in ("short", "long")])


def test_linear_probe_counts_the_first_five():
    random = np.random.default_rng(0)
    codes = np.arange(400) % 8
    x = np.eye(8)[codes] * 4.0 + random.normal(size=(400, 8))
    found = linear_probe(x[:200], codes[:200], x[200:], codes[200:])
    assert 0.8 < found["top1"] < found["top5"] <= 1.0
    # Noise tells nothing: one in eight, and five in eight.
    noise = random.normal(size=(2000, 4))
    found = linear_probe(noise, np.arange(2000) % 8, random.normal(size=(2000, 4)), np.arange(2000) % 8)
    assert found["top1"] == pytest.approx(1 / 8, abs=0.03)
    assert found["top5"] == pytest.approx(5 / 8, abs=0.04)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_linear_probe_of_few_classes(n_classes):
    codes = np.arange(60) % n_classes
    found = linear_probe(np.eye(n_classes)[codes], codes, np.eye(n_classes)[codes], codes)
    assert found == {"top1": 1.0, "top5": 1.0}


def test_epochs_figure_leaves_out_what_was_not_run():
    pytest.importorskip("matplotlib")
    run = {"methods": {"a": {"top1": 0.25}}, "models": {"a": {"epochs": 7}}}
    figure = epochs_figure([run], {"one": ("a", "b"), "other": ("c",)})
    [line] = figure.axes[0].lines
    assert (line.get_xdata().tolist(), line.get_ydata().tolist()) == ([7], [0.25])
