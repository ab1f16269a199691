"""Commands on estimators of every kind, which they know from the catalogue and scikit-learn's tags alone."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import false_discovery_control
from sklearn.base import BaseEstimator, ClassifierMixin, ClusterMixin, OutlierMixin, TransformerMixin

import knownot
from knownot import catalogue
from knownot.cli.kinds import Kind, kind_of

SAVED: dict[str, BaseEstimator] = {}
SEEN: list[tuple[int, bool]] = []  # samples that a fit was given, and whether labels as well


class Fake(BaseEstimator):
    """Saves itself in memory; learns the mean."""

    def fit(self, X, y=None):
        x = np.asarray(X, float).reshape(len(X), -1)
        SEEN.append((len(x), y is not None))
        self.input_shape_ = np.shape(X)[1:] if np.ndim(X) < 4 else (np.shape(X)[3], *np.shape(X)[1:3])
        self.mean_ = x.mean(0)
        return self

    def _distance(self, X):
        return np.linalg.norm(np.asarray(X, float).reshape(len(X), -1) - self.mean_, axis=1)

    def save(self, path):
        SAVED[str(path)] = self
        Path(path).write_bytes(b"model")


class FakeDensity(OutlierMixin, Fake):
    def __init__(self, accept=0.95, random_state=None):
        self.accept, self.random_state = accept, random_state

    def fit(self, X, y=None):
        super().fit(X, y)
        self.accept_ = self.accept
        self.offset_ = float(np.quantile(-self._distance(X), 1 - self.accept))
        return self

    def assess(self, X):
        score = -self._distance(X)
        p_value = 1 / (1 + np.exp(-score))
        return {"known": score >= self.offset_, "knownness": score, "p_value": p_value, "embedding": np.asarray(X)}


class FakeClusterer(ClusterMixin, Fake):
    def __init__(self, n_components=2):
        self.n_components = n_components

    def assess(self, X):
        cluster = np.minimum((np.asarray(X, float)[:, 0] > self.mean_[0]).astype(int) * 4, self.n_components * 4)
        return {
            "cluster": cluster,
            "probability": np.full(len(cluster), 0.75),
            "embedding": np.zeros((len(cluster), 2)),
        }


class FakeClassifier(ClassifierMixin, Fake):
    """No network: no history, no accelerator, no training."""

    def __init__(self, rule="nearest", accept=0.95):
        self.rule, self.accept = rule, accept

    def fit(self, X, y):
        super().fit(X, y)
        self.classes_ = np.unique(y)
        self.means_ = np.array([np.asarray(X)[y == label].mean(0) for label in self.classes_])
        self.accept_, self.offset_ = self.accept, -6.0
        return self

    def nearest_class(self, X, *, return_knownness=False):
        distance = np.linalg.norm(np.asarray(X)[:, None] - self.means_, axis=2)
        nearest = self.classes_[distance.argmin(1)]
        return (nearest, -distance.min(1)) if return_knownness else nearest

    def assess(self, X):
        nearest, knownness = self.nearest_class(X, return_knownness=True)
        known = knownness >= self.offset_
        return {"class": np.where(known, nearest, "unknown"), "knownness": knownness, "nearest_class": nearest}


class FakeEncoder(TransformerMixin, Fake):
    def assess(self, X):
        return {"norm": self._distance(X), "embedding": np.asarray(X)}


KINDS = {"density": FakeDensity, "clusters": FakeClusterer, "nearest": FakeClassifier, "encoder": FakeEncoder}


@pytest.fixture(autouse=True)
def fakes(monkeypatch):
    """Put the estimators above into the catalogue."""
    SAVED.clear()
    SEEN.clear()
    for method, cls in KINDS.items():
        monkeypatch.setitem(catalogue.METHODS, method, cls.__name__)
        monkeypatch.setitem(catalogue.ESTIMATORS, cls.__name__, f"{__name__}:{cls.__name__}")
    monkeypatch.setattr(knownot, "load", lambda path: SAVED[str(path)])


@pytest.fixture
def fit(run, tmp_path):
    """Fit a method and return the model's path, what was printed as JSON, and how it is shown."""

    def fitted(method, *arguments):
        path = tmp_path / f"{method}.safetensors"
        command = ("fit", *arguments, "--method", method, "--model", path, "--quiet")
        shown, printed = run(*command), run(*command, "--json")
        assert shown.exit_code == printed.exit_code == 0, shown.output + printed.output
        return path, json.loads(printed.stdout), shown.stdout

    return fitted


@pytest.fixture
def unlabelled(flowers, tmp_path) -> Path:
    """The table without its column of labels."""
    path = tmp_path / "plain.csv"
    path.write_text("\n".join(line.rpartition(",")[0] for line in flowers.read_text().splitlines()) + "\n")
    return path


def sentence(result) -> str:
    """What stands on stderr, in one line."""
    return " ".join(result.stderr.split())


