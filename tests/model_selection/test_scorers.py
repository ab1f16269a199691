"""Scorers in scikit-learn's searches: samples of classes that were not in fit are the unknown ones."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_wine
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from knownot import EmbeddingClassifier, LeaveClassesOut, auroc_scorer, open_macro_f1_scorer, oscr_scorer
from knownot.metrics import open_macro_f1, oscr

FOLDS = LeaveClassesOut(random_state=0)


@pytest.fixture(scope="module")
def wine():
    return load_wine(return_X_y=True)


def model(rule: str = "gaussian") -> EmbeddingClassifier:
    return EmbeddingClassifier(rule, random_state=0)


def test_scorers_equal_a_loop_by_hand(wine):
    X, y = wine
    scorers = {"auroc": auroc_scorer, "oscr": oscr_scorer, "f1": open_macro_f1_scorer}
    found = cross_validate(model(), X, y, cv=FOLDS, scoring=scorers)
    for i, (train, test) in enumerate(FOLDS.split(X, y)):
        fitted = model().fit(X[train], y[train])
        known, scores = np.isin(y[test], y[train]), fitted.score_samples(X[test])
        assert found["test_auroc"][i] == pytest.approx(roc_auc_score(known, scores))
        right = fitted.nearest_class(X[test]) == y[test]
        assert found["test_oscr"][i] == pytest.approx(oscr(known, right, scores))
        truth = np.where(known, y[test], -1)
        assert found["test_f1"][i] == pytest.approx(open_macro_f1(truth, fitted.predict(X[test])))


def test_a_search_finds_the_rule_that_refuses_best(wine):
    X, y = wine
    rules = ["gaussian", "nc-d", "local"]
    search = GridSearchCV(model(), {"rule": rules}, cv=FOLDS, scoring=auroc_scorer, error_score="raise").fit(X, y)
    means = [cross_val_score(model(rule), X, y, cv=FOLDS, scoring=auroc_scorer).mean() for rule in rules]
    assert search.best_params_["rule"] == rules[int(np.argmax(means))]
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], means)
    assert search.best_estimator_.classes_.tolist() == [0, 1, 2]


def test_pipelines_frames_and_names(wine):
    X, y = wine
    expected = cross_val_score(model(), X, y, cv=FOLDS, scoring=oscr_scorer)
    names = pd.Series(np.array(["a", "b", "c"])[y], index=np.arange(len(y)) + 5)
    frame = pd.DataFrame(X, index=names.index)
    for scorer in (auroc_scorer, oscr_scorer, open_macro_f1_scorer):
        plain = cross_val_score(model(), X, y, cv=FOLDS, scoring=scorer)
        piped = make_pipeline(StandardScaler().set_output(transform="pandas"), model())
        np.testing.assert_allclose(
            cross_val_score(piped, frame, names, cv=FOLDS, scoring=scorer, error_score="raise"), plain, atol=1e-3
        )
    search = GridSearchCV(make_pipeline(StandardScaler(), model()), {"embeddingclassifier__rule": ["gaussian"]})
    search.set_params(cv=FOLDS, scoring=oscr_scorer).fit(frame, names)
    assert search.best_score_ == pytest.approx(expected.mean(), abs=1e-3)


def test_without_unknown_samples_there_is_a_sentence(wine):
    X, y = wine
    fitted = model().fit(X, y)
    with pytest.raises(ValueError, match="unknown"):
        auroc_scorer(fitted, X, y)
