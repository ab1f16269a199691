"""Estimators made from declarations, and compared with kept ones."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.base import BaseEstimator

from knownot.estimators import GMVAEClassifier, SoftmaxClassifier
from knownot.experiments import Model
from knownot.experiments.trained import make_estimator, same_settings, train
from knownot.training import TrainingSettings


class Training(BaseEstimator):
    """Settings of a training, as an object of its own."""

    def __init__(self, precision: str = "auto", devices: int = 1, checkpoint_dir: Any = None, resume: bool = False,
                 max_time: float | None = None) -> None:  # fmt: skip
        self.precision = precision
        self.devices = devices
        self.checkpoint_dir = checkpoint_dir
        self.resume = resume
        self.max_time = max_time


class Tail(BaseEstimator):
    """A rule with one parameter."""

    def __init__(self, tail_size: int = 20) -> None:
        self.tail_size = tail_size


class Nested(BaseEstimator):
    """An estimator whose training settings are an object, made when one of them is set."""

    def __init__(self, hidden: Any = (9,), rule: Any = "nc-u", training: Any = None, random_state: Any = None,
                 accelerator: str = "auto", verbose: int = 0) -> None:  # fmt: skip
        self.hidden = hidden
        self.rule = rule
        self.training = training
        self.random_state = random_state
        self.accelerator = accelerator
        self.verbose = verbose

    def set_params(self, **params: Any) -> Nested:
        if self.training is None and any(name.startswith("training__") for name in params):
            self.training = Training()
        return super().set_params(**params)

    def fit(self, *samples: Any, **options: Any) -> Nested:
        self.fitted_with_ = (samples, options, self.training.get_params())
        return self


def test_make_estimator_sets_parameters_and_the_seed():
    made = make_estimator(Model("m", "GMVAEClassifier"), {"latent_dim": 3, "training__precision": "32-true"}, 5)
    assert isinstance(made, GMVAEClassifier)
    assert (made.latent_dim, made.random_state) == (3, 5)


def test_make_estimator_refuses_parameters_that_there_are_not():
    with pytest.raises(ValueError, match="Invalid parameter 'latent_size'"):
        make_estimator(Model("m", "GMVAEClassifier"), {"latent_size": 3}, 5)


@pytest.mark.parametrize("training", [None, {"precision": "32-true", "max_time": 9.0}])
def test_train_leaves_parameters_as_they_were(training, tmp_path):
    estimator = Nested(training=None if training is None else Training(**training), accelerator="cpu", verbose=1)
    train(estimator, (1, 2), {"validation": 3}, tmp_path, 60.0)
    samples, options, during = estimator.fitted_with_
    assert (samples, options) == ((1, 2), {"validation": 3})
    assert (during["checkpoint_dir"], during["resume"], during["max_time"]) == (tmp_path, True, 60.0)
    assert during["precision"] == ("auto" if training is None else "32-true")
    assert (estimator.accelerator, estimator.verbose) == ("cpu", 1)
    if training is None:
        assert estimator.training is None
    else:
        assert estimator.training.get_params() == Training(**training).get_params()


SAME = [
    (Nested(), Nested(accelerator="cuda", verbose=1)),
    (Nested(hidden=[9]), Nested(hidden=(9,))),
    (Nested(hidden=((1, 2), (3, 4))), Nested(hidden=[[1, 2], [3, 4]])),
    (Nested(), Nested(training=Training())),
    (Nested(training=Training(devices=4)), Nested(training=Training())),
    (Nested(training=Training(devices=4)), Nested()),
    (Nested(rule=Tail(5)), Nested(rule=Tail(5))),
    (SoftmaxClassifier(training=TrainingSettings(devices=2, num_nodes=3)), SoftmaxClassifier()),
]
OTHERS = [
    (Nested(), Nested(hidden=(8,))),
    (Nested(random_state=0), Nested(random_state=1)),
    (Nested(), Nested(training=Training(precision="32-true"))),
    (Nested(rule=Tail(5)), Nested(rule=Tail(6))),
    (Nested(rule=Tail()), Nested(rule="nc-u")),
    (SoftmaxClassifier(), GMVAEClassifier()),
    (SoftmaxClassifier(training=TrainingSettings(precision="32-true")), SoftmaxClassifier()),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_same_settings_finds_what_trains_the_same_model(one, other):
    assert same_settings(one, other)
    assert same_settings(other, one)


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_same_settings_finds_what_trains_another_model(one, other):
    assert not same_settings(one, other)
    assert not same_settings(other, one)
