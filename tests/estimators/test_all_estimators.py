"""What all estimators share: a fit that counts whole or not at all, nested parameters, arguments that moved."""

import inspect
import signal

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.model_selection import GridSearchCV

import knownot
from knownot import (
    VAE,
    ContrastiveClassifier,
    CROSRClassifier,
    EmbeddingClassifier,
    GaussianMixtureClusterer,
    GaussianMixtureDensity,
    GMVAEClassifier,
    MultiLabelVAE,
    SelfSupervisedEncoder,
    SemiSupervisedVAE,
    SoftmaxClassifier,
    TrainingSettings,
    catalogue,
)
from knownot.data import label_codes
from knownot.rules import MaximumLogit, Weibull

SMALL = {"max_epochs": 4, "batch_size": 32, "random_state": 0}
GMVAE = SMALL | {"hidden": (16,), "latent_dim": 3}
LOGIT_RULES = ("max-softmax", "max-logit", "energy", "openmax", "network")
DENSITY_RULES = ("log-density", "typicality")
# Of images alone.
IMAGE_RULES = ("complexity",)
CLASSES = [catalogue.resolve(address) for address in catalogue.ESTIMATORS.values()]


@pytest.fixture(scope="module")
def blobs():
    X, y = make_blobs(240, centers=3, n_features=5, random_state=0)
    return X[y < 2], y[y < 2], X[y == 2]


class StopError(Exception):
    pass


@pytest.mark.parametrize("error", [KeyboardInterrupt, StopError, SystemExit])
def test_fit_leaves_the_old_model_whatever_is_raised_and_wherever(blobs, monkeypatch, error):
    X, y, _ = blobs
    model = GMVAEClassifier(**GMVAE).fit(X, y)
    before, scores = dict(vars(model)), model.score_samples(X)
    for place in (
        "knownot.estimators.rejection.hold_out",
        "knownot.estimators.inputs.Scaling.apply",
        "knownot.rules.combined.CombinedEvidence.fit",
        "knownot.rules.combined.CombinedEvidence.calibrate",
        "knownot.rules.threshold.ConformalThreshold.fit",
    ):
        with monkeypatch.context() as patch:

            def stop(*_, **__):
                raise error

            patch.setattr(place, stop)
            with pytest.raises(error):
                model.fit(-X, np.array(["a", "b"])[y])
        assert vars(model) == before, place
        assert not torch.is_inference_mode_enabled()
        np.testing.assert_array_equal(model.score_samples(X), scores)


@pytest.mark.slow
def test_fit_interrupted_at_any_moment_leaves_a_whole_model(blobs):
    """Ctrl-C at 20 moments of a refit: either the old model or, ended in the loop, a whole new one."""
    X, y, _ = blobs
    model = GMVAEClassifier(**GMVAE).fit(X, y)
    scores, n_old = model.score_samples(X), 0
    names = np.array(["a", "b"])[y]

    def interrupt(*_):
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        for moment in np.linspace(0.001, 0.4, 20):
            again = clone(model).fit(X, y) if model.classes_[0] != 0 else model
            signal.setitimer(signal.ITIMER_REAL, moment)
            try:
                again.fit(X, names)
            except KeyboardInterrupt:
                pass
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            model = again
            if again.classes_.tolist() == [0, 1]:
                np.testing.assert_array_equal(again.score_samples(X), scores)
                n_old += 1
            else:
                assert set(again.predict(X).tolist()) <= {"a", "b", "unknown"}
                assert again.module_ is not None
                assert len(again.threshold_.scores_) > 1
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert n_old


