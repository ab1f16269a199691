"""The method that a command chooses, and commands on tables with categories and gaps."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

from knownot.cli.choice import choose_method
from knownot.data import Dataset

pytestmark = pytest.mark.usefixtures("few_trees")

SHAPES = (2, 3), (2, 28, 28, 1), (2, 16, 20, 3), (2, 8, 8, 3)
TABLE, GREY, COLOUR, TINY = (Dataset(np.zeros(shape), np.zeros(2)) for shape in SHAPES)


def test_choose_method_by_the_kind_of_samples():
    chosen = [choose_method(data, {}, {}).method for data in (TABLE, GREY, COLOUR, TINY)]
    assert chosen == ["embedding", "gmvae", "softmax", "gmvae"]
    assert choose_method(Dataset(pd.DataFrame({"a": ["x"]})), {}, {}).method == "embedding"
    advice = [choose_method(data, {}, {}).advice for data in (TABLE, GREY, COLOUR)]
    assert [bool(text) for text in advice] == [False, False, True]
    assert "knownot embed" in advice[2]


@pytest.mark.parametrize(
    ("options", "settings", "method"),
    [
        ({"--accept": 0.9, "--seed": 1, "--rule": "nc-d", "--epochs": None, "--resume": False}, {}, "embedding"),
        ({"--epochs": 3}, {}, "gmvae"),
        ({"--precision": "32-true"}, {}, "gmvae"),
        ({}, {"rule__k": 3}, "embedding"),
        ({}, {"hidden": (8,)}, "gmvae"),
    ],
)
def test_choose_method_heeds_what_was_given(options, settings, method):
    assert choose_method(TABLE, options, settings).method == method
    assert choose_method(GREY, options, settings).method == "gmvae"


@pytest.mark.parametrize(
    ("options", "settings", "method"),
    [
        ({"--epochs": 3, "--rule": "nc-d", "--accept": 0.9}, {"training__patience": 3}, "softmax"),
        ({"--subclusters": 2}, {}, "gmvae"),
        ({"--rule": "evidence"}, {}, "gmvae"),
        ({}, {"classifier_weight": 0.0}, "gmvae"),
    ],
)
def test_choose_method_for_photographs_heeds_what_was_given(options, settings, method):
    choice = choose_method(COLOUR, options, settings)
    assert choice.method == method
    assert method == "softmax" or "was given, which softmax has not" in choice.reason


@pytest.fixture(scope="module")
def penguins(tmp_path_factory):
    """Three kinds, two of them to be known, with text, truth values, gaps and a number of each row."""
    random = np.random.default_rng(0)
    kind = np.repeat([0, 1, 2], 150)
    frame = pd.DataFrame(
        {
            "kind": np.array(["adelie", "gentoo", "king"])[kind],
            "tag": [f"N{i:03}" for i in range(450)],
            "mass": (4.0 + 3 * kind + random.normal(0, 0.3, 450)).round(3),
            "island": np.where(random.random(450) < 0.8, np.array(["Dream", "Biscoe", "Crozet"])[kind], "Torgersen"),
            "banded": random.random(450) < 0.5,
        }
    )
    frame.loc[::9, "mass"] = np.nan
    frame.loc[1::9, "island"] = None
    path = tmp_path_factory.mktemp("tables") / "penguins.csv"
    frame.to_csv(path, index=False)
    return path


def test_commands_take_tables_with_text_and_gaps(run, penguins, tmp_path):
    model, report = tmp_path / "m.safetensors", tmp_path / "r.html"
    fit = ("fit", penguins, "--label", "kind", "--known", "adelie,gentoo", "--model", model)
    refused = run(*fit)
    assert refused.exit_code == 2
    assert "column 'tag' of X has" in refused.stderr
    assert "--drop tag" in refused.stderr
    done = run(*fit, "--drop", "tag", "--report", report, "--json")
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["method"] == "embedding"
    assert "Method: embedding, since" in " ".join(done.stderr.split())
    assert facts["metrics"]["auroc"] > 0.95
    assert "Torgersen" in report.read_text(encoding="utf-8")
    shown = " ".join(run("inspect", model).stdout.split())
    assert "tables with 3 columns: mass, island, banded" in shown
    assert re.search(r"mass: numbers, gaps filled by the median, \d", shown)
    assert "island: one-hot, Biscoe, Crozet, Dream, Torgersen" in shown or "island: one-hot, Biscoe, Dream" in shown
    evaluated = run("evaluate", model, penguins, "--label", "kind", "--report", report, "--json", "-q")
    assert evaluated.exit_code == 0, evaluated.output
    assert json.loads(evaluated.stdout)["metrics"]["unknown_rejection"] > 0.9


def test_predict_takes_columns_by_name_and_names_what_is_new(run, penguins, tmp_path):
    model = tmp_path / "m.safetensors"
    assert run("fit", penguins, "--label", "kind", "--drop", "tag", "--model", model, "-q").exit_code == 0
    frame = pd.read_csv(penguins)
    other = frame[["banded", "island", "tag", "mass"]].copy()
    other.loc[2, "island"] = "Atlantis"
    other.to_csv(tmp_path / "new.csv", index=False)
    before = json.loads(run("predict", model, penguins, "--label", "kind", "--json", "-q").stdout)["predictions"]
    result = run("predict", model, tmp_path / "new.csv", "--json", "-q")
    after = json.loads(result.stdout)["predictions"]
    assert after[2]["class"] == "unknown"
    assert after[2]["knownness"] is None
    assert [row for i, row in enumerate(after) if i != 2] == [row for i, row in enumerate(before) if i != 2]
    assert result.stderr.count("Atlantis") == 1
    other.astype({"mass": object}).assign(mass=["heavy", *frame["mass"][1:]]).to_csv(tmp_path / "new.csv", index=False)
    strange = frame.assign(island=["Atlantis", *frame["island"][1:]])
    strange.to_csv(tmp_path / "strange.csv", index=False)
    report = tmp_path / "r.html"
    judged = run("evaluate", model, tmp_path / "strange.csv", "--label", "kind", "--report", report, "-q")
    assert judged.stderr.count("Atlantis") == 1
    stray = run("predict", model, tmp_path / "new.csv", "-q")
    assert stray.exit_code == 2
    assert "column 'mass' of X holds numbers, but not in 1 of its cells, such as 'heavy' in row 0" in stray.stderr
    other.drop(columns="island").to_csv(tmp_path / "new.csv", index=False)
    assert "no column 'island'" in run("predict", model, tmp_path / "new.csv", "-q").stderr


@pytest.mark.parametrize("columns", ["tog", "tag,mass,island,banded", "kind"])
def test_drop_names_the_columns_there_are(run, penguins, tmp_path, columns):
    result = run("fit", penguins, "--label", "kind", "--drop", columns, "--model", tmp_path / "m.safetensors", "-q")
    assert result.exit_code == 2
    assert "the columns are tag, mass, island, banded" in " ".join(result.stderr.split())
    assert run("fit", "digits", "--drop", "a", "--model", tmp_path / "m.safetensors", "-q").exit_code == 2


def test_fit_without_labels_says_that_text_became_features(run, penguins, tmp_path):
    result = run(
        "fit", penguins, "--method", "mixture-clusters", "--drop", "tag", "--epochs", 3, "--set", "n_components=3",
        "--model", tmp_path / "m.safetensors", "--report", tmp_path / "r.html", "-q",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "'kind'" in result.stderr
    assert "taken as features, since no label was named" in " ".join(result.stderr.split())
