"""Settings name what made the report."""

from __future__ import annotations

import dataclasses

import numpy as np
from sklearn.cluster import KMeans

import knownot
from knownot.report import Subject, gather
from knownot.report.sections.settings import Settings, short


def test_settings_name_parameters_data_and_versions(image_classifier, digits):
    X, y = digits[0][900:], digits[1][900:]
    found = Settings().collect(gather(image_classifier, X, y, seed=7))
    assert found["NearestCentroid"] == {"accept": "0.95", "latent_dim": "8", "random_state": "0"}
    assert found["Data of this report"] == {
        "samples": "897",
        "input shape": "(1, 8, 8)",
        "of known classes": str(np.sum(y < 6)),
        "of unknown classes": str(np.sum(y > 5)),
    }
    made = found["Made with"]
    assert made["knownot"] == knownot.__version__
    assert made["numpy"] == np.__version__
    assert made["seed of the report"] == "7"


def test_settings_of_an_estimator_that_does_not_tell_its_input():
    subject = Subject(KMeans(2), np.zeros((3, 5)), {"cluster": np.array([0, 0, 1])}, "Three")
    assert Settings().collect(subject)["Data of this report"] == {"samples": "3", "input shape": "(5,)"}
    nobody = Settings().collect(dataclasses.replace(subject, estimator=object()))
    assert nobody["object"] == {}


def test_short_cuts_what_is_very_long():
    assert short("a" * 10) == repr("a" * 10)
    assert short(list(range(1000))).endswith(f"… ({len(repr(list(range(1000)))):,} characters)")
    assert len(short(list(range(1000)))) < 340
