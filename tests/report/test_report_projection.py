"""Maps in two dimensions keep what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from knownot.report.projection import project


def test_project_draws_an_embedding_of_one_dimension_against_the_score():
    points = project(np.array([[1.0], [2.0], [3.0]]), "t-SNE", np.array([5.0, -np.inf, 7.0]))
    np.testing.assert_array_equal(points, [[1.0, 5.0], [2.0, 5.0], [3.0, 7.0]])


def test_project_keeps_the_distances_of_a_plane_by_pca():
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(50, 2))
    turn, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    points = project(plane @ turn[:2], "PCA", np.zeros(50))
    for i, j in ((0, 1), (3, 40), (7, 8)):
        assert np.linalg.norm(points[i] - points[j]) == pytest.approx(np.linalg.norm(plane[i] - plane[j]))


def test_project_refuses_an_unknown_method():
    with pytest.raises(ValueError, match="'UMAP' is not a way to draw the map: choose 'PCA' or 't-SNE'"):
        project(np.eye(4), "UMAP", np.zeros(4))
