"""Information against torch's divergences, activity against its definition, neighbours against scikit-learn."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.neighbors import KNeighborsClassifier
from torch.distributions import Normal, kl_divergence

from knownot.metrics import active_dimensions, information_per_dimension, knn_error


def posteriors(n=50, d=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) * np.arange(d), rng.normal(-1.0, 1.5, size=(n, d))


def test_information_is_the_mean_divergence():
    mean, log_variance = posteriors()
    q = Normal(torch.from_numpy(mean), torch.from_numpy(log_variance).mul(0.5).exp())
    p = Normal(torch.zeros(4).double(), torch.ones(4).double())
    expected = kl_divergence(q, p).mean(0).numpy()
    found = information_per_dimension(mean, log_variance)
    assert found.shape == (4,)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_information_bounds_the_mutual_information():
    """Of two posteriors, by quadrature: I(x; z) below the bound, and equal but for the divergence of the aggregate."""
    mean, std = np.array([-1.3, 0.4]), np.array([0.3, 0.8])
    z = np.linspace(-12, 12, 20_001)
    q = norm.pdf(z[:, None], mean, std)
    aggregate, step = q.mean(1), z[1] - z[0]
    information = (q * (norm.logpdf(z[:, None], mean, std) - np.log(aggregate)[:, None])).sum(0).mean() * step
    rest = (aggregate * (np.log(aggregate) - norm.logpdf(z))).sum() * step
    found = information_per_dimension(mean[:, None], 2 * np.log(std)[:, None])
    assert found[0] == pytest.approx(information + rest, rel=1e-6)
    assert 0 < information < found[0]
    assert information < math.log(2)


def test_information_keeps_its_digits():
    # 0.5 (e^v - 1 - v) is v² / 4 for small v; the plain form would give 0 or rounding errors.
    tiny = np.array([[1e-6, -1e-7, 0.0]])
    np.testing.assert_allclose(information_per_dimension(np.zeros((1, 3)), tiny), tiny[0] ** 2 / 4, rtol=1e-5)
    found = information_per_dimension([[0.0, 0.0, 1e200, 0.0]], [[-700.0, 700.0, 0.0, 1000.0]])
    np.testing.assert_allclose(found[:2], [349.5, math.exp(700.0) / 2], rtol=1e-12)
    assert (found[2:] == np.inf).all()
    everywhere = information_per_dimension(np.zeros((1, 2001)), np.linspace(-1e-8, 1e-8, 2001)[None])
    assert (everywhere >= 0).all()


def test_information_reads_tensors():
    mean, log_variance = posteriors()
    expected = information_per_dimension(mean, log_variance)
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 0.02)):
        m, v = torch.tensor(mean, dtype=dtype, requires_grad=True), torch.tensor(log_variance, dtype=dtype)
        found = information_per_dimension(m, v)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("threshold", [0.0, 0.01, 0.5, 3.0])
def test_active_dimensions_are_counted_by_their_definitions(threshold):
    mean, log_variance = posteriors(d=6)
    mean[:, 3] = 5.0
    by_variance = sum(np.var(column, ddof=1) > threshold for column in mean.T)
    assert active_dimensions(mean, threshold=threshold) == by_variance
    assert active_dimensions(mean, log_variance, threshold) == by_variance
    divergences = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance)
    expected = sum(column.mean() > threshold for column in divergences.T)
    assert active_dimensions(mean, log_variance, threshold, by="information") == expected
    assert isinstance(active_dimensions(torch.from_numpy(mean)), int)


def test_active_means_above_the_threshold_of_an_unbiased_variance():
    mean = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 0.9]])
    # Variances of two samples: 0, 0.5 and 0.405.
    assert active_dimensions(mean, threshold=0.5) == 0
    assert active_dimensions(mean, threshold=0.4) == 2
    assert active_dimensions(mean, threshold=0.0) == 2
    assert active_dimensions(mean) == 2
    # A mean that differs from the prior's everywhere alike says nothing of x, but has a divergence.
    constant = np.full((5, 1), 3.0)
    assert active_dimensions(constant, np.zeros((5, 1))) == 0
    assert active_dimensions(constant, np.zeros((5, 1)), by="information") == 1
    assert active_dimensions([[0.0], [0.15]]) == 1
    assert active_dimensions([[0.0], [0.13]]) == 0
    assert active_dimensions([[-1e200], [1e200]]) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: information_per_dimension(np.zeros(3), np.zeros(3)), r"mean has shape \(3,\)"),
        (lambda: information_per_dimension(np.zeros((3, 2)), np.zeros((3, 1))), "log_variance has 1 columns, mean has"),
        (lambda: information_per_dimension(np.zeros((3, 2)), np.zeros((1, 2))), "log_variance has 1 rows, mean has 3"),
        (lambda: information_per_dimension(np.zeros((2, 1)), [[0.0], [np.nan]]), "1 of 2 rows of log_variance"),
        (lambda: information_per_dimension([[np.inf]], [[0.0]]), "1 of 1 rows of mean have NaN or infinite"),
        (lambda: active_dimensions(np.zeros((1, 3))), "mean has 1 row: give at least 2"),
        (lambda: active_dimensions(np.zeros((4, 3)), threshold=-1), "threshold=-1 does not work"),
        (lambda: active_dimensions(np.zeros((4, 3)), threshold=np.nan), "threshold=nan does not work"),
        (lambda: active_dimensions(np.zeros((4, 3)), by="nats"), "by='nats' is not a criterion"),
        (lambda: active_dimensions(np.zeros((4, 3)), by="information"), 'by="information" needs log_variance'),
    ],
)
def test_posteriors_that_are_none_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def codes(n=200, m=80, d=3, n_classes=4, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, size=n + m)
    z = rng.normal(size=(n + m, d)) + rng.normal(size=(n_classes, d))[y]
    return z[:n], y[:n], z[n:], y[n:]


def error_by_definition(train_z, train_y, test_z, test_y, k):
    """Sample by sample."""
    wrong = 0
    for query, truth in zip(test_z, test_y, strict=True):
        order = sorted(range(len(train_z)), key=lambda i: math.dist(query, train_z[i]))[:k]
        votes = [train_y[i] for i in order]
        most = max(votes.count(label) for label in votes)
        wrong += next(label for label in votes if votes.count(label) == most) != truth
    return wrong / len(test_z)


@given(st.integers(1, 6), st.integers(2, 5), st.integers(0, 999))
def test_knn_error_is_its_definition(d, n_classes, seed):
    parts = codes(40, 15, d, n_classes, seed)
    found = knn_error(*parts, k=(1, 2, 3, 4, 10, 40))
    assert list(found) == [1, 2, 3, 4, 10, 40]
    for k, error in found.items():
        assert error == pytest.approx(error_by_definition(*parts, k))


@pytest.mark.parametrize("d", [2, 50])
@pytest.mark.parametrize("names", [np.array([0, 1]), np.array(["one", "two"]), np.array([7, -1])])
def test_knn_error_is_that_of_scikit_learn(names, d):
    """With two classes and odd k, no votes are equal."""
    train_z, train_y, test_z, test_y = codes(500, 300, d, 2)
    train_y, test_y = names[train_y], names[test_y]
    for k, error in knn_error(train_z, train_y, test_z, test_y, k=(1, 3, 5, 11)).items():
        model = KNeighborsClassifier(k).fit(train_z, train_y)
        assert error == pytest.approx(1 - model.score(test_z, test_y))


def test_the_nearest_of_equally_frequent_classes_wins():
    train_z, train_y = [[1.0], [2.0], [3.0], [4.0]], ["z", "a", "a", "z"]
    for test_y, expected in (("z", {1: 0.0, 2: 0.0, 3: 1.0, 4: 0.0}), ("a", {1: 1.0, 2: 1.0, 3: 0.0, 4: 1.0})):
        assert knn_error(train_z, train_y, [[0.0]], [test_y], k=(1, 2, 3, 4)) == expected


def test_default_neighbours_are_those_of_the_paper():
    parts = codes()
    assert list(knn_error(*parts)) == [3, 5, 10]
    assert knn_error(*parts, k=3) == knn_error(*parts, k=np.int64(3)) == {3: knn_error(*parts)[3]}
    backwards = knn_error(*parts, k=np.array([10, 5, 3]))
    assert list(backwards) == [10, 5, 3]
    assert backwards == knn_error(*parts)


def test_knn_error_at_any_scale_and_place():
    train_z, train_y, test_z, test_y = codes()
    expected = knn_error(train_z, train_y, test_z, test_y)
    for scale, place in ((1e-200, 0.0), (1e200, 0.0), (1.0, 1e9)):
        found = knn_error(train_z * scale + place, train_y, test_z * scale + place, test_y)
        assert found == expected
    assert knn_error(torch.from_numpy(train_z), torch.from_numpy(train_y), torch.from_numpy(test_z), test_y) == expected
    bfloat16 = [torch.from_numpy(z).bfloat16().requires_grad_() for z in (train_z, test_z)]
    rounded = [z.detach().double().numpy() for z in bfloat16]
    assert knn_error(bfloat16[0], train_y, bfloat16[1], test_y) == knn_error(rounded[0], train_y, rounded[1], test_y)


def test_neighbours_that_lie_close_together_are_told_apart():
    """Next to points as far as 1, products of rows cannot tell distances of 1e-9 from 2e-9."""
    rng = np.random.default_rng(0)
    test_z = rng.normal(size=(200, 64))
    way = rng.normal(size=(200, 64))
    train_z = np.vstack([test_z + 1e-9 * way, test_z + 2e-9 * way, test_z - 3e-9 * way])
    train_y = np.repeat([0, 1, 1], 200)
    zeros = np.zeros(200, dtype=int)
    assert knn_error(train_z, train_y, test_z, zeros, k=(1, 2, 3)) == {1: 0.0, 2: 0.0, 3: 1.0}
    assert knn_error(train_z, train_y, test_z, zeros, k=1) == {1: 0.0}


def test_classes_of_the_test_alone_are_never_right():
    assert knn_error([[0.0], [1.0]], [0, 1], [[0.0], [1.0]], [0, 5], k=1) == {1: 0.5}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_z": np.zeros(4)}, r"train_z has shape \(4,\)"),
        ({"test_z": np.zeros((2, 1))}, "test_z has 1 columns, train_z has 3"),
        ({"test_z": np.full((2, 3), np.nan)}, "2 of 2 rows of test_z have NaN"),
        ({"train_y": [0, 1]}, "train_y has 2 entries for 4 samples"),
        ({"test_y": [0]}, "test_y has 1 entries for 2 samples"),
        ({"test_y": ["a", "b"]}, "test_y holds strings, the labels it is compared with are numbers"),
        ({"k": 5}, "k=5 neighbours are more than the 4 training codes"),
        ({"k": (3, 0)}, "k=0 does not work: give the number of neighbours, 1 or more"),
        ({"k": 1.5}, "k=1.5 does not work"),
        ({"k": True}, "k=True does not work"),
        ({"k": ()}, r"k=\(\) names no number of neighbours"),
    ],
)
def test_codes_that_are_none_are_refused(change, message):
    arguments = {
        "train_z": np.zeros((4, 3)),
        "train_y": [0, 1, 0, 1],
        "test_z": np.zeros((2, 3)),
        "test_y": [0, 1],
        "k": 3,
    } | change
    with pytest.raises(ValueError, match=message):
        knn_error(**arguments)
