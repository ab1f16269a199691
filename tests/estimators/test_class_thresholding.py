"""A threshold for each class, selection and the score, through the estimators."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_blobs
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import knownot
from knownot import EmbeddingClassifier, GaussianMixtureDensity
from knownot.cli.judging import judge_classes
from knownot.model_file import read_model_file
from knownot.report import gather


@pytest.fixture(scope="module")
def uneven():
    """A narrow, a wide and a very wide class, which are sometimes mistaken, and unknown samples."""
    X, y = make_blobs([300, 300, 300, 60], n_features=4, centers=None, cluster_std=[1, 2, 4, 1], random_state=1)
    return X[y < 3], np.array(["ash", "bay", "fir"])[y[y < 3]], X[y == 3] + 20


@pytest.fixture(scope="module")
def model(uneven):
    X, y, _ = uneven
    return EmbeddingClassifier("neighbours", accept=0.9, per_class=True, random_state=0).fit(X[::2], y[::2])


def test_every_answer_uses_the_threshold_of_the_predicted_class(model, uneven):
    X, _, unknown = uneven
    X = np.concatenate([X, unknown])
    nearest, scores = model.nearest_class(X, return_knownness=True)
    offsets = model.class_offsets_[np.searchsorted(model.classes_, nearest)]
    assert len(np.unique(model.class_offsets_)) == 3
    expected = np.where(scores >= offsets, nearest, "unknown")
    said = model.assess(X)
    np.testing.assert_array_equal(model.predict(X), expected)
    np.testing.assert_array_equal(said["class"], expected)
    np.testing.assert_allclose(model.decision_function(X), scores - offsets)
    np.testing.assert_array_equal(said["p_value"], model.p_values(X))
    np.testing.assert_array_equal(model.p_values(X) <= 0.1 + 1e-12, expected == "unknown")
    assert model.class_threshold_.p_values(scores, np.searchsorted(model.classes_, nearest)) == pytest.approx(
        model.p_values(X)
    )


def test_each_class_is_accepted_where_one_threshold_fails(uneven):
    X, y, _ = uneven
    rates = {}
    for per_class in (False, True):
        found = []
        for seed in range(30):
            order = np.random.default_rng(seed).permutation(len(y))
            one, other = order[:450], order[450:]
            model = EmbeddingClassifier("nc-d", accept=0.9, per_class=per_class, random_state=seed).fit(X[one], y[one])
            accepted = model.predict(X[other]) != "unknown"
            found.append([accepted[y[other] == name].mean() for name in model.classes_])
        rates[per_class] = np.mean(found, axis=0)
    assert rates[False].min() < 0.8
    assert rates[True].min() > 0.885


def test_calibrate_sets_and_unsets_them(uneven):
    X, y, unknown = uneven
    model = EmbeddingClassifier("neighbours", accept=0.9, random_state=0).fit(X[::2], y[::2])
    assert model.class_offsets_ is None
    offset = model.offset_
    model.calibrate(X[1::2], y[1::2], per_class=True, accept=0.8)
    assert model.class_offsets_.shape == (3,)
    assert model.accept_ == 0.8
    for wrong in ({"X_unknown": unknown}, {"method": "quantile"}):
        with pytest.raises(ValueError, match="per_class=True needs the labels y of X, and goes with neither"):
            model.calibrate(X[1::2], y[1::2], per_class=True, **wrong)
    with pytest.raises(ValueError, match="give calibrate\\(X, y, per_class=True\\)"):
        model.calibrate(X[1::2], per_class=True)
    assert model.class_offsets_ is not None, "what was refused changed nothing"
    model.calibrate(X[1::2])
    assert model.class_offsets_ is None
    assert model.offset_ != offset
    of_each = EmbeddingClassifier("neighbours", accept=0.9, per_class=True, random_state=0).fit(X[::2], y[::2])
    with pytest.raises(ValueError, match="needs the labels"):
        of_each.calibrate(X[1::2])
    assert of_each.calibrate(X[1::2], per_class=False).class_offsets_ is None


def test_small_classes_are_named(uneven):
    X, y, _ = uneven
    keep = np.r_[np.flatnonzero(y == "ash"), np.flatnonzero(y == "fir")[:6]]
    model = EmbeddingClassifier("neighbours", accept=0.9, per_class=True, random_state=0)
    with pytest.warns(UserWarning, match=r"1 of 2 classes have too few.*'fir' \(6\).*19 of each class are needed"):
        model.fit(X[keep], y[keep])
    assert model.class_offsets_[1] == model.offset_


def test_they_are_saved_and_loaded(model, uneven, tmp_path):
    X, _, unknown = uneven
    X = np.concatenate([X, unknown])
    path = model.save(tmp_path / "m.safetensors")
    assert "threshold.class_offsets" in read_model_file(path).shapes
    again = knownot.load(path)
    for method in ("predict", "decision_function", "p_values"):
        np.testing.assert_array_equal(getattr(again, method)(X), getattr(model, method)(X))
    np.testing.assert_array_equal(again.class_offsets_, model.class_offsets_)
    plain = knownot.load(model.calibrate(X, per_class=False).save(tmp_path / "n.safetensors"))
    assert plain.class_offsets_ is None


def test_reports_and_the_terminal_judge_by_them(uneven):
    X, y, unknown = uneven
    model = EmbeddingClassifier("nc-d", accept=0.9, per_class=True, random_state=0).fit(X[::2], y[::2])
    data, labels = np.concatenate([X[1::2], unknown]), np.r_[y[1::2], np.full(len(unknown), "elm")]
    accepted = model.predict(data) != "unknown"
    metrics, rows = judge_classes(model, data, labels)
    assert metrics["acceptance"] == pytest.approx(accepted[labels != "elm"].mean())
    for row in rows:
        assert row["rejected"] == pytest.approx((~accepted[labels == row["label"]]).mean())
    found = gather(model, data, labels).metrics
    assert found == pytest.approx({**metrics, **{k: v for k, v in found.items() if k not in metrics}})
    assert "threshold" not in found


@pytest.mark.parametrize("kind", ["classifier", "density"])
def test_select_keeps_the_rate(kind):
    """100 batches of 60 new known samples and 20 unknown ones; each has a model of its own."""
    random, false, found = np.random.default_rng(0), [], []
    for seed in range(100 if kind == "classifier" else 4):
        X = random.normal(size=(900, 3)) + 6 * (np.arange(900) % 2)[:, None]
        batch = np.concatenate([random.normal(size=(60, 3)), random.normal(size=(20, 3)) - 6])
        if kind == "classifier":
            one = EmbeddingClassifier("nc-d", calibration="split", validation_fraction=0.5, random_state=seed)
        else:
            one = GaussianMixtureDensity(2, max_epochs=5, validation_fraction=0.5, random_state=seed)
        chosen = one.fit(X, np.arange(900) % 2).select(batch, fdr=0.2)
        assert chosen.dtype == bool
        false.append(chosen[:60].sum() / max(chosen.sum(), 1))
        found.append(chosen[60:].mean())
    error = np.std(false, ddof=1) / np.sqrt(len(false))
    assert np.mean(false) <= 0.2 + 2 * error
    assert np.mean(found) > 0.8


def test_select_says_when_nothing_can_be_selected(uneven):
    X, y, _ = uneven
    model = EmbeddingClassifier("neighbours", calibration="cross", random_state=0).fit(X[::18], y[::18])
    with pytest.warns(UserWarning, match="nothing is selected. With 50 calibration samples no p-value is below 1/51"):
        assert not model.select(X).any()
    with pytest.raises(ValueError, match="fdr=2 is no false-discovery rate"):
        model.select(X, fdr=2)


def test_score_counts_a_foreign_label_as_unknown(uneven):
    X, y, unknown = uneven
    model = EmbeddingClassifier("neighbours", accept=0.9, random_state=0).fit(X[::2], y[::2])
    answers = model.predict(X)
    assert model.score(X, y) == (answers == y).mean() < 1
    assert model.score(unknown, ["elm"] * len(unknown)) == model.score(unknown, ["unknown"] * len(unknown)) == 1
    assert model.score(X, ["elm"] * len(X)) == (answers == "unknown").mean()
    weights = np.arange(len(y))
    assert model.score(X, y, sample_weight=weights) == pytest.approx(np.average(answers == y, weights=weights))
    with pytest.raises(ValueError, match="y holds numbers, but strings were learned"):
        model.score(X, np.zeros(len(X), int))
    numbers = EmbeddingClassifier("neighbours", accept=0.9, random_state=0).fit(X, (y == "ash").astype(np.uint8))
    assert numbers.score(unknown, np.full(len(unknown), -1)) == numbers.score(unknown, np.full(len(unknown), 7)) == 1
    # Where nothing is rejected, a foreign label is never right, not even that of a class called -1.
    with pytest.warns(UserWarning, match="learned as a class"):
        all_known = EmbeddingClassifier("neighbours", accept=None, random_state=0).fit(X, np.where(y == "ash", -1, 1))
    assert all_known.score(X, np.where(y == "ash", -1, 1)) > 0.8
    assert all_known.score(X, np.full(len(X), 7)) == 0


def test_a_grid_search_finds_its_way():
    X, y = load_digits(return_X_y=True)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), EmbeddingClassifier("neighbours", random_state=0)),
        {"embeddingclassifier__per_class": [False, True], "embeddingclassifier__calibration": ["split", "cross"]},
        cv=2,
    ).fit(X[:600], y[:600])
    assert search.best_score_ > 0.7
