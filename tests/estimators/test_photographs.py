"""Estimators on images in colour: networks and views by name, contrast, self-supervision."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

import knownot
from knownot import ContrastiveClassifier, SelfSupervisedEncoder, SoftmaxClassifier, TrainingSettings
from knownot.estimators.photographs import choose_network, choose_views, photo_batch_size, photo_epochs
from knownot.views import FlipsAndShifts, GentleViews, SimCLRViews

# In float32: narrow layers gain nothing from bfloat16.
NARROW = {"width": 0.125, "random_state": 0, "training": TrainingSettings(precision="32-true")}


def shapes(n=240, side=16, seed=0):
    """Photographs of a kind: discs, squares, crosses and stripes, of any colour on any ground."""
    random = np.random.default_rng(seed)
    y = np.arange(n) % 4
    rows, columns = np.mgrid[:side, :side]
    images = np.empty((n, side, side, 3))
    for i, kind in enumerate(y):
        r, c = random.uniform(side * 0.4, side * 0.6, 2)
        size = side * random.uniform(0.22, 0.32)
        down, across = np.abs(rows - r), np.abs(columns - c)
        inside = [
            down**2 + across**2 < size**2,
            np.maximum(down, across) < size * 0.9,
            (np.minimum(down, across) < size / 3) & (np.maximum(down, across) < size * 1.3),
            (rows + int(r)) % 6 < 3,
        ][kind]
        ground, ink = random.uniform(0, 0.4, 3), random.uniform(0.6, 1, 3)
        images[i] = np.where(inside[..., None], ink, ground) + random.normal(0, 0.05, (side, side, 3))
    return (images.clip(0, 1) * 255).astype(np.uint8), y


@pytest.fixture(scope="module")
def photos():
    X, y = shapes(480)
    return X, np.array(["disc", "square", "cross", "stripes"])[y]


@pytest.fixture(scope="module")
def fitted(photos):
    X, y = photos
    known = y != "stripes"
    model = SoftmaxClassifier(max_epochs=20, batch_size=24, **NARROW)
    return model.fit(X[known], y[known])


def test_softmax_on_photographs_takes_the_fast_network_and_its_recipe(fitted):
    assert type(fitted.module_).__name__ == "PhotoNet"
    assert [type(network).__name__ for network in fitted.module_.networks] == ["FastConvNet"]
    # A triangle that ends near 0, and the weights of its end.
    assert fitted.history_[-1]["learning_rate"] < 0.1 * fitted.history_[5]["learning_rate"]
    assert fitted.history_.best_epoch == 20
    assert fitted.history_[5]["learning_rate"] > 0.02


def test_softmax_on_photographs_learns_and_rejects(fitted):
    X, y = shapes(240, seed=1)
    y = np.array(["disc", "square", "cross", "stripes"])[y]
    known = y != "stripes"
    assert (fitted.nearest_class(X[known]) == y[known]).mean() > 0.9
    assert roc_auc_score(known, fitted.score_samples(X)) > 0.85


def test_scores_are_those_of_an_image_and_its_mirror_image(fitted, photos):
    X, _ = photos
    one, other = fitted.score_samples(X[:20]), fitted.score_samples(X[:20, :, ::-1])
    np.testing.assert_allclose(one, other, rtol=1e-4)


def test_softmax_on_photographs_comes_back_from_its_file(fitted, photos, tmp_path):
    again = knownot.load(fitted.save(tmp_path / "m.safetensors"))
    np.testing.assert_array_equal(again.score_samples(photos[0][:50]), fitted.score_samples(photos[0][:50]))
    np.testing.assert_array_equal(again.transform(photos[0][:50]), fitted.transform(photos[0][:50]))


def test_an_ensemble_is_the_mean_of_its_networks(photos, tmp_path):
    X, y = photos
    model = SoftmaxClassifier(n_networks=2, max_epochs=2, **NARROW).fit(X[:120], y[:120])
    one, two = model.module_.networks
    assert not torch.equal(one.inner[0].second.weight, two.inner[0].second.weight)
    x = torch.from_numpy(X[:9]).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        by_hand = [
            classifier(network(view)) / 9
            for network, classifier in zip(model.module_.networks, model.module_.classifiers, strict=True)
            for view in (x, x.flip(3))
        ]
    expected = torch.stack(by_hand).mean(0)
    torch.testing.assert_close(model.evidence(X[:9], ["logits"])["logits"], expected, rtol=1e-4, atol=1e-5)
    assert model.transform(X[:9]).shape == (9, 64)
    np.testing.assert_array_equal(
        knownot.load(model.save(tmp_path / "m.safetensors")).score_samples(X[:9]), model.score_samples(X[:9])
    )
    with pytest.raises(ValueError, match="n_networks=0 does not work"):
        SoftmaxClassifier(n_networks=0).fit(X, y)


def test_settings_of_a_training_leave_the_recipe_as_it_is(photos):
    X, y = photos
    plain = SoftmaxClassifier(max_epochs=2, **NARROW).fit(X[:80], y[:80])
    given = clone(plain).set_params(training__max_time=3600.0).fit(X[:80], y[:80])
    assert plain.history_[-1]["train"] == given.history_[-1]["train"]
    own = clone(plain).set_params(training__optimizer="adam", training__schedule="constant", learning_rate=1e-3)
    assert own.fit(X[:80], y[:80]).history_[-1]["learning_rate"] == 1e-3


def test_contrastive_classifier_learns_rejects_and_comes_back(photos, tmp_path):
    X, y = photos
    known = y != "stripes"
    model = ContrastiveClassifier(max_epochs=8, batch_size=48, learning_rate=3e-3, **NARROW).fit(X[known], y[known])
    test, truth = shapes(240, seed=1)
    truth = np.array(["disc", "square", "cross", "stripes"])[truth]
    is_known = truth != "stripes"
    assert (model.nearest_class(test[is_known]) == truth[is_known]).mean() > 0.7
    assert roc_auc_score(is_known, model.score_samples(test)) > 0.6
    np.testing.assert_allclose(np.linalg.norm(model.transform(test), axis=1), 1, rtol=1e-5)
    assert set(model.history_[-1]["train"]) == {"supcon", "simclr", "mixed", "total"}
    again = knownot.load(model.save(tmp_path / "m.safetensors"))
    np.testing.assert_array_equal(again.score_samples(test), model.score_samples(test))


@pytest.mark.parametrize("rule", ["auto", "neighbours", "nc-d", "nc-u", "weibull"])
def test_contrastive_classifier_takes_every_rule_on_embeddings(photos, rule):
    X, y = photos
    model = ContrastiveClassifier(rule=rule, max_epochs=1, mixing="none", **NARROW).fit(X[:120], y[:120])
    assert set(model.predict(X[:50])) <= {*y, "unknown"}


@pytest.mark.parametrize("mixing", ["none", "mixup", "cutmix", "gradmix"])
@pytest.mark.parametrize("network", ["fast", "resnet18"])
def test_contrastive_classifier_mixes_with_either_network(photos, network, mixing):
    X, y = photos
    settings = {"layers": ("layer2", "layer3"), "attribution_sign": -1} if mixing == "gradmix" else {}
    model = ContrastiveClassifier(network=network, mixing=mixing, mixing_settings=settings, max_epochs=1, **NARROW)
    assert ("mixed" in model.fit(X[:120], y[:120]).history_[0]["train"]) == (mixing != "none")


@pytest.mark.parametrize("method", ["simclr", "moco"])
def test_self_supervised_features_serve_a_linear_probe(photos, method, tmp_path):
    X, y = photos
    encoder = SelfSupervisedEncoder(
        method=method, max_epochs=6, mixing="none", queue_size=128, learning_rate=3e-3, **NARROW
    )
    probe = make_pipeline(encoder, LogisticRegression(max_iter=2000)).fit(X, y)
    test, truth = shapes(240, seed=1)
    assert probe.score(test, np.array(["disc", "square", "cross", "stripes"])[truth]) > 0.6
    fitted = probe[0]
    assert fitted.transform(test[:3]).shape == (3, 32)
    assert fitted.get_feature_names_out().shape == (32,)
    again = knownot.load(fitted.save(tmp_path / "m.safetensors"))
    np.testing.assert_array_equal(again.transform(test), fitted.transform(test))


def test_self_supervised_encoder_takes_tables():
    X = np.random.default_rng(0).normal(size=(120, 6))
    encoder = SelfSupervisedEncoder(max_epochs=2, random_state=0).fit(X)
    assert encoder.transform(X).shape == (120, 128)
    with pytest.raises(ValueError, match="method='byol' is not known"):
        SelfSupervisedEncoder(method="byol").fit(X)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"network": "vgg"}, "network='vgg' is not known: use one of 'auto', 'fast'"),
        ({"views": "blurred"}, "views='blurred' is not known"),
        ({"views": "none"}, "leaves both views of a sample the same"),
        ({"mixing": "puzzle"}, "mixing='puzzle' is not known: use one of 'auto', 'mixup'"),
        ({"mixing": "gradmix", "mixing_settings": {"size": 3}}, "does not work for mixing='gradmix'"),
        ({"width": 0.0}, "width=0.0 does not work: give a factor above 0"),
    ],
)
def test_contrastive_classifier_refuses_what_does_not_work(photos, given, said):
    with pytest.raises(ValueError, match=said):
        ContrastiveClassifier(max_epochs=1, **given).fit(*photos)


def test_contrastive_classifier_refuses_names_of_images_on_tables():
    X, y = np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 2
    for given in ({"network": "fast"}, {"views": "simclr"}, {"mixing": "gradmix"}):
        with pytest.raises(ValueError, match="images, and X is a table"):
            ContrastiveClassifier(max_epochs=1, **given).fit(X, y)


def test_networks_and_views_by_name():
    assert (
        choose_network("auto", (3, 32, 32), plain=False) == choose_network("auto", (1, 28, 28), plain=False) == "fast"
    )
    assert choose_network("auto", (3, 8, 8), plain=False) == choose_network("auto", (9,), plain=False) == "plain"
    assert choose_network("auto", (3, 32, 32), plain=True) == "plain"
    for name, shape, plain in (("fast", (5,), False), ("fast", (3, 32, 32), True), ("vgg", (3, 32, 32), False)):
        with pytest.raises(ValueError, match=f"network='{name}'"):
            choose_network(name, shape, plain=plain)
    assert choose_views("auto", (3, 32, 32)) == (FlipsAndShifts(2, cutout=8), True)
    assert choose_views("auto", (3, 64, 48)) == (FlipsAndShifts(4, cutout=16), True)
    assert choose_views("auto", (1, 28, 28)) == (FlipsAndShifts(2, flip=False), False)
    assert choose_views("auto", (3, 32, 32), auto="simclr") == (SimCLRViews(), True)
    assert choose_views("digits", (1, 28, 28)) == (GentleViews(), False)
    assert choose_views("simclr", (1, 28, 28)) == (SimCLRViews(flip=False), False)
    assert choose_views("none", (3, 32, 32)) == (None, False)
    assert [photo_batch_size(n) for n in (40, 2_000, 60_000)] == [16, 100, 512]
    assert [photo_epochs(n) for n in (800, 10_000, 60_000)] == [60, 30, 10]
