"""The softmax classifier on digits and tables: what it learns, answers, refuses and keeps."""

import warnings

import numpy as np
import pytest
import torch
from scipy.special import logsumexp, softmax
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.metrics import roc_auc_score

import knownot
from knownot.data import load_named
from knownot.estimators.softmax import SoftmaxClassifier
from knownot.rules import Likelihood, NearestCentroid, Neighbours
from knownot.rules.softmax import Energy, MaximumLogit, MaximumSoftmax

pytestmark = pytest.mark.filterwarnings("ignore:SoftmaxClassifier is a baseline")
SMALL = {"max_epochs": 30, "batch_size": 32, "learning_rate": 3e-3, "hidden": (32, 8), "random_state": 0}
RULES = [MaximumLogit(), MaximumSoftmax(), Energy(), NearestCentroid(), Neighbours()]


MIN_AUROC = {"max-logit": 0.93, "max-softmax": 0.92, "energy": 0.93, "nc-d": 0.85, "neighbours": 0.92}


def name_of(rule):
    return rule.name


@pytest.fixture(scope="module")
def digits():
    train, test = load_named("digits", "train"), load_named("digits", "test")
    known = train.y < 6
    return train.x[known], train.y[known], test.x, test.y


@pytest.fixture(scope="module")
def model(digits):
    return SoftmaxClassifier(max_epochs=25, random_state=0).fit(*digits[:2])


@pytest.fixture(scope="module")
def blobs():
    X, y = make_blobs(400, centers=3, n_features=6, cluster_std=1.0, random_state=1)
    return X[y < 2], y[y < 2], X[y == 2]


def test_softmax_learns_digits_and_rejects_unknown_ones(digits, model):
    """Lower bounds on the bundled digits that a network or a rule that learned nothing cannot reach."""
    *_, X, y = digits
    known = y < 6
    assert (model.nearest_class(X)[known] == y[known]).mean() > 0.95
    assert model.rule_.name == "max-logit"
    assert roc_auc_score(known, model.score_samples(X)) > MIN_AUROC["max-logit"]
    answers = model.predict(X)
    assert (answers[known] == y[known]).mean() > 0.85
    assert (answers[~known] == -1).mean() > 0.6
    probabilities = model.predict_proba(X[known])
    np.testing.assert_allclose(probabilities.sum(1), 1.0)
    np.testing.assert_array_equal(model.classes_[probabilities.argmax(1)], model.nearest_class(X[known]))


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_rules_tell_unknown_digits_by_one_network(digits, model, rule):
    X, y, X_test, y_test = digits
    rule.fit(model.evidence(X)["embedding"], torch.from_numpy(y))
    evidence = model.evidence(X_test)
    classes, knownness = rule.score(evidence["embedding"], evidence)
    known = y_test < 6
    assert (classes.numpy() == y_test)[known].mean() > 0.95
    assert roc_auc_score(known, knownness) > MIN_AUROC[rule.name]


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_softmax_learns_tables_with_every_rule(blobs, rule):
    X, y, _ = blobs
    model = SoftmaxClassifier(rule=rule, **SMALL).fit(X, y)
    assert (model.nearest_class(X) == y).mean() > 0.97
    assert (model.predict(X) == y).mean() > 0.9
    np.testing.assert_array_equal(model.decision_function(X), model.score_samples(X) - model.offset_)
    assert model.transform(X).shape == (len(X), 8)
    assert (model.transform(X) >= 0).all()
    assert type(model.rule_) is type(rule)
    assert model.rule_ is not rule


def test_softmax_scores_are_those_of_the_rule_on_its_logits(blobs):
    X, y, _ = blobs
    model = SoftmaxClassifier(rule=Energy(2.0), **SMALL).fit(X, y)
    logits = model.evidence(X)["logits"].double().numpy()
    np.testing.assert_allclose(model.score_samples(X), 2.0 * logsumexp(logits / 2.0, axis=1), rtol=1e-9)
    np.testing.assert_array_equal(model.nearest_class(X), logits.argmax(1))
    np.testing.assert_allclose(model.predict_proba(X), softmax(logits / model.rule_.temperature, axis=1), atol=1e-9)


def test_softmax_answers_string_labels_with_strings(blobs):
    X, y, unknown = blobs
    names = np.array(["cat", "dog"])[y]
    model = SoftmaxClassifier(rule=NearestCentroid(), **SMALL).fit(X, names)
    answers = model.predict(np.r_[X, unknown])
    assert set(answers.tolist()) == {"cat", "dog", "unknown"}
    assert (answers[: len(X)] == names).mean() > 0.85


def test_softmax_label_smoothing_narrows_the_range_of_the_logits(blobs):
    X, y, _ = blobs
    spreads = []
    for share in (0.0, 0.2):
        model = SoftmaxClassifier(rule=MaximumLogit(), label_smoothing=share, **SMALL).fit(X, y)
        logits = model.evidence(X)["logits"].double()
        spreads.append(float((logits.max(1).values - logits.min(1).values).median()))
    # The least smoothed cross-entropy of two classes is at a difference of log(0.9 / 0.1).
    assert spreads[1] == pytest.approx(np.log(9.0), rel=0.15)
    assert spreads[0] > 1.5 * spreads[1]


