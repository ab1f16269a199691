"""Histogram, curves, metrics and cards show the numbers of the metrics themselves."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from knownot.report import gather, wording
from knownot.report.sections.curves import Curves
from knownot.report.sections.headline import Headline
from knownot.report.sections.metrics import NOTES, Metrics
from knownot.report.sections.scores import Scores, histogram, left_out


@pytest.fixture(scope="module")
def subject(image_classifier, digits):
    return gather(image_classifier, digits[0][900:], digits[1][900:])


def test_histogram_counts_known_and_unknown_samples(subject, density, digits):
    y = digits[1][900:]
    svg = histogram(subject)
    assert f"known ({np.sum(y < 6)})" in svg
    assert f"unknown ({np.sum(y > 5)})" in svg
    assert ">threshold<" in svg
    assert "knownness (higher: more known)" in svg
    plain = histogram(gather(density, digits[0][900:]))
    assert "all samples (897)" in plain
    assert "log-density in nats (higher: more known)" in plain


def test_histogram_without_a_threshold_draws_none(image_classifier, subject):
    unset = type(image_classifier)()
    assert not hasattr(unset, "offset_")
    assert ">threshold<" not in histogram(dataclasses.replace(subject, estimator=unset))


def test_left_out_says_what_is_missing(subject, density, digits):
    X, y = digits[0][900:], digits[1][900:]
    assert left_out(subject) == ""
    assert left_out(gather(density, X)) == (
        "Known and unknown samples cannot be told apart here, and the ROC curve is left out: it needs labels."
    )
    assert left_out(gather(density, X[y < 6], y[y < 6])) == (
        "The ROC curve is left out: it compares known with unknown samples, and these data hold no unknown ones."
    )


def test_curves_show_oscr_only_where_there_are_classes(subject, density, clusterer, digits):
    X, y = digits[0][900:], np.where(digits[1][900:] < 6, 1, -1)
    assert set(Curves().collect(subject)) == {"roc", "oscr"}
    assert set(Curves().collect(gather(density, X, y))) == {"roc"}
    assert not Curves().applies(gather(density, X))
    assert not Curves().applies(gather(clusterer, X, y))
    assert not Scores().applies(gather(clusterer, X, y))


def test_metrics_print_every_metric_with_its_meaning(subject, clusterer, digits):
    for found in (subject, gather(clusterer, digits[0][900:], digits[1][900:])):
        rows = Metrics().collect(found)
        assert [label for label, _, _ in rows] == [NOTES[key][0] for key in found.metrics]
        assert all(note for _, _, note in rows)
        numbers = [float(value.replace("\u2212", "-")) for _, value, _ in rows]
        assert numbers == pytest.approx(list(found.metrics.values()), rel=1e-3, abs=1e-4)


def test_headline_of_a_classifier(subject):
    cards = {card.label: card.value for card in Headline().collect(subject)}
    assert cards == {
        "Closed-set accuracy": wording.percent(subject.metrics["closed_set_accuracy"]),
        "AUROC": f"{subject.metrics['auroc']:.3f}",
        "OSCR": f"{subject.metrics['oscr']:.3f}",
        "Macro-F1": f"{subject.metrics['macro_f1']:.3f}",
        "Acceptance": wording.percent(subject.metrics["acceptance"]),
        "Unknown rejected": wording.percent(subject.metrics["unknown_rejection"]),
    }


def test_headline_without_labels_counts_the_accepted(image_classifier, density, digits):
    X = digits[0][900:]
    for estimator, verb in ((image_classifier, "got a class"), (density, "were accepted")):
        accepted, samples = Headline().collect(gather(estimator, X))
        assert accepted.value == wording.percent(np.mean(estimator.predict(X) != -1))
        assert verb in accepted.note
        assert "95\u00a0% of known samples were asked for" in accepted.note
        assert (samples.label, samples.value) == ("Samples", "897")


def test_headline_of_a_labelled_density_names_no_classes(density, digits):
    X, y = digits[0][900:], np.where(digits[1][900:] < 6, 1, -1)
    cards = Headline().collect(gather(density, X, y))
    assert [card.label for card in cards] == ["AUROC", "Acceptance", "Unknown rejected"]
    assert not any("class" in card.note for card in cards)


def test_headline_of_clusters(clusterer, digits):
    X, y = digits[0][900:], digits[1][900:]
    said = clusterer.assess(X)
    cards = {card.label: card.value for card in Headline().collect(gather(clusterer, X, y))}
    assert cards["Clusters"] == str(len(np.unique(said["cluster"])))
    assert cards["Mean probability"] == f"{said['probability'].mean():.3f}"
    assert set(cards) == {"Adjusted Rand index", "Mutual information", "Clusters", "Mean probability"}
