"""Examples say of a sample what the estimator said of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from knownot import EmbeddingClassifier
from knownot.report import gather, render, wording
from knownot.report.examples import examples, unusual_features


def test_examples_tell_the_class_the_verdict_and_the_scores(image_classifier, digits):
    X, y = digits[0][900:], digits[1][900:]
    index = np.array([3, 50, 7])
    said = image_classifier.assess(X)
    for example, i in zip(examples(gather(image_classifier, X, y), index), index, strict=True):
        verdict = "rejected, nearest" if said["class"][i] == -1 else "accepted as"
        assert example.title == str(y[i])
        assert example.subtitle == f"{verdict} {said['nearest_class'][i]}"
        assert example.facts == {
            "knownness": wording.number(said["knownness"][i]),
            "p-value": wording.p_text(said["p_value"][i]),
        }
        assert example.is_known == (y[i] < 6)
        assert example.picture.startswith("data:image/png")
    nameless = examples(gather(image_classifier, X), index)[0]
    assert nameless.title.endswith(f" {said['nearest_class'][3]}")
    assert nameless.subtitle == ""
    assert nameless.is_known is None


def test_examples_tell_what_a_density_and_a_clusterer_said(density, clusterer, digits):
    X, index = digits[0][900:], np.array([0, 12])
    accepted = density.predict(X)[index] == 1
    assert [example.title for example in examples(gather(density, X), index)] == [
        "accepted" if a else "rejected" for a in accepted
    ]
    said = clusterer.assess(X)
    found = examples(gather(clusterer, X, digits[1][900:]), index)
    assert [example.title for example in found] == [str(label) for label in digits[1][900:][index]]
    assert [example.subtitle for example in found] == [f"cluster {c}" for c in said["cluster"][index]]
    assert [e.facts for e in found] == [{"probability": wording.number(p)} for p in said["probability"][index]]


def test_unusual_features_are_those_farthest_from_the_middle(image_classifier, digits):
    table = np.random.default_rng(0).normal(size=(897, 5))
    table[7, 3] = 50.0
    subject = gather(image_classifier, digits[0][900:])
    made = dataclasses.replace(subject, images=None, features=table, feature_names=list("abcde"))
    assert unusual_features(made, np.array([7]))[0][0] == ("d", "50")
    assert unusual_features(subject, np.array([7])) is None


@pytest.mark.usefixtures("few_trees")
def test_examples_of_tables_with_text_and_gaps_print_them_as_they_are():
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"mass": random.normal(size=90), "isle <b>": np.tile(["Dream", "Biscoe", None], 30)})
    y = (frame["mass"] > 0).astype(int)
    frame.loc[::8, "mass"] = np.nan
    model = EmbeddingClassifier(random_state=0).fit(frame, y)
    subject = gather(model, frame, y)
    assert subject.has("embedding")
    printed = dict(unusual_features(subject, np.array([0, 1]))[1])
    assert printed["isle <b>"] == "Biscoe"
    assert dict(unusual_features(subject, np.array([0]))[0])["mass"] == "–"
    assert dict(unusual_features(subject, np.array([2]))[0])["isle <b>"] == "–"
    page = render(subject)
    assert "Biscoe" in page
    assert "isle <b>" not in page
