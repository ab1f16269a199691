"""Tables as people have them: categories, booleans and gaps, in every estimator and in its file."""

import warnings

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

import knownot
from knownot import (
    EmbeddingClassifier,
    GaussianMixtureClusterer,
    GaussianMixtureDensity,
    GMVAEClassifier,
    OpenSetWrapper,
)
from knownot.estimators.columns import Column, TableEncoding
from knownot.rules import Neighbours

pytestmark = pytest.mark.usefixtures("few_trees")

NET = {"max_epochs": 3, "batch_size": 32, "random_state": 0}
SIZES = pd.CategoricalDtype(["small", "medium", "large"], ordered=True)


def animals(n=240, gaps=True, seed=0):
    """Two kinds of animals that numbers and words tell apart; the second word column has gaps."""
    random = np.random.default_rng(seed)
    y = random.integers(0, 2, n)
    frame = pd.DataFrame(
        {
            "weight": random.normal(4.0 * y, 1.0),
            "legs": 2 + 2 * y,
            "home": np.where(y == 1, random.choice(["barn", "field"], n), random.choice(["nest", "tree"], n)),
            "size": pd.Categorical(np.where(y == 1, "large", random.choice(["small", "medium"], n)), dtype=SIZES),
            "wild": random.random(n) < 0.5,
            "sex": random.choice(["f", "m"], n),
        }
    )
    if gaps:
        frame.loc[random.random(n) < 0.1, "weight"] = np.nan
        frame.loc[random.random(n) < 0.1, "sex"] = None
    return frame, np.array(["bird", "horse"])[y]


@pytest.fixture(scope="module")
def fitted():
    frame, y = animals()
    return EmbeddingClassifier(random_state=0).fit(frame, y)


def test_columns_are_those_of_scikit_learn(fitted):
    """Against OneHotEncoder, OrdinalEncoder and SimpleImputer, whose medians are of the rows to train on."""
    frame, _ = animals()
    cells = frame.assign(sex=frame["sex"].fillna("missing"), wild=frame["wild"].astype(float))
    other = ColumnTransformer(
        [
            ("weight", SimpleImputer(strategy="median"), ["weight"]),
            ("legs", "passthrough", ["legs"]),
            ("home", OneHotEncoder(drop="if_binary", sparse_output=False), ["home"]),
            ("size", OrdinalEncoder(categories=[SIZES.categories.tolist()]), ["size"]),
            ("wild", "passthrough", ["wild"]),
            ("sex", OneHotEncoder(categories=[["f", "m", "missing"]], sparse_output=False), ["sex"]),
        ]
    ).fit(cells)
    expected = other.transform(cells)
    expected[frame["weight"].isna(), 0] = fitted.columns_.columns[0].median
    scaled = (expected - fitted.scaling_.mean) / fitted.scaling_.std
    np.testing.assert_array_equal(fitted.evidence(frame)["embedding"].numpy(), scaled.astype(np.float32))
    assert fitted.input_shape_ == (11,)
    assert fitted.n_features_in_ == 6
    assert fitted.feature_names_in_.tolist() == list(frame)


def test_medians_come_from_the_rows_to_train_on_alone():
    X = np.array([[1.0, 0], [2.0, 0], [3.0, 0], [np.nan, 0], [100.0, 0], [200.0, 0]])
    encoding, encoded = TableEncoding((Column("0"), Column("1"))).learn(X, np.arange(4))
    assert encoding.columns[0].median == 2.0
    assert encoded[3, 0] == 2.0


