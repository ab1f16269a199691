"""What is gathered from a fitted estimator equals what the estimator says, and is asked once."""

from __future__ import annotations

from collections import defaultdict
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError

from knownot import metrics
from knownot.report import Subject, gather, render


def without_assess(classifier):
    """The same classifier as a user would write it: no ``assess``, only methods."""
    bare = type("Bare", (type(classifier),), {"assess": None})()
    vars(bare).update(vars(classifier))
    return bare


@pytest.mark.parametrize("bare", [False, True])
def test_gather_holds_what_the_classifier_says(image_classifier, digits, bare):
    X, y = digits[0][900:], digits[1][900:]
    subject = gather(without_assess(image_classifier) if bare else image_classifier, X, y, seed=3)
    known = y < 6
    predicted, nearest = image_classifier.predict(X), image_classifier.nearest_class(X)
    assert len(subject) == 897
    assert subject.class_names == list("012345")
    np.testing.assert_array_equal(subject.y_true, np.where(known, y, -1))
    np.testing.assert_array_equal(subject.true_names, y.astype(str))
    np.testing.assert_array_equal(subject.y_pred, predicted)
    np.testing.assert_array_equal(subject.nearest, nearest)
    np.testing.assert_array_equal(subject.accepted, predicted != -1)
    np.testing.assert_array_equal(subject.known, known)
    np.testing.assert_allclose(subject.knownness, image_classifier.score_samples(X))
    np.testing.assert_allclose(subject.columns["p_value"], image_classifier.p_values(X))
    np.testing.assert_allclose(subject.columns["embedding"], image_classifier.transform(X), rtol=1e-5, atol=1e-5)
    assert subject.images.shape == (897, 8, 8, 1)
    assert subject.threshold == image_classifier.offset_
    assert subject.accept == 0.95
    expected = metrics.open_set_report(y, nearest, subject.knownness, subject.threshold, classes=range(6))
    assert subject.metrics == pytest.approx(expected)


def test_gather_holds_what_the_density_says(density, digits):
    X, y = digits[0][900:], np.where(digits[1][900:] < 6, digits[1][900:], -1)
    unlabelled, subject = gather(density, X), gather(density, X, y)
    np.testing.assert_array_equal(unlabelled.accepted, density.predict(X) == 1)
    assert (unlabelled.known, unlabelled.metrics, unlabelled.class_names) == (None, {}, [])
    np.testing.assert_array_equal(subject.known, y != -1)
    assert subject.class_names == list("012345")
    scores = density.score_samples(X)
    assert subject.metrics == pytest.approx(
        {
            "auroc": metrics.auroc(y != -1, scores),
            "aupr_known": metrics.aupr_known(y != -1, scores),
            "aupr_unknown": metrics.aupr_unknown(y != -1, scores),
            "tnr_at_tpr95": metrics.tnr_at_tpr(y != -1, scores),
            "dtacc": metrics.dtacc(y != -1, scores),
            "acceptance": np.mean(density.predict(X[y != -1]) == 1),
            "unknown_rejection": np.mean(density.predict(X[y == -1]) == -1),
            "threshold": density.offset_,
        }
    )


def test_gather_holds_what_the_clusterer_says(clusterer, digits):
    X, y = digits[0][900:], digits[1][900:]
    subject = gather(clusterer, X, y)
    assert subject.accepted is None
    assert subject.known is None
    same_label, same_cluster = y[:, None] == y, subject.columns["cluster"][:, None] == subject.columns["cluster"]
    pairs = np.triu_indices(len(y), 1)
    a, b = same_label[pairs], same_cluster[pairs]
    chance = a.mean() * b.mean()
    expected = (np.mean(a & b) - chance) / (0.5 * (a.mean() + b.mean()) - chance)
    assert subject.metrics["adjusted_rand"] == pytest.approx(expected)
    assert set(subject.metrics) == {"adjusted_rand", "mutual_information"}


