"""Baselines: each tells what it should on blobs, and says what its definition says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression

from knownot.experiments.kinds.many_sets.baselines import BASELINES, scaling
from knownot.metrics import auroc

# Unknown samples far from all classes are found by distance and density, those between the classes by doubt: a linear
# classifier is the surer the farther off a sample is.
BY_DOUBT = ("forest", "max-logit", "energy")
CENTRES = 4.0 * np.array([[1.0, 1, -1, -1], [-1, -1, 1, 1], [1, -1, 1, -1], [-1, 1, -1, 1]])


def blobs(name: str, n_classes: int = 4, n: int = 60, seed: int = 0):
    """Training and test samples; the unknown ones, at the end of the test part, where the method should see them."""
    random = np.random.default_rng(seed)
    y = np.arange(n * n_classes) % n_classes
    where = np.zeros(4) if name in BY_DOUBT else np.array([12.0, 12.0, 12.0, 12.0])
    units = np.array([1.0, 10.0, 0.1, 1000.0])
    x, test = (CENTRES[y] + random.normal(size=(len(y), 4)) for _ in range(2))
    unknown = where + random.normal(size=(n, 4))
    return x * units, y, np.concatenate([test, unknown]) * units, np.r_[y, np.full(n, -1)]


def make(name):
    if name.startswith("pyod"):
        pytest.importorskip("pyod")
    return BASELINES[name]


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_tells_unknown_from_known_and_names_classes(name, n_classes):
    x, y, test, codes = blobs(name, n_classes)
    classes, knownness = make(name)(x, y, False, 0)(test)
    assert auroc(codes >= 0, knownness) > 0.9
    assert (classes[codes >= 0] == codes[codes >= 0]).mean() > 0.95
    assert classes.shape == knownness.shape == codes.shape


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_gives_the_same_for_the_same_seed(name):
    x, y, test, _ = blobs(name)
    first, second = (make(name)(x, y, False, 3)(test)[1] for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_takes_few_samples_constant_columns_and_one_unit(name):
    random = np.random.default_rng(0)
    x = np.c_[random.normal(size=(9, 3)), np.full(9, 7.0)]
    y = np.array([0, 0, 0, 0, 0, 1, 1, 2, 2])
    for one_unit in (False, True):
        classes, knownness = make(name)(x, y, one_unit, 0)(x)
        assert np.isfinite(knownness).all()
        assert set(classes) <= {0, 1, 2}


@pytest.mark.parametrize("name", ["5nn", "5nn-cosine", "pyod-knn", "gaussian", "mixture", "lof", "energy"])
def test_embeddings_keep_the_widths_of_their_columns(name):
    random = np.random.default_rng(0)
    y = np.arange(120) % 2
    # The classes differ in the wide column; the narrow ones are noise, which standardising would blow up.
    x, test = (np.c_[20.0 * y + random.normal(size=120), 1e-3 * random.normal(size=(120, 8))] for _ in range(2))
    kept, standard = (make(name)(x, y, one_unit, 0)(test)[1] for one_unit in (True, False))
    assert not np.allclose(kept, standard)
    # Another unit for all columns changes nothing that is ranked.
    again = make(name)(1000.0 * x, y, True, 0)(1000.0 * test)[1]
    assert np.corrcoef(kept, again)[0, 1] > 0.9999


def test_scaling_is_of_the_training_samples():
    x = np.random.default_rng(0).normal([1.0, 2.0], [3.0, 0.5], size=(50, 2))
    np.testing.assert_allclose(scaling(x, False)(x[:3]), (x[:3] - x.mean(0)) / x.std(0))
    np.testing.assert_allclose(scaling(x, True)(x[:3]), x[:3] / np.sqrt(x.var(0).mean()))
    assert scaling(np.ones((3, 2)), True)(np.ones((1, 2))).tolist() == [[1.0, 1.0]]


def standardised(x, test):
    return (x - x.mean(0)) / x.std(0), (test - x.mean(0)) / x.std(0)


def nearest_by_hand(references, y, rows, distance):
    distances = np.array([[distance(row, other) for other in references] for row in rows])
    order = np.argsort(distances, axis=1)[:, :5]
    votes = [np.bincount(y[nearest]).argmax() for nearest in order]
    return np.array(votes), -np.take_along_axis(distances, order, 1).mean(1)


@pytest.mark.parametrize("name", ["5nn", "5nn-cosine", "5nn-whitened"])
def test_neighbours_are_those_found_by_hand(name):
    x, y, test, _ = blobs(name, n=12)
    z, rows = standardised(x, test)

    def euclidean(a, b):
        return np.linalg.norm(a - b)

    def cosine(a, b):
        return 1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    means = np.stack([z[y == code].mean(0) for code in range(4)])
    precision = np.linalg.inv(LedoitWolf(assume_centered=True).fit(z - means[y]).covariance_)

    def mahalanobis(a, b):
        return np.sqrt((a - b) @ precision @ (a - b))

    distance = {"5nn": euclidean, "5nn-cosine": cosine, "5nn-whitened": mahalanobis}[name]
    classes, knownness = BASELINES[name](x, y, False, 0)(test)
    by_hand = nearest_by_hand(z, y, rows, distance)
    np.testing.assert_allclose(knownness, by_hand[1], atol=1e-9)
    np.testing.assert_array_equal(classes, by_hand[0])


def test_lda_is_that_of_scikit_learn_with_distances_to_the_nearest_mean():
    x, y, test, codes = blobs("lda", n=100)
    keep = np.r_[np.flatnonzero(y > 0), np.flatnonzero(y == 0)[:20]]
    x, y = x[keep], y[keep]
    z, rows = standardised(x, test)
    means = np.stack([z[y == code].mean(0) for code in range(4)])
    found = LedoitWolf(assume_centered=True).fit(z - means[y])
    inverse = np.linalg.inv(found.covariance_)
    distances = np.array([[(row - mean) @ inverse @ (row - mean) for mean in means] for row in rows])
    classes, knownness = BASELINES["lda-mahalanobis"](x, y, False, 0)(test)
    np.testing.assert_allclose(knownness, -distances.min(1), rtol=1e-6)
    prior = np.log(np.bincount(y) / len(y))
    np.testing.assert_array_equal(classes, (prior - distances / 2).argmax(1))
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(z, y).predict(rows)
    assert (classes == theirs)[codes >= 0].all()


def test_gaussian_is_the_log_density_of_the_classes_together():
    x, y, test, _ = blobs("gaussian", n=30)
    z, rows = standardised(x, test)
    joint = []
    for code in range(4):
        own = LedoitWolf().fit(z[y == code])
        covariance = own.covariance_ + 1e-6 * np.eye(4)
        joint.append(multivariate_normal.logpdf(rows, own.location_, covariance) + np.log(np.mean(y == code)))
    classes, knownness = BASELINES["gaussian"](x, y, False, 0)(test)
    np.testing.assert_allclose(knownness, logsumexp(joint, axis=0))
    np.testing.assert_array_equal(classes, np.argmax(joint, axis=0))


def test_mixture_sees_the_two_parts_of_a_class():
    random = np.random.default_rng(0)
    y = np.arange(400) % 2
    side = np.where(np.arange(400) % 4 < 2, -8.0, 8.0)
    x = np.c_[np.where(y == 1, side, 0.0) + random.normal(size=400), 9.0 * y + random.normal(size=400)]
    between = np.array([[0.0, 9.0]])
    for name, finds in (("mixture", True), ("gaussian", False)):
        score = BASELINES[name](x, y, False, 0)
        lowest = score(x)[1].min()
        assert (score(between)[1][0] < lowest) == finds


@pytest.mark.parametrize("n_classes", [2, 4])
def test_logits_are_those_of_a_logistic_regression(n_classes):
    x, y, test, _ = blobs("energy", n_classes)
    z, rows = standardised(x, test)
    model = LogisticRegression(max_iter=2000).fit(z, y)
    classes, energy = BASELINES["energy"](x, y, False, 0)(test)
    _, largest = BASELINES["max-logit"](x, y, False, 0)(test)
    np.testing.assert_array_equal(classes, model.predict(rows))
    # The largest log-probability is the largest logit less the log of the sum of all.
    np.testing.assert_allclose(largest - energy, model.predict_log_proba(rows).max(1), atol=1e-6)