def test_a_category_weighs_as_much_as_a_column_of_numbers():
    frame, y = animals(2000)
    model = EmbeddingClassifier(random_state=0).fit(frame, y)
    z = model.evidence(frame)["embedding"].numpy()
    spread = z.var(0)
    assert spread[0] == pytest.approx(1.0, rel=0.1)
    assert spread[2:6].sum() == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: EmbeddingClassifier(random_state=0),
        lambda: GMVAEClassifier(hidden=(16,), latent_dim=3, **NET),
        lambda: knownot.CROSRClassifier(**NET),
        lambda: knownot.SoftmaxClassifier(**NET),
        lambda: GaussianMixtureDensity(n_components=2, **NET),
        lambda: GaussianMixtureClusterer(n_components=2, **NET),
    ],
)
def test_every_estimator_takes_such_tables_and_its_file_keeps_them(make, tmp_path):
    frame, y = animals()
    model = make().fit(frame, y)
    new, _ = animals(seed=1)
    strange = new.astype(object)
    strange.loc[:4, "home"] = "moon"
    strange.loc[5] = None
    with pytest.warns(
        UserWarning, match=r"6 of 240 rows cannot be judged .* 'moon'.*all values are missing in 1 of them"
    ):
        said = model.assess(strange)
    loaded = knownot.load(model.save(tmp_path / "m.safetensors"))
    assert loaded.columns_ == model.columns_
    assert loaded.n_features_in_ == 6
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = loaded.assess(strange)
    for name, column in said.items():
        np.testing.assert_array_equal(again[name], column, err_msg=name)
    # What cannot be judged disturbs no other row, and what else is said of it is finite.
    usual = model.assess(new)
    for name, column in said.items():
        np.testing.assert_array_equal(column[6:], usual[name][6:], err_msg=name)
    if "class" in said:
        assert (said["class"][:6] == "unknown").all()
        assert (said["knownness"][:6] == -np.inf).all()
        assert (said["p_value"][:6] == said["p_value"].min()).all()
        with pytest.warns(UserWarning, match="cannot be judged"):
            assert np.isfinite(model.predict_proba(strange)).all()
        np.testing.assert_array_equal(said["nearest_class"][:5], usual["nearest_class"][:5])
    elif "known" in said:
        assert not said["known"][:6].any()
        assert (said["knownness"][:6] == -np.inf).all()
        with pytest.warns(UserWarning, match="cannot be judged"):
            assert (model.predict(strange)[:6] == -1).all()
    else:
        assert (said["cluster"][:6] == -1).all()
        assert (said["cluster"][6:] >= 0).all()
    if hasattr(model, "transform"):
        with pytest.warns(UserWarning, match="cannot be judged"):
            assert np.isfinite(model.transform(strange)).all()


def test_tables_of_numbers_stay_as_they_are():
    X = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    for table in (X, X.astype(np.float64), (10 * X).astype(int), pd.DataFrame(X, columns=list("abcd"))):
        model = EmbeddingClassifier(random_state=0).fit(table, y)
        assert model.columns_ is None
        read = model._read(table)
        assert read.dtype == np.asarray(table).dtype
        np.testing.assert_array_equal(read, np.asarray(table))
    assert np.shares_memory(EmbeddingClassifier()._read(X, reset=True), X)


def test_a_gap_where_the_fit_had_none_is_unknown_and_one_where_it_had_some_is_filled():
    X = np.random.default_rng(0).normal(size=(300, 3))
    y = (X[:, 0] > 0).astype(int)
    X[::7, 1] = np.nan
    model = EmbeddingClassifier(random_state=0).fit(X, y)
    assert [column.gaps for column in model.columns_.columns] == [False, True, False]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(model.score_samples(X)).all()
    new = np.zeros((3, 3))
    new[1, 2] = np.nan
    with pytest.warns(UserWarning, match=r"1 of 3 rows .*values are missing in '2', where none was in the fit"):
        assert model.predict(new).tolist() == [model.predict(np.zeros((1, 3)))[0], -1, model.predict(new[:1])[0]]
    whole = EmbeddingClassifier(random_state=0).fit(np.nan_to_num(X), y)
    with pytest.warns(UserWarning, match="1 of 3 rows"):
        assert whole.score_samples(new)[1] == -np.inf


def test_what_cannot_be_judged_is_unknown_even_where_the_threshold_rejects_nothing():
    frame, y = animals(24)
    with pytest.warns(UserWarning, match="too few to reject anything"):
        model = EmbeddingClassifier(random_state=0, accept=0.99).fit(frame, y)
    assert model.offset_ == -np.inf
    frame.loc[0, "home"] = "moon"
    with pytest.warns(UserWarning, match="moon"):
        assert (model.predict(frame) == "unknown").tolist() == [True] + [False] * 23
    closed = EmbeddingClassifier(random_state=0, accept=None).fit(*animals(24))
    with pytest.warns(UserWarning, match="moon"):
        assert "unknown" not in closed.predict(frame)