def test_kind_of_asks_scikit_learn():
    assert kind_of(knownot.MultiLabelVAE()) == "other"
    kinds = {method: kind_of(cls()) for method, cls in KINDS.items()}
    assert kinds == {
        "density": Kind.density,
        "clusters": Kind.clusterer,
        "nearest": Kind.classifier,
        "encoder": Kind.other,
    }


def test_fit_of_a_density_judges_by_unknown_classes(fit, flowers):
    path, facts, shown = fit("density", flowers, "--label", "kind", "--known", "rose,tulip", "--accept", 0.9)
    assert SEEN[-1] == (320, False)
    assert facts["kind"] == "density"
    assert (facts["training_samples"], facts["test_samples"], facts["accept"]) == (320, 280, 0.9)
    assert facts["unknown_classes"] == ["weed"]
    assert set(facts["metrics"]) == {"auroc", "acceptance", "log_density", "unknown_rejection"}
    assert [row["label"] for row in facts["by_class"]] == ["rose", "tulip", "weed"]
    assert facts["threshold"] == pytest.approx(SAVED[str(path)].offset_)
    assert not {"classes", "epochs", "rule", "clusters"} & set(facts)
    for words in ("AUROC", "Known accepted", "90.0 % were asked for", "Unknown rejected", "weed", "Threshold"):
        assert words in shown


def test_fit_of_a_density_needs_no_labels(fit, unlabelled):
    _, facts, shown = fit("density", unlabelled, "--held-out", 0.25)
    assert SEEN[-1] == (450, False)
    assert (facts["training_samples"], facts["test_samples"]) == (450, 150)
    assert set(facts["metrics"]) == {"acceptance", "log_density"}
    assert facts["by_class"] == []
    assert "AUROC" not in shown


def test_fit_of_a_density_reads_a_flat_folder_of_images(fit, run, tmp_path):
    image_module = pytest.importorskip("PIL.Image")
    (tmp_path / "photos").mkdir()
    for i in range(10):
        image_module.fromarray(np.full((8, 6), 20 * i, np.uint8)).save(tmp_path / "photos" / f"{i}.png")
    path, facts, _ = fit("density", tmp_path / "photos", "--image-size", "4x3")
    assert facts["input_shape"] == [1, 4, 3]
    assert (facts["training_samples"], facts["test_samples"]) == (8, 2)
    predicted = json.loads(run("predict", path, tmp_path / "photos", "--json", "-q").stdout)
    assert predicted["predictions"][0]["id"] == str(tmp_path / "photos" / "0.png")
    refused = run("fit", tmp_path / "photos", "-q", "--model", tmp_path / "m.safetensors")
    assert refused.exit_code == 2
    assert "has no labels" in sentence(refused)


def test_fit_of_a_clusterer_shows_its_clusters(fit, unlabelled):
    path, facts, shown = fit("clusters", unlabelled)
    assert SEEN[-1] == (600, False)
    assert facts["test_samples"] == 0
    assert sum(row["samples"] for row in facts["clusters"]) == 600
    assert facts["metrics"] == {}
    assert "Adjusted Rand" not in shown
    assert "Threshold" not in shown
    assert SAVED[str(path)].n_components == 2


def test_fit_of_a_clusterer_is_compared_with_labels(fit, flowers):
    _, facts, shown = fit("clusters", flowers, "--label", "kind", "--known", "rose,tulip", "--set", "n_components=3")
    assert SEEN[-1] == (400, False)
    assert set(facts["metrics"]) == {"ari", "nmi", "accuracy"}
    assert facts["metrics"]["accuracy"] > 0.95
    assert {row["label"] for row in facts["clusters"]} == {"rose", "tulip"}
    for words in ("Adjusted Rand", "NMI", "mostly", "tulip"):
        assert words in shown


def test_fit_of_a_classifier_without_a_network(fit, run, flowers):
    path, facts, shown = fit("nearest", flowers, "--label", "kind", "--known", "rose,tulip")
    assert SEEN[-1] == (320, True)
    assert facts["classes"] == ["rose", "tulip"]
    assert facts["unknown_classes"] == ["weed"]
    assert facts["rule"] == "nearest"
    assert "epochs" not in facts
    assert "320 samples, 0.0 s" in shown
    evaluated = run("evaluate", path, flowers, "--label", "kind", "--json", "-q")
    assert evaluated.exit_code == 0, evaluated.output
    assert json.loads(evaluated.stdout)["metrics"]["closed_set_accuracy"] > 0.99


