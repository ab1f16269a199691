"""The classifier on digits and tables: what it learns, promises, refuses and keeps."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_wine, make_blobs
from sklearn.metrics import roc_auc_score

from knownot import GMVAEClassifier, SoftmaxClassifier, TrainingSettings
from knownot.data import load_named


@pytest.fixture(scope="module")
def digits():
    train, test = load_named("digits", "train"), load_named("digits", "test")
    known = train.y < 6
    return train.x[known], train.y[known], test.x, test.y


@pytest.fixture(scope="module")
def model(digits):
    X, y, *_ = digits
    return GMVAEClassifier(random_state=0, max_epochs=30).fit(X, y)


@pytest.fixture(scope="module")
def blobs():
    X, y = make_blobs(400, centers=3, n_features=6, cluster_std=1.0, random_state=1)
    return X[y < 2], y[y < 2], X[y == 2]


SMALL = {"max_epochs": 12, "batch_size": 32, "learning_rate": 1e-2, "hidden": (32,), "latent_dim": 4}
# Where it does not matter what was learned.
BRIEF = SMALL | {"max_epochs": 1}


@pytest.fixture(scope="module")
def of_blobs(blobs):
    """Trained on two of three blobs; a test that changes it takes one of its own."""
    X, y, _ = blobs
    return GMVAEClassifier(random_state=0, **SMALL).fit(X, y)


def test_gmvae_learns_digits_and_rejects_unknown_ones(digits, model):
    """Lower bounds on the bundled digits that a broken encoder, decoder or rule cannot reach."""
    *_, X, y = digits
    known = y < 6
    assert (model.nearest_class(X)[known] == y[known]).mean() > 0.95
    assert roc_auc_score(known, model.score_samples(X)) > 0.93
    answers = model.predict(X)
    assert (answers[known] == y[known]).mean() > 0.85
    assert (answers[~known] == -1).mean() > 0.55


def test_gmvae_methods_agree_with_each_other(digits, model):
    X = digits[2]
    scores, answers, nearest = model.score_samples(X), model.predict(X), model.nearest_class(X)
    np.testing.assert_array_equal(model.decision_function(X), scores - model.offset_)
    np.testing.assert_array_equal(answers, np.where(scores >= model.offset_, nearest, -1))
    probabilities = model.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(1), 1.0)
    np.testing.assert_array_equal(model.classes_[probabilities.argmax(1)], nearest)
    p = model.p_values(X)
    assert ((p > 0) & (p <= 1)).all()
    np.testing.assert_array_equal(p <= 0.05 + 1e-12, answers == -1)
    assert model.transform(X).shape == (len(X), model.latent_dim)


def test_gmvae_reconstructions_resemble_their_input(digits, model):
    *_, X, y = digits
    X = X[y < 6]
    made = model.reconstruct(X)
    assert made.shape == (len(X), 8, 8, 1)
    greys = X.reshape(made.shape) / 255.0
    assert ((made - greys) ** 2).mean() < 0.5 * ((greys - greys.mean(0)) ** 2).mean()


def test_gmvae_recognises_the_class_of_its_samples(model):
    X, y = model.sample(60, random_state=0)
    assert X.shape == (60, 8, 8, 1)
    assert sorted(np.unique(y).tolist()) == [0, 1, 2, 3, 4, 5]
    assert (model.nearest_class(X) == y).mean() > 0.85
    X2, y2 = model.sample(y=[3, 3], random_state=1)
    assert y2.tolist() == [3, 3]
    assert not np.array_equal(X2[0], X2[1])


def test_gmvae_scores_images_the_same_in_every_layout(digits, model):
    X = digits[2][:20].reshape(20, 8, 8)
    expected = model.score_samples(X)
    for other in (X[..., None], X / 255.0, torch.from_numpy(X)[:, None], torch.from_numpy(X)):
        np.testing.assert_allclose(model.score_samples(other), expected, rtol=1e-4)


def test_gmvae_fits_with_one_seed_are_identical(blobs):
    X, y, _ = blobs
    settings = SMALL | {"max_epochs": 2}
    first = GMVAEClassifier(random_state=3, **settings).fit(X, y).score_samples(X)
    torch.manual_seed(99)
    np.testing.assert_array_equal(GMVAEClassifier(random_state=3, **settings).fit(X, y).score_samples(X), first)


@pytest.mark.parametrize("rule", ["evidence", "nc-d", "nc-u", "neighbours", "likelihood"])
def test_gmvae_tells_a_third_blob_with_every_rule(blobs, rule):
    X, y, unknown = blobs
    model = GMVAEClassifier(rule=rule, random_state=0, **SMALL).fit(X, y)
    assert roc_auc_score(np.repeat([1, 0], [len(X), len(unknown)]), model.score_samples(np.r_[X, unknown])) > 0.9
    assert (model.nearest_class(X) == y).mean() > 0.97


def test_gmvae_answers_string_labels_with_strings(blobs):
    X, y, unknown = blobs
    names = np.array(["cat", "dog"])[y]
    model = GMVAEClassifier(random_state=0, **SMALL).fit(X, names)
    answers = model.predict(np.r_[X, unknown])
    assert set(answers.tolist()) == {"cat", "dog", "unknown"}
    assert (answers[: len(X)] == names).mean() > 0.85
    as_objects = GMVAEClassifier(random_state=0, **SMALL).fit(X, names.astype(object))
    np.testing.assert_array_equal(as_objects.predict(unknown), model.predict(unknown))


def test_gmvae_takes_tables_in_any_unit_and_constant_columns(blobs):
    X, y, unknown = blobs

    def stretched(values):
        return np.c_[values * [1e-6, 1, 1e3, 1e6, 1, 1] + [0, 1e4, 0, 0, 0, 0], np.full(len(values), 7.0)]

    model = GMVAEClassifier(random_state=0, **SMALL).fit(stretched(X), y)
    scores = model.score_samples(stretched(np.r_[X, unknown]))
    assert roc_auc_score(np.repeat([1, 0], [len(X), len(unknown)]), scores) > 0.9
    np.testing.assert_allclose(model.reconstruct(stretched(X))[:, 6], 7.0, atol=2.0)


def test_gmvae_notes_the_columns_of_a_data_frame():
    wine = load_wine(as_frame=True)
    model = GMVAEClassifier(random_state=0, **BRIEF).fit(wine.data, wine.target)
    assert model.feature_names_in_.tolist() == wine.feature_names
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(wine.data.rename(columns={"ash": "coal"}))


def test_gmvae_scores_rows_independently_of_each_other(blobs, of_blobs):
    X = blobs[0]
    whole = of_blobs.score_samples(X)
    np.testing.assert_array_equal(np.concatenate([of_blobs.score_samples(x[None]) for x in X[:20]]), whole[:20])
    np.testing.assert_array_equal(of_blobs.score_samples(X[::-1])[::-1], whole)


@pytest.mark.filterwarnings("ignore:.*calibration samples")
def test_gmvae_acceptance_is_what_was_asked_for():
    """Mean over ten seeds, fresh known samples; a threshold from training data would miss this."""
    rates = []
    for seed in range(10):
        X, y = make_blobs(1600, centers=[[0] * 4, [5] * 4], random_state=seed)
        model = GMVAEClassifier(random_state=seed, **(SMALL | {"max_epochs": 3})).fit(X[:800], y[:800])
        rates.append((model.predict(X[800:]) != -1).mean())
    assert abs(np.mean(rates) - 0.95) < 0.012


def test_gmvae_calibrate_moves_the_threshold(blobs):
    X, y, unknown = blobs
    model = GMVAEClassifier(random_state=0, **SMALL).fit(X[:200], y[:200])
    for accept in (0.7, 0.9):
        model.calibrate(X[200:], accept=accept, method="quantile")
        assert accept <= (model.predict(X[200:]) != -1).mean() < accept + 0.03
    model.calibrate(X[200:], y[200:], X_unknown=unknown)
    assert (model.predict(unknown) == -1).mean() > 0.8
    assert (model.predict(X[200:]) != -1).mean() > 0.8
    with pytest.raises(ValueError, match="method='guess' is not known"):
        model.calibrate(X, method="guess")
    with pytest.raises(ValueError, match="requires y"):
        model.calibrate(X, X_unknown=unknown)


def test_gmvae_without_a_threshold_rejects_nothing(blobs):
    X, y, unknown = blobs
    model = GMVAEClassifier(accept=None, random_state=0, **SMALL).fit(X, y)
    assert set(model.predict(unknown).tolist()) <= {0, 1}
    assert not hasattr(model, "decision_function")
    with pytest.raises(AttributeError, match="has no attribute 'decision_function'"):
        _ = model.decision_function
    model.calibrate(X, accept=0.9)
    assert (model.predict(unknown) == -1).mean() > 0.9
    np.testing.assert_array_equal(model.decision_function(X) < 0, model.predict(X) == -1)


def test_gmvae_takes_held_out_samples(blobs):
    X, y, _ = blobs
    model = GMVAEClassifier(random_state=0, **BRIEF).fit(X[:160], y[:160], validation=(X[160:], y[160:]))
    assert len(model.threshold_.scores_) == len(X[160:]) // 2
    with pytest.raises(ValueError, match=r"validation holds labels that were not in fit: \[5\]; known are \[0, 1\]"):
        model.fit(X[:160], y[:160], validation=(X[160:], np.where(np.arange(len(y[160:])) == 0, 5, y[160:])))


def test_gmvae_resumed_fit_equals_an_uninterrupted_one(blobs, tmp_path):
    X, y, _ = blobs
    settings = SMALL | {"max_epochs": 6}

    class StopError(Exception):
        pass

    whole = GMVAEClassifier(random_state=0, **settings).fit(X, y)
    first = GMVAEClassifier(random_state=0, training=TrainingSettings(checkpoint_dir=tmp_path), **settings)
    from knownot.modules import OpenGMVAE

    calls = {"n": 0}
    original = OpenGMVAE.loss

    def stopping(self, batch, divergence_weight=1.0):
        calls["n"] += 1
        if calls["n"] > 40:
            raise StopError
        return original(self, batch, divergence_weight)

    OpenGMVAE.loss = stopping
    try:
        with pytest.raises(StopError):
            first.fit(X, y)
    finally:
        OpenGMVAE.loss = original
    resumed = TrainingSettings(checkpoint_dir=tmp_path, resume=True)
    second = GMVAEClassifier(random_state=0, training=resumed, **settings).fit(X, y)
    for name, tensor in whole.module_.state_dict().items():
        assert torch.equal(tensor, second.module_.state_dict()[name]), name
    np.testing.assert_array_equal(whole.score_samples(X), second.score_samples(X))


BAD = [
    (lambda X, y: (np.where(np.arange(6) == 2, np.nan, X), y), "column '2' of X holds no value at all: leave it out"),
    (
        lambda X, y: (np.where(np.arange(6) == 2, np.inf, X), y),
        "X holds 200 infinite values, first at row 0 of column '2'",
    ),
    (lambda X, y: (X, y[:-3]), "X has 200 samples but y has 197 labels"),
    (lambda X, y: (X, np.r_[y[:-1], 9]), "class 9 has one sample"),
    (lambda X, y: (X, np.where(y == 0, -1, y)), "y holds the label -1, which predict returns for samples of no known"),
    (lambda X, y: (X, np.where(y == 0, "unknown", "a")), "y holds the label 'unknown'"),
    (lambda X, y: (X.reshape(-1, 2, 3), y), "grey values must lie in"),
]


@pytest.mark.parametrize(("spoil", "message"), BAD)
def test_gmvae_refuses_bad_input_before_training(blobs, spoil, message):
    X, y, _ = blobs
    model = GMVAEClassifier(random_state=0, **SMALL)
    with pytest.raises(ValueError, match=message):
        model.fit(*spoil(X[:200], y[:200]))
    assert not hasattr(model, "module_")


@pytest.mark.parametrize(("spoil", "message"), BAD)
def test_gmvae_fitted_survives_bad_input(blobs, of_blobs, spoil, message):
    X, y, _ = blobs
    before = of_blobs.score_samples(X)
    with pytest.raises(ValueError, match=message):
        of_blobs.fit(*spoil(X[:200], y[:200]))
    np.testing.assert_array_equal(of_blobs.score_samples(X), before)
    assert of_blobs.classes_.tolist() == [0, 1]


def test_gmvae_takes_labels_of_any_type(blobs):
    X, y, unknown = blobs
    numbers = GMVAEClassifier(random_state=0, **BRIEF).fit(X, y.astype(object))
    assert numbers.classes_.dtype.kind == "i"
    assert set(numbers.predict(unknown).tolist()) <= {-1, 0, 1}
    assert GMVAEClassifier(random_state=0, **BRIEF).fit(X, np.array([b"a", b"b"])[y]).classes_.tolist() == ["a", "b"]
    flags = GMVAEClassifier(random_state=0, **BRIEF).fit(X, y == 1)
    assert flags.predict(np.full((1, 6), 1e4)).tolist() == [-1]
    with pytest.raises(ValueError, match="y holds the label -1"):
        GMVAEClassifier(random_state=0, **BRIEF).fit(X, np.array([-1, 1], dtype=object)[y])


@pytest.mark.parametrize("rule", ["evidence", "nc-u"])
def test_gmvae_scores_absurd_values_as_least_known(blobs, rule):
    X, y, _ = blobs
    model = GMVAEClassifier(rule=rule, random_state=0, **(SMALL | {"max_epochs": 3})).fit(X, y)
    for value in (1e20, 1e39, 1e300):
        absurd = np.full((1, 6), value)
        assert np.isfinite(model.predict_proba(absurd)).all()
        assert not np.isnan(model.score_samples(absurd)).any()
        assert rule == "nc-u" or model.p_values(absurd)[0] <= 0.05


def test_gmvae_fitted_survives_an_error_while_training(blobs, tmp_path):
    X, y, _ = blobs
    model = GMVAEClassifier(random_state=0, **BRIEF).fit(X, y)
    before = model.score_samples(X)
    (tmp_path / "checkpoint.pt").write_text("no checkpoint")
    for settings in (
        {"training__checkpoint_dir": tmp_path, "training__resume": True},
        {"max_epochs": 0},
        {"accelerator": "abacus"},
    ):
        with pytest.raises((ValueError, RuntimeError)):
            model.set_params(**settings).fit(X, np.array(["a", "b"])[y])
        assert model.classes_.tolist() == [0, 1]
        np.testing.assert_array_equal(model.score_samples(X), before)
        model.set_params(training=None, max_epochs=1, accelerator="auto")


def test_gmvae_refused_calibration_changes_nothing(blobs, tmp_path):
    X, y, unknown = blobs
    model = GMVAEClassifier(random_state=0, **BRIEF).fit(X, y)
    before = model.offset_, model.accept_
    with pytest.raises(ValueError, match="is no acceptance rate"):
        model.calibrate(X, accept=2.0)
    with pytest.raises(ValueError, match="labels that were not in fit"):
        model.calibrate(X, y + 7, X_unknown=unknown)
    assert (model.offset_, model.accept_) == before
    model.calibrate(X, accept=np.float32(0.5)).save(tmp_path / "m.safetensors")
    model.calibrate(X, y, X_unknown=unknown)
    assert model.threshold_.offset_ == model.offset_


def test_gmvae_refuses_too_few_samples_and_labels_that_do_not_fit(blobs):
    X, y, _ = blobs
    with pytest.raises(ValueError, match="X holds 3 samples"):
        GMVAEClassifier(random_state=0, **SMALL).fit(X[:3], [0, 0, 0])
    with pytest.raises(ValueError, match=r"n_subclusters names \['zero'\], but the classes are \[0, 1\]"):
        GMVAEClassifier({"zero": 3}, random_state=0, **SMALL).fit(X, y)
    with pytest.raises(ValueError, match="resume=True needs a fixed random_state"):
        GMVAEClassifier(training=TrainingSettings(resume=True, checkpoint_dir="x"), **SMALL).fit(X, y)
    for wrong in ({"max_epochs": 0}, {"batch_size": 0}):
        with pytest.raises(ValueError, match="0"):
            GMVAEClassifier(random_state=0, **(SMALL | wrong)).fit(X, y)
    with pytest.warns(UserWarning, match="y holds -1, which elsewhere means unlabelled or unknown"):
        minus = GMVAEClassifier(accept=None, random_state=0, **BRIEF).fit(X, np.array([-1, 1])[y])
    with pytest.raises(ValueError, match="y holds the label -1"):
        minus.calibrate(X, accept=0.9)


def test_gmvae_takes_one_class_but_not_with_uncertainty(blobs):
    X, y, unknown = blobs
    one = X[y == 0]
    model = GMVAEClassifier(random_state=0, **SMALL).fit(one, np.zeros(len(one), int))
    assert (model.predict(unknown) == -1).mean() > 0.8
    with pytest.raises(ValueError, match="NC-U compares the nearest centroid with the others"):
        GMVAEClassifier(rule="nc-u", random_state=0, **SMALL).fit(one, np.zeros(len(one), int))


def test_gmvae_refuses_wrong_settings_with_a_sentence(blobs):
    X, y, _ = blobs
    for settings, message in (
        ({"rule": "evt"}, "rule='evt' is not known"),
        ({"accept": 95}, "accept=95 is no acceptance rate"),
        ({"validation_fraction": 0.9}, "validation_fraction=0.9 does not work"),
        ({"n_subclusters": (1, 2, 3)}, "does not fit 2 classes"),
        ({"n_subclusters": (0, 1)}, "every class has at least one"),
        ({"likelihood": "poisson"}, "likelihood='poisson' is not known"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0 does not work"),
    ):
        model = GMVAEClassifier(random_state=0, **(SMALL | settings))
        with pytest.raises(ValueError, match=message):
            model.fit(X, y)
        assert not hasattr(model, "history_"), "refused before training"


def test_gmvae_predict_refuses_input_of_another_shape(blobs, of_blobs, model):
    with pytest.raises(ValueError, match=r"images of 9x8 pixels and 1 channel .* was fitted on images of 8x8 pixels"):
        model.predict(np.zeros((2, 9, 8), np.uint8))
    with pytest.raises(ValueError, match=r"X has shape \(2, 64\), but this model was fitted on images of 8x8"):
        model.predict(np.zeros((2, 64)))
    with pytest.raises(ValueError, match="fitted on tables of 6 features"):
        of_blobs.predict(np.zeros((2, 8, 8), np.uint8))
    with pytest.raises(ValueError, match="X has 5 features, but GMVAEClassifier is expecting 6 features"):
        of_blobs.predict(blobs[0][:, :5])


def test_gmvae_takes_lists_and_pandas_labels(blobs):
    X, y, _ = blobs
    model = GMVAEClassifier(random_state=0, **SMALL).fit(X.tolist(), pd.Series(y))
    assert (model.nearest_class(X) == y).mean() > 0.97


def test_gmvae_evidence_is_that_of_the_module(model, digits):
    X = digits[2]
    found = model.evidence(X)
    assert set(found) == {"embedding", *model.module_.evidence_names}
    np.testing.assert_array_equal(found["embedding"].numpy(), model.transform(X))
    _, knownness = model.rule_.evaluate(found["embedding"], found)
    np.testing.assert_array_equal(knownness.numpy(), model.score_samples(X))
    assert set(model.evidence(X, ["deviance"])) == {"embedding", "deviance"}
    assert not model.evidence(X)["embedding"].requires_grad


def test_gmvae_pretrained_encoder_is_that_of_a_classifier_and_stays_frozen(blobs):
    X, y, _ = blobs
    model = GMVAEClassifier(random_state=0, pretrain_epochs=5, **SMALL).fit(X, y)
    plain = SoftmaxClassifier(
        random_state=0, **{k: v for k, v in SMALL.items() if k != "latent_dim"} | {"max_epochs": 5}
    )
    expected = plain.fit(X, y).module_.encoder.state_dict()
    found = model.module_.encoder.state_dict()
    names = list(found)
    for name in names[:-2]:
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=0)
    frozen = {name for name, parameter in model.module_.encoder.named_parameters() if not parameter.requires_grad}
    assert frozen == set(names[:-2])
    assert (model.nearest_class(X) == y).mean() > 0.9


def test_gmvae_pretraining_out_of_time_resumes_to_the_same_model(blobs, tmp_path):
    X, y, _ = blobs
    settings = SMALL | {"max_epochs": 3, "pretrain_epochs": 2, "random_state": 0}
    whole = GMVAEClassifier(**settings).fit(X, y)
    limited = TrainingSettings(checkpoint_dir=tmp_path, resume=True, max_time=1e-9)
    parts = GMVAEClassifier(**settings, training=limited)
    stopped = [parts.fit(X, y).history_.stopped for _ in range(4)]
    # The second round ends the pretraining and begins the training.
    assert stopped == ["time"] * 3 + ["finished"]
    np.testing.assert_array_equal(parts.score_samples(X), whole.score_samples(X))


@pytest.mark.slow
def test_gmvae_auto_finds_the_number_of_subclusters_of_each_class(monkeypatch):
    monkeypatch.setattr("knownot.estimators.gmvae._MAX_SUBCLUSTERS", 2)
    X, y = make_blobs(400, centers=[[0, 0, 0], [0, 12, 0], [30, 0, 0]], random_state=0)
    model = GMVAEClassifier("auto", random_state=0, max_epochs=10, latent_dim=2).fit(X, y // 2)
    assert model.n_subclusters_ == [2, 1]
    assert model.module_.n_components == 3


def test_gmvae_takes_subclusters_as_an_array(blobs):
    X, y, _ = blobs
    model = GMVAEClassifier(np.array([1, 2]), random_state=0, **BRIEF).fit(X, y)
    assert model.n_subclusters_ == [1, 2]


def test_gmvae_refuses_a_wrong_word_for_subclusters(blobs):
    X, y, _ = blobs
    with pytest.raises(ValueError, match="n_subclusters='many' does not work: give 'auto'"):
        GMVAEClassifier("many").fit(X, y)
