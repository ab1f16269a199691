"""What is gathered from a fitted classifier equals what the classifier says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError

from knownot import metrics
from knownot.report import gather
from knownot.report.projection import project


def test_content_holds_what_the_classifier_says(image_classifier, digits):
    X, y = digits[0][900:], digits[1][900:]
    content = gather(image_classifier, X, y, projections=("PCA",), seed=3)
    known = y < 6
    assert content.class_names == list("012345")
    np.testing.assert_array_equal(content.y_true, np.where(known, y, -1))
    np.testing.assert_array_equal(content.true_names, y.astype(str))
    np.testing.assert_array_equal(content.y_pred, image_classifier.predict(X))
    np.testing.assert_array_equal(content.nearest, image_classifier.nearest_class(X))
    np.testing.assert_allclose(content.knownness, image_classifier.score_samples(X))
    np.testing.assert_allclose(content.p_values, image_classifier.p_values(X))
    assert content.images.shape == (897, 8, 8, 1)
    assert content.threshold == image_classifier.offset_
    assert content.accept == 0.95
    assert content.best_epoch == 21
    assert content.settings["NearestCentroid"] == {"accept": "0.95", "latent_dim": "8", "random_state": "0"}
    expected = metrics.open_set_report(
        y, image_classifier.nearest_class(X), content.knownness, content.threshold, classes=range(6)
    )
    assert content.metrics == pytest.approx(expected)


def test_maps_hold_at_most_so_many_samples_and_repeat(image_classifier, digits):
    X = digits[0][900:]
    first, second, other = (
        gather(image_classifier, X, projections=("PCA", "t-SNE"), max_points=60, seed=s) for s in (1, 1, 2)
    )
    assert {name: points.shape for name, points in first.projections.items()} == {"PCA": (60, 2), "t-SNE": (60, 2)}
    assert len(np.unique(first.projected)) == 60
    np.testing.assert_array_equal(first.projected, second.projected)
    np.testing.assert_allclose(first.projections["t-SNE"], second.projections["t-SNE"])
    assert not np.array_equal(first.projected, other.projected)


def test_reconstructions_show_known_and_unknown_samples(image_classifier, digits):
    X, y = digits[0][900:], digits[1][900:]
    made = gather(image_classifier, X, y, projections=()).reconstructions
    assert np.sum(y[made.index] < 6) == np.sum(y[made.index] >= 6) == 8
    np.testing.assert_allclose(made.values[..., 0], image_classifier.reconstruct(X[made.index])[..., 0])


def test_samples_lie_with_their_classes(image_classifier, digits):
    made = gather(image_classifier, digits[0][900:], projections=()).samples
    np.testing.assert_array_equal(np.bincount(made.codes), [8] * 6)
    np.testing.assert_array_equal(image_classifier.nearest_class(made.values[..., 0]), made.codes)


def test_labels_may_have_names_or_be_minus_one(image_classifier, digits):
    X, y = digits[0][900:], digits[1][900:].copy()
    y[y == 9] = -1
    content = gather(image_classifier, X, y, names={0: "zero", 8: "eight"}, projections=())
    assert content.class_names[0] == "zero"
    assert set(content.true_names[y > 5]) == {"6", "7", "eight"}
    assert set(content.true_names[y == -1]) == {"unknown"}
    assert content.metrics["openness_ratio"] == pytest.approx(metrics.openness(6, 9, form="ratio"))


def test_tensors_and_uint8_images_keep_their_pixels(digits):
    X = np.rint(255 * digits[0]).astype(np.uint8)
    tensor = torch.from_numpy(X)[:, None]

    class Constant(BaseEstimator):
        classes_, offset_ = np.array([0]), 0.5

        def fit(self, X, y):
            return self

        def score_samples(self, X):
            return np.ones(len(X))

        def nearest_class(self, X):
            return np.zeros(len(X), dtype=int)

        predict = nearest_class

        def transform(self, X):
            return np.asarray(X.reshape(len(X), -1)[:, :3], dtype=float)

    content = gather(Constant(), tensor, projections=("PCA",), max_points=20)
    np.testing.assert_array_equal(content.images[..., 0], X)
    assert content.images.dtype == np.uint8
    assert content.reconstructions is None
    assert content.samples is None
    assert content.p_values is None
    assert content.history == []


def test_tables_bring_the_names_of_their_columns(table_classifier, digits):
    X = digits[0][900:950].reshape(-1, 64)
    frame = pd.DataFrame(X, columns=[f"pixel {i}" for i in range(64)])
    for given, names, first in (
        (frame, None, "pixel 0"),
        (X, None, "feature 0"),
        (X, [f"p{i}" for i in range(64)], "p0"),
    ):
        content = gather(table_classifier, given, feature_names=names, projections=())
        assert content.images is None
        assert content.feature_names[0] == first
        np.testing.assert_allclose(content.features, X)


def test_data_without_known_or_without_unknown_samples(image_classifier, digits):
    X, y = digits[0][900:], digits[1][900:]
    closed = gather(image_classifier, X[y < 6], y[y < 6], projections=())
    assert set(closed.metrics) == {"closed_set_accuracy", "acceptance", "macro_f1", "threshold"}
    unknown = gather(image_classifier, X[y > 5], y[y > 5], projections=())
    rejected = np.mean(image_classifier.predict(X[y > 5]) == -1)
    assert unknown.metrics == pytest.approx({"threshold": image_classifier.offset_, "unknown_rejection": rejected})


def test_an_embedding_of_one_dimension_is_drawn_against_knownness():
    points = project(np.array([[1.0], [2.0], [3.0]]), "t-SNE", np.array([5.0, -np.inf, 7.0]))
    np.testing.assert_array_equal(points, [[1.0, 5.0], [2.0, 5.0], [3.0, 7.0]])


def test_pca_map_keeps_the_distances_of_a_plane():
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(50, 2))
    turn, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    points = project(plane @ turn[:2], "PCA", np.zeros(50))
    for i, j in ((0, 1), (3, 40), (7, 8)):
        assert np.linalg.norm(points[i] - points[j]) == pytest.approx(np.linalg.norm(plane[i] - plane[j]))


def test_mistakes_are_explained(image_classifier, table_classifier, digits):
    X, y = digits[0][:20], digits[1][:20]
    with pytest.raises(NotFittedError):
        gather(type(image_classifier)(), X, y)
    with pytest.raises(ValueError, match="X holds no samples"):
        gather(image_classifier, X[:0])
    with pytest.raises(ValueError, match=r"y has shape \(19,\) for 20 samples"):
        gather(image_classifier, X, y[:19])
    with pytest.raises(ValueError, match="y holds strings, the classifier was trained on numbers"):
        gather(image_classifier, X, y.astype(str))
    with pytest.raises(ValueError, match="'UMAP' is not a way to draw the map"):
        gather(image_classifier, X, y, projections=("UMAP",))
    with pytest.raises(ValueError, match="2 feature_names for 64 columns"):
        gather(table_classifier, X.reshape(20, -1), feature_names=["a", "b"])


def test_string_labels_of_any_kind(image_classifier, digits):
    X, y = digits[0], np.array([f"digit {i}" for i in digits[1]])
    known = digits[1] < 6
    for labels in (y, y.astype(object)):
        made = clone(image_classifier).fit(X[known], labels[known].astype(str))
        made.classes_ = made.classes_.astype(labels.dtype)
        content = gather(made, X[900:], labels[900:], projections=())
        np.testing.assert_array_equal(content.y_true, np.where(known, digits[1], -1)[900:])
        np.testing.assert_array_equal(content.y_pred == -1, made.predict(X[900:]) == "unknown")
