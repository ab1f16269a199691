"""Headers of model files with and without the facts that only some estimators have."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from rich.console import Console

from knownot.cli.inspect import card, read_facts
from knownot.cli.terminal import THEME

BASE = {
    "format_version": 1,
    "estimator": "Some",
    "saved": "2026-01-02T03:04:05+00:00",
    "knownot": "1.0",
    "torch": "2.13",
    "parameters": {"accept": 0.9},
}
HISTORY = {
    "records": [
        {"seconds": 1.0, "train": {"total": 3.0}, "validation": None},
        {"seconds": 2.0, "train": {"total": 2.0, "fit": 2.0}, "validation": {"total": 2.5, "fit": 2.5}},
    ],
    "best_epoch": 2,
    "stopped": "early",
    "device": "cpu",
    "precision": "32-true",
}


@pytest.fixture
def written(tmp_path):
    """Write a model file with some facts and tensors."""

    def write(tensors, **facts):
        from safetensors.numpy import save_file

        path = tmp_path / "m.safetensors"
        save_file(tensors, path, metadata={"knownot": json.dumps(BASE | facts)})
        return path

    return write


def shown(facts) -> str:
    text = io.StringIO()
    Console(file=text, width=100, theme=THEME).print(card(facts))
    return text.getvalue()


def test_read_facts_of_a_density_has_no_classes(written):
    offset = {"threshold.offset": np.array(-3.5), "module.mean": np.zeros((4, 5), np.float32)}
    facts = read_facts(written(offset, input_shape=[2], accept=0.9, history=HISTORY, parameters={"n_components": 4}))
    assert facts["threshold"] == -3.5
    assert facts["weights"] == 20
    assert facts["training"]["seconds"] == 3.0
    assert not {"classes", "rule", "n_subclusters"} & set(facts)
    text = shown(facts)
    for words in ("tables with 2 columns", "-3.5, accepts 90.0 %", "2 epochs, best 2, stopped early", "fit 2.5"):
        assert words in text
    for words in ("Classes", "Rule", "Subclusters", "None"):
        assert words not in text
    assert text.split("Components")[1].split()[0] == "4"


def test_read_facts_of_a_classifier_without_a_network_has_no_training(written):
    facts = read_facts(
        written(
            {"threshold.offset": np.array(-np.inf), "rule.means": np.zeros((2, 2))},
            classes=["cat", "dog"],
            input_shape=[2],
            feature_names=["a", "b"],
            accept=None,
            parameters={"rule": {"rule": "nc-d", "settings": []}},
        )
    )
    assert facts["rule"] == "nc-d"
    assert not {"training", "weights", "accept", "latent_dim"} & set(facts)
    text = shown(facts)
    for words in ("2: cat, dog", "2 columns: a, b", "nc-d", "none: every sample is accepted"):
        assert words in text
    for words in ("Trained", "Loss", "weights", "Embedding"):
        assert words not in text


def test_read_facts_of_a_clusterer_has_no_threshold(written):
    facts = read_facts(written({"clusters.labels": np.zeros(3)}, input_shape=[1, 8, 6], latent_dim=5))
    assert "threshold" not in facts
    text = shown(facts)
    assert "images of 8 × 6 pixels, grey" in text
    assert "5 dimensions" in text
    assert "Threshold" not in text


@pytest.mark.parametrize("missing", ["estimator", "saved", "parameters"])
def test_read_facts_refuses_a_header_without_what_all_models_have(written, monkeypatch, missing):
    monkeypatch.delitem(BASE, missing)
    with pytest.raises(ValueError, match=f"does not hold a whole model .'{missing}'"):
        read_facts(written({"threshold.offset": np.zeros(())}))


def test_thresholds_of_classes_are_shown(written):
    tensors = {
        "threshold.offset": np.array(-3.5),
        "threshold.scores": np.arange(120.0),
        "threshold.class_offsets": np.array([-2.25, -np.inf]),
    }
    facts = read_facts(written(tensors, classes=["ash", "bay"], input_shape=[2], accept=0.9))
    assert facts["class_thresholds"] == [-2.25, -np.inf]
    assert facts["calibration_samples"] == 120
    text = " ".join(shown(facts).split())
    assert "Of each class ash -2.25, bay -inf" in text
    assert "accepts 90.0 % of known samples; 120 calibration samples" in text