def test_rows_without_any_value_teach_nothing():
    frame, y = animals()
    frame = frame.astype(object)
    frame.loc[:9] = None
    with (
        pytest.warns(UserWarning, match=r"\d rows of X miss all values: nothing was learned from them"),
        pytest.warns(UserWarning, match=r"\d of 40 calibration samples cannot be judged .* every other sample"),
    ):
        model = EmbeddingClassifier("neighbours", calibration="split", random_state=0).fit(frame, y)
    assert np.isfinite(model.rule_.references_.numpy()).all()
    assert len(model.rule_.references_) < 0.7 * len(frame)
    frame.loc[y == "bird"] = None
    with (
        pytest.warns(UserWarning, match="miss all values"),
        pytest.raises(ValueError, match="class 'bird' has no training row with a value"),
    ):
        EmbeddingClassifier(random_state=0).fit(frame, y)


def test_values_are_typed_alike_wherever_they_come_from(fitted):
    """The same cells from a frame, an object array, lists, text and pandas' own types."""
    frame, _ = animals()
    expected = fitted.score_samples(frame)
    same = {
        "text": frame.astype(object).where(frame.isna(), frame.astype(str)),
        "nullable": frame.convert_dtypes(),
        "objects": frame.astype(object),
        "categories": frame.assign(home=frame["home"].astype("category"), legs=frame["legs"].astype("category")),
        "whole floats": frame.assign(legs=frame["legs"].astype(float), wild=frame["wild"].astype(float)),
    }
    for name, other in same.items():
        np.testing.assert_array_equal(fitted.score_samples(other), expected, err_msg=name)
    for array in (frame.to_numpy(dtype=object), frame.to_numpy(dtype=object).tolist()):
        model = EmbeddingClassifier(random_state=0).fit(array, animals()[1])
        # Whether small comes before large, only a frame can say.
        assert [column.kind for column in model.columns_.columns] == [
            "number", "number", "category", "category", "number", "category",
        ]  # fmt: skip


def test_levels_that_are_numbers_in_one_file_and_text_in_another():
    frame = pd.DataFrame({"a": np.tile([0.0, 1.0, 5.0], 40), "code": np.tile(["1", "2", "x"], 40)})
    y = np.repeat([0, 1], 60)
    model = EmbeddingClassifier(random_state=0).fit(frame, y)
    rows = frame.iloc[[0, 1]]
    for codes in ([1, 2], [1.0, 2.0], ["1", "2"], pd.array([1, 2], dtype="Int64")):
        np.testing.assert_array_equal(model.score_samples(rows.assign(code=codes)), model.score_samples(rows))
    truths = pd.DataFrame({"a": np.arange(120.0), "b": np.tile([True, False, None], 40)})
    model = EmbeddingClassifier(random_state=0).fit(truths, y)
    assert model.columns_.columns[1].levels == ("False", "True")
    for values in ([True, False, None], ["True", "False", None], pd.array([True, False, None], dtype="boolean")):
        np.testing.assert_array_equal(model.score_samples(truths[:3].assign(b=values)), model.score_samples(truths[:3]))


def refused(frame, match, y=None, error=ValueError):
    y = np.tile([0, 1], len(frame))[: len(frame)] if y is None else y
    with pytest.raises(error, match=match):
        EmbeddingClassifier(random_state=0).fit(frame, y)


