"""scikit-learn's own checks, pipelines and searches."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from knownot import GMVAEClassifier

# Enough for blobs, also those of check_estimator.
SMALL = {"max_epochs": 6, "batch_size": 16, "learning_rate": 1e-2, "hidden": (32,), "latent_dim": 4}

# These demand that a classifier never rejects, that decision_function has a column for each
# class, or that -1 is an ordinary label. They hold with accept=None; with a threshold they
# contradict what an open-set classifier is, and nothing else may fail.
CLOSED_SET_ONLY = {
    "check_classifiers_classes": "asks that -1 be an ordinary label and that nothing be rejected",
    "check_classifiers_train": "asks that predict be the argmax of predict_proba and of decision_function",
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_gmvae_without_rejection_passes_check_estimator(checked):
    assert checked(GMVAEClassifier(accept=None, **SMALL))["passed"] > 50


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_gmvae_with_rejection_fails_only_checks_that_forbid_it(checked):
    assert checked(GMVAEClassifier(**SMALL), CLOSED_SET_ONLY)["passed"] > 50


def test_gmvae_runs_in_pipelines_and_grid_searches():
    X, y = make_blobs(200, centers=2, n_features=4, random_state=0)
    pipeline = make_pipeline(StandardScaler(), GMVAEClassifier(random_state=0, **SMALL))
    search = GridSearchCV(pipeline, {"gmvaeclassifier__rule": ["evidence", "nc-d"]}, cv=2).fit(X, y)
    assert search.best_score_ > 0.85
    assert cross_val_score(pipeline, X, y, cv=2).mean() > 0.85
    assert pipeline.fit_transform(X, y).shape == (200, 4)
    assert pipeline[-1].get_feature_names_out().tolist() == [f"gmvaeclassifier{i}" for i in range(4)]


def test_gmvae_can_be_cloned():
    model = GMVAEClassifier(n_subclusters={"a": 2}, rule="nc-u", accept=0.9)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "module_")


def test_gmvae_leaves_global_random_states_alone():
    import torch

    X, y = make_blobs(60, centers=2, random_state=0)
    torch.manual_seed(7)
    np.random.seed(7)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    model = GMVAEClassifier(random_state=0, **SMALL).fit(X, y)
    model.predict(X)
    model.sample(4, random_state=0)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002
