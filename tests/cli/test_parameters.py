from __future__ import annotations

import sys
from types import ModuleType

import pytest
from sklearn.base import BaseEstimator

from knownot import catalogue
from knownot.cli.parameters import make_estimator, parse_settings


class Training(BaseEstimator):
    def __init__(self, precision="auto", weight_decay=0.0, checkpoint_dir=None, resume=False):
        self.precision, self.weight_decay = precision, weight_decay
        self.checkpoint_dir, self.resume = checkpoint_dir, resume


class Tail(BaseEstimator):
    def __init__(self, tail_size=20):
        self.tail_size = tail_size


class Nested(BaseEstimator):
    """With settings of its own for training and rule, which replace a name or None when something is set in them."""

    def __init__(self, hidden=(500,), rule="nc-d", training=None, max_epochs=None, random_state=None, verbose=0):
        self.hidden, self.rule, self.training = hidden, rule, training
        self.max_epochs, self.random_state, self.verbose = max_epochs, random_state, verbose

    def set_params(self, **params):
        heads = {name.partition("__")[0] for name in params if "__" in name}
        if "training" in heads and self.training is None:
            self.training = Training()
        if "rule" in heads and self.rule == "tail":
            self.rule = Tail()
        return super().set_params(**params)


class Flat(BaseEstimator):
    def __init__(self, precision="auto", rule="nc-d"):
        self.precision, self.rule = precision, rule


@pytest.fixture(autouse=True)
def methods(monkeypatch):
    """Two methods that are in the catalogue and nowhere else."""
    module = ModuleType("estimators_of_a_test")
    module.Nested, module.Flat = Nested, Flat
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for name, cls in (("nested", "Nested"), ("flat", "Flat")):
        monkeypatch.setitem(catalogue.METHODS, name, cls)
        monkeypatch.setitem(catalogue.ESTIMATORS, cls, f"{module.__name__}:{cls}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=3", 3),
        ("a=1e-3", 0.001),
        ("a = (64, 32)", (64, 32)),
        ("a=64,32", (64, 32)),
        ("a=TRUE", True),
        ("a=false", False),
        ("a=None", None),
        ("a=none", None),
        ("a=bf16-mixed", "bf16-mixed"),
        ("a='3'", "3"),
        ("a=x=y", "x=y"),
        ("a=(((", "((("),
        ("a=007", "007"),
        pytest.param("a=" + "(" * 5000, "(" * 5000, id="deep"),
        ("a=1is", "1is"),
        ("a={1: 2}", {1: 2}),
    ],
)
@pytest.mark.filterwarnings("error")
def test_parse_settings_reads_literals_and_else_text(text, value):
    found = parse_settings([text])["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["a"], "--set 'a' has no value: write --set name=value"),
        (["a="], "has no value"),
        (["=3"], "has no name"),
        (["a=1", "b=2", "a=1"], "--set gives a twice"),
    ],
)
def test_parse_settings_refuses_what_it_cannot_read(texts, sentence):
    with pytest.raises(ValueError, match=sentence):
        parse_settings(texts)


def test_make_estimator_sets_options_and_settings():
    options = {"--epochs": 3, "--precision": "32-true", "--rule": None, "--resume": False, "--seed": 7}
    settings = parse_settings(["hidden=64,32", "rule__tail_size=50", "training__weight_decay=0.1", "rule=tail"])
    model = make_estimator("nested", options, settings, {"random_state": 0, "verbose": 1, "not_there": 5})
    assert (model.max_epochs, model.hidden, model.random_state, model.verbose) == (3, (64, 32), 7, 1)
    assert isinstance(model.rule, Tail)
    assert model.rule.tail_size == 50
    assert (model.training.precision, model.training.weight_decay) == ("32-true", 0.1)


def test_make_estimator_lets_a_setting_replace_a_default():
    model = make_estimator("nested", {}, {"random_state": None, "verbose": 2}, {"random_state": 0, "verbose": 1})
    assert (model.random_state, model.verbose) == (None, 2)


@pytest.mark.parametrize(
    ("method", "options", "settings", "sentence"),
    [
        ("nestd", {}, {}, r"--method nestd is not known. Did you mean 'nested'\? There are: gmvae, "),
        ("flat", {"--epochs": 3}, {}, "--epochs does not apply to --method flat: Flat has no parameter 'max_epochs'"),
        ("flat", {"--resume": True}, {}, "--resume does not apply to --method flat"),
        ("nested", {"--latent-dim": 2}, {}, "--latent-dim does not apply to --method nested"),
        ("nested", {"--epochs": 3}, {"max_epochs": 3}, "--epochs and --set max_epochs were both given"),
        ("nested", {"--precision": "x"}, {"training__precision": "y"}, "--precision and --set training__precision"),
        ("nested", {"--seed": 1}, {"random_state": 2}, "--seed and --set random_state"),
        ("nested", {}, {"hiden": 3}, r"--set hiden: Nested has no such parameter. Did you mean 'hidden'\?.*max_epochs"),
        (
            "nested",
            {},
            {"training__wieght_decay": 1},
            "Did you mean 'training__weight_decay'.*: training__checkpoint_dir",
        ),
        ("nested", {}, {"resume": True}, "mean 'training__resume'.*hidden, max_epochs.*training__weight_decay"),
        ("nested", {}, {"trainin__precision": 1}, "has no such parameter"),
        ("nested", {}, {"hidden__size": 1}, "--set hidden__size=1 does not work with Nested"),
        ("nested", {}, {"rule__tail_size": 1}, "--set rule__tail_size=1 does not work with Nested"),
    ],
)
def test_make_estimator_refuses_with_a_sentence(method, options, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        make_estimator(method, options, settings, {})
