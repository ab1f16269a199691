"""Saved models: the same in a new process, refused when damaged, never lost."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save, save_file
from sklearn.datasets import make_blobs

import knownot
from knownot import GMVAEClassifier, TrainingSettings
from knownot.model_file import metadata, read_model_file, write_model_file
from knownot.rules import NearestCentroid, Neighbours

SMALL = {"max_epochs": 2, "batch_size": 32, "hidden": (16,), "latent_dim": 3}


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    X, y = make_blobs(300, centers=3, n_features=5, random_state=0)
    model = GMVAEClassifier({"a": 2}, random_state=0, **SMALL).fit(X, np.array(["a", "b", "c"])[y])
    return model, X, model.save(tmp_path_factory.mktemp("model") / "model.safetensors")


@pytest.mark.parametrize("rule", ["evidence", "nc-d", "nc-u", "neighbours", "likelihood"])
def test_load_predicts_the_same_for_every_rule(rule, tmp_path):
    X, y = make_blobs(200, centers=2, n_features=5, random_state=0)
    model = GMVAEClassifier(2, rule=rule, random_state=0, **SMALL).fit(X, y)
    copy = knownot.load(model.save(tmp_path / "m.safetensors"))
    for method in ("predict", "predict_proba", "score_samples", "decision_function", "p_values", "transform"):
        np.testing.assert_array_equal(getattr(copy, method)(X), getattr(model, method)(X), err_msg=method)
    assert copy.get_params() == model.get_params()
    assert copy.history_.to_dict() == model.history_.to_dict()


def test_load_predicts_the_same_in_a_new_process(fitted, tmp_path):
    model, X, path = fitted
    np.save(tmp_path / "X.npy", X)
    code = (
        "import sys, numpy as np, knownot; m = knownot.load(sys.argv[1]); X = np.load(sys.argv[2]);"
        "np.savez(sys.argv[3], p=m.predict(X), s=m.score_samples(X), x=m.sample(5, random_state=0)[0])"
    )
    out = tmp_path / "out.npz"
    subprocess.run([sys.executable, "-c", code, str(path), str(tmp_path / "X.npy"), str(out)], check=True)
    found = np.load(out)
    np.testing.assert_array_equal(found["p"], model.predict(X))
    np.testing.assert_array_equal(found["s"], model.score_samples(X))
    np.testing.assert_array_equal(found["x"], model.sample(5, random_state=0)[0])


def test_load_scores_images_of_both_kinds_the_same(tmp_path):
    random = np.random.default_rng(0)
    for shape in ((40, 9, 8), (40, 8, 8, 3)):
        X, y = random.integers(0, 256, shape, dtype=np.uint8), np.arange(40) % 2
        training = TrainingSettings(precision="32-true")
        settings = {"blocks": ((1, 4),), "hidden": (8,), "max_epochs": 2, "training": training}
        model = GMVAEClassifier(random_state=0, **settings).fit(X, y)
        copy = knownot.load(model.save(tmp_path / "m.safetensors"))
        np.testing.assert_array_equal(copy.score_samples(X), model.score_samples(X))


def test_save_writes_no_pickle_and_says_what_it_is(fitted):
    _, X, path = fitted
    config = read_model_file(path).config
    assert config["estimator"] == "GMVAEClassifier"
    assert config["classes"] == ["a", "b", "c"]
    assert config["input_shape"] == [5]
    assert config["format_version"] == 2
    content = path.read_bytes()
    assert b"pickle" not in content.lower()
    assert len(X) == 300


@pytest.mark.parametrize("cut", [1, 2, 100, 5000])
def test_load_refuses_a_cut_file(fitted, tmp_path, cut):
    content = fitted[2].read_bytes()
    short = tmp_path / "short.safetensors"
    short.write_bytes(content[:-cut])
    with pytest.raises(ValueError, match="is not a whole model file"):
        knownot.load(short)
    short.write_bytes(content[: 4 + cut % 50])
    with pytest.raises(ValueError, match="is not a whole model file"):
        knownot.load(short)


def test_load_refuses_foreign_and_missing_files(tmp_path):
    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(1)}, foreign)
    with pytest.raises(ValueError, match="a safetensors file but not a knownot model"):
        knownot.load(foreign)
    foreign.write_text("hello")
    with pytest.raises(ValueError, match="is not a whole model file"):
        knownot.load(foreign)
    with pytest.raises(ValueError, match="there is no model file"):
        knownot.load(tmp_path / "none.safetensors")


def _rewritten(path, target, **changes):
    config = read_model_file(path).config | changes
    return write_model_file(target, save(load_file(path), metadata(config)))


def test_load_refuses_a_newer_format_and_a_foreign_estimator(fitted, tmp_path):
    with pytest.raises(ValueError, match="has format version 3; this knownot reads up to 2: update knownot"):
        knownot.load(_rewritten(fitted[2], tmp_path / "new.safetensors", format_version=3))
    with pytest.raises(ValueError, match="holds a FutureClassifier"):
        knownot.load(_rewritten(fitted[2], tmp_path / "other.safetensors", estimator="FutureClassifier"))
    with pytest.raises(ValueError, match="does not hold a whole GMVAEClassifier"):
        knownot.load(_rewritten(fitted[2], tmp_path / "odd.safetensors", input_shape=[7]))


def test_load_refuses_every_flipped_bit(fitted, tmp_path):
    content = fitted[2].read_bytes()
    random = np.random.default_rng(0)
    header = 8 + int.from_bytes(content[:8], "little")
    # All bits of the header's length, and some of the header, the checksum and the tensors.
    checksum = content.index(b'"sha256":"') + 10
    places = [*range(64), *random.integers(64, 8 * header, 40), *random.integers(8 * header, 8 * len(content), 40)]
    for place in [*places, *random.integers(8 * checksum, 8 * (checksum + 64), 20)]:
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        target = tmp_path / "damaged.safetensors"
        target.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"is not a whole|is a safetensors file but not"):
            knownot.load(target)


def test_load_refuses_weights_that_are_not_finite(fitted, tmp_path):
    path = fitted[2]
    tensors = load_file(path)
    name = next(name for name in tensors if name.startswith("module."))
    tensors[name] = torch.full_like(tensors[name], torch.nan)
    target = write_model_file(tmp_path / "nan.safetensors", save(tensors, metadata(read_model_file(path).config)))
    with pytest.raises(ValueError, match=r"nan.safetensors holds infinite or NaN values in 'module\."):
        knownot.load(target)


def test_save_refuses_weights_that_are_not_finite(tmp_path):
    X, y = make_blobs(100, centers=2, n_features=5, random_state=0)
    model = GMVAEClassifier(random_state=0, **SMALL).fit(X, y)
    with torch.no_grad():
        next(model.module_.parameters()).fill_(torch.inf)
    with pytest.raises(ValueError, match="the fitted model holds infinite or NaN values"):
        model.save(tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())


def test_load_reads_the_whole_file_at_once(fitted, tmp_path):
    model, X, path = fitted
    target = tmp_path / "m.safetensors"
    target.write_bytes(path.read_bytes())
    loaded = knownot.load(target)
    with target.open("r+b") as file:
        file.write(bytes(1000))
        file.truncate(2000)
    np.testing.assert_array_equal(loaded.score_samples(X), model.score_samples(X))


def test_load_reads_one_model_whole_while_others_are_saved(tmp_path):
    X, y = make_blobs(100, centers=2, n_features=5, random_state=0)
    models = [GMVAEClassifier(random_state=seed, **SMALL).fit(X, y) for seed in (0, 1)]
    scores = [model.score_samples(X) for model in models]
    target = models[0].save(tmp_path / "m.safetensors")
    done = threading.Event()

    def save_in_turn():
        for i in range(200):
            models[i % 2].save(target)
        done.set()

    writer = threading.Thread(target=save_in_turn)
    writer.start()
    n_loads = 0
    while not done.is_set():
        found = knownot.load(target).score_samples(X)
        assert any(np.array_equal(found, own) for own in scores)
        n_loads += 1
    writer.join()
    assert n_loads > 5


FORMAT_1 = Path(__file__).with_name("format_1")


@pytest.mark.parametrize("name", sorted(path.stem for path in FORMAT_1.glob("*.safetensors")))
def test_load_reads_files_of_format_1(name, tmp_path):
    expected = np.load(FORMAT_1 / "expected.npz")
    X = expected["images" if "images" in name else "table"]
    model = knownot.load(FORMAT_1 / f"{name}.safetensors")
    for again in (model, knownot.load(model.save(tmp_path / "m.safetensors"))):
        np.testing.assert_array_equal(again.predict(X), expected[f"{name}/predict"])
        np.testing.assert_allclose(again.score_samples(X), expected[f"{name}/scores"], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(again.p_values(X), expected[f"{name}/p"])
        np.testing.assert_allclose(again.predict_proba(X), expected[f"{name}/proba"], rtol=1e-5, atol=1e-6)
        assert isinstance(again.training, TrainingSettings)


def test_load_reads_settings_of_format_1_as_training_settings():
    assert knownot.load(FORMAT_1 / "gmvae-rule-object.safetensors").training.get_params() == {
        **TrainingSettings().get_params(),
        "schedule": "cosine",
        "warmup_epochs": 2,
        "weight_decay": 0.01,
    }
    assert knownot.load(FORMAT_1 / "crosr-weibull.safetensors").training.max_time == 600.0


def test_save_refuses_a_class_of_the_users_own(tmp_path):
    own = type("GMVAEClassifier", (GMVAEClassifier,), {"__doc__": "Called like ours."})
    X, y = make_blobs(100, centers=2, n_features=5, random_state=0)
    with pytest.raises(ValueError, match="is not one of knownot's own estimators"):
        own(random_state=0, **SMALL).fit(X, y).save(tmp_path / "m.safetensors")


def test_save_on_a_full_disk_leaves_the_old_file(fitted, tmp_path, monkeypatch):
    model, _, path = fitted
    target = tmp_path / "model.safetensors"
    target.write_bytes(path.read_bytes())

    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"could not save the model \(No space left on device\); the file that was there"):
        model.save(target)
    assert target.read_bytes() == path.read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


def test_save_names_a_missing_folder(fitted, tmp_path):
    with pytest.raises(ValueError, match=r"the folder .*nowhere does not exist; create it first"):
        fitted[0].save(tmp_path / "nowhere" / "m.safetensors")


def test_save_refuses_unfitted_models(tmp_path):
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        GMVAEClassifier().save(tmp_path / "m.safetensors")


def test_load_restores_a_rule_with_its_settings(tmp_path):
    X, y = make_blobs(200, centers=2, n_features=5, random_state=0)
    model = GMVAEClassifier(rule=Neighbours(k=2, max_references=9), random_state=0, **SMALL).fit(X, y)
    assert len(model.rule_.references_) <= 10
    assert not hasattr(model.rule, "references_")
    copy = knownot.load(model.save(tmp_path / "m.safetensors"))
    np.testing.assert_array_equal(copy.score_samples(X), model.score_samples(X))
    assert copy.rule.get_params() == model.rule.get_params()


def test_save_refuses_a_rule_of_the_users_own(tmp_path):
    class Mine(NearestCentroid):
        name = "mine"

    class Nameless(NearestCentroid):
        """Goes by its parent's name, "nc-d"."""

    X, y = make_blobs(200, centers=2, n_features=5, random_state=0)
    for rule in (Mine(), Nameless()):
        model = GMVAEClassifier(rule=rule, random_state=0, **SMALL).fit(X, y)
        with pytest.raises(ValueError, match=f"the rule {type(rule).__name__} is not one of knownot's own"):
            model.save(tmp_path / "m.safetensors")
