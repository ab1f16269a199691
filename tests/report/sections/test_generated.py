"""Reconstructions and samples are those of the estimator, where the page says they are."""

from __future__ import annotations

import numpy as np

from knownot.report import gather, wording
from knownot.report.pictures import data_uri
from knownot.report.sections.generated import Generated, reconstruction_strips, sample_strips


def test_reconstruction_strips_show_known_and_unknown_samples(image_classifier, digits):
    X, y = digits[0][900:], digits[1][900:]
    places = {data_uri(image[..., None]): i for i, image in enumerate(X)}
    known, unknown = reconstruction_strips(gather(image_classifier, X, y))
    assert (known.title, unknown.title) == ("Known", "Unknown")
    for strip, is_known in ((known, True), (unknown, False)):
        index = np.array([places[image] for image, _, _ in strip.pictures])
        assert len(np.unique(index)) == 8
        assert ((y[index] < 6) == is_known).all()
        made = image_classifier.reconstruct(X[index])
        assert [output for _, output, _ in strip.pictures] == [data_uri(image) for image in made]
        assert [name for _, _, name in strip.pictures] == y[index].astype(str).tolist()


def test_reconstruction_strips_go_by_the_verdict_without_labels(image_classifier, density, digits):
    X = digits[0][900:]
    places = {data_uri(image[..., None]): i for i, image in enumerate(X)}
    for estimator in (image_classifier, density):
        for strip in reconstruction_strips(gather(estimator, X)):
            index = np.array([places[image] for image, _, _ in strip.pictures])
            rejected = estimator.predict(X[index]) == -1
            assert (rejected == (strip.title == "Rejected")).all()


def test_reconstruction_strips_repeat_with_the_seed(image_classifier, digits):
    X, y = digits[0][900:], digits[1][900:]
    first, second, other = (reconstruction_strips(gather(image_classifier, X, y, seed=s)) for s in (1, 1, 2))
    assert first == second
    assert first != other


def test_sample_strips_hold_samples_of_their_class(image_classifier, digits):
    strips = sample_strips(gather(image_classifier, digits[0][900:]))
    assert [strip.title for strip in strips] == list("012345")
    values, labels = image_classifier.sample(3 * 8 * 6)
    for c, strip in enumerate(strips):
        assert [image for image, _, _ in strip.pictures] == [data_uri(image) for image in values[labels == c][:8]]
        assert len(strip.pictures) == 8


def test_sample_strips_of_a_density_are_one(density, table_density, digits):
    (strip,) = sample_strips(gather(density, digits[0][900:], seed=5))
    assert [image for image, _, _ in strip.pictures] == [data_uri(image) for image in density.sample(8, 5)]
    (rows,) = sample_strips(gather(table_density, digits[0][900:].reshape(-1, 64), seed=5))
    assert [values[3] for _, values in rows.rows] == [wording.number(row[3]) for row in table_density.sample(8, 5)[:3]]


def test_sample_strips_take_samples_that_come_with_components(density, digits):
    labelled = type("Labelled", (type(density),), {})()
    vars(labelled).update(vars(density))
    labelled.sample = lambda n: (density.sample(n, 5), np.arange(n))
    assert sample_strips(gather(labelled, digits[0][900:])) == sample_strips(gather(density, digits[0][900:], seed=5))


def test_generated_tables_print_inputs_and_reconstructions(table_classifier, digits):
    X, y = digits[0][900:].reshape(-1, 64), digits[1][900:]
    subject = gather(table_classifier, X, y)
    data = Generated().collect(subject)
    assert data["columns"] == [f"feature {i}" for i in range(8)]
    name, values = data["reconstructions"][0].rows[0]
    matches = [row for row in X[y.astype(str) == name] if [wording.number(v) for v in row[:8]] == values]
    assert matches
    kind, made = data["reconstructions"][0].rows[1]
    assert kind == "reconstruction"
    expected = table_classifier.reconstruct(np.array(matches))[:, :8]
    assert any([wording.number(v) for v in row][2:] == made[2:] for row in expected)


def test_generated_applies_to_models_that_make_something(image_classifier, embedding_only, clusterer, digits):
    X = digits[0][900:]
    assert Generated().applies(gather(image_classifier, X))
    assert not Generated().applies(gather(embedding_only, X))
    assert not Generated().applies(gather(clusterer, X))