def test_refusals_name_the_column(fitted):
    frame, _ = animals()
    n = len(frame)
    random = np.random.default_rng(0)
    refused(
        frame.assign(id=[f"id-{i}" for i in range(n)]), r"column 'id' of X has 240 different values .* Leave it out"
    )
    refused(frame.assign(note=[f"n{i % 60}" for i in range(n)]), "column 'note' of X has 60 different values")
    refused(frame[:20].assign(note=[f"n{i}" for i in range(20)]), "column 'note' of X has 20 different values")
    declared = frame.assign(note=pd.Categorical([f"n{i % 60}" for i in range(n)]))
    assert EmbeddingClassifier(random_state=0).fit(declared, animals()[1]).columns_.columns[-1].width == 60
    stray = random.normal(size=n).astype(object)
    stray[7] = "n.v."
    refused(
        frame.assign(length=stray),
        r"column 'length' of X holds numbers, but not in 1 of its cells, such as 'n\.v\.' in row 7",
    )
    refused(frame.assign(day=pd.Timestamp("2020-01-01")), "column 'day' of X holds datetime64")
    refused(frame.assign(day=pd.Timestamp("2020-01-01").date()), "column 'day' of X holds datetime.date")
    refused(frame.assign(empty=None), "column 'empty' of X holds no value at all")
    refused(
        frame.assign(far=np.where(np.arange(n) == 3, np.inf, 0)), "1 infinite values, first at row 3 of column 'far'"
    )
    refused(
        frame.assign(bag=[{"a": 1}] * n),
        "column 'bag' of X holds .* argument must be a string or a number",
        None,
        TypeError,
    )
    refused(np.array([[1, "a"], [2, np.inf]] * 9, dtype=object), "column '1' of X holds an infinite value")
    refused(np.array([["a", 10**400]] * 9, dtype=object), "9 infinite values, first at row 0 of column '1'")
    refused(frame["home"], r"Expected 2D array, got 1D array instead: X of shape \(240,\) is no table")
    new, _ = animals()
    with pytest.raises(
        ValueError, match=r"column 'weight' of X holds numbers, but not in 1 of its cells, such as 'heavy' in row 2"
    ):
        fitted.predict(new.astype({"weight": object}).assign(weight=[1.0, 2.0, "heavy", *range(n - 3)]))
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(new[new.columns[::-1]])
    with pytest.raises(ValueError, match="6 features"):
        fitted.predict(new.to_numpy(dtype=object)[:, :4])


def test_declared_categories_may_be_of_any_type_and_any_number():
    frame, y = animals()
    parts = pd.cut(frame["weight"], [-9, 0, 2, 9])
    model = EmbeddingClassifier(random_state=0).fit(pd.DataFrame({"part": parts, "legs": frame["legs"]}), y)
    column = model.columns_.columns[0]
    assert (column.kind, column.levels) == ("ordered", ("(-9, 0]", "(0, 2]", "(2, 9]"))
    assert column.gaps
    loose = pd.DataFrame({"part": parts.cat.as_unordered(), "day": pd.Categorical(pd.date_range("2020", periods=240))})
    assert [c.width for c in EmbeddingClassifier(random_state=0).fit(loose, y).columns_.columns] == [4, 240]


def test_calibrate_and_validation_take_such_tables():
    frame, y = animals(400)
    new, y_new = animals(200, seed=3)
    model = EmbeddingClassifier(random_state=0).fit(frame, y, validation=(new, y_new))
    assert np.isfinite(model.offset_)
    strange = new.copy()
    strange.loc[:2, "home"] = "moon"
    with pytest.warns(UserWarning, match="moon"):
        model.calibrate(strange)
    assert (model.threshold_.scores_[:3] == -np.inf).all()
    with pytest.warns(UserWarning, match="moon"):
        model.calibrate(new, y_new, X_unknown=strange[:3])
    with pytest.warns(UserWarning, match="moon"):
        assert (model.predict(strange)[:3] == "unknown").all()


def test_rows_that_cannot_be_judged_choose_neither_weights_nor_scales(monkeypatch):
    frame, y = animals(400)
    new, y_new = animals(200, seed=3)
    new.loc[::2, "home"] = "moon"
    seen = []
    calibrate = Neighbours.calibrate
    monkeypatch.setattr(Neighbours, "calibrate", lambda rule, z, *a: seen.append(len(z)) or calibrate(rule, z, *a))
    with pytest.warns(UserWarning, match="100 of 200 rows cannot be judged"):
        model = EmbeddingClassifier("neighbours", random_state=0).fit(frame, y, validation=(new, y_new))
    assert seen == [100 - np.isfinite(model.threshold_.scores_).sum()]


