"""Experiments on models that know all classes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, average_precision_score, roc_auc_score

from knownot.data import load_named
from knownot.experiments import Model, Preset, Results, Runner
from knownot.experiments.kinds.closed_set import ClosedSetExperiment, CorruptedExperiment, OutsideExperiment
from knownot.experiments.kinds.closed_set.corrupted import corrupted
from knownot.experiments.kinds.protocol import Method
from knownot.experiments.kinds.protocol.parts import load_closed, load_outside
from knownot.experiments.tables import summary
from knownot.views import CORRUPTIONS, corrupt

pytestmark = pytest.mark.usefixtures("images")

SMALL = {"network": "resnet18", "width": 0.0625, "max_epochs": 2, "batch_size": 32, "training__precision": "32-true"}
DECLARED = {
    "name": "test/closed",
    "title": "Generated images",
    "reference": "nowhere",
    "dataset": "cifar10",
    "models": (Model("softmax", "SoftmaxClassifier", SMALL),),
    "methods": (Method("softmax", "softmax", "softmax"), Method("pixels", "pixels", None, "euclidean")),
    "presets": {"smoke": Preset("smoke")},
    "models_of": "test/closed",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("closed")


def run(folder, kind, name, preset=DECLARED["presets"]["smoke"], told=None, **more):
    experiment = kind(**{**DECLARED, "name": f"test/{name}", "presets": {"smoke": preset}, **more})
    tell = (lambda _: None) if told is None else told.append
    runner = Runner(Results(folder / "results"), models=folder / "models", device="cpu", tell=tell)
    return experiment, json.loads(runner.run(experiment, preset, 0).read_text())


def kept_model(folder):
    from knownot import load

    return load(folder / "models" / "test" / "closed" / "smoke" / "softmax-seed0.safetensors")


def test_closed_set_measures_accuracy(folder):
    experiment, found = run(folder, ClosedSetExperiment, "closed")
    parts = load_closed("cifar10", None, {}, 0)
    classes = kept_model(folder).nearest_class(parts.test_x)
    assert found["methods"]["softmax"]["accuracy"] == pytest.approx(accuracy_score(parts.test_codes, classes))
    assert found["methods"]["pixels"]["accuracy"] > 0.95
    assert found["samples"] == {"train": 300, "test known": 120, "test unknown": 0}
    table = summary(experiment, Results(folder / "results").records(experiment, "smoke"))
    assert table.columns[0] == "accuracy"


def test_classes_are_all_or_the_first_or_those_of_a_protocol():
    def of(**more):
        return ClosedSetExperiment(**{**DECLARED, **more}).classes()

    assert of() is None
    assert of(first_classes=3) == [0, 1, 2]
    known = of(known_in="tiny-imagenet")
    assert (len(known), known) == (80, sorted(known))


def test_outside_compares_with_each_set_that_is_there(folder, monkeypatch):
    from knownot.data import NAMED

    monkeypatch.setitem(NAMED, "svhn", NAMED["svhn"].__class__("svhn", lambda *_: None, "SVHN/train_32x32.mat"))
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    told: list[str] = []
    preset = Preset("smoke", at_most={"outside": 90})
    experiment, found = run(folder, OutsideExperiment, "outside", preset, told, outside=("mnist", "svhn", "cifar100"))
    assert found["outside"] == {"mnist": 90, "cifar100": 90}
    assert list(found["left_out"]) == ["svhn"]
    assert any("svhn is left out" in line for line in told)
    model, parts = kept_model(folder), load_closed("cifar10", None, {}, 0)
    inside = model.score_samples(parts.test_x)
    known = np.arange(len(inside) + 90) < len(inside)
    for name in ("mnist", "cifar100"):
        images = load_outside(name, (16, 16, 3), 90, 0)
        scores = np.concatenate([inside, model.score_samples(images)])
        numbers = found["methods"]["softmax"]
        assert numbers[f"auroc {name}"] == pytest.approx(roc_auc_score(known, scores))
        assert numbers[f"aupr_out {name}"] == pytest.approx(average_precision_score(~known, -scores))
        assert numbers[f"rejection {name}"] == pytest.approx((model.predict(images) == -1).mean())
    table = summary(experiment, Results(folder / "results").records(experiment, "smoke"))
    assert table.columns == ("mnist", "cifar100", "accuracy")
    assert [title for title, _ in experiment.details([])][:2] == ["AUPR, known positive", "AUPR, unknown positive"]


def test_corrupted_measures_drops_of_accuracy(folder):
    pytest.importorskip("matplotlib")
    preset = Preset("smoke", at_most={"test": 40})
    methods = DECLARED["methods"][:1]
    experiment, found = run(folder, CorruptedExperiment, "corrupted", preset, methods=methods)
    numbers = found["methods"]["softmax"]
    assert list(numbers["corrupted"]) == list(CORRUPTIONS)
    parts = load_closed("cifar10", None, {"test": 40}, 0)
    classes = kept_model(folder).nearest_class(corrupted(parts.test_x, "fog", 4))
    assert numbers["corrupted"]["fog"][3] == pytest.approx(accuracy_score(parts.test_codes, classes))

    records = {(r.method, r.metric): r.mean for r in Results(folder / "results").records(experiment, "smoke")}
    drops = numbers["accuracy"] - np.array(list(numbers["corrupted"].values()))
    assert drops.shape == (15, 5)
    assert records["softmax", "drop"] == pytest.approx(drops.mean())
    for place in range(5):
        assert records["softmax", f"drop severity {place + 1}"] == pytest.approx(drops[:, place].mean())
    for row, name in zip(drops, CORRUPTIONS, strict=True):
        assert records["softmax", f"drop {name}"] == pytest.approx(row.mean())
    all_records = Results(folder / "results").records(experiment, "smoke")
    assert summary(experiment, all_records).columns == ("clean", "mean drop", *(f"severity {s}" for s in range(1, 6)))
    [(_, columns)] = experiment.details(all_records)
    assert [column.heading for column in columns] == [name.replace("_", " ") for name in CORRUPTIONS]
    [drawing] = experiment.figures([found], {})
    [axes] = drawing.figure.axes
    heights = [bar.get_height() for bar in axes.patches]
    assert heights == pytest.approx([drops.mean(), *drops.mean(1)])


def test_corrupted_does_not_depend_on_how_many_images_there_are(monkeypatch):
    x = load_named("cifar10", "test").x
    whole = corrupted(x, "snow", 3)
    monkeypatch.setattr("knownot.experiments.kinds.closed_set.corrupted._CHUNK", 50)
    assert np.array_equal(corrupted(x, "snow", 3), whole)
    tensor = torch.from_numpy(x[:7]).permute(0, 3, 1, 2).float() / 255.0
    assert np.abs(corrupt(tensor, "snow", 3).permute(0, 2, 3, 1).numpy() * 255.0 - whole[:7]).max() <= 0.5 + 1e-3


def test_numbers_of_results_without_corruptions_are_accuracies():
    experiment = CorruptedExperiment(**DECLARED)
    assert dict(experiment.numbers({"accuracy": 0.5})) == {"accuracy": 0.5}
