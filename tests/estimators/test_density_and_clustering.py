"""The smallest density, clusterer and embedding classifier: what their capabilities promise."""

import inspect

import numpy as np
import pytest
from scipy.integrate import trapezoid
from sklearn.datasets import load_digits, make_blobs
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture as Reference
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

import knownot
from knownot import EmbeddingClassifier, GaussianMixtureClusterer, GaussianMixtureDensity
from knownot.estimators.inputs import Scaling, hold_out
from knownot.metrics import auroc


@pytest.fixture(scope="module")
def blobs():
    X, y = make_blobs(600, centers=3, n_features=4, random_state=0)
    return X, y


@pytest.mark.parametrize("cls", [GaussianMixtureDensity, GaussianMixtureClusterer, EmbeddingClassifier])
def test_mixture_and_embedding_estimators_are_short(cls):
    assert len(inspect.getsource(cls).splitlines()) < 80


def test_scaling_log_determinant_is_that_of_its_jacobian():
    X = np.random.default_rng(0).normal(size=(200, 3)) * [1e-3, 1.0, 1e4]
    scaling = Scaling.fit(X)
    rows = np.vstack([np.zeros(3), np.diag([1e-3, 1.0, 1e4])])
    scaled = scaling.apply(rows).double().numpy()
    jacobian = (scaled[1:] - scaled[0]) / [[1e-3], [1.0], [1e4]]
    assert scaling.log_determinant == pytest.approx(np.linalg.slogdet(jacobian)[1], rel=1e-5)
    assert Scaling().log_determinant == 0.0


@pytest.mark.parametrize("unit", [1e-200, 1e-30, 1.0, 1e30, 1e300])
def test_scaling_knows_columns_of_any_unit(unit):
    X = np.random.default_rng(0).normal(size=(300, 2))
    scaled = Scaling.fit(X * unit).apply(X * unit)
    np.testing.assert_allclose(scaled, StandardScaler().fit_transform(X), rtol=1e-5, atol=1e-5)


def test_scaling_keeps_the_differences_of_unix_seconds():
    X = np.random.default_rng(0).normal(size=(300, 1)) * 1e-3
    scaled = Scaling.fit(X + 1.7e9).apply(X + 1.7e9)
    np.testing.assert_allclose(scaled, StandardScaler().fit_transform(X), atol=1e-2)
    assert len(np.unique(scaled)) > 290


def test_density_integrates_to_one_in_the_users_units():
    X = np.random.default_rng(0).gamma(3.0, 50.0, size=(500, 1)) + 1e4
    model = GaussianMixtureDensity(3, random_state=0).fit(X)
    grid = np.linspace(9_000, 12_000, 20_000)[:, None]
    assert trapezoid(np.exp(model.score_samples(grid)), grid[:, 0]) == pytest.approx(1.0, abs=1e-3)


def test_density_is_as_good_as_that_of_em(blobs):
    X, _ = blobs
    X = X * [1.0, 100.0, 0.01, 1.0]
    model = GaussianMixtureDensity(3, random_state=0).fit(X[:500])
    scaler = StandardScaler().fit(X[:500])
    reference = Reference(3, covariance_type="diag", random_state=0).fit(scaler.transform(X[:500]))
    expected = reference.score(scaler.transform(X[500:])) - np.log(scaler.scale_).sum()
    assert model.score(X[500:]) > expected - 0.05


def test_density_accepts_the_share_asked_for_and_rejects_unknown_samples(blobs):
    X, y = blobs
    model = GaussianMixtureDensity(2, accept=0.9, random_state=0).fit(X[y < 2])
    assert (model.predict(X[y == 2]) == -1).mean() > 0.95
    rates = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        order = rng.permutation(np.flatnonzero(y < 2))
        fitted = GaussianMixtureDensity(2, accept=0.9, max_epochs=3, random_state=seed).fit(X[order[:250]])
        rates.append((fitted.predict(X[order[250:]]) == 1).mean())
    assert np.mean(rates) > 0.88
    # The threshold sees samples that neither the weights nor their selection have seen.
    known = X[y < 2]
    calibration = hold_out(np.zeros(len(known), int), 0.2, np.random.RandomState(0))[2]
    np.testing.assert_allclose(model.threshold_.scores_, np.sort(model.score_samples(known[calibration])))
    np.testing.assert_array_equal(model.predict(X) == 1, model.decision_function(X) >= 0)
    np.testing.assert_allclose(model.decision_function(X), model.score_samples(X) - model.offset_)