@pytest.mark.usefixtures("few_trees")
def test_fit_leaves_gradients_on_where_an_interrupt_left_them_off(blobs, monkeypatch):
    X, y, _ = blobs
    model = EmbeddingClassifier(random_state=0)

    def interrupted(*_):
        torch.set_grad_enabled(False)
        raise KeyboardInterrupt

    monkeypatch.setattr("knownot.rules.neighbours.Neighbours.fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert torch.is_grad_enabled()


@pytest.mark.usefixtures("few_trees")
def test_fit_forgets_what_belonged_to_the_fit_before(blobs, tmp_path):
    X, y, _ = blobs
    model = knownot.load(EmbeddingClassifier(random_state=0).fit(X, y).save(tmp_path / "m.safetensors"))
    assert model.saved_
    assert not hasattr(model.fit(X, y), "saved_")


def test_set_params_sets_nested_parameters_from_any_start(blobs):
    X, y, _ = blobs
    model = GMVAEClassifier(**GMVAE).set_params(training__weight_decay=0.1, rule="weibull", rule__tail_size=7)
    assert isinstance(model.rule, Weibull)
    assert (model.training.weight_decay, model.rule.tail_size) == (0.1, 7)
    assert model.set_params(training__patience=3).training.weight_decay == 0.1
    grid = {"training__weight_decay": [0.0, 0.01], "rule__k": [1, 3]}
    search = GridSearchCV(GMVAEClassifier(**GMVAE), grid, cv=2, error_score="raise").fit(X, y)
    assert set(search.best_params_) == set(grid)
    assert search.best_estimator_.rule_.k == search.best_params_["rule__k"]
    shared = TrainingSettings(weight_decay=0.5)
    copy = clone(GMVAEClassifier(training=shared)).set_params(training__weight_decay=0.0)
    assert (shared.weight_decay, copy.training.weight_decay) == (0.5, 0.0)


def test_training_settings_are_checked_when_fitted(blobs):
    X, y, _ = blobs
    for settings, message in (
        (TrainingSettings(patience=0), "patience=0 does not work"),
        (TrainingSettings(schedule="step"), "schedule='step' does not work"),
        ({"patience": 3}, r"training=\{'patience': 3\} does not work: give TrainingSettings"),
    ):
        with pytest.raises(ValueError, match=message):
            GMVAEClassifier(training=settings, **GMVAE).fit(X, y)
    with pytest.raises(ValueError, match="warmup_epochs=2 does not work: SoftmaxNet has no divergences to warm up"):
        SoftmaxClassifier(training=TrainingSettings(warmup_epochs=2), **SMALL).fit(X, y)


def test_estimators_say_where_arguments_have_moved():
    with pytest.raises(TypeError, match=r"'precision' of its own any more: give training=TrainingSettings\(precision"):
        GMVAEClassifier(precision="32-true")
    with pytest.raises(AttributeError, match=r"it is now knownot\.experiments\.open_gmvae\.PAPER_SETTINGS"):
        knownot.estimators.PAPER_SETTINGS  # noqa: B018


@pytest.mark.parametrize("cls", CLASSES)
def test_estimators_take_twenty_parameters_at_most(cls):
    assert len(inspect.signature(cls).parameters) <= 20


def test_label_codes_look_labels_up_by_value():
    classes = np.array(["emu", "ant", "cat"])
    assert label_codes(np.array(["cat", "dog", "emu"]), classes).tolist() == [2, -1, 0]
    assert label_codes(np.array([3, 1, 7]), np.array([7, 3])).tolist() == [1, -1, 0]
    assert label_codes(np.array([True, False]), np.array([False, True])).tolist() == [1, 0]
    assert label_codes(np.array(["1"]), np.array([1])).tolist() == [-1]
    assert label_codes(np.array([2**63], np.uint64), np.array([1, 2])).tolist() == [-1]


@pytest.mark.usefixtures("few_trees")
def test_to_moves_the_rule_along(blobs):
    """Without a second device here: the rule is asked to follow the evidence, and moves all that it holds."""
    X, y, _ = blobs
    for name in [name for name in catalogue.RULES if name not in IMAGE_RULES]:
        own = SoftmaxClassifier if name in LOGIT_RULES else VAE if name in DENSITY_RULES else GMVAEClassifier
        model = own(rule=name, **(GMVAE if own is GMVAEClassifier else SMALL)).fit(X, y)
        scores = model.score_samples(X)
        assert model.rule_.to("cpu") is model.rule_
        restored = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(model.rule_), "restore", lambda _, state, seen=restored: seen.append(state))
            model.rule_.to("meta")
        states = [tensor for state in restored for tensor in state.values()]
        assert {tensor.device.type for tensor in states} <= {"meta"}
        assert len(states) == len(model.rule_.state())
        with pytest.MonkeyPatch.context() as patch:
            asked = []
            patch.setattr(type(model.rule_), "to", lambda _, device, seen=asked: seen.append(device))
            np.testing.assert_array_equal(model.to("cpu").score_samples(X), scores)
            assert [device.type for device in asked] == ["cpu"]


