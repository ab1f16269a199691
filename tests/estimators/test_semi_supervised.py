"""The semi-supervised classifier: labels that are missing, what is held out, saving."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_blobs

import knownot
from knownot import SemiSupervisedVAE, SoftmaxClassifier

SMALL = {"latent_dim": 2, "hidden": (32, 32), "n_components": 5, "max_epochs": 30, "random_state": 0}


@pytest.fixture(scope="module")
def blobs():
    X, y = make_blobs(600, centers=4, n_features=6, random_state=1)
    return X[y < 3], y[y < 3], X[y == 3]


def some_of(y, n, none=-1):
    kept = np.zeros(len(y), bool)
    for label in np.unique(y):
        kept[np.flatnonzero(y == label)[:n]] = True
    return np.where(kept, y, none)


def test_classes_are_learned_from_a_few_labels_and_the_share_asked_for_is_accepted(blobs):
    X, y, _ = blobs
    model = SemiSupervisedVAE(**SMALL, accept=0.9).fit(X, some_of(y, 60))
    assert model.classes_.tolist() == [0, 1, 2]
    assert (model.nearest_class(X) == y).mean() > 0.95
    assert 0.02 < (model.predict(X) == -1).mean() < 0.25


@pytest.mark.slow
def test_unlabelled_images_help():
    images, y = load_digits(return_X_y=True)
    images = (images.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    some = some_of(y[:1400], 12)
    settings = {"accept": None, "random_state": 0}
    model = SemiSupervisedVAE(**settings, max_epochs=15, latent_dim=10, hidden=(100, 100)).fit(images[:1400], some)
    few = some >= 0
    alone = SoftmaxClassifier(**settings, max_epochs=30).fit(images[:1400][few], some[few])
    accuracy, without = (np.mean(m.predict(images[1400:]) == y[1400:]) for m in (model, alone))
    assert accuracy > 0.75
    assert accuracy > without


def test_strings_have_a_word_for_no_label(blobs):
    X, y, _ = blobs
    names = np.array(["ant", "bee", "cat"])[y]
    model = SemiSupervisedVAE(**{**SMALL, "max_epochs": 2}).fit(X, some_of(names, 20, "unlabelled"))
    assert model.classes_.tolist() == ["ant", "bee", "cat"]
    assert set(model.predict(X)) <= {"ant", "bee", "cat", "unknown"}


def test_what_is_held_out_is_labelled_and_not_trained_on(blobs, monkeypatch):
    X, y, _ = blobs
    seen = {}
    original = SemiSupervisedVAE._learn

    def learn(self, training, selection, seed):
        seen.update(training=training, selection=selection)
        return original(self, training, selection, seed)

    monkeypatch.setattr(SemiSupervisedVAE, "_learn", learn)
    model = SemiSupervisedVAE(**{**SMALL, "max_epochs": 1}).fit(X, some_of(y, 40))
    n_labelled = int((seen["training"][1] >= 0).sum())
    n_calibration = len(model.threshold_.scores_)
    assert (seen["selection"][1] >= 0).all()
    assert n_labelled + len(seen["selection"][1]) + n_calibration == 120
    assert int((seen["training"][1] < 0).sum()) == len(y) - 120


def test_validation_of_ones_own_leaves_all_labels_to_learn_from(blobs, monkeypatch):
    X, y, _ = blobs
    model = SemiSupervisedVAE(**{**SMALL, "max_epochs": 1})
    model.fit(X[:300], some_of(y[:300], 5), validation=(X[300:], y[300:]))
    assert len(model.threshold_.scores_) == (len(X) - 300) // 2


def test_models_are_the_same_after_saving(blobs, tmp_path):
    X, y, _ = blobs
    model = SemiSupervisedVAE(**{**SMALL, "max_epochs": 2}).fit(X, some_of(y, 30))
    again = knownot.load(model.save(tmp_path / "m.safetensors"))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(
    ("settings", "y", "message"),
    [
        ({}, np.full(60, -1), "y holds no label: all 60 samples are unlabelled"),
        ({}, np.r_[0, np.full(59, -1)], "class 0 has one sample"),
        ({"likelihood": "bernoulli"}, np.arange(60) % 2, "likelihood='bernoulli' does not fit"),
        ({"likelihood": "poisson"}, np.arange(60) % 2, "likelihood='poisson' is not known"),
        ({"views": "digits"}, np.arange(60) % 2, "views='digits' are of images"),
        ({"labelled_share": 2.0}, np.r_[np.arange(30) % 2, np.full(30, -1)], r"labelled_share=2\.0 does not work"),
    ],
)
def test_what_cannot_be_learned_is_refused(settings, y, message):
    with pytest.raises(ValueError, match=message):
        SemiSupervisedVAE(**SMALL, **settings).fit(np.random.default_rng(0).normal(size=(60, 3)), y)
