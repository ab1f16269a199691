"""Local spacing against a brute-force definition, and what principal components leave over."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from knownot.rules import LocalNeighbours, Residual


def two_densities(seed=0):
    random = np.random.default_rng(seed)
    y = np.arange(200) % 2
    rows = random.normal(size=(200, 3)) * np.where(y[:, None], 3.0, 0.3) + 12.0 * y[:, None]
    return torch.from_numpy(rows), torch.from_numpy(y)


@pytest.mark.parametrize("k", [1, 3, 7])
def test_local_is_the_distance_over_the_spacing_of_the_neighbours(k):
    z, y = two_densities()
    queries, _ = two_densities(1)
    verdict = LocalNeighbours(k=k).fit(z, y).evaluate(queries)
    spacing = np.empty(200)
    for c in range(2):
        members = np.flatnonzero(y == c)
        distances, _ = NearestNeighbors(n_neighbors=k + 1).fit(z[members]).kneighbors(z[members])
        spacing[members] = distances[:, 1:].mean(1)
    distances, found = NearestNeighbors(n_neighbors=k).fit(z).kneighbors(queries)
    np.testing.assert_allclose(verdict.knownness, np.log(spacing[found].mean(1) / distances.mean(1)), rtol=1e-6)


def test_local_has_no_unit():
    z, y = two_densities()
    queries, _ = two_densities(1)
    one, other = (LocalNeighbours().fit(unit * z, y).score(unit * queries)[1] for unit in (1.0, 1e-6))
    torch.testing.assert_close(one, other)


def test_local_spacing_where_there_is_none():
    z = torch.tensor([[0.0], [0.0], [0.0], [5.0], [9.0], [9.5]])
    rule = LocalNeighbours(k=2).fit(z, torch.tensor([0, 0, 0, 1, 2, 2]))
    # Class 0 holds one point three times, class 1 a single sample: the mean spacing of all others.
    typical = (0 + 0 + 0 + 0.5 + 0.5) / 5
    np.testing.assert_allclose(rule.spacing_, [1e-6 * typical] * 3 + [typical, 0.5, 0.5], rtol=1e-5)
    assert torch.isfinite(rule.score(z)[1]).all()
    equal = LocalNeighbours().fit(torch.ones(5, 2), torch.zeros(5, dtype=torch.int64)).score(torch.ones(2, 2))[1]
    assert torch.isfinite(equal).all()


def test_residual_is_what_principal_components_leave():
    random = np.random.default_rng(0)
    rows = (
        random.normal(size=(300, 6))
        @ np.diag([5.0, 4.0, 3.0, 0.5, 0.3, 0.2])
        @ np.linalg.qr(random.normal(size=(6, 6)))[0]
    )
    z, y = torch.from_numpy(rows), torch.arange(300) % 3
    queries = random.normal(size=(50, 6))
    for variance in (0.5, 0.9, 0.99):
        peer = PCA(variance, svd_solver="full").fit(rows)
        left = queries - peer.inverse_transform(peer.transform(queries))
        verdict = Residual(variance).fit(z, y).evaluate(torch.from_numpy(queries))
        np.testing.assert_allclose(verdict.knownness, -np.linalg.norm(left, axis=1), rtol=1e-6)


def test_residual_names_the_nearest_mean_and_leaves_one_direction():
    z, y = two_densities()
    means = torch.stack([z[y == c].mean(0) for c in range(2)])
    rule = Residual(0.999999).fit(z, y)
    assert (rule.score(z)[0] == torch.cdist(z, means).argmin(1)).all()
    assert rule.directions_.shape == (3, 1)
    assert Residual(1e-9).fit(z, y).directions_.shape == (3, 2)
    only = Residual().fit(z[:, :1], y)
    assert only.directions_.shape == (1, 0)
    assert (only.score(z[:, :1])[1] == 0).all()


@pytest.mark.parametrize("variance", [0, 1, 2.0, -0.5, float("nan"), "most", None])
def test_residual_refuses_what_is_no_share(variance):
    with pytest.raises(ValueError, match=f"variance={variance!r} does not work: give a share above 0 and below 1"):
        Residual(variance).fit(*two_densities())
