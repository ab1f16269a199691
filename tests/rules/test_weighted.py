"""Evidence weighted by hiding known classes: what it learns, small and odd data, many classes, saving."""

import copy
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_iris, load_wine
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV

import knownot
from knownot import EmbeddingClassifier
from knownot.data import LeaveClassesOut
from knownot.rules import WeightedEvidence, make_rule
from knownot.rules.sources import SOURCES
from knownot.rules.weighing import learn_weights
from knownot.rules.weighted import _MAX_CLASSES_TRIED, _fold_of_each, _thin

NAMES = [source.name for source in SOURCES]


def clusters(n=90, n_classes=3, d=4, gap=6.0, seed=0):
    random = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    centres = gap * np.random.default_rng(99).normal(size=(n_classes, d))
    return torch.from_numpy((random.normal(size=(n, d)) + centres[y]).astype(np.float32)), torch.from_numpy(y)


@pytest.fixture(scope="module")
def fitted():
    z, y = clusters()
    return WeightedEvidence().fit(z, y, {"own scale": 2.0 * z})


# What it learns


def anisotropic(seed, radius=3.0):
    """Six classes on a small circle, among six columns of far larger scatter: distances as they are see noise alone."""
    random = np.random.default_rng(seed)
    y = np.arange(900) % 6
    angle = y * np.pi / 3
    rows = random.normal(size=(900, 8)) * np.r_[0.3, 0.3, np.full(6, 12.0)]
    rows[:, :2] += radius * np.stack([np.cos(angle), np.sin(angle)], 1)
    return torch.from_numpy(rows.astype(np.float32)), torch.from_numpy(y)


@pytest.mark.parametrize("seed", range(3))
def test_it_beats_equal_weights_where_half_the_sources_see_noise(seed):
    rows, y = anisotropic(seed, radius=1.0)
    z = rows / rows.std(0)
    informed = ["gaussian", "whitened", "relative-mahalanobis"]
    noise = ["neighbours, own scale", "cosine, own scale", "local, own scale"]
    train, test = (y < 4) & (torch.arange(900) < 600), torch.arange(900) >= 600
    evidence, known = {"own scale": rows[test]}, y[test] < 4

    def told_apart(rule):
        return roc_auc_score(known, rule.score(z[test], evidence)[1])

    def learned(names):
        return WeightedEvidence(names).fit(z[train], y[train], {"own scale": rows[train]})

    assert max(told_apart(learned([name])) for name in noise) < 0.75
    rule = learned(noise + informed)
    assert sum(rule.weights_.get(name, 0.0) for name in noise) < 0.1
    assert told_apart(rule) > 0.92
    assert told_apart(rule) > max(told_apart(learned([name])) for name in informed)
    equal = copy.deepcopy(rule)
    for name in noise:
        alone = learned([name])
        equal.rules_[name], equal.surprises_[name] = alone.rules_[name], alone.surprises_[name]
    equal.weights_ = dict.fromkeys(noise + informed, 1 / 6)
    assert told_apart(equal) < told_apart(rule) - 0.02


def test_weights_are_learned_from_hidden_classes_and_small_ones_left_out(fitted, monkeypatch):
    seen = {}
    monkeypatch.setattr(
        "knownot.rules.weighted.learn_weights",
        lambda folds, n: seen.update(folds=folds, weights=learn_weights(folds, n)) or seen["weights"],
    )
    z, y = clusters()
    rule = WeightedEvidence().fit(z, y, {"own scale": 2.0 * z})
    assert rule.weights_ == fitted.weights_
    assert len(seen["folds"]) == 3
    for fold in seen["folds"]:
        assert len(fold.hidden) == 30, "all of the hidden class"
        assert len(fold.known) == 18, "three tenths of the others"
    columns = [column for source in SOURCES for column in source.columns]
    kept = {name: w for name, w in zip(columns, seen["weights"], strict=True) if w >= 0.02}
    assert rule.weights_ == pytest.approx({name: w / sum(kept.values()) for name, w in kept.items()})
    assert sum(rule.weights_.values()) == pytest.approx(1.0)


