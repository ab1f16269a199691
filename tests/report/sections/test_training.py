"""The training chart shows each loss term that says anything."""

from __future__ import annotations

import re

import numpy as np
from markupsafe import Markup

from knownot.report import gather, render
from knownot.report.sections.training import Training, has_negative_loss, idle_terms, training_chart


def with_history(estimator, history):
    made = type(estimator)(**estimator.get_params())
    vars(made).update(vars(estimator) | {"history_": history})
    return made


def test_training_chart_writes_names_as_text_and_no_formulas():
    svg = training_chart([{"epoch": 0, "train": {"$\\broken{$ <b>": 1.0}}], None)
    assert "$\\broken{$ &lt;b&gt;" in svg
    assert isinstance(svg, Markup)


def test_training_chart_of_one_epoch_without_validation():
    svg = training_chart([{"epoch": 0, "train": {"total": 1.0}, "validation": None}], None)
    assert "training" in svg
    assert "validation" not in svg
    assert "kept weights" not in svg
    assert "kept weights" in training_chart([{"epoch": 0, "train": {"total": 1.0}}], 0)


def test_idle_terms_are_left_out_with_a_sentence(image_classifier, digits, outline_of):
    history = [
        {"epoch": e, "train": {"v-prior": 0.0, "w-prior": 1.0, "total": 1.0}, "validation": None} for e in (1, 2)
    ]
    assert idle_terms(history) == ["v-prior"]
    subject = gather(with_history(image_classifier, history), digits[0][900:950], projections=())
    text = outline_of(render(subject)).text
    assert "Left out, since zero throughout: v-prior." in text
    assert text.count("v-prior") == 1
    assert "A negative loss" not in text


def test_has_negative_loss_looks_at_both_parts():
    assert has_negative_loss([{"train": {"total": 1.0}, "validation": {"total": -0.1}}])
    assert not has_negative_loss([{"train": {"total": 1.0}, "validation": None}])
    assert not has_negative_loss([{"train": {"total": np.nan}}])


def test_training_marks_the_epoch_whose_weights_were_kept(image_classifier, digits):
    X = digits[0][900:950]
    history = image_classifier.history_
    collected = Training().collect(gather(image_classifier, X))

    def without_ids(svg):
        return re.sub(r'(id="|#)[^")]*', "", svg)

    assert without_ids(collected["chart"]) == without_ids(training_chart(history, 21))
    assert without_ids(collected["chart"]) != without_ids(training_chart(history, 5))


def test_training_applies_where_there_is_a_history(image_classifier, clusterer, digits):
    X = digits[0][900:950]
    assert Training().applies(gather(image_classifier, X))
    assert not Training().applies(gather(with_history(image_classifier, []), X))
    assert not Training().applies(gather(clusterer, X))
