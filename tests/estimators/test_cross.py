"""Cross-conformal calibration: folds, what each of them saw, acceptance measured, small and odd data."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris, load_wine, make_blobs

import knownot
from knownot import EmbeddingClassifier
from knownot.estimators.cross import _split_within, folds
from knownot.rules import NearestCentroid, Neighbours, make_rule


@pytest.fixture(scope="module")
def wine():
    X, y = load_wine(return_X_y=True)
    return X, y


@pytest.mark.parametrize("counts", [(2, 2), (2, 50), (3, 1000, 2), (2,) * 30, (4,)])
def test_folds_leave_a_sample_of_every_class_to_learn_from(counts):
    y = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    found = folds(y, 5, np.random.RandomState(0))
    np.testing.assert_array_equal(np.sort(np.concatenate(found)), np.arange(len(y)))
    for fold in found:
        assert len(fold)
        assert len(np.unique(np.delete(y, fold))) == len(counts)
        share = np.bincount(y[fold], minlength=len(counts))
        assert (np.abs(share - np.array(counts) / len(found)) <= 1).all(), "in proportion"


def test_scores_come_from_fits_without_the_fold_and_the_rule_from_all_samples(wine):
    X, y = wine
    model = EmbeddingClassifier(Neighbours(k=3), calibration="cross", random_state=0).fit(X, y)
    scores, logits = np.empty(len(y)), np.empty((len(y), 3))
    for fold in folds(y, 10, np.random.RandomState(0)):
        rest = np.delete(np.arange(len(y)), fold)
        mean, std = X[rest].mean(0), X[rest].std(0)
        a, b = (torch.from_numpy(((X[i] - mean) / std).astype(np.float32)) for i in (rest, fold))
        verdict = Neighbours(k=3).fit(a, torch.from_numpy(y[rest])).evaluate(b)
        scores[fold], logits[fold] = verdict.knownness.numpy(), verdict.logits.numpy()
    np.testing.assert_allclose(model.threshold_.scores_, np.sort(scores), atol=1e-4)
    assert len(model.rule_.references_) == len(y)
    np.testing.assert_allclose(model.scaling_.mean, X.mean(0))
    fitted = make_rule("neighbours").fit_temperature(torch.from_numpy(logits), torch.from_numpy(y))
    assert model.rule_.temperature == pytest.approx(fitted.temperature, rel=1e-3)


def test_auto_crosses_where_a_split_leaves_few(wine):
    X, y = wine
    assert len(EmbeddingClassifier("neighbours", random_state=0).fit(X, y).threshold_.scores_) == len(y)
    large, its = make_blobs(2000, centers=3, random_state=0)
    assert len(EmbeddingClassifier("neighbours", random_state=0).fit(large, its).threshold_.scores_) == 200
    fewer = EmbeddingClassifier("neighbours", validation_fraction=0.19, random_state=0).fit(large, its)
    assert len(fewer.threshold_.scores_) == 2000
    given = EmbeddingClassifier("neighbours", random_state=0).fit(X, y, validation=(X[::2], y[::2]))
    assert len(given.threshold_.scores_) == 44


def test_a_model_is_the_same_for_the_same_random_state(wine):
    X, y = wine
    one, other = (EmbeddingClassifier("weibull", random_state=7).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(one.threshold_.scores_, other.threshold_.scores_)
    np.testing.assert_array_equal(one.decision_function(X), other.decision_function(X))
    different = EmbeddingClassifier("weibull", random_state=8).fit(X, y)
    assert (one.threshold_.scores_ != different.threshold_.scores_).any()


@pytest.mark.parametrize("load", [load_iris, load_wine])
@pytest.mark.parametrize("rule", ["neighbours", "nc-d"])
def test_small_tables_reject_and_accept_about_what_was_asked_for(load, rule):
    """60 splits of 80 training rows: a split could calibrate on 16, with which nothing is rejected at 0.95."""
    X, y = load(return_X_y=True)
    rates, spread = {}, {}
    for calibration in ("split", "cross"):
        found = []
        for seed in range(60):
            order = np.random.default_rng(seed).permutation(len(y))
            model = EmbeddingClassifier(rule, accept=0.9, calibration=calibration, random_state=seed)
            model.fit(X[order[:80]], y[order[:80]])
            found.append((model.predict(X[order[80:]]) != -1).mean())
        rates[calibration], spread[calibration] = np.mean(found), np.std(found)
    assert 0.88 <= rates["cross"] <= 0.95
    assert spread["cross"] < 0.85 * spread["split"]
    far = EmbeddingClassifier(rule, accept=0.95, random_state=0).fit(X[::2], y[::2])
    assert (far.predict(X + 50.0) == -1).all()


class Scaled(NearestCentroid):
    """A rule that learns the scale of its knownness from samples that it has not seen."""

    def calibrate(self, z, y, evidence=None):
        self.held_ = len(z)
        self.scale_ = float(super().evaluate(z).knownness.std()) + 1e-9
        return super().calibrate(z, y, evidence)

    def evaluate(self, z, evidence=None):
        verdict = super().evaluate(z, evidence)
        return verdict._replace(knownness=verdict.knownness / getattr(self, "scale_", 1.0))


@pytest.mark.parametrize("counts", [(60, 60), (2, 30), (2, 2)])
def test_a_rule_that_calibrates_gets_held_out_samples_in_every_fit(counts):
    assert Scaled.calibrates_on_held_out
    assert not Neighbours.calibrates_on_held_out
    y = np.repeat([0, 1], counts)
    X = np.random.default_rng(0).normal(size=(len(y), 3)) + 5 * y[:, None]
    model = EmbeddingClassifier(Scaled(), accept=None, calibration="cross", random_state=0).fit(X, y)
    assert 0 < model.rule_.held_ < max(len(y), 5)
    assert len(model.threshold_.scores_) == len(y)


def test_a_split_within_a_fold_keeps_every_class_to_learn_from():
    y = np.r_[np.zeros(30, int), np.arange(1, 21)]
    for seed in range(20):
        training, selection = _split_within((y[:, None] + 0.0, y), 0.5, seed)
        assert set(training[1].tolist()) == set(range(21))
        assert len(training[1]) + len(selection[1]) == 50
        assert set(selection[1].tolist()) == {0}
        np.testing.assert_array_equal(training[0][:, 0], training[1])


@pytest.mark.usefixtures("few_trees")
def test_smallest_data_and_odd_settings(wine):
    X = np.array([[0.0], [1.0], [9.0], [10.0]])
    with pytest.warns(UserWarning, match="4 calibration samples are too few"):
        model = EmbeddingClassifier(random_state=0).fit(X, ["a", "a", "b", "b"])
    assert model.predict([[0.4], [9.6]]).tolist() == ["a", "b"]
    X, y = wine
    with pytest.raises(ValueError, match="calibration='jackknife' is not known: use 'auto', 'split', 'cross'"):
        EmbeddingClassifier(calibration="jackknife").fit(X, y)
    with pytest.raises(ValueError, match="calibration='cross' holds out every sample in turn"):
        EmbeddingClassifier(calibration="cross").fit(X, y, validation=(X, y))
    with pytest.raises(ValueError, match=r"validation_fraction=0\.9 does not work"):
        EmbeddingClassifier(validation_fraction=0.9).fit(X, y)


@pytest.mark.usefixtures("few_trees")
def test_it_is_saved(wine, tmp_path):
    X, y = wine
    model = EmbeddingClassifier(calibration="cross", random_state=0).fit(X, y)
    again = knownot.load(model.save(tmp_path / "m.safetensors"))
    assert again.calibration == "cross"
    np.testing.assert_array_equal(again.p_values(X), model.p_values(X))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