def test_knownness_is_minus_the_weighted_sum_of_surprises(fitted):
    z, _ = clusters(seed=1)
    views = {"standard": z, "all columns": z, "own scale": 2.0 * z}
    expected = torch.zeros(len(z), dtype=torch.float64)
    for source in SOURCES:
        if set(source.columns) & set(fitted.weights_):
            columns, _ = source.evidence(fitted.rules_[source.name].evaluate(views[source.view]))
            for name, column in zip(source.columns, columns.T, strict=True):
                if name in fitted.weights_:
                    expected += fitted.weights_[name] * fitted.surprises_[name](column).clamp(max=60)
    verdict = fitted.evaluate(z, {"own scale": 2.0 * z})
    torch.testing.assert_close(verdict.knownness, -expected)
    assert fitted.evaluate(z + 1e6, {"own scale": 2.0 * (z + 1e6)}).knownness.min() >= -60.001


def test_surprises_are_measured_on_samples_that_a_source_has_not_seen():
    """Nearest neighbours of training samples are at distance 0: a scale from these would refuse every new sample."""
    z, y = clusters(300, d=6)
    new, _ = clusters(300, d=6, seed=1)
    knownness = WeightedEvidence(["whitened"]).fit(z, y).score(new)[1]
    assert 0.7 < float(-knownness.mean()) < 1.4, "the mean of minus the log of a uniform share is 1"


def test_the_class_is_voted_by_the_three_best(fitted):
    z, y = clusters(seed=1)
    evidence = {"own scale": 2.0 * z}
    assert len(fitted.voters_) == 3
    assert "residual" not in fitted.voters_
    views = {"standard": z, "all columns": z, "own scale": 2.0 * z}
    by_name = {source.name: source for source in SOURCES}
    votes = [
        torch.softmax(
            fitted.rules_[name].evaluate(views[by_name[name].view]).logits.double() / fitted.temperatures_[name], 1
        )
        for name in fitted.voters_
    ]
    torch.testing.assert_close(torch.softmax(fitted.evaluate(z, evidence).logits, 1), sum(votes) / 3)
    assert (fitted.score(z, evidence)[0] == y).double().mean() > 0.97


def test_voters_are_those_that_name_classes():
    z, y = anisotropic(0)
    names = ["neighbours, own scale", "cosine, own scale", "local, own scale", "gaussian", "whitened", "linear"]
    rule = WeightedEvidence(names).fit(z / z.std(0), y, {"own scale": z})
    assert set(rule.voters_) == {"gaussian", "whitened", "linear"}


@pytest.mark.usefixtures("few_trees")
def test_forecast_comes_true_on_new_classes():
    """Ten known classes of sixteen in a plane: the six others are told apart about as well as was foretold."""
    z, y = clusters(1600, 16, d=3, gap=2.0)
    known, new = y < 10, clusters(1600, 16, d=3, gap=2.0, seed=1)[0]
    rule = WeightedEvidence().fit(z[known], y[known])
    found = roc_auc_score(known, rule.score(new)[1])
    assert rule.forecast_.low <= found <= rule.forecast_.high
    assert abs(rule.forecast_.auroc - found) < 0.15
    assert len(rule.forecast_.by_fold) == 6


def test_class_weights_reach_the_classifiers_also_where_classes_are_hidden():
    z, y = clusters(300, gap=1.0)
    y[torch.arange(300) < 250] = 0
    named = ["linear"]
    plain, weighted, balanced = (
        (WeightedEvidence(named, class_weight=w).fit(z, y).score(z)[0] > 0).sum()
        for w in (None, {1: 9, 2: 9}, "balanced")
    )
    assert weighted > plain
    assert balanced > plain


# Real data


