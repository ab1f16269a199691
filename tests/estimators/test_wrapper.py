"""Any classifier made able to answer "none of these": what it keeps, what it sees, what it refuses."""

import pickle  # noqa: TID251

import joblib  # noqa: TID251
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_digits, load_wine, make_blobs
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from knownot import OpenSetWrapper
from knownot.estimators.foreign import led_by, logits_of

FITS: list[int] = []


class Counting(GaussianNB):
    """Notes how many rows each fit saw."""

    def fit(self, X, y, sample_weight=None):
        FITS.append(len(X))
        return super().fit(X, y)


class Bare(ClassifierMixin, BaseEstimator):
    """Names a class and says nothing else."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


class Failing(Bare):
    def fit(self, X, y):
        raise RuntimeError("no more memory")


@pytest.fixture(scope="module")
def wine():
    X, y = load_wine(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="module")
def names(wine):
    return np.array(["barolo", "grignolino", "barbera"])[wine[1]]


def wrapped(estimator, X, y, **parameters) -> OpenSetWrapper:
    return OpenSetWrapper(estimator, **{"rule": "max-softmax", "random_state": 0} | parameters).fit(X, y)


CLASSIFIERS = [
    RandomForestClassifier(20, random_state=0),
    LogisticRegression(),
    SVC(),
    SVC(probability=True, random_state=0),
    SVC(decision_function_shape="ovo", probability=True, random_state=0),
    RidgeClassifier(),
    HistGradientBoostingClassifier(max_iter=5),
    GridSearchCV(SVC(), {"C": [0.1, 1.0]}, cv=2),
    make_pipeline(StandardScaler(), LogisticRegression()),
]


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=lambda e: f"{type(e).__name__}")
def test_the_class_is_always_that_of_the_classifier(wine, names, estimator, n_classes):
    X, y = wine[0][wine[1] < n_classes], names[wine[1] < n_classes]
    model = wrapped(estimator, X, y)
    np.testing.assert_array_equal(model.estimator_.classes_, np.unique(y))
    np.testing.assert_array_equal(model.classes_, model.estimator_.classes_)
    noisy = X + np.random.default_rng(0).normal(size=X.shape)
    named = model.estimator_.predict(noisy)
    np.testing.assert_array_equal(model.nearest_class(noisy), named)
    np.testing.assert_array_equal(model.classes_[model.predict_proba(noisy).argmax(1)], named)
    answers = model.predict(noisy)
    assert set(answers[answers != named]) <= {"unknown"}
    assert (model.nearest_class(X) == y).mean() > 0.9
    assert not hasattr(estimator, "classes_"), "the one given stays unfitted"


@pytest.mark.usefixtures("few_trees")
@pytest.mark.parametrize("rule", ["auto", "whitened"])
def test_the_class_is_that_of_the_classifier_under_rules_on_rows(wine, rule):
    X, y = wine
    model = wrapped(DummyClassifier(strategy="prior"), X, y, rule=rule)
    assert set(model.nearest_class(X)) == {1}, "the most frequent one, whatever the rows say"
    tuned = TunedThresholdClassifierCV(LogisticRegression(), scoring="recall_macro", thresholds=10, cv=2)
    X, y = X[y < 2], y[y < 2]
    model = wrapped(tuned, X, y, rule=rule)
    np.testing.assert_array_equal(model.nearest_class(X), model.estimator_.predict(X))


def test_led_by_changes_places_and_breaks_ties():
    logits = np.array([[3.0, 2.0, 1.0], [5.0, 5.0, 0.0], [1.0, 2.0, 3.0], [1.0, 0.0, 0.0]])
    found = led_by(logits, np.array([2, 1, 2, -1]))
    assert found.argmax(1).tolist() == [2, 1, 2, 0]
    assert found[0].tolist() == [1.0, 2.0, 3.0]
    np.testing.assert_allclose(np.sort(found, 1), np.sort(logits, 1), atol=1e-7)
    np.testing.assert_array_equal(found[2:], logits[2:])
    assert logits[0, 0] == 3.0, "the caller's stay"


def test_logits_of_two_classes_are_halved(wine):
    X, y = wine[0][wine[1] < 2], wine[1][wine[1] < 2]
    fitted = LogisticRegression().fit(X, y)
    logits = logits_of(fitted, X, 2)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(shares, fitted.predict_proba(X), atol=1e-9)


@pytest.mark.parametrize(("rule", "floor"), [("max-softmax", 0.0), ("energy", 0.0), ("whitened", 0.9), ("auto", 0.9)])
def test_new_known_samples_are_accepted_and_far_ones_refused_where_the_classifier_is_sure(rule, floor):
    rates, refused = [], []
    for seed in range(5):
        X, y = make_blobs(500, centers=[[0, 0, 0, 0], [6, 0, 0, 0], [0, 6, 0, 0]], random_state=seed)
        model = wrapped(LogisticRegression(), X[:300], y[:300], rule=rule, accept=0.9, random_state=seed)
        rates.append(model.decision_function(X[300:]) >= 0)
        # Far beyond a class, where the classifier is surer than it ever was.
        far = np.array([[60.0, -60.0, 0.0, 0.0]]) + np.random.default_rng(seed).normal(size=(50, 4))
        assert model.estimator_.predict_proba(far).max(1).min() > 0.999
        refused.append(model.predict(far) == -1)
    assert 0.85 <= np.mean(rates) <= 0.96
    if floor:
        assert np.mean(refused) > floor
    else:
        assert np.mean(refused) < 0.1, "what the classifier alone cannot see"


def test_auto_tells_a_hidden_class_from_the_others_better_than_the_classifier_alone():
    X, y = load_digits(return_X_y=True)
    known, start = y < 5, slice(None, 400)
    found = {}
    for rule in ("max-softmax", "auto"):
        model = wrapped(LogisticRegression(max_iter=300), X[known][start], y[known][start], rule=rule)
        scores = model.score_samples(X[400:])
        found[rule] = roc_auc_score(known[400:], scores)
    assert found["auto"] > max(found["max-softmax"], 0.93)


@pytest.mark.usefixtures("few_trees")
@pytest.mark.parametrize(
    ("rule", "calibration", "rows"),
    [
        ("max-softmax", "split", [107]),
        ("max-softmax", "cross", [178] + [160] * 8 + [161] * 2),
        ("auto", "split", [107] + [None] * 8),
        ("auto", "cross", [178] + [None] * 8 + [160] * 8 + [161] * 2),
    ],
)
def test_how_often_and_on_what_it_is_fitted(wine, rule, calibration, rows):
    FITS.clear()
    model = wrapped(Counting(), *wine, rule=rule, calibration=calibration)
    assert len(FITS) == len(rows)
    training = 107 if calibration == "split" else 178
    for seen, expected in zip(sorted(FITS[1 : len(rows)]), sorted(r or 0 for r in rows[1:]), strict=True):
        assert seen < training
        assert not expected or seen in (160, 161)
    assert FITS[0] == training
    FITS.clear()
    model.predict(wine[0])
    assert not FITS


@pytest.mark.usefixtures("few_trees")
@pytest.mark.parametrize("rule", ["auto", "energy", "whitened"])
def test_kept_with_pickle_and_joblib_alike(wine, names, tmp_path, rule):
    X = wine[0]
    model = wrapped(LogisticRegression(), X, names, rule=rule)
    joblib.dump(model, tmp_path / "m.joblib")
    for again in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "m.joblib")):
        np.testing.assert_array_equal(again.score_samples(X), model.score_samples(X))
        np.testing.assert_array_equal(again.predict(X), model.predict(X))
        np.testing.assert_array_equal(again.p_values(X), model.p_values(X))
    with pytest.raises(ValueError, match=r"holds a LogisticRegression of another package.*use joblib.dump"):
        model.save(tmp_path / "m.safetensors")
    assert not (tmp_path / "m.safetensors").exists()
    # The samples are not kept twice, and those of a rule on logits not at all.
    if rule == "energy":
        assert len(pickle.dumps(model)) < 30_000


def test_clone_and_nested_parameters(wine):
    X, y = wine
    model = OpenSetWrapper(RandomForestClassifier(5, random_state=0), rule="max-softmax", random_state=0)
    model.set_params(estimator__max_depth=2)
    again = clone(model)
    assert again.estimator is not model.estimator
    assert again.get_params()["estimator__max_depth"] == 2
    assert max(tree.get_depth() for tree in again.fit(X, y).estimator_.estimators_) <= 2
    search = GridSearchCV(model, {"estimator__max_depth": [1, 3]}, cv=2, error_score="raise").fit(X, y)
    assert search.best_params_["estimator__max_depth"] in (1, 3)


@pytest.mark.usefixtures("few_trees")
def test_the_same_random_state_gives_the_same_model(wine):
    X, y = wine
    forest = RandomForestClassifier(5, random_state=0)
    scores = [wrapped(forest, X, y, rule="auto", random_state=s).score_samples(X) for s in (3, 3, 4)]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])


def test_forecast_only_where_classes_were_hidden(wine):
    X, y = wine
    model = wrapped(LogisticRegression(), X, y, rule="auto")
    assert model.expected_auroc_ == model.forecast_.auroc > 0.9
    assert len(model.forecast_.by_fold) == 3
    assert "two known classes" in wrapped(LogisticRegression(), X[y < 2], y[y < 2], rule="auto").forecast_.note
    with pytest.raises(AttributeError, match="fit with rule='auto'"):
        wrapped(LogisticRegression(), X, y).forecast_  # noqa: B018


@pytest.mark.usefixtures("few_trees")
def test_texts_and_sparse_matrices():
    words = ("good red wine", "loud old car", "tall green tree")
    texts, y = [f"{words[i % 3]} number {i % 7}" for i in range(120)], np.array(["w", "c", "t"])[np.arange(120) % 3]
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression())
    for kind in (list, lambda t: np.array(t, dtype=object), lambda t: pd.Series(t, index=range(5, 125))):
        for rule in ("auto", "energy"):
            model = wrapped(pipeline, kind(texts), y, rule=rule)
            assert model.predict(["good red wine", "quantum flux"]).tolist() == ["w", "unknown"]
    X = TfidfVectorizer().fit_transform(texts)
    for form in (sparse.csr_matrix, sparse.csr_array, sparse.coo_matrix, sparse.csc_matrix):
        model = wrapped(LogisticRegression(), form(X), y, rule="auto")
        assert (model.predict(form(X)) == y).mean() > 0.9


def test_rules_on_rows_refuse_samples_that_are_no_table():
    texts = [f"{('red wine', 'old car')[i % 2]} {i}" for i in range(60)]
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression())
    with pytest.raises(ValueError, match=r"rule='neighbours' looks at the rows of a table.*use rule='auto'"):
        wrapped(pipeline, texts, np.arange(60) % 2, rule="neighbours")


@pytest.mark.usefixtures("few_trees")
def test_class_weights_by_label_work(wine, names):
    weights = {"barolo": 1.0, "grignolino": 2.0, "barbera": 1.0}
    model = wrapped(LogisticRegression(class_weight=weights), wine[0], names, rule="auto")
    assert (model.predict(wine[0]) == names).mean() > 0.8


@pytest.mark.usefixtures("few_trees")
def test_one_class_with_a_classifier_that_can(wine):
    X, y = wine[0][wine[1] == 0], wine[1][wine[1] == 0]
    model = wrapped(RandomForestClassifier(5, random_state=0), X, y, rule="auto")
    assert np.isnan(model.expected_auroc_)
    assert "one known class" in model.forecast_.note
    assert (model.predict(wine[0][wine[1] == 2]) == -1).mean() > 0.8


@pytest.mark.parametrize(
    ("estimator", "match"),
    [
        (Bare(), "Bare gives neither decision_function nor predict_proba"),
        (SVC(decision_function_shape="ovo"), "for an SVC one with decision_function_shape='ovr'"),
        (Ridge(), r"estimator=Ridge\(\) is no classifier"),
        (LogisticRegression, "is no classifier: give an instance"),
        (None, "estimator=None is no classifier"),
        ("forest", "estimator='forest' is no classifier"),
    ],
)
def test_what_cannot_be_wrapped_is_refused(wine, estimator, match):
    with pytest.raises(ValueError, match=match):
        wrapped(estimator, *wine)


def test_energy_of_probabilities_is_refused(wine):
    with pytest.raises(ValueError, match="RandomForestClassifier gives probabilities, whose sum is always 1"):
        wrapped(RandomForestClassifier(5), *wine, rule="energy")


def test_a_classifier_that_fails_leaves_the_old_model(wine):
    X, y = wine
    model = wrapped(LogisticRegression(), X, y)
    scores = model.score_samples(X)
    with pytest.raises(RuntimeError, match="no more memory"):
        model.set_params(estimator=Failing()).fit(X, y)
    np.testing.assert_array_equal(model.score_samples(X), scores)


def test_labels_and_states_are_checked_as_elsewhere(wine):
    X, y = wine
    with pytest.raises(ValueError, match="y holds the label -1"):
        wrapped(LogisticRegression(), X, y - 1)
    with pytest.raises(NotFittedError):
        OpenSetWrapper(LogisticRegression()).predict(X)
    with pytest.raises(ValueError, match="178 samples but y has 3 labels"):
        wrapped(LogisticRegression(), X, y[:3])
    with pytest.raises(ValueError, match="rule='foo' is not known"):
        wrapped(LogisticRegression(), X, y, rule="foo")


@pytest.mark.usefixtures("few_trees")
def test_frames_keep_their_names(wine):
    X, y = wine
    frame = pd.DataFrame(X, columns=[f"c{j}" for j in range(13)], index=range(9, 187))
    model = wrapped(LogisticRegression(), frame, pd.Series(y, index=frame.index), rule="auto")
    assert model.estimator_.feature_names_in_.tolist() == model.feature_names_in_.tolist() == list(frame.columns)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame.iloc[:, ::-1])


def test_many_samples_are_judged_piece_by_piece(wine, monkeypatch):
    X, y = wine
    model = wrapped(LogisticRegression(), X, y)
    large = np.tile(X, (300, 1))
    sizes = []
    decide = LogisticRegression.decision_function
    monkeypatch.setattr(LogisticRegression, "decision_function", lambda s, X: sizes.append(len(X)) or decide(s, X))
    scores = model.score_samples(large)
    assert max(sizes) <= 16_384
    np.testing.assert_allclose(scores.reshape(300, -1), np.tile(scores[: len(X)], (300, 1)), atol=1e-9)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_check_estimator_passes_as_far_as_rejecting_allows(checked):
    expected = {
        "check_classifiers_classes": "asks that -1 be an ordinary label and that nothing be rejected",
        "check_decision_proba_consistency": "asks that knownness rank two classes as their probabilities do",
        "check_classifiers_train": "asks that predict be the argmax of predict_proba and of decision_function",
        "check_classifiers_one_label": "the classifier inside refuses one class",
    }
    model = OpenSetWrapper(LogisticRegression(), rule="max-softmax")
    assert checked(model, expected)["passed"] > 40
