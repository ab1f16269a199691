"""Experiments on protocols: their numbers by other means, from the declaration to the page."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, roc_auc_score
from sklearn.neighbors import NearestNeighbors

from knownot.estimators import SoftmaxClassifier
from knownot.experiments import Context, Model, Preset, Results, Runner
from knownot.experiments.kinds.protocol import Method, ProtocolExperiment
from knownot.experiments.kinds.protocol.measures import Judges, Scored, dimension, fit_rules, open_set_numbers
from knownot.experiments.kinds.protocol.parts import load_protocol
from knownot.experiments.tables import summary

pytestmark = pytest.mark.usefixtures("images")

SMALL = {"network": "resnet18", "width": 0.0625, "max_epochs": 2, "batch_size": 32, "training__precision": "32-true"}
PRESET = Preset("smoke", at_most={"test": 100})
EXPERIMENT = ProtocolExperiment(
    name="test/protocol",
    title="Generated images",
    reference="nowhere",
    protocol="cifar10",
    presets={"smoke": PRESET},
    models=(
        Model("gradmix", "ContrastiveClassifier", {**SMALL, "mixing": "gradmix", "validation_fraction": 0.1}),
        Model("softmax", "SoftmaxClassifier", {**SMALL, "validation_fraction": 0.1}),
    ),
    methods=(
        Method("gradmix", "GradMix", "gradmix"),
        Method("gradmix+own", "its own rule once more", "gradmix", "class-similarity"),
        Method("softmax", "largest logit", "softmax"),
        Method("softmax+energy", "energy", "softmax", "energy"),
        Method("softmax+neighbours", "neighbours", "softmax", "neighbours"),
        Method("pixels", "pixels", None, "euclidean"),
        Method("pixels+cosine", "pixels, cosine", None, "cosine"),
    ),
    published={"gradmix": {"auroc": 0.9}},
    emphasised="gradmix",
    compared=True,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("protocol")


@pytest.fixture
def measured(folder):
    """Result of seed 2, run once; its models are kept."""
    runner = Runner(Results(folder / "results"), models=folder / "models", device="cpu", tell=lambda _: None)
    return json.loads(runner.run(EXPERIMENT, PRESET, 2).read_text())


@pytest.fixture
def parts():
    return load_protocol("cifar10", 3, PRESET.at_most, 2)


def model_of(folder, measured, name):
    from knownot import load

    return load(folder / "models" / "test" / "protocol" / "smoke" / f"{name}-seed2.safetensors")


def test_result_names_the_split_of_its_seed(measured):
    assert (measured["split"], measured["known_classes"]) == (3, ["1", "5", "7", "3", "9", "4"])
    assert measured["samples"]["train"] == 180
    assert measured["samples"]["test known"] + measured["samples"]["test unknown"] == 100
    assert list(measured["methods"]) == [method.name for method in EXPERIMENT.methods]
    assert measured["models"]["gradmix"]["seconds"] > 0


def test_models_are_left_out_at_some_seeds(tmp_path):
    preset = Preset("smoke", {"softmax": {"max_epochs": 1}}, {"test": 60}, only={"gradmix": (0,)})
    runner = Runner(Results(tmp_path), device="cpu", tell=lambda _: None)
    result = json.loads(runner.run(EXPERIMENT, preset, 1).read_text())
    assert list(result["models"]) == ["softmax"]
    assert list(result["methods"]) == ["softmax", "softmax+energy", "softmax+neighbours", "pixels", "pixels+cosine"]


def test_split_of_a_seed():
    assert [EXPERIMENT.split_of(seed) for seed in (0, 1, 4, 5)] == [1, 2, 5, 1]
    assert [Fixed.split_of(seed) for seed in (0, 3)] == [4, 4]


Fixed = ProtocolExperiment(
    name="test/fixed", title="", reference="", presets={}, protocol="cifar10", methods=(), split=4
)


@pytest.mark.parametrize("name", ["gradmix", "softmax"])
def test_numbers_of_a_model_are_those_of_scikit_learn_on_its_scores(name, measured, folder, parts):
    model, found = model_of(folder, measured, name), measured["methods"][name]
    scores, known = model.score_samples(parts.test_x), parts.known
    assert found["auroc"] == pytest.approx(roc_auc_score(known, scores))
    assert found["aupr_in"] == pytest.approx(average_precision_score(known, scores))
    assert found["aupr_out"] == pytest.approx(average_precision_score(~known, -scores))
    nearest = model.nearest_class(parts.test_x)
    assert found["accuracy"] == pytest.approx(accuracy_score(parts.test_codes[known], nearest[known]))
    answers = model.predict(parts.test_x)
    assert found["acceptance"] == pytest.approx((answers[known] != -1).mean())
    assert found["rejection"] == pytest.approx((answers[~known] == -1).mean())
    assert found["dimension"] == pytest.approx(
        dimension(model, parts.test_x[known], parts.test_codes[known])["dimension"]
    )


def test_rule_of_the_models_own_kind_says_what_the_model_says(measured):
    own, again = (dict(measured["methods"][name]) for name in ("gradmix", "gradmix+own"))
    assert {"acceptance", "rejection"} <= set(own)
    assert again == {name: value for name, value in own.items() if name not in ("acceptance", "rejection")}


def test_further_rules_are_those_of_an_estimator_with_that_rule(measured, parts):
    settings = {name: value for name, value in SMALL.items() if "__" not in name}
    for rule in ("energy", "neighbours"):
        model = SoftmaxClassifier(**settings, rule=rule, validation_fraction=0.1, random_state=2, accelerator="cpu")
        model.set_params(training__precision="32-true").fit(parts.train_x, parts.train_codes)
        scores = model.score_samples(parts.test_x)
        assert measured["methods"][f"softmax+{rule}"]["auroc"] == pytest.approx(
            roc_auc_score(parts.known, scores), abs=1e-6
        )


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_pixels_are_scikit_learns_neighbours(metric, measured, parts):
    train, test = (x.reshape(len(x), -1) / 255.0 for x in (parts.train_x, parts.test_x))
    if metric == "cosine":
        train, test = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (train, test))
    distances = NearestNeighbors(n_neighbors=5).fit(train).kneighbors(test)[0].mean(1)
    found = measured["methods"]["pixels" if metric == "euclidean" else "pixels+cosine"]
    assert found["auroc"] == pytest.approx(roc_auc_score(parts.known, -distances), abs=1e-4)
    # Each class is a pattern, so that pixels suffice.
    assert found["accuracy"] > 0.95
    assert "dimension" not in found


def test_table_has_the_papers_number_and_the_page_a_figure(measured, folder):
    from knownot.experiments.figures import encoded

    records = Results(folder / "results").records(EXPERIMENT, "smoke")
    table = summary(EXPERIMENT, records)
    assert table.columns == ("AUROC", "OSCR", "accuracy", "ID", "rejected", "accepted")
    assert table.rows[0].title == "GradMix"
    assert table.rows[0].emphasised
    assert table.rows[0].cells[0].endswith("(0.9)")
    assert "each on a published split of its own" in EXPERIMENT.legend(records)
    assert "seeds on split 4" in Fixed.legend(records)
    [drawing] = EXPERIMENT.figures([measured], {})
    assert b"GradMix" in encoded(drawing.figure, "svg") or len(encoded(drawing.figure, "svg")) > 1000


def test_open_set_numbers_by_hand():
    scored = Scored(np.array([0, 1, 1, 0]), np.array([0.9, 0.2, 0.5, 0.1]))
    found = open_set_numbers(scored, np.array([0, 1, -1, -1]))
    assert (found["auroc"], found["accuracy"]) == (0.75, 1.0)
    assert open_set_numbers(scored, np.array([0, 0, -1, -1]))["oscr"] == 0.5


def test_dimension_is_left_out_where_there_are_too_few_samples():
    class Model:
        def transform(self, x):
            return np.ones((len(x), 3))

    assert dimension(Model(), np.zeros((2, 4)), np.array([0, 1])) == {}


def test_rule_that_the_model_cannot_serve_is_refused(measured, folder, parts):
    model = model_of(folder, measured, "gradmix")
    with pytest.raises(ValueError, match="logits"):
        fit_rules(model, {"x": "energy"}, parts.train_x, parts.train_codes, 0)


def test_judges_ask_a_model_once_for_all_its_rules(measured, folder, parts):
    model, asked = model_of(folder, measured, "softmax"), []

    class Counting:
        def __getattr__(self, name):
            return getattr(model, name)

        def evidence(self, x):
            asked.append(len(x))
            return model.evidence(x)

    judges = Judges(EXPERIMENT.methods[3:5], {"softmax": Counting()}, parts, 0)
    asked.clear()
    assert set(judges.score(parts.test_x)) == {"softmax+energy", "softmax+neighbours"}
    assert asked == [100]


def test_method_without_model_needs_a_metric():
    with pytest.raises(ValueError, match="pixels has no model, and rule='energy': give 'euclidean' or 'cosine'"):
        Method("pixels", "", None, "energy")


def test_kept_models_of_another_experiment_are_taken(measured, folder, tmp_path):
    from dataclasses import replace

    told: list[str] = []
    runner = Runner(Results(tmp_path), models=folder / "models", device="cpu", tell=told.append)
    other = replace(EXPERIMENT, name="test/other", models_of="test/protocol", methods=EXPERIMENT.methods[:1])
    run = json.loads(runner.run(other, PRESET, 2).read_text())
    assert run["methods"]["gradmix"] == measured["methods"]["gradmix"]
    assert not any("training" in line for line in told)
    context = Context(experiment="a/b", preset=PRESET, seed=0, work=tmp_path)
    assert context.models_of == ""