@pytest.mark.parametrize("fraction", [0.0, 0.7, -1])
@pytest.mark.parametrize("cls", [EmbeddingClassifier, GaussianMixtureDensity, GaussianMixtureClusterer])
def test_fit_refuses_a_validation_fraction_out_of_range(blobs, cls, fraction):
    X, y, _ = blobs
    with pytest.raises(ValueError, match=r"validation_fraction=.* does not work: give a share above 0"):
        cls(validation_fraction=fraction).fit(X, y)


def test_assess_says_the_same_as_each_method_from_one_pass(blobs, monkeypatch):
    X, y, unknown = blobs
    X, names = np.r_[X, unknown], np.array(["a", "b"])[y]
    model = GMVAEClassifier(**GMVAE).fit(X[: len(y)], names)
    expected = {
        "class": model.predict(X),
        "knownness": model.score_samples(X),
        "p_value": model.p_values(X),
        "nearest_class": model.nearest_class(X),
        "embedding": model.transform(X),
    }
    calls = []
    evidence = type(model.module_).evidence
    monkeypatch.setattr(type(model.module_), "evidence", lambda *a: calls.append(1) or evidence(*a))
    found = model.assess(X)
    assert len(calls) == 1
    assert list(found) == list(expected)
    for name, column in expected.items():
        np.testing.assert_array_equal(found[name], column, err_msg=name)


ONE_LABEL_CHECKS = (
    "check_estimators_dtypes",
    "check_classifier_data_not_an_array",
    "check_classifiers_classes",
    "check_classifiers_train",
    "check_classifiers_regression_target",
    "check_classifier_not_supporting_multiclass",
    "check_transformer_data_not_an_array",
    "check_transformer_general",
    "check_fit2d_1feature",
)


def expected_failures(estimator):
    """Checks that forbid a classifier to reject, or want -1 to be an ordinary label."""
    if isinstance(estimator, MultiLabelVAE):
        return dict.fromkeys(
            ONE_LABEL_CHECKS, "gives one label, or others than 0 and 1, where there are several of these"
        )
    if isinstance(estimator, SemiSupervisedVAE):
        return {"check_classifiers_classes": "asks that -1 be an ordinary label, where it stands for none"}
    if getattr(estimator, "accept", None) is None or not hasattr(estimator, "rule"):
        return {}
    return {
        "check_classifiers_classes": "asks that -1 be an ordinary label and that nothing be rejected",
        "check_decision_proba_consistency": "asks that knownness rank two classes as their probabilities do",
        "check_classifiers_train": "asks that predict be the argmax of predict_proba and of decision_function",
    }


SHORT = {"max_epochs": 6, "batch_size": 16, "learning_rate": 1e-2}


@pytest.mark.slow
@pytest.mark.usefixtures("few_trees")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "estimator",
    [
        EmbeddingClassifier(),
        EmbeddingClassifier("linear", accept=None),
        GaussianMixtureDensity(n_components=2, **SHORT),
        GaussianMixtureClusterer(n_components=3, **SHORT),
        CROSRClassifier(accept=None, blocks=((1, 16),), **SHORT),
        SoftmaxClassifier(hidden=(16,), rule=MaximumLogit(), **SHORT),
        ContrastiveClassifier(width=0.25, **SHORT | {"learning_rate": 3e-3}),
        SelfSupervisedEncoder(width=0.1, max_epochs=3, batch_size=32),
        VAE(latent_dim=2, hidden=(16,), **SHORT),
        MultiLabelVAE(latent_dim=2, hidden=(16, 16), n_components=3, **SHORT),
        SemiSupervisedVAE(latent_dim=2, hidden=(32, 32), n_components=3, accept=None, **SHORT),
    ],
    ids=lambda estimator: type(estimator).__name__ + ("" if getattr(estimator, "accept", 1) else " closed"),
)
def test_estimators_pass_check_estimator(checked, estimator):
    assert checked(estimator, expected_failures(estimator))["passed"] > 40
