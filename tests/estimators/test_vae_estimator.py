"""The autoencoder as a density: units, thresholds, scores by rules, saving, images."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

import knownot
from knownot import VAE
from knownot.data import compressed_bits, image_tensor
from knownot.metrics import auroc

SMALL = {"latent_dim": 2, "hidden": (32,), "max_epochs": 40, "batch_size": 32, "learning_rate": 1e-2, "random_state": 0}
IMAGES = {"latent_dim": 4, "hidden": (32,), "max_epochs": 6, "random_state": 0}


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(600, centers=3, n_features=4, random_state=0)


@pytest.fixture(scope="module")
def digits():
    images, y = load_digits(return_X_y=True)
    return (images.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8), y


@pytest.fixture(scope="module")
def fitted(digits):
    images, y = digits
    return VAE(**IMAGES).fit(images[y < 6])


def test_density_is_nearly_that_of_a_mixture_in_the_users_units(blobs):
    X, _ = blobs
    X = X * [1.0, 100.0, 0.01, 1.0]
    model = VAE(**SMALL).fit(X[:500])
    scaler = StandardScaler().fit(X[:500])
    reference = GaussianMixture(3, random_state=0).fit(scaler.transform(X[:500]))
    expected = reference.score(scaler.transform(X[500:])) - np.log(scaler.scale_).sum()
    # A bound, so below; a single Gaussian is 1.8 nats below.
    assert expected - 1.0 < model.score(X[500:]) < expected + 0.1
    assert model.log_likelihood(X[500:], 500).mean() > model.score(X[500:]) - 0.1


def test_scores_of_rows_are_in_the_users_units_too(blobs):
    X, _ = blobs
    model = VAE(**{**SMALL, "max_epochs": 2}).fit(X * 1000.0)
    density = model.log_density(X * 1000.0)
    np.testing.assert_allclose(model.score_samples(X * 1000.0), density, rtol=1e-6)
    np.testing.assert_allclose(model.assess(X * 1000.0)["log_density"], density, rtol=1e-6)
    # A thousandth of the density for each of the four columns, beside the same rows in another unit.
    smaller = VAE(**{**SMALL, "max_epochs": 2}).fit(X).log_density(X)
    np.testing.assert_allclose(density, smaller - 4 * np.log(1000.0), atol=1e-2)


def test_unknown_rows_are_rejected_and_the_share_asked_for_is_accepted(blobs):
    X, y = blobs
    model = VAE(**SMALL, accept=0.9).fit(X[y < 2])
    assert (model.predict(X[y == 2]) == -1).mean() > 0.95
    assert 0.8 < (model.predict(X[y < 2]) == 1).mean() <= 1.0
    np.testing.assert_allclose(model.decision_function(X), model.score_samples(X) - model.offset_)


def test_scores_of_every_rule_are_what_they_say(digits, fitted):
    images, y = digits
    density = fitted.log_density(images)
    np.testing.assert_array_equal(fitted.score_samples(images), density)
    bits = compressed_bits(image_tensor(images)) * np.log(2.0)
    model = VAE(**IMAGES, rule="complexity").fit(images[y < 6])
    np.testing.assert_allclose(model.score_samples(images), model.log_density(images) + bits, rtol=1e-9)
    typical = VAE(**IMAGES, rule="typicality").fit(images[y < 6])
    expected = -np.abs(typical.log_density(images) - float(typical.rule_.centre_))
    np.testing.assert_allclose(typical.score_samples(images), expected, rtol=1e-9)
    for rule in ("evidence", "neighbours"):
        other = VAE(**IMAGES, rule=rule).fit(images[y < 6])
        assert auroc(y < 6, other.score_samples(images)) > 0.6, rule
        np.testing.assert_array_equal(other.log_density(images), density)


def test_assess_says_the_same_as_each_method(digits, fitted):
    images, _ = digits
    found = fitted.assess(images)
    assert list(found) == ["known", "knownness", "p_value", "log_density", "embedding"]
    np.testing.assert_array_equal(found["known"], fitted.predict(images) == 1)
    np.testing.assert_array_equal(found["knownness"], fitted.score_samples(images))
    np.testing.assert_array_equal(found["log_density"], fitted.log_density(images))
    np.testing.assert_array_equal(found["p_value"], fitted.p_values(images))
    np.testing.assert_array_equal(found["embedding"], fitted.transform(images))


def test_bits_per_dimension_are_those_of_the_log_density(digits, fitted):
    images, _ = digits
    expected = -fitted.log_density(images[:9]) / 64 / np.log(2)
    np.testing.assert_allclose(fitted.bits_per_dim(images[:9]), expected + 8)
    np.testing.assert_allclose(fitted.bits_per_dim(images[:9], "when-vaes-know"), expected + 4)
    np.testing.assert_allclose(fitted.bits_per_dim(images[:9], 0.5), expected + 0.5)
    with pytest.raises(ValueError, match="bits per dimension are of images"):
        VAE(**SMALL | {"max_epochs": 1}).fit(np.random.default_rng(0).normal(size=(60, 3))).bits_per_dim(
            np.zeros((2, 3))
        )


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"prior": "mixture", "n_components": 5, "divergence": "cauchy-schwarz"},
        {"prior": "vamp", "n_components": 5, "rule": "evidence"},
        {"likelihood": "binarised", "n_importance_samples": 3, "rule": "typicality"},
        {"likelihood": "discretised-logistic", "rule": "complexity"},
        {"likelihood": 0.05, "beta": 0.5},
        {"likelihood": "closed-form-gaussian"},
    ],
    ids=str,
)
def test_models_are_the_same_after_saving(digits, tmp_path, settings):
    images, y = digits
    model = VAE(**{**IMAGES, "max_epochs": 2, **settings}).fit(images[y < 6][:300])
    again = knownot.load(model.save(tmp_path / "m.safetensors"))
    np.testing.assert_array_equal(again.score_samples(images), model.score_samples(images))
    np.testing.assert_array_equal(again.log_density(images), model.log_density(images))
    np.testing.assert_array_equal(again.predict(images), model.predict(images))
    np.testing.assert_array_equal(again.sample(3, random_state=1), model.sample(3, random_state=1))
    assert again.decoder_variance_ == model.decoder_variance_
    assert (again.decoder_variance_ is None) == (settings.get("likelihood") in ("binarised", "discretised-logistic"))


def test_large_images_get_convolutions_and_small_ones_linear_layers():
    images = np.random.default_rng(0).integers(0, 256, (80, 28, 28), dtype=np.uint8)
    model = VAE(width=0.1, max_epochs=1, random_state=0).fit(images)
    assert model.module_.encoder.trunk[0].stride == (2, 2)
    assert model.transform(images).shape == (80, 32)
    assert model.reconstruct(images[:2]).shape == model.sample(2).shape == (2, 28, 28, 1)
    assert VAE(max_epochs=1, random_state=0).fit(images[:, :8, :8]).module_.encoder[1][0].in_features == 64


def test_binarised_models_are_validated_on_images_that_stay(digits, monkeypatch):
    images, y = digits
    seen, original = [], VAE._train_module

    def record(self, module, training, selection, *rest):
        seen.append((training[0], selection[0]))
        return original(self, module, training, selection, *rest)

    monkeypatch.setattr(VAE, "_train_module", record)
    VAE(**{**IMAGES, "max_epochs": 1}, likelihood="binarised").fit(images[y < 6])
    training, selection = seen[0]
    assert set(np.unique(selection.numpy())) == {0, 255}
    assert len(np.unique(training.numpy())) > 10


def test_labels_are_not_looked_at(blobs):
    X, y = blobs
    one, other = (clone(VAE(**{**SMALL, "max_epochs": 2})).fit(X, labels) for labels in (y, None))
    np.testing.assert_array_equal(one.score_samples(X), other.score_samples(X))


def test_tables_with_categories_and_gaps_are_judged():
    import pandas as pd

    rng = np.random.default_rng(0)
    table = pd.DataFrame({"length": rng.normal(size=200), "kind": rng.choice(["a", "b"], 200)})
    table.loc[3, "length"] = np.nan
    model = VAE(**{**SMALL, "max_epochs": 5}).fit(table)
    strange = pd.DataFrame({"length": [0.0, 40.0], "kind": ["a", "b"]})
    assert model.predict(strange).tolist() == [1, -1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"likelihood": "poisson"}, "likelihood='poisson' is not known"),
        ({"likelihood": "bernoulli"}, "likelihood='bernoulli' is of images"),
        ({"likelihood": -1.0}, "variance"),
        ({"rule": "max-logit"}, "there is one class"),
        ({"rule": "complexity"}, "needs the evidence complexity"),
        ({"rule": "nonsense"}, "rule='nonsense' is not known"),
        ({"prior": "flow"}, "prior='flow' is not known"),
        ({"network": "strided"}, "network='strided' is for images"),
        ({"accept": 2.0}, r"accept=2\.0"),
    ],
)
def test_settings_that_do_not_work_are_refused_before_training(blobs, settings, message):
    with pytest.raises(ValueError, match=message):
        VAE(**{**SMALL, **settings, "max_epochs": 10**9}).fit(blobs[0])
