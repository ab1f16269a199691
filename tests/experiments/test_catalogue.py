"""The experiments that there are, and in which order a GPU takes them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from knownot.catalogue import ESTIMATORS, RULES
from knownot.data import PROTOCOLS
from knownot.experiments import EXPERIMENTS, PAPERS, find_experiments, queue
from knownot.experiments.kinds.open_set import OpenSetExperiment
from knownot.experiments.open_gmvae import PAPER_SETTINGS
from knownot.experiments.trained import make_estimator

FASHION = EXPERIMENTS["open-gmvae/fashion-mnist"]
OPEN_SET = [experiment for experiment in EXPERIMENTS.values() if isinstance(experiment, OpenSetExperiment)]


def test_find_experiments_takes_a_name_or_a_paper():
    assert find_experiments("open-gmvae/cifar10") == [EXPERIMENTS["open-gmvae/cifar10"]]
    assert find_experiments("open-gmvae") == [e for e in EXPERIMENTS.values() if e.name.startswith("open-gmvae/")]
    assert find_experiments() == list(EXPERIMENTS.values())
    with pytest.raises(ValueError, match=r"no experiment 'open-gmvae/cifar11'; did you mean open-gmvae/cifar10\?"):
        find_experiments("open-gmvae/cifar11")


def test_experiments_have_names_of_their_own():
    assert len(EXPERIMENTS) == sum(len(paper.experiments) for paper in PAPERS)


def test_importing_experiments_imports_nothing_heavy():
    program = (
        "import sys, knownot.experiments\n"
        "print(*(name for name in ('torch', 'numpy', 'sklearn', 'matplotlib') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("experiment", OPEN_SET, ids=lambda experiment: experiment.name)
def test_open_set_experiments_name_what_there_is(experiment):
    assert experiment.protocol in PROTOCOLS
    assert {model.estimator for model in experiment.models} <= set(ESTIMATORS)
    models = {model.name for model in experiment.models}
    assert {method.model for method in experiment.methods} <= models | {None}
    assert {method.rule for method in experiment.methods} <= {*RULES, "euclidean", "cosine"}
    assert {name for h in experiment.headlines for name in (h.method, h.over)} <= set(experiment.titles)
    assert set(experiment.lines) <= set(experiment.titles)
    assert set(experiment.mapped) <= models


@pytest.mark.parametrize("experiment", OPEN_SET, ids=lambda experiment: experiment.name)
def test_open_set_experiments_set_parameters_that_their_models_have(experiment):
    for preset in experiment.presets.values():
        for model in experiment.models:
            estimator = make_estimator(model, preset.settings_of(model), 7)
            assert estimator.random_state == 7


def test_paper_settings_are_those_of_the_papers_model():
    for name, settings in PAPER_SETTINGS.items():
        [model] = [model for model in EXPERIMENTS[name].models if model.name == "gmvae"]
        assert model.settings == settings
    assert {name: settings["latent_dim"] for name, settings in PAPER_SETTINGS.items()} == {
        "open-gmvae/fashion-mnist": 10,
        "open-gmvae/cifar10": 50,
        "open-gmvae/mnist-even-odd": 5,
        "open-gmvae/cifar10-animals-vehicles": 20,
    }


def test_queue_takes_first_seeds_first_and_the_most_valuable_before_others(fashion):
    items = queue(fashion)
    names = [(item.experiment.name, item.seed) for item in items]
    assert (FASHION.name, 0) not in names
    assert (FASHION.name, 2) in names
    rounds = [item.experiment.seeds.index(item.seed) for item in items]
    assert rounds == sorted(rounds)
    first = [item.experiment.value for item in items if item.seed == item.experiment.seeds[0]]
    assert first == sorted(first, reverse=True)
    assert all(item.minutes > 0 for item in items)
