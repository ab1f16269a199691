"""Neighbours by direction and whitened against scikit-learn; memory and votes with many classes."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from knownot.rules import CosineNeighbours, LocalNeighbours, Neighbours, WhitenedCosineNeighbours, WhitenedNeighbours
from knownot.rules.whitening import Whitening


def data(n=400, d=5, seed=0):
    random = np.random.default_rng(seed)
    y = np.arange(n) % 4
    rows = random.normal(size=(n, d)) * [1, 10, 0.1, 1, 1] + 3 * np.random.default_rng(9).normal(size=(4, d))[y]
    return torch.from_numpy(rows), torch.from_numpy(y)


def mean_distance(references, queries, **settings):
    return NearestNeighbors(n_neighbors=5, algorithm="brute", **settings).fit(references).kneighbors(queries)[0].mean(1)


def test_cosine_is_the_distance_of_directions():
    (z, y), (queries, _) = data(), data(200, seed=1)
    knownness = CosineNeighbours().fit(z, y).score(queries)[1]
    np.testing.assert_allclose(knownness, -mean_distance(normalize(z), normalize(queries)), rtol=1e-6)
    # A chord c spans a cosine distance of c^2 / 2, so that scikit-learn's own metric finds the same neighbours.
    one = CosineNeighbours(k=1).fit(z, y).score(queries)[1]
    peer = NearestNeighbors(n_neighbors=1, metric="cosine").fit(z).kneighbors(queries)[0][:, 0]
    np.testing.assert_allclose(one.square() / 2, peer, atol=1e-9)
    torch.testing.assert_close(CosineNeighbours().fit(z, y).score(1000.0 * queries)[1], knownness)


def test_whitened_is_the_mahalanobis_distance():
    (z, y), (queries, _) = data(), data(200, seed=1)
    whitening = Whitening.fit(z, y)
    inverse = (whitening.matrix @ whitening.matrix.T).numpy()
    expected = mean_distance(z, queries, metric="mahalanobis", metric_params={"VI": inverse})
    np.testing.assert_allclose(WhitenedNeighbours().fit(z, y).score(queries)[1], -expected, rtol=1e-6)


def test_whitened_cosine_is_the_distance_of_whitened_directions():
    (z, y), (queries, _) = data(), data(200, seed=1)
    whitening = Whitening.fit(z, y)
    expected = mean_distance(normalize(whitening(z)), normalize(whitening(queries)))
    np.testing.assert_allclose(WhitenedCosineNeighbours().fit(z, y).score(queries)[1], -expected, rtol=1e-6)


def test_whitening_learns_from_all_samples_though_few_are_kept():
    z, y = data(1000)
    rule = WhitenedNeighbours(max_references=40).fit(z, y)
    torch.testing.assert_close(rule.whitening_.matrix, Whitening.fit(z, y).matrix)
    assert len(rule.references_) == 40


@pytest.mark.parametrize("k", [1, 2, 5, 12])
def test_votes_are_counted_with_the_nearer_ones_worth_more(k):
    (z, y), (queries, _) = data(), data(100, seed=1)
    logits = Neighbours(k=k).fit(z, y).evaluate(queries).logits
    _, found = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(z).kneighbors(queries)
    expected = np.zeros((100, 4))
    for i, neighbours in enumerate(found):
        for place, j in enumerate(neighbours):
            expected[i, y[j]] += 1 + 0.4 * (k - place) / (k * (k + 1) / 2)
    np.testing.assert_allclose(logits, np.log(expected + 0.1), rtol=1e-6)


def test_references_kept_are_the_first_of_each_class_in_a_random_order():
    _, y = data(500)
    kept = Neighbours(max_references=50, random_state=3)._sample_references(y)
    order = torch.randperm(500, generator=torch.Generator().manual_seed(3))
    expected = torch.cat([order[y[order] == c][:12] for c in range(4)])
    assert kept.tolist() == expected.tolist()


def test_thousands_of_classes_take_little_memory():
    """Votes of each neighbour for each class apart would be five times as much."""
    z = torch.randn(40_000, 2, generator=torch.Generator().manual_seed(0))
    y = torch.arange(40_000) % 20_000
    rule = Neighbours(max_references=10_000).fit(z, y)
    assert torch.bincount(rule.labels_, minlength=20_000).tolist() == [1] * 20_000
    with torch.profiler.profile(profile_memory=True) as profile:
        rule.evaluate(z[:512])
    largest = max(event.self_cpu_memory_usage for event in profile.events())
    assert largest < 2 * 512 * 20_096 * 4


@pytest.mark.parametrize("cls", [Neighbours, CosineNeighbours, WhitenedNeighbours, LocalNeighbours])
@pytest.mark.parametrize("settings", [{"k": 0}, {"k": -2}, {"k": 2.5}, {"k": None}, {"max_references": 0}])
def test_settings_that_leave_no_neighbour(cls, settings):
    name, value = next(iter(settings.items()))
    with pytest.raises(ValueError, match=f"{name}={value!r} does not work: give a whole number of at least 1"):
        cls(**settings).fit(*data())