@pytest.mark.parametrize(("load", "at_most"), [(load_wine, 0.1), (load_iris, 0.15)])
def test_uniform_noise_inside_the_ranges_is_refused(load, at_most):
    X, y = load(return_X_y=True)
    noise = np.random.default_rng(0).uniform(X.min(0), X.max(0), size=(1000, X.shape[1]))
    model = EmbeddingClassifier(accept=0.95, random_state=0).fit(X, y)
    assert (model.predict(noise) != -1).mean() < at_most
    assert (model.predict(X) != -1).mean() > 0.93


@pytest.mark.parametrize("name", ["wine", "iris"])
@pytest.mark.data
def test_a_hidden_class_of_a_real_table(data_root, name):
    table = np.load(data_root / "tables" / f"{name}.npz", allow_pickle=False)
    X, y = table["X"], np.unique(table["y"], return_inverse=True)[1]
    found = []
    for hidden in range(y.max() + 1):
        train = (y != hidden) & (np.arange(len(y)) % 2 == 0)
        test = (y == hidden) | (np.arange(len(y)) % 2 == 1)
        model = EmbeddingClassifier(accept=0.9, random_state=0).fit(X[train], y[train])
        found.append(roc_auc_score(y[test] != hidden, model.decision_function(X[test])))
    assert np.mean(found) > {"wine": 0.95, "iris": 0.94}[name]


@pytest.mark.usefixtures("few_trees")
@pytest.mark.parametrize("seed", range(2))
def test_a_rotation_does_not_take_what_standardising_takes(seed):
    """Six wide columns tell the classes, sixty narrow ones nothing; standardised alone, these drown the others."""
    random = np.random.default_rng(seed)
    centres = np.zeros((6, 66))
    centres[:, :6] = 4.0 * random.normal(size=(6, 6))
    y = np.arange(420) % 6
    plain = centres[y] + random.normal(size=(420, 66)) * np.r_[np.ones(6), np.full(60, 0.1)]
    rotated = plain @ np.linalg.qr(random.normal(size=(66, 66)))[0]
    train = (y < 4) & (np.arange(420) < 120)
    test = np.arange(420) >= 120
    for rows in (plain, rotated):
        model = EmbeddingClassifier(accept=0.9, random_state=0).fit(rows[train], y[train])
        assert roc_auc_score(y[test] < 4, model.decision_function(rows[test])) > 0.97
        assert (model.predict(rows[test])[y[test] < 4] == y[test][y[test] < 4]).mean() > 0.8


# Odd data


def odd_data():
    X, y = (a.numpy() for a in clusters())
    X = X.astype(float)
    random = np.random.default_rng(0)
    return {
        "one class": (X, np.zeros(90, int)),
        "two classes": (X[y < 2], y[y < 2]),
        "a class of 2": (X[:62], np.r_[np.arange(60) % 2, 2, 2]),
        "all classes of 2": (clusters(24, 12)[0].numpy()[np.argsort(np.arange(24) % 12)], np.repeat(np.arange(12), 2)),
        "constant columns": (np.c_[X, np.ones(90), np.zeros(90)], y),
        "all rows equal": (np.ones((90, 3)), y),
        "duplicate rows": (np.repeat(X[:9], 10, 0), np.repeat(y[:9], 10)),
        "one column": (X[:, :1], y),
        "500 columns, 60 rows": (random.normal(size=(60, 500)) + 3 * random.normal(size=(3, 500))[y[:60]], y[:60]),
        "huge": (X * 1e300, y),
        "tiny": (X * 1e-300, y),
        "units apart": (X * [1e290, 1e-290, 1.0, 1e9], y),
        "outlier": (np.r_[X, [[1e12] * 4]], np.r_[y, 0]),
        "1 to 1000": (
            np.r_[random.normal(size=(2000, 4)), random.normal(size=(2, 4)) + 6],
            np.repeat([0, 1], [2000, 2]),
        ),
    }