def test_gather_takes_the_known_samples_of_a_density(density, digits):
    X, y = digits[0][:60], digits[1][:60]
    subject = gather(density, X, y, known=y < 6)
    np.testing.assert_array_equal(subject.known, y < 6)
    assert subject.classes.tolist() == [0, 1, 2, 3, 4, 5]
    assert subject.has_both
    assert subject.true_names.tolist() == [str(label) for label in y]
    assert gather(density, X, y).known.all()
    with pytest.raises(ValueError, match=r"known has shape \(3,\) for 60 samples: give True or False for each"):
        gather(density, X, y, known=[True, False, True])


def test_gather_leaves_unlabelled_samples_out_of_the_agreement(clusterer, digits):
    X, y = digits[0][900:], digits[1][900:].copy()
    kept = np.arange(len(y)) % 3 > 0
    y[~kept] = -1
    assert gather(clusterer, X, y).metrics == pytest.approx(gather(clusterer, X[kept], y[kept]).metrics)
    assert gather(clusterer, X, np.full(len(X), -1)).metrics == {}


METHODS = ("assess", "predict", "nearest_class", "score_samples", "p_values", "transform", "reconstruct")


class Counting(BaseEstimator):
    """A fitted estimator that writes down how many samples each of its methods is given from outside."""

    def __init__(self, estimator):
        self.estimator = estimator
        vars(self).update({name: value for name, value in vars(estimator).items() if name.endswith("_")})
        self.calls = defaultdict(list)
        for name in METHODS:
            if callable(getattr(estimator, name, None)):
                setattr(self, name, partial(self._counted, name))

    def _counted(self, name, X):
        self.calls[name].append(len(X))
        return getattr(self.estimator, name)(X)

    def fit(self, X, y=None):
        return self


@pytest.mark.parametrize("family", ["image_classifier", "density", "clusterer"])
def test_gather_and_render_make_one_pass_over_the_samples(family, request, digits):
    estimator = Counting(request.getfixturevalue(family))
    page = render(gather(estimator, digits[0][900:], digits[1][900:], projections=("PCA",)))
    assert 'id="settings"' in page
    assert estimator.calls.pop("assess") == [897]
    assert sum(estimator.calls.pop("reconstruct", [])) <= 16
    assert not estimator.calls, f"asked besides: {dict(estimator.calls)}"


def test_gather_names_labels_or_takes_minus_one(image_classifier, digits):
    X, y = digits[0][900:], digits[1][900:].copy()
    y[y == 9] = -1
    subject = gather(image_classifier, X, y, names={0: "zero", 8: "eight"})
    assert subject.class_names[0] == "zero"
    assert set(subject.true_names[y > 5]) == {"6", "7", "eight"}
    assert set(subject.true_names[y == -1]) == {"unknown"}
    assert subject.metrics["openness_ratio"] == pytest.approx(metrics.openness(6, 9, form="ratio"))


def test_gather_looks_labels_up_by_value_whatever_the_order_of_the_classes(image_classifier, digits):
    X, y = digits[0][900:], digits[1][900:]
    order = np.array([3, 0, 5, 1, 4, 2])
    turned = without_assess(image_classifier)
    turned.classes_, turned.centroids_ = image_classifier.classes_[order], image_classifier.centroids_[order]
    subject = gather(turned, X, y)
    assert subject.class_names == list("305142")
    names = np.array([*subject.class_names, "unknown"])
    np.testing.assert_array_equal(names[subject.y_true], np.where(y < 6, y.astype(str), "unknown"))
    np.testing.assert_array_equal(names[subject.nearest], image_classifier.nearest_class(X).astype(str))
    assert subject.metrics == pytest.approx(gather(image_classifier, X, y).metrics)


