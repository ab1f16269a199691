"""The map describes the points that are drawn."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from knownot.report import gather, wording
from knownot.report.sections.map import Map, as_json, drawn


def payload(subject):
    return json.loads(Map().collect(subject)["payload"])


def told(data, key):
    return [data[key]["texts"][i] for i in data[key]["of"]]


def test_map_holds_at_most_so_many_samples_and_repeats(image_classifier, digits):
    X = digits[0][900:]
    subjects = [gather(image_classifier, X, projections=("PCA", "t-SNE"), max_points=60, seed=s) for s in (1, 1, 2)]
    first, second, other = (payload(subject) for subject in subjects)
    assert {name: np.shape(points) for name, points in first["maps"].items()} == {"PCA": (2, 60), "t-SNE": (2, 60)}
    assert len(np.unique(drawn(subjects[0]))) == 60
    assert first == second
    assert not np.array_equal(drawn(subjects[0]), drawn(subjects[2]))
    assert first["maps"] != other["maps"]


def test_map_describes_the_points_of_a_classifier(image_classifier, digits):
    X, y = digits[0][900:], digits[1][900:]
    subject = gather(image_classifier, X, y, max_points=200)
    data, index = payload(subject), drawn(subject)
    assert list(data["maps"]) == ["t-SNE", "PCA"]
    for x, y_axis in data["maps"].values():
        assert min(x + y_axis) >= 0.0
        assert max(x + y_axis) <= 1.0
    said = image_classifier.assess(X[index])
    np.testing.assert_array_equal([data["classes"][g]["name"] for g in data["group"]], y[index].astype(str))
    np.testing.assert_array_equal(data["accepted"], said["class"] != -1)
    assert told(data, "title") == y[index].astype(str).tolist()
    assert told(data, "subtitle") == [
        f"{'rejected, nearest' if c == -1 else 'accepted as'} {n}"
        for c, n in zip(said["class"], said["nearest_class"], strict=True)
    ]
    assert data["facts"] == {
        "knownness": [wording.number(v) for v in said["knownness"]],
        "p-value": [wording.p_text(v) for v in said["p_value"]],
    }
    marks = [(group["colour"], group["mark"]) for group in data["classes"]]
    assert len(set(marks)) == len(marks)
    assert [group["colour"] is None for group in data["classes"]] == [False] * 6 + [True] * 4
    assert data["legend"] == "Known classes"
    np.testing.assert_array_equal([g["count"] for g in data["classes"]], np.bincount(y[index], minlength=10))


def test_map_colours_nearest_classes_without_labels(image_classifier, digits):
    X = digits[0][900:]
    subject = gather(image_classifier, X, projections=("PCA",))
    data = payload(subject)
    assert Map().collect(subject)["sentence"] == "Colours are nearest classes."
    assert data["legend"] == "Nearest class"
    np.testing.assert_array_equal(data["group"], image_classifier.nearest_class(X))


def test_map_colours_clusters_and_knows_no_verdicts(clusterer, digits):
    X, y = digits[0][900:], digits[1][900:]
    data = payload(gather(clusterer, X, y, projections=("PCA",)))
    clusters = clusterer.assess(X)["cluster"]
    assert data["legend"] == "Clusters"
    assert data["accepted"] is None
    np.testing.assert_array_equal([data["classes"][g]["name"] for g in data["group"]], clusters.astype(str))
    assert told(data, "title") == y.astype(str).tolist()
    assert told(data, "subtitle") == [f"cluster {c}" for c in clusters]


def test_map_of_a_density_shows_verdicts_alone(density, digits):
    X = digits[0][900:]
    data = payload(gather(density, X, projections=("PCA",)))
    assert [group["name"] for group in data["classes"]] == ["all samples"]
    np.testing.assert_array_equal(data["accepted"], density.predict(X) == 1)


def test_map_of_a_table_needs_no_embedding(table_classifier, digits):
    X = digits[0][900:].reshape(-1, 64)
    subject = gather(table_classifier, X, projections=("PCA",))
    with_embedding = Map().collect(subject)
    columns = {name: column for name, column in subject.columns.items() if name != "embedding"}
    bare = dataclasses.replace(subject, columns=columns)
    assert Map().applies(bare)
    collected = Map().collect(bare)
    assert (with_embedding["what"], collected["what"]) == ("embedding", "samples")
    points = np.array(payload(bare)["maps"]["PCA"]).T
    centred = X - X.mean(axis=0)
    expected = np.linalg.svd(centred, full_matrices=False)[0][:, :2] * np.linalg.svd(centred)[1][:2]
    for i, j, k in ((0, 1, 2), (5, 100, 700)):
        ratio = np.linalg.norm(points[i] - points[j]) / np.linalg.norm(points[i] - points[k])
        wanted = np.linalg.norm(expected[i] - expected[j]) / np.linalg.norm(expected[i] - expected[k])
        assert ratio == pytest.approx(wanted, rel=1e-2)


def test_map_applies_to_images_only_with_an_embedding(image_classifier, digits):
    subject = gather(image_classifier, digits[0][900:])
    columns = {name: column for name, column in subject.columns.items() if name != "embedding"}
    assert Map().applies(subject)
    assert not Map().applies(dataclasses.replace(subject, columns=columns))
    assert not Map().applies(dataclasses.replace(subject, projections=()))


def test_map_of_a_table_with_gaps_is_left_out(table_classifier, digits):
    X = digits[0][900:].reshape(-1, 64)
    subject = gather(table_classifier, X)
    gaps = X.copy()
    gaps[3, 5] = np.nan
    columns = {name: column for name, column in subject.columns.items() if name != "embedding"}
    assert not Map().applies(dataclasses.replace(subject, columns=columns, features=gaps))
    assert Map().applies(dataclasses.replace(subject, features=gaps))


def test_map_shows_the_features_of_tables(table_classifier, digits):
    X = digits[0][900:].reshape(-1, 64)
    names = [f"pixel {i}" for i in range(64)]
    subject = gather(table_classifier, X, feature_names=names, projections=("PCA",), max_points=50)
    data = payload(subject)
    first, row = dict(data["features"][0]), X[drawn(subject)[0]]
    assert {name: wording.number(row[names.index(name)]) for name in first} == first


def test_as_json_opens_and_closes_no_tag():
    text = as_json({"a": "</script><!-- \u2028 &"})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"a": "</script><!-- \u2028 &"}