def test_fit_of_another_kind_trains_and_saves(fit, unlabelled):
    path, facts, shown = fit("encoder", unlabelled)
    assert str(path) in SAVED
    assert "metrics" not in facts
    assert "Use it" in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nearest",), "say which of its columns holds the class"),
        (("density", "--known", "rose"), "say which of its columns holds the class"),
        (("nearest", "--label", "kind", "--epochs", 3), "--epochs does not apply to --method nearest"),
        (("nearest", "--label", "kind", "--precision", "auto"), "--precision does not apply to --method nearest"),
        (("nearest", "--label", "kind", "--accelerator", "auto"), "--accelerator does not apply to --method nearest"),
        (("nearest", "--label", "kind", "--devices", 1), "--devices does not apply to --method nearest"),
        (("nearest", "--label", "kind", "--checkpoint", "x"), "--checkpoint does not apply to --method nearest"),
        (("density", "--rule", "nc-d"), "--rule does not apply to --method density: FakeDensity has no parameter"),
        (("density", "--subclusters", "auto"), "--subclusters does not apply to --method density"),
        (("clusters", "--accept", 0.9), "--accept does not apply to --method clusters"),
        (("clusters", "--set", "components=3"), "Did you mean 'n_components'? There are: n_components."),
        (("clustres",), "Did you mean 'clusters'? There are: gmvae, crosr, softmax"),
    ],
)
def test_fit_refuses_what_a_method_does_not_have(run, flowers, tmp_path, arguments, words):
    result = run("fit", flowers, "--method", *arguments, "--model", tmp_path / "m.safetensors", "-q")
    assert result.exit_code == 2, result.output
    assert words in sentence(result)
    assert result.stdout == ""
    assert SAVED == {}


def test_predict_of_a_density_writes_its_columns(fit, run, flowers, unlabelled, tmp_path):
    path, *_ = fit("density", flowers, "--label", "kind", "--known", "rose,tulip")
    out = tmp_path / "p.csv"
    result = run("predict", path, unlabelled, "--out", out, "--fdr", 0.01, "--json", "-q")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "known", "knownness", "p_value", "discovery"]
    said = SAVED[str(path)].assess(np.loadtxt(unlabelled, delimiter=",", skiprows=1))
    assert [row["known"] == "True" for row in rows] == said["known"].tolist()
    assert facts["counts"] == {"known": int(said["known"].sum())}
    assert facts["rejected"] == int((~said["known"]).sum())
    assert facts["discoveries"] == int((false_discovery_control(said["p_value"]) <= 0.01).sum())
    shown = run("predict", path, unlabelled, "-q").stdout
    assert f"{facts['rejected']} of 600 samples are unknown" in shown


def test_predict_of_a_clusterer_counts_its_clusters(fit, run, unlabelled):
    path, fitted, _ = fit("clusters", unlabelled)
    result = run("predict", path, unlabelled, "--json", "-q")
    facts = json.loads(result.stdout)
    assert facts["counts"] == {str(row["cluster"]): row["samples"] for row in fitted["clusters"]}
    assert set(facts["predictions"][0]) == {"id", "cluster", "probability"}
    assert "600 samples in 2 clusters" in run("predict", path, unlabelled, "-q").stdout
    refused = run("predict", path, unlabelled, "--fdr", 0.1, "-q")
    assert refused.exit_code == 2
    assert "--fdr needs p-values, which FakeClusterer does not provide" in sentence(refused)


def test_predict_of_another_kind_writes_its_columns(fit, run, unlabelled):
    path, *_ = fit("encoder", unlabelled)
    result = run("predict", path, unlabelled, "--json", "-q")
    assert set(json.loads(result.stdout)["predictions"][0]) == {"id", "norm"}
    assert "the first 10 of 600" in run("predict", path, unlabelled, "-q").stdout


def test_evaluate_of_a_density_is_told_the_known_classes(fit, run, flowers):
    path, fitted, _ = fit("density", flowers, "--label", "kind", "--known", "rose,tulip")
    result = run("evaluate", path, flowers, "--label", "kind", "--groups", "plant=rose+tulip", "--json", "-q")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert [(row["label"], row["known"]) for row in facts["by_class"]] == [("plant", True), ("weed", False)]
    assert facts["accept"] == 0.95
    assert facts["metrics"]["unknown_rejection"] == pytest.approx(fitted["metrics"]["unknown_rejection"])
    shown = run("evaluate", path, flowers, "--label", "kind", "--known", "rose,tulip", "-q").stdout
    assert re.search(r"Log-density +-\d", shown)
    refused = run("evaluate", path, flowers, "--label", "kind", "-q")
    assert refused.exit_code == 2
    assert "say which of them are known, with --known" in sentence(refused)


def test_evaluate_of_a_clusterer_compares_with_labels(fit, run, flowers):
    path, *_ = fit("clusters", flowers, "--label", "kind")
    command = ("evaluate", path, flowers, "--label", "kind", "--known", "rose,tulip")
    result = run(*command, "--json", "-q")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["samples"] == 400
    assert set(facts["metrics"]) == {"ari", "nmi", "accuracy"}
    assert "Adjusted Rand" in run(*command, "-q").stdout


def test_evaluate_refuses_what_it_cannot_judge(fit, run, flowers, unlabelled):
    encoder, *_ = fit("encoder", unlabelled)
    nearest, *_ = fit("nearest", flowers, "--label", "kind")
    for path, more, words in (
        (encoder, (), "neither a classifier of one label nor a density nor a clustering"),
        (nearest, ("--known", "rose"), "is a classifier, which knows its classes: leave --known out"),
    ):
        result = run("evaluate", path, flowers, "--label", "kind", *more, "-q")
        assert result.exit_code == 2
        assert words in sentence(result)