def test_gather_takes_string_labels_of_any_kind(image_classifier, digits):
    X, y = digits[0], np.array([f"digit {i}" for i in digits[1]])
    known = digits[1] < 6
    for labels in (y, y.astype(object)):
        made = clone(image_classifier).fit(X[known], labels[known].astype(str))
        made.classes_ = made.classes_.astype(labels.dtype)
        subject = gather(made, X[900:], labels[900:])
        np.testing.assert_array_equal(subject.y_true, np.where(known, digits[1], -1)[900:])
        np.testing.assert_array_equal(subject.y_pred == -1, made.predict(X[900:]) == "unknown")


class Constant(BaseEstimator):
    """The least that a classifier of a user's own may be."""

    classes_, offset_ = np.array([0]), 0.5

    def fit(self, X, y):
        return self

    def score_samples(self, X):
        return np.ones(len(X))

    def nearest_class(self, X):
        return np.zeros(len(X), dtype=int)

    predict = nearest_class


def test_gather_keeps_the_pixels_of_tensors_and_uint8_images(digits):
    X = np.rint(255 * digits[0]).astype(np.uint8)
    subject = gather(Constant(), torch.from_numpy(X)[:, None])
    np.testing.assert_array_equal(subject.images[..., 0], X)
    assert subject.images.dtype == np.uint8
    colours = torch.from_numpy(np.stack([X, 0 * X, 0 * X], axis=1))
    np.testing.assert_array_equal(gather(Constant(), colours).images[..., 0], X)
    assert gather(Constant(), torch.from_numpy(X)).images.shape == (*X.shape, 1)
    assert set(subject.columns) == {"class", "nearest_class", "knownness"}


def test_gather_takes_the_names_of_columns_from_tables(table_classifier, digits):
    X = digits[0][900:950].reshape(-1, 64)
    frame = pd.DataFrame(X, columns=[f"pixel {i}" for i in range(64)])
    for given, names, first in (
        (frame, None, "pixel 0"),
        (X, None, "feature 0"),
        (X, [f"p{i}" for i in range(64)], "p0"),
    ):
        subject = gather(table_classifier, given, feature_names=names)
        assert subject.images is None
        assert subject.feature_names[0] == first
        np.testing.assert_allclose(subject.features, X)


def test_subject_measures_what_known_or_unknown_samples_alone_allow(image_classifier, density, digits):
    X, y = digits[0][900:], digits[1][900:]
    closed = gather(image_classifier, X[y < 6], y[y < 6])
    assert set(closed.metrics) == {"closed_set_accuracy", "acceptance", "macro_f1", "threshold"}
    for estimator, labels in ((image_classifier, y), (density, np.where(y < 6, 1, -1))):
        unknown = gather(estimator, X[y > 5], labels[y > 5])
        rejected = np.mean(estimator.predict(X[y > 5]) == -1)
        assert unknown.metrics == pytest.approx({"threshold": estimator.offset_, "unknown_rejection": rejected})
    assert set(gather(density, X[y < 6], y[y < 6]).metrics) == {"acceptance", "threshold"}


def test_subject_without_rejection_has_neither_known_nor_metrics(digits):
    X, y = digits[0][:20], digits[1][:20]
    subject = Subject(None, X, {"embedding": X.reshape(20, -1)}, "An encoder", labels=y, classes=np.arange(10))
    assert (subject.accepted, subject.known, subject.metrics) == (None, None, {})


def test_gather_explains_mistakes_before_it_asks_anything(image_classifier, table_classifier, digits, monkeypatch):
    X, y = digits[0][:20], digits[1][:20]
    monkeypatch.setattr(type(image_classifier), "assess", lambda *_: pytest.fail("asked too early"))
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


def test_gather_refuses_an_estimator_that_it_cannot_ask(digits):
    X = digits[0][:20].reshape(20, -1)
    with pytest.raises(ValueError, match="IsolationForest has neither assess nor nearest_class"):
        gather(IsolationForest(n_estimators=2).fit(X), X)