@pytest.mark.usefixtures("few_trees")
@pytest.mark.parametrize("name", odd_data())
def test_odd_data(name):
    X, y = odd_data()[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = EmbeddingClassifier(accept=0.8, random_state=0).fit(X, y)
        assert np.isfinite(model.decision_function(X)).all()
        np.testing.assert_allclose(model.predict_proba(X).sum(1), 1.0)
    assert (model.predict(X) != -1).mean() >= 0.75
    weights = model.rule_.weights_
    assert min(weights.values()) > 0
    assert sum(weights.values()) == pytest.approx(1.0)
    if name in ("huge", "tiny", "constant columns", "two classes"):
        assert (model.predict(X) == y).mean() > 0.75
    if name == "two classes":
        assert model.rule_.forecast_.note.startswith("with two known classes")
    if name == "one class":
        assert np.isnan(model.rule_.forecast_.auroc)
        assert max(weights.values()) == pytest.approx(min(weights.values()))


@pytest.mark.usefixtures("few_trees")
@pytest.mark.filterwarnings("ignore:.*calibration samples are too few")
@pytest.mark.parametrize("labels", [[0, 0, 1, 1], [0, 0, 0, 0], [0, 1, 1, 1, 0]])
def test_four_samples_in_all(labels):
    X = np.array([[0.0, 1.0], [0.2, 1.1], [9.0, 4.0], [9.1, 4.2], [0.1, 1.0]])[: len(labels)]
    with pytest.warns(UserWarning, match="too few to reject"):
        model = EmbeddingClassifier(random_state=0).fit(X, labels)
    assert np.isfinite(model.predict_proba(X)).all()
    assert set(model.predict(X)) <= set(labels)


def test_classes_of_one_sample_cannot_be_held_out():
    z, _ = clusters(8)
    rule = WeightedEvidence().fit(z, torch.arange(8))
    assert "too few samples of each class" in rule.forecast_.note
    assert torch.isfinite(rule.score(z)[1]).all()
    again = WeightedEvidence().restore(rule.state())
    assert again.forecast_.note == rule.forecast_.note
    with pytest.raises(ValueError, match="fit this rule to 2 samples or more"):
        WeightedEvidence().fit(z[:1], torch.zeros(1, dtype=torch.int64))


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_a_broken_row_is_not_known_and_disturbs_no_other(fitted, bad):
    z, _ = clusters(seed=1)
    expected = fitted.evaluate(z, {"own scale": 2.0 * z})
    broken = z.clone()
    broken[3, 1] = bad
    broken[5] = bad
    found = fitted.evaluate(broken, {"own scale": 2.0 * broken})
    rest = torch.ones(len(z), dtype=torch.bool)
    rest[[3, 5]] = False
    assert not torch.isfinite(found.knownness[[3, 5]]).any() or found.knownness[[3, 5]].max() < expected.knownness.min()
    assert torch.equal(found.knownness[rest], expected.knownness[rest])
    assert torch.equal(found.logits[rest], expected.logits[rest])


def test_a_row_with_nan_is_not_known_whatever_was_weighed(fitted):
    z, y = clusters()
    broken = z[:4].clone()
    broken[1, 0] = torch.nan
    for names in (["forest"], ["cosine"], ["linear"], ["gaussian"], ["local"]):
        knownness = WeightedEvidence(names).fit(z, y).score(broken)[1]
        assert torch.isnan(knownness).tolist() == [False, True, False, False]


@pytest.mark.usefixtures("few_trees")
def test_scores_do_not_depend_on_the_rows_beside():
    X, y = load_wine(return_X_y=True)
    model = EmbeddingClassifier(random_state=0).fit(X, y)
    many = np.tile(X, (8, 1))[np.random.default_rng(0).permutation(8 * len(X))]
    together = dict(zip(map(bytes, many), model.decision_function(many), strict=True))
    for i in (0, 60, 177):
        assert model.decision_function(X[i : i + 1])[0] == together[bytes(X[i])]
    np.testing.assert_array_equal([together[bytes(row)] for row in X], model.decision_function(X))


@pytest.mark.usefixtures("few_trees")
def test_same_seed_same_bits_and_another_seed_another_model():
    X, y = load_wine(return_X_y=True)
    one, again, other = (EmbeddingClassifier(random_state=seed).fit(X, y) for seed in (4, 4, 5))
    np.testing.assert_array_equal(one.decision_function(X), again.decision_function(X))
    assert one.rule_.weights_ == again.rule_.weights_ != other.rule_.weights_


# Many classes and rows


def test_many_classes_are_tried_in_part():
    y = np.random.default_rng(0).permutation(np.repeat(np.arange(4000), 5))
    tried = _thin(y, np.random.RandomState(0)).numpy()
    counts = np.bincount(y[tried], minlength=4000)
    assert (counts > 0).sum() == _MAX_CLASSES_TRIED == 1250
    assert set(counts.tolist()) == {0, 4}
    few = _thin(np.repeat(np.arange(10), 2000), np.random.RandomState(0))
    assert len(few) == 5000
    rare = np.repeat([0, 1, 2], [20_000, 3, 9])
    assert np.bincount(rare[_thin(rare, np.random.RandomState(0))])[1:].tolist() == [3, 4]
    assert _thin(y[:5000], np.random.RandomState(0)).tolist() == list(range(5000))


def test_folds_of_tries_split_classes():
    y = np.random.default_rng(0).permutation(np.repeat([0, 1, 2, 3], [2, 3, 50, 5]))
    place = _fold_of_each(y, np.random.RandomState(0))
    assert np.bincount(place).tolist() == [12] * 5
    for c, n in enumerate([2, 3, 50, 5]):
        assert len(np.unique(place[y == c])) == min(n, 5)


@pytest.mark.slow
@pytest.mark.parametrize("n_classes", [400, 2600])
def test_many_classes(n_classes):
    z, y = clusters(5 * n_classes, n_classes, d=16, gap=4.0)
    rule = WeightedEvidence().fit(z, y)
    classes, known = rule.score(clusters(5 * n_classes, n_classes, d=16, gap=4.0, seed=1)[0][:1000])
    assert (classes == y[:1000]).double().mean() > 0.95
    unknown = rule.score(torch.randn(500, 16, generator=torch.Generator().manual_seed(0)) * 6.0)[1]
    assert roc_auc_score(np.repeat([1, 0], [1000, 500]), torch.cat([known, unknown])) > 0.97
    assert rule.n_classes_ == n_classes
    assert not set(rule.rules_) & {"linear", "forest", "gaussian"}


# Saving, parameters, mistakes


def test_restored_to_the_last_bit(fitted):
    z, _ = clusters(seed=1)
    again = WeightedEvidence().restore(fitted.state())
    for ours, theirs in zip(*(rule.evaluate(z, {"own scale": 2.0 * z}) for rule in (fitted, again)), strict=True):
        assert torch.equal(ours, theirs)
    for name in ("weights_", "voters_", "temperatures_", "n_classes_", "forecast_"):
        assert getattr(again, name) == getattr(fitted, name), name
    assert again.state().keys() == fitted.state().keys()
    assert all(torch.equal(again.state()[key], value) for key, value in fitted.state().items())


@pytest.mark.usefixtures("few_trees")
@pytest.mark.parametrize("shape", ["wine", "wide", "one class"])
def test_saved_and_loaded(tmp_path, shape):
    X, y = load_wine(return_X_y=True)
    if shape == "wide":
        X = np.c_[X, np.random.default_rng(0).normal(size=(178, 250))]
    if shape == "one class":
        X, y = X[y == 0], y[y == 0]
    model = EmbeddingClassifier(random_state=0).fit(X, y)
    assert len(model.rule_.projections_) == (2 if shape == "wide" else 0)
    again = knownot.load(model.save(tmp_path / "model.safetensors"))
    np.testing.assert_array_equal(again.decision_function(X), model.decision_function(X))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert str(again.rule_.forecast_) == str(model.rule_.forecast_)


def test_fit_again_keeps_what_was_chosen_and_learns_other_samples(fitted):
    z, y = clusters(seed=3)
    before = fitted.evaluate(z, {"own scale": 2.0 * z}).knownness
    again = fitted.fit_again(z, y, {"own scale": 2.0 * z})
    assert again.weights_ == fitted.weights_
    assert again.voters_ == fitted.voters_
    assert again.surprises_ is fitted.surprises_
    assert not torch.equal(again.evaluate(z, {"own scale": 2.0 * z}).knownness, before)
    assert torch.equal(fitted.evaluate(z, {"own scale": 2.0 * z}).knownness, before)


@pytest.mark.usefixtures("few_trees")
def test_wide_tables_are_projected_and_shown_rows_in_the_same_way():
    z, y = clusters(100, d=300)
    rule = WeightedEvidence().fit(z, y, {"own scale": z})
    assert {name: tuple(p.shape) for name, p in rule.projections_.items()} == {
        "standard": (300, 99),
        "own scale": (300, 99),
    }
    assert rule.rules_["linear"].weights_.shape[1] == 99 if "linear" in rule.rules_ else True
    assert WeightedEvidence(["forest"]).fit(z, y).rules_["forest"].n_features_ == 300


def test_parameters_and_a_search_over_them():
    rule = WeightedEvidence(["whitened"], class_weight="balanced", random_state=3)
    assert clone(rule).get_params() == {"sources": ["whitened"], "class_weight": "balanced", "random_state": 3}
    model = EmbeddingClassifier(rule, random_state=0).set_params(rule__sources=["whitened", "linear"])
    assert model.get_params()["rule__sources"] == ["whitened", "linear"]
    X, y = load_iris(return_X_y=True)
    search = GridSearchCV(
        EmbeddingClassifier(WeightedEvidence(), accept=0.9, random_state=0),
        {"rule__sources": [["linear"], ["whitened"]]},
        cv=LeaveClassesOut(random_state=0),
        scoring=lambda model, X, y: roc_auc_score(np.isin(y, model.classes_), model.decision_function(X)),
        error_score="raise",
    )
    assert search.fit(X, y).best_params_ == {"rule__sources": ["whitened"]}
    fitted = model.fit(X, y)
    assert set(fitted.rule_.weights_) <= {"whitened", "linear", "linear lead"}
    assert make_rule(fitted.rule_).get_params() == fitted.rule_.get_params()


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (WeightedEvidence(["x"]), r"sources names \['x'\], which are not known"),
        (WeightedEvidence("forest"), "sources='forest' does not work: give a list"),
        (WeightedEvidence(["residual"]), "would leave none that tells one class from another"),
        (WeightedEvidence(class_weight="even"), "class_weight='even' is not known"),
        (WeightedEvidence(class_weight={5: 1.0}), "its keys are class indices from 0 to 2"),
    ],
)
def test_mistakes_are_refused_before_anything_is_fitted(rule, message, monkeypatch):
    X, y = load_iris(return_X_y=True)
    monkeypatch.setattr("knownot.rules.weighted.Surprise", None)
    with pytest.raises(ValueError, match=message):
        EmbeddingClassifier(rule, random_state=0).fit(X, y)


def test_columns_in_their_own_scale_are_asked_for():
    z, y = clusters()
    with pytest.raises(ValueError, match="look at columns in their own scale, which this model does not provide"):
        WeightedEvidence(["local, own scale"]).check_evidence(["logits"])
    WeightedEvidence(["local, own scale"]).check_evidence(["own scale"])
    WeightedEvidence(["local, own scale", "local"]).check_evidence([])
    rule = WeightedEvidence(["local, own scale"]).fit(z, y, {"own scale": z})
    with pytest.raises(ValueError, match="this rule was fitted with columns in their own scale"):
        rule.evaluate(z)
