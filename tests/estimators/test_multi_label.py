"""Several yes-or-no labels at once: some of them missing, two phases, balanced batches, names, saving."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.metrics import f1_score

import knownot
from knownot import MultiLabelVAE, SemiSupervisedVAE, TrainingSettings
from knownot.data import BalancedBatches

SMALL = {
    "latent_dim": 2,
    "hidden": (24, 24),
    "n_components": 3,
    "batch_size": 32,
    "learning_rate": 3e-3,
    "max_epochs": 25,
    "random_state": 0,
}
TINY = {**SMALL, "max_epochs": 2}


@pytest.fixture(scope="module")
def blobs():
    """Rows of four clusters, their two labels, and the same with few of them: rows have both, one or none."""
    X, y = make_blobs(400, centers=4, n_features=6, random_state=1)
    truth = np.stack([y % 2, y // 2], 1)
    some = truth.astype(float)
    some[60:] = np.nan
    some[::5, 0] = np.nan
    return X, truth, some


@pytest.fixture(scope="module")
def fitted(blobs):
    X, _, some = blobs
    return MultiLabelVAE(**SMALL, pretrain_epochs=3).fit(X, some)


def test_labels_are_learned_from_a_few_of_them(blobs, fitted):
    X, truth, _ = blobs
    assert fitted.score(X[60:], truth[60:]) > 0.95
    assert fitted.predict(X).shape == fitted.predict_proba(X).shape == truth.shape
    np.testing.assert_array_equal(fitted.predict(X), fitted.predict_proba(X) > 0.5)
    assert fitted.transform(X).shape == (400, fitted.module_.latent_dim)
    assert fitted.reconstruct(X).shape == X.shape


def test_score_is_the_mean_f1_of_the_labels_that_are_there(blobs, fitted):
    X, truth, _ = blobs
    wrong = np.where(np.arange(400)[:, None] < 50, 1 - truth, truth).astype(float)
    told = fitted.predict(X)
    assert fitted.score(X, wrong) == pytest.approx(f1_score(wrong, told, average="macro"))
    wrong[:50, 0] = np.nan
    expected = (f1_score(wrong[50:, 0], told[50:, 0]) + f1_score(wrong[:, 1], told[:, 1])) / 2
    assert fitted.score(X, wrong) == pytest.approx(expected)


def test_prior_of_the_labels_is_their_share(blobs, fitted):
    *_, some = blobs
    np.testing.assert_allclose(fitted.prevalence_, np.nanmean(some, 0))
    np.testing.assert_allclose(fitted.module_.log_odds.sigmoid(), fitted.prevalence_, rtol=1e-5)


def test_data_frames_name_the_labels_and_a_file_keeps_them(blobs, tmp_path):
    pd = pytest.importorskip("pandas")
    X, _, some = blobs
    frame = pd.DataFrame({"AU1": pd.array(some[:, 0], dtype="Int64"), "AU2": some[:, 1]})
    model = MultiLabelVAE(**TINY).fit(X, frame)
    again = knownot.load(model.save(tmp_path / "m.safetensors"))
    assert again.labels_.tolist() == ["AU1", "AU2"]
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(model.predict_proba(X), MultiLabelVAE(**TINY).fit(X, some).predict_proba(X))
    said = again.assess(X)
    assert list(said) == ["AU1", "AU1 probability", "AU2", "AU2 probability"]
    np.testing.assert_array_equal(said["AU2"], model.predict(X)[:, 1])


def test_two_phases_see_first_no_labels_and_then_those_that_there_are(blobs, monkeypatch):
    X, _, some = blobs
    seen = []
    original = MultiLabelVAE._train_module

    def train(self, module, training, selection, plan, subfolder=""):
        seen.append((np.isfinite(training[1]).sum(), np.isfinite(selection[1]).sum(), plan, subfolder))
        return original(self, module, training, selection, plan, subfolder)

    monkeypatch.setattr(MultiLabelVAE, "_train_module", train)
    model = MultiLabelVAE(**TINY, pretrain_epochs=3, training=TrainingSettings(warmup_epochs=1)).fit(X, some)
    (first, held, plan, folder), (second, selection, later, _) = seen
    assert (first, held, plan.max_epochs, plan.warmup_epochs, folder) == (0, 0, 3, 1, "pretraining")
    assert second + selection == np.isfinite(some).sum()
    assert selection > 0
    assert (later.max_epochs, later.warmup_epochs, len(model.history_)) == (2, 0, 2)


def test_training_that_ends_before_the_labels_says_so_and_goes_on_from_there(blobs, tmp_path):
    X, _, some = blobs
    asked = {**TINY, "pretrain_epochs": 3}
    short = TrainingSettings(checkpoint_dir=tmp_path, resume=True, max_time=1e-9)
    with pytest.warns(UserWarning, match="has learned nothing else yet"):
        model = MultiLabelVAE(**asked, training=short).fit(X, some)
    assert model.history_.stopped == "time"
    model.set_params(training__max_time=None).fit(X, some)
    np.testing.assert_array_equal(model.predict_proba(X), MultiLabelVAE(**asked).fit(X, some).predict_proba(X))


@pytest.mark.parametrize(
    ("settings", "all_labelled", "expected"),
    [
        ({}, False, (8, False)),
        ({"labelled_share": 0.5, "balanced": True}, False, (16, True)),
        ({"balanced": True}, True, (16, True)),
        ({}, True, None),
    ],
)
def test_batches_hold_a_share_of_labelled_samples(blobs, monkeypatch, settings, all_labelled, expected):
    X, truth, some = blobs
    made = []
    original = BalancedBatches.__init__

    def init(self, *arguments, **more):
        original(self, *arguments, **more)
        made.append((self.n_labelled, self.by_label))

    monkeypatch.setattr(BalancedBatches, "__init__", init)
    MultiLabelVAE(**TINY, **settings).fit(X, truth if all_labelled else some)
    assert made == ([] if expected is None else [expected])


def test_validation_of_ones_own_chooses_the_weights(blobs, monkeypatch):
    X, truth, some = blobs
    seen = []
    monkeypatch.setattr(MultiLabelVAE, "_learn", lambda self, *parts: seen.append([len(part[0]) for part in parts[:2]]))
    MultiLabelVAE(**TINY).fit(X[:300], some[:300], validation=(X[300:], truth[300:]))
    assert seen == [[300, 100]]
    with pytest.raises(ValueError, match="y has 1 columns, but 2 labels were learned"):
        MultiLabelVAE(**TINY).fit(X, some, validation=(X, truth[:, :1]))


def test_images_are_learned_by_convolutions_and_rows_without_values_are_not_judged(blobs):
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, (200, 2))
    images = random.integers(0, 60, (200, 16, 16, 3)).astype(np.uint8)
    images[:, 3:6, 3:6] += (truth[:, 0, None, None, None] * 120).astype(np.uint8)
    images[:, 10:13, 6:12, 1] += (truth[:, 1, None, None] * 120).astype(np.uint8)
    few = np.where(np.arange(200)[:, None] < 60, truth, np.nan)
    model = MultiLabelVAE(**{**SMALL, "max_epochs": 8}).fit(images, few)
    assert type(model.module_.trunk[0]).__name__ == "StridedEncoder"
    assert model.score(images[60:], truth[60:]) > 0.9
    assert model.reconstruct(images).shape == images.shape
    X, _, some = blobs
    gone = X.copy()
    gone[3] = np.nan
    with warnings.catch_warnings(action="ignore"):
        table = MultiLabelVAE(**TINY).fit(gone, some)
        assert table.predict(gone)[3].tolist() == [-1, -1]
        assert np.isnan(table.predict_proba(gone)).any(1).sum() == 1
        assert 0.0 <= table.score(gone, some) <= 1.0


YES = np.arange(60) % 2


@pytest.mark.parametrize(
    ("y", "settings", "message"),
    [
        (YES, {}, r"y has shape \(60,\): give a column for each label"),
        (np.stack([YES, YES * 2], 1), {}, "Unknown label type: y holds 2: yes-or-no labels are 0 or 1"),
        (np.full((60, 2), "yes"), {}, "Unknown label type: y holds something else than numbers"),
        (np.stack([YES, YES], 1)[:50], {}, "X has 60 samples but y has 50 rows of labels"),
        (np.full((60, 2), np.nan), {}, "y holds no label: all 120 values are missing"),
        (np.stack([YES, np.zeros(60)], 1), {}, "label 1 is never 1 in y, and a classifier learns from both values"),
        (np.stack([YES, YES], 1), {"network": "strided"}, "network='strided' is of images"),
        (np.stack([YES, YES], 1), {"likelihood": "bernoulli"}, "likelihood='bernoulli' does not fit"),
        (None, {}, "the target y is None"),
    ],
)
def test_what_cannot_be_learned_is_refused(y, settings, message):
    with pytest.raises(ValueError, match=message):
        MultiLabelVAE(**TINY, **settings).fit(np.random.default_rng(0).normal(size=(60, 3)), y)


def test_estimator_of_one_label_names_that_of_several():
    X = np.random.default_rng(0).normal(size=(60, 3))
    with pytest.raises(ValueError, match=r"y has shape \(60, 2\): Semi.* learns one .* MultiLabelVAE learns"):
        SemiSupervisedVAE().fit(X, np.stack([YES, YES], 1))
