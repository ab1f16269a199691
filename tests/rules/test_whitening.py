"""Whitening: the unit covariance within classes, shrinkage as scikit-learn's, and what has no covariance."""

import warnings

import numpy as np
import torch
from sklearn.covariance import LedoitWolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from knownot.rules import Mahalanobis
from knownot.rules.whitening import Whitening, class_means, inverse_root


def correlated(n=40_000, d=4, seed=0, n_classes=3):
    random = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    mixing = random.normal(size=(d, d))
    rows = random.normal(size=(n, d)) @ mixing + 5 * random.normal(size=(n_classes, d))[y]
    return torch.from_numpy(rows), torch.from_numpy(y)


def test_class_means():
    z, y = correlated(100)
    expected = np.stack([z[y == c].mean(0).numpy() for c in range(3)])
    np.testing.assert_allclose(class_means(z.numpy(), y.numpy()), expected, rtol=1e-12)


def test_covariance_within_classes_becomes_the_unit_matrix():
    z, y = correlated()
    mapped = Whitening.fit(z, y)(z)
    means = torch.stack([mapped[y == c].mean(0) for c in range(3)])
    within = (mapped - means[y]).T @ (mapped - means[y]) / len(z)
    torch.testing.assert_close(within, torch.eye(4).double(), atol=0.02, rtol=0)
    torch.testing.assert_close(Whitening.fit(z, y).means, means)
    torch.testing.assert_close(means.mean(0), torch.zeros(4).double())


def test_distances_are_mahalanobis_distances_of_ledoit_and_wolf_also_with_few_rows():
    for n in (9, 60):
        z, y = correlated(n, d=12)
        whitening = Whitening.fit(z, y)
        rows = z.numpy() - class_means(z.numpy(), y.numpy())[y]
        peer = LedoitWolf(assume_centered=True).fit(rows)
        points = torch.randn(50, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        np.testing.assert_allclose(
            (whitening(points) - whitening(torch.zeros(1, 12).double())).square().sum(1),
            peer.mahalanobis(points.numpy()),
            rtol=1e-6,
        )


def test_classes_are_those_of_linear_discriminant_analysis():
    z, y = correlated()
    verdict = Mahalanobis().fit(z, y).evaluate(z)
    peer = LinearDiscriminantAnalysis().fit(z.numpy(), y.numpy())
    ours = verdict.logits - verdict.logits.mean(1, keepdim=True)
    theirs = peer.decision_function(z.numpy())
    theirs -= theirs.mean(1, keepdims=True)
    assert np.corrcoef(ours.numpy().ravel(), theirs.ravel())[0, 1] > 0.99999
    assert (verdict.logits.argmax(1).numpy() == peer.predict(z.numpy())).mean() > 0.998


def test_inverse_root_of_a_singular_covariance_is_finite():
    covariance = np.diag([4.0, 1.0, 0.0])
    root = inverse_root(covariance)
    assert np.isfinite(root).all()
    np.testing.assert_allclose(np.sort(np.abs(root).max(0))[:2], [0.5, 1.0])
    np.testing.assert_array_equal(inverse_root(np.zeros((3, 3))), np.eye(3))


def test_rows_without_spread_are_left_in_their_unit_and_nothing_is_said():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for z in (torch.ones(1, 3), torch.ones(5, 3)):
            whitening = Whitening.fit(z, torch.zeros(len(z), dtype=torch.int64))
            torch.testing.assert_close(whitening(z + 2.0), torch.full((len(z), 3), 2.0))


def test_restored_and_of_the_type_of_the_embeddings():
    z, y = correlated(60)
    whitening = Whitening.fit(z.float(), y)
    assert whitening.matrix.dtype == torch.float32
    again = Whitening.restore(whitening.state())
    assert torch.equal(again(z.float()), whitening(z.float()))
    assert torch.equal(again.means, whitening.means)
