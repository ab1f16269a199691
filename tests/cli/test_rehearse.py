"""`knownot rehearse`, and the forecast that fit and inspect show."""

from __future__ import annotations

import json

import numpy as np
import pytest

import knownot
from knownot import EmbeddingClassifier, rehearse
from knownot.cli.rehearse import duration
from knownot.cli.samples import as_input
from knownot.data import read_table

pytestmark = pytest.mark.usefixtures("few_trees")


def flat(text: str) -> str:
    return " ".join(text.split())


def test_json_holds_what_rehearse_finds(run, flowers):
    result = run("rehearse", flowers, "--label", "kind", "--rule", "gaussian", "--accept", 0.9, "--json", "--quiet")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    data = read_table(flowers, "kind")
    found = rehearse(EmbeddingClassifier("gaussian", accept=0.9, random_state=0), as_input(data), data.y)
    assert facts["auroc"] == pytest.approx(found.auroc)
    assert (facts["low"], facts["high"]) == pytest.approx((found.low, found.high))
    assert [group["hidden"] for group in facts["groups"]] == [["rose"], ["tulip"], ["weed"]]
    assert [group["rejection"] for group in facts["groups"]] == pytest.approx([r.rejection for r in found.results])
    assert (facts["method"], facts["accept"], facts["note"]) == ("embedding", 0.9, "")
    assert "resemble no class" in facts["limits"]


def test_a_table_an_interval_and_what_it_cannot_know(run, flowers):
    result = run("rehearse", flowers, "--label", "kind", "--known", "rose,tulip", "--rule", "gaussian")
    assert result.exit_code == 0, result.output
    text = flat(result.stdout)
    for words in ("rose", "tulip", "AUROC", "OSCR", "rejected", "expected AUROC against unknown classes 1.00 ("):
        assert words in text
    assert "weed" not in text
    assert "With two known classes one alone is left" in text
    assert "resemble no class of them" in text
    assert "2 fits, each without some of the classes." in flat(result.stderr)
    assert "Method: embedding" in flat(result.stderr)


def test_where_nothing_is_rejected_no_rates_are_shown(run, flowers):
    result = run("rehearse", flowers, "--label", "kind", "--rule", "gaussian", "--set", "accept=none", "-q")
    assert result.exit_code == 0, result.output
    assert "rejected" not in result.stdout
    assert "nan" not in result.stdout


def test_a_network_says_how_long_it_will_take(run, flowers):
    arguments = ("--label", "kind", "--method", "softmax", "--epochs", 4, "--set", "training__patience=2")
    result = run("rehearse", flowers, *arguments)
    assert result.exit_code == 0, result.output
    assert "3 fits, each without some of the classes: about" in flat(result.stderr)
    assert "at most, with 4 epochs each." in flat(result.stderr)


def test_mistakes_are_answered_with_a_sentence(run, flowers):
    table = (flowers, "--label", "kind")
    for arguments, words in (
        ((flowers,), "say which of its columns holds the class"),
        ((*table, "--method", "mixture-density"), "learns no classes, and rehearse hides classes"),
        ((*table, "--method", "gmvea"), "Did you mean 'gmvae'?"),
        ((*table, "--known", "rose"), "y holds 1 class, and none would be left if it were hidden"),
        ((*table, "--known", "rose,tulip", "--method", "softmax", "--epochs", 1), "classes"),
        ((*table, "--set", "foo=1", "--method", "embedding"), "has no such parameter"),
    ):
        result = run("rehearse", *arguments)
        assert result.exit_code == 2, arguments
        assert words in flat(result.stderr), arguments
        assert "Traceback" not in result.stderr


def test_fit_and_inspect_show_the_forecast(run, flowers, tmp_path):
    path = tmp_path / "m.safetensors"
    result = run("fit", flowers, "--label", "kind", "--method", "embedding", "-o", path, "--json", "-q")
    assert result.exit_code == 0, result.output
    forecast = json.loads(result.stdout)["forecast"]
    fitted = knownot.load(path)
    assert forecast["auroc"] == pytest.approx(fitted.forecast_.auroc)
    assert forecast["by_fold"] == pytest.approx(list(fitted.forecast_.by_fold))
    assert forecast["evidence"] == pytest.approx(fitted.rule_.weights_)
    assert forecast["voters"] == fitted.rule_.voters_
    facts = json.loads(run("inspect", path, "--json").stdout)
    assert facts["forecast"]["auroc"] == pytest.approx(fitted.forecast_.auroc)
    assert facts["forecast"]["by_fold"] == pytest.approx(list(fitted.forecast_.by_fold))
    assert facts["evidence"] == pytest.approx(fitted.rule_.weights_)
    assert list(facts["evidence"].values()) == sorted(facts["evidence"].values(), reverse=True)
    assert facts["voters"] == fitted.rule_.voters_
    text = flat(run("inspect", path).stdout)
    assert "Forecast expected AUROC against unknown classes" in text
    assert f"Evidence {next(iter(facts['evidence']))}" in text
    assert "Class by" in text


def test_fit_shows_the_forecast_and_what_it_cannot_know(run, flowers, model, tmp_path):
    path = tmp_path / "m.safetensors"
    for known, words in (
        ("rose,tulip,weed", "Forecast expected AUROC against unknown classes 1.00 ("),
        ("rose,tulip", "with two known classes one alone is left"),
        ("rose", "Forecast there is one known class"),
    ):
        result = run("fit", flowers, "--label", "kind", "--known", known, "--method", "embedding", "-o", path, "-q")
        assert result.exit_code == 0, result.output
        assert words in flat(result.stdout)
        assert run("inspect", path).exit_code == 0
    # A network has no forecast of its own.
    assert "forecast" not in json.loads(run("inspect", model, "--json").stdout)


def test_duration_is_rough():
    assert [duration(seconds) for seconds in (0.1, 89, 100, 5000, 9000)] == ["1 s", "89 s", "2 min", "83 min", "2.5 h"]


def test_a_training_that_is_interrupted_ends_it_all(run, flowers, monkeypatch):
    from knownot import SoftmaxClassifier

    fit, fits = SoftmaxClassifier.fit, []

    def interrupted(self, X, y):
        fits.append(np.unique(y))
        fitted = fit(self, X, y)
        if len(fits) > 1:
            fitted.history_.stopped = "interrupted"
        return fitted

    monkeypatch.setattr(SoftmaxClassifier, "fit", interrupted)
    result = run("rehearse", flowers, "--label", "kind", "--method", "softmax", "--epochs", 2, "-q")
    assert result.exit_code == 130
    assert len(fits) == 2
    assert not result.stdout