def test_cross_fitting_learns_medians_from_each_rest_and_calibrates_on_rows_of_gaps(monkeypatch):
    frame, y = animals(100)
    frame = frame.astype(object)
    frame.loc[0] = None
    medians = []
    learn = TableEncoding.learn

    def spied(encoding, rows, training):
        found = learn(encoding, rows, training)
        medians.append(found[0].columns[0].median)
        return found

    monkeypatch.setattr(TableEncoding, "learn", spied)
    with pytest.warns(UserWarning, match="1 rows of X miss all values") as caught:
        model = EmbeddingClassifier("neighbours", calibration="cross", random_state=0).fit(frame, y)
    assert sum("miss all" in str(warning.message) for warning in caught) == 1
    assert len(medians) == 11
    assert len(set(medians)) > 3
    assert model.columns_.columns[0].median == medians[0]
    assert np.isneginf(model.threshold_.scores_).sum() == 1
    assert np.isfinite(model.rule_.temperature)


def test_samples_and_reconstructions_have_the_columns_of_the_user():
    frame, y = animals(gaps=False)
    model = GMVAEClassifier(hidden=(16,), latent_dim=3, **NET).fit(frame, y)
    for made in (model.reconstruct(frame[:9]), model.sample(9)[0]):
        assert made.shape == (9, 6)
        assert set(made[:, 2]) <= {"barn", "field", "nest", "tree"}
        assert set(made[:, 3]) <= set(SIZES.categories)
        assert all(isinstance(value, float) for value in made[:, 0])


@given(
    levels=st.lists(st.text(max_size=3), min_size=1, max_size=6, unique=True),
    gaps=st.booleans(),
    kind=st.sampled_from(["category", "ordered"]),
)
def test_columns_expand_and_collapse(levels, gaps, kind):
    column = Column("x", kind, tuple(levels), gaps)
    places = np.append(np.arange(float(len(levels))), [np.nan] if gaps and kind == "category" else [])
    expanded = column.expand(places)
    assert expanded.shape == (len(places), column.width)
    assert column.collapse(expanded).tolist() == [*levels, None][: len(places)]
    assert len(np.unique(expanded, axis=0)) == len(places)
    assert np.isnan(column.expand(np.array([-1.0]))).all()


def test_files_without_columns_still_load(tmp_path):
    X = np.random.default_rng(0).normal(size=(100, 3))
    model = EmbeddingClassifier(random_state=0).fit(X, (X[:, 0] > 0).astype(int))
    path = model.save(tmp_path / "m.safetensors")
    assert b"columns" not in path.read_bytes()
    loaded = knownot.load(path)
    assert loaded.columns_ is None
    np.testing.assert_array_equal(loaded.score_samples(X), model.score_samples(X))


@pytest.mark.data
def test_penguins_as_they_come(data_root):
    table = pd.read_csv(data_root / "tables" / "penguins_raw.csv")
    X, y = table.drop(columns="species"), table["species"]
    known = y != "Gentoo"
    model = EmbeddingClassifier(random_state=0).fit(X[known], y[known])
    assert model.score(X[known], y[known]) > 0.85
    assert (model.predict(X[~known]) == "unknown").mean() > 0.8


def test_wrapped_classifiers_take_such_tables_as_far_as_they_can():
    """The wrapped one gets the columns as they are, the evidence takes them encoded."""
    frame, y = animals(300)
    frame = frame.drop(columns=["size", "wild"])
    words = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["home", "sex"]), remainder="passthrough"
    )
    inner = make_pipeline(words, HistGradientBoostingClassifier(max_iter=5))
    model = OpenSetWrapper(inner, rule="neighbours", random_state=0).fit(frame, y)
    assert model.columns_.columns[2].levels == ("barn", "field", "nest", "tree")
    strange = frame.copy()
    strange.loc[:4, "home"] = "moon"
    with pytest.warns(UserWarning, match="5 of 300 rows cannot be judged .*'moon'"):
        said = model.assess(strange)
    assert (said["class"][:5] == "unknown").all()
    np.testing.assert_array_equal(said["knownness"][5:], model.score_samples(frame)[5:])