def test_density_predicts_the_same_after_loading(blobs, tmp_path):
    X, _ = blobs
    model = GaussianMixtureDensity(2, max_epochs=3, random_state=0).fit(X)
    copy = knownot.load(model.save(tmp_path / "m.safetensors"))
    for method in ("score_samples", "predict", "p_values", "decision_function", "transform"):
        np.testing.assert_array_equal(getattr(copy, method)(X), getattr(model, method)(X), err_msg=method)
    np.testing.assert_array_equal(copy.sample(5, random_state=1), model.sample(5, random_state=1))


def test_density_assess_says_the_same_as_each_method(blobs):
    X, _ = blobs
    model = GaussianMixtureDensity(2, max_epochs=3, random_state=0).fit(X[:400])
    found = model.assess(X)
    np.testing.assert_array_equal(found["known"], model.predict(X) == 1)
    np.testing.assert_array_equal(found["knownness"], model.score_samples(X))
    np.testing.assert_array_equal(found["p_value"], model.p_values(X))
    np.testing.assert_allclose(found["embedding"], model.transform(X), rtol=1e-6)


def test_density_takes_and_samples_images():
    digits = load_digits()
    X = (digits.images * 15.9375).astype(np.uint8)
    model = GaussianMixtureDensity(6, random_state=0, variance_floor=0.01).fit(X[digits.target < 6])
    assert auroc(digits.target < 6, model.score_samples(X)) > 0.8
    drawn = model.sample(3, random_state=0)
    assert drawn.shape == (3, 8, 8, 1)
    assert 0.0 <= drawn.min() <= drawn.max() <= 1.0


def test_density_without_a_threshold_accepts_all(blobs):
    X, _ = blobs
    model = GaussianMixtureDensity(accept=None, max_epochs=2, random_state=0).fit(X)
    assert set(model.predict(X * 1e3)) == {1}
    assert not hasattr(model, "decision_function")


def test_clusterer_finds_blobs_and_keeps_the_best_start(blobs, tmp_path):
    X, y = blobs
    model = GaussianMixtureClusterer(3, n_init=3, max_epochs=5, random_state=0).fit(X)
    assert adjusted_rand_score(y, model.labels_) > 0.95
    np.testing.assert_array_equal(model.labels_, model.predict(X))
    assert len(model.objectives_) == 3
    best = model.history_.best["validation"]["total"]
    assert len(set(model.objectives_)) == 3
    assert best == min(model.objectives_)
    np.testing.assert_allclose(model.predict_proba(X).sum(1), 1.0)
    found = model.assess(X)
    np.testing.assert_array_equal(found["cluster"], model.labels_)
    np.testing.assert_allclose(found["probability"], model.predict_proba(X).max(1))
    copy = knownot.load(model.save(tmp_path / "m.safetensors"))
    np.testing.assert_array_equal(copy.labels_, model.labels_)
    np.testing.assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
    with pytest.raises(ValueError, match="n_init=0 does not work"):
        GaussianMixtureClusterer(n_init=0).fit(X)


@pytest.mark.parametrize("rule", ["neighbours", "nc-d", "nc-u", "weibull"])
def test_embedding_classifier_refuses_a_third_blob(blobs, rule, tmp_path):
    X, y = blobs
    names = np.array(["a", "b", "c"])[y]
    model = EmbeddingClassifier(rule, random_state=0).fit(X[y < 2], names[y < 2])
    assert (model.predict(X[y == 2]) == "unknown").mean() > 0.9
    assert (model.predict(X[y < 2]) == names[y < 2]).mean() > 0.85
    assert "embedding" not in model.assess(X)
    copy = knownot.load(model.save(tmp_path / "m.safetensors"))
    np.testing.assert_array_equal(copy.score_samples(X), model.score_samples(X))


def test_embedding_classifier_is_the_rule_on_standardised_training_rows(blobs):
    X, y = blobs
    model = EmbeddingClassifier("neighbours", validation_fraction=0.3, calibration="split", random_state=0).fit(X, y)
    training, _, calibration = hold_out(y, 0.3, np.random.RandomState(0))
    scaler = StandardScaler().fit(X[training])
    search = NearestNeighbors(n_neighbors=5).fit(scaler.transform(X[training]))
    np.testing.assert_allclose(model.score_samples(X), -search.kneighbors(scaler.transform(X))[0].mean(1), atol=1e-4)
    np.testing.assert_allclose(model.threshold_.scores_, np.sort(model.score_samples(X[calibration])))


def test_embedding_classifier_refuses_images_and_rules_that_need_a_network(blobs):
    X, y = blobs
    with pytest.raises(ValueError, match="EmbeddingClassifier takes tables and embeddings"):
        EmbeddingClassifier().fit(np.zeros((20, 8, 8)), np.arange(20) % 2)
    with pytest.raises(ValueError, match="needs the evidence logits, which is not provided by this model"):
        EmbeddingClassifier("energy").fit(X, y)
