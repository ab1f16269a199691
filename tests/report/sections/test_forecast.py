"""The forecast: where it is shown, what it says, names of what was hidden."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_wine

from knownot import EmbeddingClassifier
from knownot.report import gather, render
from knownot.report.sections.forecast import Forecast, hidden_names

pytestmark = pytest.mark.usefixtures("few_trees")


@pytest.fixture(scope="module")
def wine():
    X, y = load_wine(return_X_y=True)
    return X, np.array(["barolo", "grignolino", "a name that is much too long for a chart"])[y]


@pytest.fixture(scope="module")
def subject(wine):
    return gather(EmbeddingClassifier(random_state=0).fit(*wine), *wine, projections=())


def test_the_page_says_what_the_model_foretells(subject, outline_of):
    forecast, weights = subject.estimator.forecast_, subject.estimator.rule_.weights_
    page = render(subject)
    text = outline_of(page).text
    assert f"it expects an AUROC of {forecast.auroc:.2f} against unknown classes" in text
    assert f"between {forecast.low:.2f} and {forecast.high:.2f}" in text
    assert "hid known classes one by one" in text
    assert f"named by {', '.join(subject.estimator.rule_.voters_)}" in text
    for name in list(weights)[:3]:
        assert f"{weights[name]:.2f}" in page
    assert 'href="#forecast"' in page
    data = Forecast().collect(subject)
    assert "barolo" in data["groups"]
    assert max(weights, key=weights.get) in data["weights"]


def test_groups_are_named_by_class_where_each_was_hidden_alone(subject):
    assert hidden_names(subject) == ["a name that is much too…", "barolo", "grignolino"]
    X, y = load_digits(return_X_y=True)
    many = gather(EmbeddingClassifier(random_state=0).fit(X[:500], y[:500]), X[:50], y[:50], projections=())
    assert hidden_names(many) == [f"group {i}" for i in range(1, 7)]
    assert "in groups" in render(many)


def test_of_few_classes_it_says_what_it_cannot_know(wine, outline_of):
    X, y = wine
    for names, words in ((("barolo",), "There is one known class"), (("barolo", "grignolino"), "With two known")):
        mine = np.isin(y, names)
        subject = gather(EmbeddingClassifier(random_state=0).fit(X[mine], y[mine]), X[mine], y[mine], projections=())
        text = outline_of(render(subject)).text
        assert words in text
        assert ("it expects an AUROC" in text) == (len(names) == 2)
        assert "nan" not in text


def test_not_shown_without_a_forecast(wine, image_classifier, digits):
    X, y = wine
    other = EmbeddingClassifier("gaussian", random_state=0).fit(X, y)
    assert not Forecast().applies(gather(other, X, y, projections=()))
    assert not Forecast().applies(gather(image_classifier, digits[0][:20], projections=()))
