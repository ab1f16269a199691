"""Rehearsals: what was hidden, the numbers against a loop by hand, and what kinds of samples and estimators work."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris, load_wine, make_blobs
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from knownot import EmbeddingClassifier, GMVAEClassifier, LeaveClassesOut, OpenSetWrapper, SoftmaxClassifier, rehearse
from knownot.metrics import oscr
from knownot.rules import NearestCentroid

SEEN: list[set] = []


class Nearest(ClassifierMixin, BaseEstimator):
    """Distance to the nearest class mean: no threshold, and no package behind it."""

    def fit(self, X, y):
        SEEN.append(set(np.asarray(y).tolist()))
        self.classes_ = np.unique(y)
        self.means_ = np.stack([np.asarray(X)[np.asarray(y) == c].mean(0) for c in self.classes_])
        return self

    def _distances(self, X):
        return np.linalg.norm(np.asarray(X)[:, None] - self.means_, axis=2)

    def predict(self, X):
        return self.classes_[self._distances(X).argmin(1)]

    def predict_proba(self, X):
        shares = np.exp(-self._distances(X)) + 1e-12
        return shares / shares.sum(1, keepdims=True)

    def score_samples(self, X):
        return -self._distances(X).min(1)


@pytest.fixture(scope="module")
def wine():
    X, y = load_wine(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="module")
def many():
    return make_blobs(300, centers=8, n_features=6, random_state=0)


def gaussian() -> EmbeddingClassifier:
    return EmbeddingClassifier("gaussian", random_state=0)


def test_numbers_equal_a_loop_by_hand(wine):
    X, y = wine
    found = rehearse(gaussian(), X, y)
    for (train, test), result in zip(LeaveClassesOut(random_state=0).split(X, y), found.results, strict=True):
        model = gaussian().fit(X[train], y[train])
        known = np.isin(y[test], model.classes_)
        scores, nearest = model.score_samples(X[test]), model.nearest_class(X[test])
        refused = model.predict(X[test]) == -1
        assert result.hidden == tuple(set(y.tolist()) - set(model.classes_.tolist()))
        assert (result.n_known, result.n_hidden) == (known.sum(), (~known).sum())
        assert result.auroc == pytest.approx(roc_auc_score(known, scores))
        assert result.oscr == pytest.approx(oscr(known, nearest == y[test], scores))
        assert result.acceptance == pytest.approx(1 - refused[known].mean())
        assert result.rejection == pytest.approx(refused[~known].mean())
    for name in ("auroc", "oscr", "acceptance", "rejection"):
        assert getattr(found, name) == pytest.approx(np.mean([getattr(r, name) for r in found.results]))
    assert found.low < found.auroc < found.high
    assert found.note == ""


@pytest.mark.parametrize("groups", [None, [[0, 1], [7]]])
def test_hidden_classes_are_never_in_fit(many, groups):
    X, y = many
    SEEN.clear()
    found = rehearse(Nearest(), X, y, groups=groups)
    assert len(SEEN) == len(found.results) == (6 if groups is None else 2)
    for seen, result in zip(SEEN, found.results, strict=True):
        assert seen == set(range(8)) - set(result.hidden)
        assert len(result.hidden)
    if groups is not None:
        assert [result.hidden for result in found.results] == [(0, 1), (7,)]


def test_an_estimator_that_rejects_nothing_has_no_rates(wine):
    found = rehearse(Nearest(), *wine)
    assert found.auroc > 0.8
    assert np.isnan([found.acceptance, found.rejection]).all()
    assert "nan" not in str(found)
    assert "rejected" not in str(found)
    assert "rejected" in str(rehearse(gaussian(), *wine))


def test_pipelines_and_searches_are_rehearsed_with_their_rates(wine):
    X, y = wine
    plain = rehearse(gaussian(), X, y)
    piped = rehearse(make_pipeline(StandardScaler(), gaussian()), 5.0 * X + 1.0, y)
    assert [r.rejection for r in piped.results] == pytest.approx([r.rejection for r in plain.results])
    search = rehearse(GridSearchCV(gaussian(), {"rule": ["gaussian"]}, cv=2), X, y)
    assert search.rejection == pytest.approx(plain.rejection)


def test_names_frames_and_categories_give_the_same_numbers(wine):
    X, y = wine
    expected = rehearse(gaussian(), X, y)
    names = np.array(["a", "b", "c"])[y]
    frame = pd.DataFrame(X, index=np.arange(len(X)) + 7, columns=[f"f{j}" for j in range(X.shape[1])])
    for labels in (names, pd.Series(names, index=frame.index), pd.Series(pd.Categorical(names)), names.tolist()):
        found = rehearse(gaussian(), frame, labels)
        assert found.auroc == pytest.approx(expected.auroc)
        assert [r.hidden for r in found.results] == [("a",), ("b",), ("c",)]


def test_texts_and_sparse_matrices_are_taken():
    words = ("good red wine", "loud old car", "tall green tree")
    texts, y = [f"{words[i % 3]} {i}" for i in range(90)], np.arange(90) % 3
    text_model = OpenSetWrapper(make_pipeline(TfidfVectorizer(), LogisticRegression()), rule="energy", random_state=0)
    assert rehearse(text_model, texts, y).auroc > 0.9
    X = TfidfVectorizer().fit_transform(texts)
    model = OpenSetWrapper(LogisticRegression(), rule="energy", random_state=0)
    by_rows = rehearse(model, X.tocsr(), y)
    assert by_rows.auroc > 0.9
    assert rehearse(model, sparse.coo_matrix(X), y) == by_rows


def test_two_classes_bring_a_note_and_one_is_refused(wine):
    X, y = wine
    found = rehearse(gaussian(), X[y < 2], y[y < 2])
    assert "two known classes" in found.note
    assert found.note in str(found)
    with pytest.raises(ValueError, match="none would be left if it were hidden"):
        rehearse(gaussian(), X[y < 1], y[y < 1])


def test_wrong_input_is_answered_with_a_sentence(wine):
    X, y = wine
    for estimator, match in (
        (LogisticRegression(), "LogisticRegression, without score_samples: give .* OpenSetWrapper"),
        (EmbeddingClassifier, "is a class: give an instance"),
        (None, "NoneType, without"),
    ):
        with pytest.raises(ValueError, match=match):
            rehearse(estimator, X, y)
    with pytest.raises(ValueError, match="X has 178 samples but y has 100 labels"):
        rehearse(gaussian(), X, y[:100])
    with pytest.raises(ValueError, match=r"the group \['x'\] of classes to hide does not work"):
        rehearse(gaussian(), X, y, groups=[["x"]])
    with pytest.raises(ValueError, match="test_size=0 does not work"):
        rehearse(gaussian(), X, y, test_size=0)


def test_progress_sees_every_result_as_it_comes(wine):
    seen = []
    found = rehearse(gaussian(), *wine, progress=seen.append)
    assert tuple(seen) == found.results


def test_the_estimator_given_stays_unfitted(wine):
    model = gaussian()
    rehearse(model, *wine)
    assert not hasattr(model, "rule_")


# Without training anew


NETWORKS = [
    SoftmaxClassifier(max_epochs=15, random_state=0),
    GMVAEClassifier(max_epochs=8, random_state=0),
    GMVAEClassifier(max_epochs=4, rule="nc-d", n_subclusters={0: 2}, random_state=0),
    GMVAEClassifier(max_epochs=4, rule=NearestCentroid(), accept=None, random_state=0),
]


@pytest.mark.parametrize("model", NETWORKS)
def test_one_training_and_a_rule_for_each_group(wine, monkeypatch, model):
    X, y = wine
    X, y = np.r_[X, X + 6.0], np.r_[y, y + 3]
    fits = []
    fit = type(model).fit
    monkeypatch.setattr(type(model), "fit", lambda self, X, y: fits.append(np.unique(y)) or fit(self, X, y))
    found = rehearse(model, X, y, retrain=False)
    assert [seen.tolist() for seen in fits] == [list(range(6))]
    assert [result.hidden for result in found.results] == [(c,) for c in range(6)]
    assert found.auroc > 0.6
    assert "has seen the hidden classes" in found.note
    assert np.isnan(found.rejection) == (model.accept is None)
    again = rehearse(model, X, y, retrain=False)
    assert [r.auroc for r in again.results] == [r.auroc for r in found.results]


def test_columns_of_hidden_classes_are_taken_away(wine, monkeypatch):
    X, y = wine
    seen = []
    calibrate = NearestCentroid.calibrate

    class Watching(NearestCentroid):
        uses = ("logits",)

        def calibrate(self, z, y, evidence=None):
            seen.append(evidence["logits"].shape[1])
            return calibrate(self, z, y, evidence)

    rehearse(SoftmaxClassifier(rule=Watching(), max_epochs=2, random_state=0), X, y, retrain=False)
    # All three in the one fit, and two in each rehearsal.
    assert seen == [3, 2, 2, 2]


def test_only_networks_are_rehearsed_without_training():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="EmbeddingClassifier has no network: leave it out"):
        rehearse(gaussian(), X, y, retrain=False)
    with pytest.raises(ValueError, match="Pipeline has no network"):
        rehearse(make_pipeline(StandardScaler(), NETWORKS[0]), X, y, retrain=False)
    with pytest.raises(ValueError, match="classes"):
        rehearse(SoftmaxClassifier(max_epochs=1), X[y < 2], y[y < 2], retrain=False)
