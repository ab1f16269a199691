"""CROSR on digits and tables: what it learns, keeps and refuses."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.metrics import roc_auc_score

import knownot
from knownot.data import load_named
from knownot.estimators.crosr import CROSRClassifier
from knownot.networks.reconstruction import CROSR_CIFAR, CROSR_MNIST

SMALL = {"rule": "nc-d", "blocks": ((1, 32),), "bottleneck_dim": 4, "batch_size": 16, "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def digits():
    train, test = load_named("digits", "train"), load_named("digits", "test")
    known = train.y < 6
    return train.x[known], train.y[known], test.x, test.y


@pytest.fixture(scope="module")
def model(digits):
    X, y, *_ = digits
    return CROSRClassifier(rule="nc-d", max_epochs=20, random_state=0).fit(X, y)


def test_crosr_learns_digits_and_rejects_unknown_ones(digits, model):
    """Lower bounds on the bundled digits that a broken network or loss cannot reach."""
    *_, X, y = digits
    known = y < 6
    assert (model.nearest_class(X)[known] == y[known]).mean() > 0.95
    assert roc_auc_score(known, model.score_samples(X)) > 0.88
    answers = model.predict(X)
    assert (answers[known] == y[known]).mean() > 0.85
    assert (answers[~known] == -1).mean() > 0.25


def test_crosr_reconstructions_resemble_their_input(digits, model):
    *_, X, y = digits
    X = X[y < 6]
    made = model.reconstruct(X)
    assert made.shape == (len(X), 8, 8, 1)
    greys = X.reshape(made.shape) / 255.0
    assert ((made - greys) ** 2).mean() < 0.7 * ((greys - greys.mean(0)) ** 2).mean()


def test_crosr_transform_gives_logits_first(digits, model):
    *_, X, y = digits
    known, z = y < 6, model.transform(X)
    assert z.shape == (len(X), 6 + 2 * 32)
    assert (z[known, : model.module_.n_classes].argmax(1) == y[known]).mean() > 0.95


def test_crosr_takes_string_labels_and_tables():
    X, y = make_blobs(400, centers=3, n_features=6, random_state=2)
    names = np.array(["ape", "bear", "cat"])[y]
    model = CROSRClassifier(rule="nc-d", max_epochs=15, random_state=0).fit(X[y < 2], names[y < 2])
    assert model.classes_.tolist() == ["ape", "bear"]
    answers = model.predict(X)
    assert (answers[y < 2] == names[y < 2]).mean() > 0.85
    assert (answers[y == 2] == "unknown").mean() > 0.9
    assert not hasattr(model, "sample")


@pytest.mark.parametrize("images", [False, True])
def test_crosr_predicts_the_same_after_loading(images, tmp_path):
    X, y = make_blobs(200, centers=2, n_features=72, center_box=(0.0, 1.0), cluster_std=0.1, random_state=0)
    X = np.clip(X, 0.0, 1.0).reshape(200, 9, 8) if images else X
    model = CROSRClassifier(max_epochs=3, random_state=0, **SMALL).fit(X, y)
    copy = knownot.load(model.save(tmp_path / "m.safetensors"))
    assert type(copy) is CROSRClassifier
    for method in ("predict", "predict_proba", "score_samples", "transform", "reconstruct"):
        np.testing.assert_array_equal(getattr(copy, method)(X), getattr(model, method)(X), err_msg=method)
    assert copy.get_params() == model.get_params()


def built(shape, **settings):
    """The module for samples of a shape, without training it."""
    model = CROSRClassifier(**settings)
    model.input_shape_, model.classes_ = shape, np.arange(3)
    return model._make_module()


@pytest.mark.parametrize(
    ("shape", "stages", "top"),
    [
        ((1, 28, 28), CROSR_MNIST["blocks"], 1),
        ((1, 64, 64), CROSR_MNIST["blocks"], 1),
        ((3, 24, 40), CROSR_MNIST["blocks"], 1),
        ((3, 32, 32), CROSR_CIFAR["blocks"], 0),
        ((1, 8, 8), ((1, 32), (1, 64)), 0),
        ((3, 15, 12), ((1, 32), (1, 64)), 0),
        ((30,), ((1, 128), (1, 128)), 0),
    ],
)
def test_crosr_auto_chooses_the_network_by_the_samples(shape, stages, top):
    module = built(shape)
    assert [e.weight.shape[0] for e in module.network.expansions] == [width for _, width in stages]
    assert module.latent_dim == 3 + 32 * len(stages)
    weights = [p for p in module.network.stages.parameters() if p.ndim > 1]
    assert len(weights) == sum(n for n, _ in stages)
    assert sum(p.ndim == 4 for p in module.network.head.parameters()) == top


def test_crosr_prefers_what_is_named_or_given_to_auto():
    assert built((3, 32, 32), architecture="mnist").latent_dim == 3 + 2 * 32
    own = built((1, 28, 28), blocks=((1, 5),), hidden=(), bottleneck_dim=7)
    assert own.latent_dim == 3 + 7
    assert [tuple(p.shape) for p in own.network.head.parameters() if p.ndim > 1] == [(3, 5 * 14 * 14)]


def test_crosr_refuses_unknown_architectures_before_training():
    X = np.zeros((20, 16, 16), np.uint8)
    with pytest.raises(ValueError, match="architecture='vgg' is not known: use 'auto', 'mnist', 'cifar', 'small'"):
        CROSRClassifier("vgg", rule="nc-d").fit(X, np.arange(20) % 2)


def test_crosr_can_be_cloned():
    model = CROSRClassifier("mnist", reconstruction_weight=3.0, accept=0.9)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "module_")