@pytest.mark.parametrize("rule", [MaximumLogit(), MaximumSoftmax(), Energy(1.5)], ids=name_of)
def test_softmax_predicts_the_same_after_loading(blobs, rule, tmp_path):
    X, y, unknown = blobs
    X = np.r_[X, unknown]
    model = SoftmaxClassifier(rule=rule, label_smoothing=0.1, **SMALL).fit(X[: len(y)], np.array(["a", "b"])[y])
    copy = knownot.load(model.save(tmp_path / "model.safetensors"))
    for method in ("predict", "predict_proba", "score_samples", "decision_function", "p_values", "transform"):
        np.testing.assert_array_equal(getattr(copy, method)(X), getattr(model, method)(X), err_msg=method)
    assert type(copy).__name__ == "SoftmaxClassifier"
    assert copy.rule.get_params() == rule.get_params()


def test_softmax_refuses_what_cannot_be_learned(blobs):
    X, y, _ = blobs
    with pytest.raises(ValueError, match="n_classes=1 does not work: a softmax classifier learns from what tells"):
        SoftmaxClassifier(rule=NearestCentroid(), **SMALL).fit(X, np.zeros(len(X), int))
    with pytest.raises(ValueError, match="tell classes apart, but there is one class"):
        SoftmaxClassifier(rule=Energy(), **SMALL).fit(X, np.zeros(len(X), int))
    with pytest.raises(ValueError, match=r"label_smoothing=1\.5 does not work"):
        SoftmaxClassifier(rule=Energy(), label_smoothing=1.5, **SMALL).fit(X, y)
    with pytest.raises(ValueError, match=r"\(rule='likelihood'\) needs the evidence class log-density"):
        SoftmaxClassifier(rule=Likelihood(), **SMALL).fit(X, y)
    model = SoftmaxClassifier(rule=Energy(), **SMALL)
    assert not hasattr(model.fit(X, y), "reconstruct")
    assert clone(model).get_params()["rule"].get_params() == model.rule.get_params()


def test_softmax_sizes_follow_the_samples_or_what_was_given():
    for shape, given, widths in [
        ((1, 28, 28), {"network": "plain"}, [20, 20, 50, 50, 500, 100, 3]),
        ((1, 28, 28), {}, [64, 64, 256, 256, 256, 256, 3]),
        ((3, 64, 64), {"width": 0.5}, [32, 32, 128, 128, 128, 128, 3]),
        ((3, 12, 12), {}, [32, 64, 256, 3]),
        ((7,), {}, [256, 128, 3]),
        ((1, 28, 28), {"blocks": ((1, 4),), "hidden": (9,)}, [4, 9, 3]),
    ]:
        model = SoftmaxClassifier(**given)
        model.input_shape_, model.classes_ = shape, np.arange(3)
        weights = [p for name, p in model._make_module().named_parameters() if name.endswith("weight")]
        assert [len(weight) for weight in weights] == widths


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_softmax_without_rejection_passes_check_estimator(checked):
    short = SMALL | {"max_epochs": 12, "batch_size": 16, "learning_rate": 1e-2, "hidden": (16,)}
    assert checked(SoftmaxClassifier(accept=None, rule=MaximumLogit(), **short))["passed"] > 50


def test_class_weight_is_that_of_scikit_learn_and_moves_the_boundary(tmp_path):
    X, y = make_blobs([500, 40], centers=[[0, 0], [2.2, 0]], random_state=0)
    names = np.array(["many", "few"])[y]
    settings = {"max_epochs": 15, "learning_rate": 5e-3, "accept": None, "random_state": 0}
    fitted = {}
    for weight in (None, "balanced", {"few": 30.0}):
        fitted[str(weight)] = SoftmaxClassifier(class_weight=weight, **settings).fit(X, names)
    found = [(model.predict(X[y == 1]) == "few").mean() for model in fitted.values()]
    assert found[0] + 0.1 < found[1] <= found[2]
    balanced = fitted["balanced"]
    shares = balanced.class_weight_ * np.array([40, 500])  # in order of the labels
    assert shares[0] == pytest.approx(shares[1], rel=0.1)
    loaded = knownot.load(balanced.save(tmp_path / "m.safetensors"))
    assert loaded.class_weight == "balanced"
    np.testing.assert_array_equal(loaded.predict_proba(X), balanced.predict_proba(X))
    assert knownot.load(fitted["{'few': 30.0}"].save(tmp_path / "m.safetensors")).class_weight == {"few": 30.0}


@pytest.mark.parametrize("weight", ["even", {"c": 2.0}, {"a": 0.0}, {"a": np.nan}])
def test_class_weight_is_refused_with_a_sentence(weight):
    X, y = make_blobs(60, centers=2, random_state=0)
    with pytest.raises(ValueError, match="class_weight"):
        SoftmaxClassifier(class_weight=weight, max_epochs=1).fit(X, np.array(["a", "b"])[y])


def test_a_warning_tells_what_softmax_scores_are_worth_on_tables():
    X, y = make_blobs(60, centers=2, random_state=0)
    with pytest.warns(UserWarning, match="Use EmbeddingClassifier there") as caught:
        SoftmaxClassifier(max_epochs=1, accept=None).fit(X, y)
    assert sum("EmbeddingClassifier" in str(warning.message) for warning in caught) == 1
    images = np.random.default_rng(0).random((60, 8, 8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SoftmaxClassifier(max_epochs=1, accept=None).fit(images, y)
