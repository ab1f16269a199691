"""The commands, run as a user runs them."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
from scipy.stats import false_discovery_control

import knownot
from knownot.cli.samples import as_input
from knownot.data import read_table
from knownot.metrics import auroc


def sentence(result) -> str:
    """What stands on stderr, in one line."""
    return " ".join(result.stderr.split())


def test_fit_tells_how_well_it_does(run, flowers, tmp_path):
    path = tmp_path / "m.safetensors"
    result = run(
        "fit", flowers, "--label", "kind", "--known", "rose,tulip", "--epochs", 40, "--latent-dim", 2,
        "--accept", 0.9, "--rule", "nc-d", "--seed", 3, "--held-out", 0.25, "--model", path, "--json", "--quiet",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["classes"] == ["rose", "tulip"]
    assert facts["unknown_classes"] == ["weed"]
    assert (facts["training_samples"], facts["test_samples"]) == (300, 300)
    assert facts["metrics"]["closed_set_accuracy"] > 0.95
    assert {"auroc", "oscr", "unknown_rejection"} <= set(facts["metrics"])
    fitted = knownot.load(path)
    assert fitted.get_params()["accept"] == 0.9
    assert fitted.get_params()["rule"] == "nc-d"
    assert fitted.get_params()["random_state"] == 3
    assert fitted.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    assert facts["threshold"] == pytest.approx(fitted.offset_)


def test_fit_groups_classes_and_shows_a_table(run, flowers, tmp_path):
    path = tmp_path / "m.safetensors"
    result = run(
        "fit", flowers, "--label", "kind", "--groups", "plant=rose+tulip,other=weed", "--subclusters", "2,1",
        "--epochs", 1, "--model", path, "-q",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    fitted = knownot.load(path)
    assert fitted.classes_.tolist() == ["other", "plant"]  # sorted, but the numbers go by the order given
    assert fitted.get_params()["n_subclusters"] == {"plant": 2, "other": 1}
    for words in ("Right class", "Known accepted", "plant", str(path), "1 epoch, best 1"):
        assert re.sub(r"\s", "", words) in re.sub(r"\s", "", result.stdout)


def test_fit_sets_any_parameter(run, flowers, tmp_path):
    path = tmp_path / "m.safetensors"
    result = run(
        "fit", flowers, "--label", "kind", "--epochs", 1, "--set", "hidden=(32,16)", "--set", "latent_dim=3",
        "--set", "likelihood=gaussian", "--set", "v_prior=TRUE", "--set", "random_state=5", "--model", path, "-q",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    parameters = knownot.load(path).get_params()
    wanted = {"hidden": (32, 16), "latent_dim": 3, "likelihood": "gaussian", "v_prior": True, "random_state": 5}
    assert {name: parameters[name] for name in wanted} == wanted


def test_predict_writes_what_the_model_says(run, model, flowers, tmp_path):
    out = tmp_path / "p.csv"
    result = run("predict", model, flowers, "--out", out, "--fdr", 0.05, "--json", "-q")
    assert result.exit_code == 0, result.output
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "class", "knownness", "p_value", "nearest_class", "discovery"]
    data = read_table(flowers, "kind")
    fitted, x = knownot.load(model), as_input(data)
    assert [row["class"] for row in rows] == fitted.predict(x).tolist()
    assert [row["nearest_class"] for row in rows] == fitted.nearest_class(x).tolist()
    assert np.allclose([float(row["knownness"]) for row in rows], fitted.score_samples(x))
    assert np.allclose([float(row["p_value"]) for row in rows], fitted.p_values(x))
    discovered = false_discovery_control(fitted.p_values(x)) <= 0.05
    assert [row["discovery"] == "True" for row in rows] == discovered.tolist()
    facts = json.loads(result.stdout)
    assert facts["rejected"] == sum(row["class"] == "unknown" for row in rows) >= 150
    assert facts["rejected"] + sum(facts["counts"].values()) == facts["samples"] == 600
    assert facts["discoveries"] == discovered.sum()
    assert facts["smallest_p_value"] == pytest.approx(1 / (len(fitted.threshold_.scores_) + 1))
    strict = run("predict", model, flowers, "--out", out, "--fdr", 0.001, "-q")
    assert "0 discoveries" in strict.stdout
    assert "never below 0.0" in strict.stdout


def test_predict_without_a_file_shows_the_first(run, model, flowers):
    shown = run("predict", model, flowers, "-q")
    assert shown.exit_code == 0, shown.output
    assert "belong to no known class" in shown.stdout
    assert "the first 10 of 600" in shown.stdout
    everything = json.loads(run("predict", model, flowers, "-q", "--json").stdout)
    assert len(everything["predictions"]) == 600
    assert set(everything["predictions"][0]) == {"id", "class", "knownness", "p_value", "nearest_class"}


def test_evaluate_agrees_with_the_metrics(run, model, flowers):
    result = run("evaluate", model, flowers, "--label", "kind", "--json", "-q")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    data = read_table(flowers, "kind")
    assert data.y is not None
    known = data.y != "weed"
    scores = knownot.load(model).score_samples(as_input(data))
    assert facts["metrics"]["auroc"] == pytest.approx(auroc(known, scores))
    assert facts["metrics"]["auroc"] > 0.9
    by_class = {row["label"]: row for row in facts["by_class"]}
    assert by_class["weed"]["known"] is False
    assert by_class["weed"]["rejected"] == pytest.approx(facts["metrics"]["unknown_rejection"])
    assert "Unknown rejected" in run("evaluate", model, flowers, "--label", "kind", "-q").stdout


def test_inspect_reads_the_header(run, model):
    result = run("inspect", model, "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    fitted = knownot.load(model)
    assert facts["classes"] == fitted.classes_.tolist()
    assert facts["threshold"] == fitted.offset_
    assert facts["weights"] == sum(tensor.numel() for tensor in fitted.module_.state_dict().values())
    assert facts["training"]["epochs"] == 40
    assert facts["feature_names"] == ["a", "b", "c", "d"]
    shown = run("inspect", model).stdout
    for words in ("2: rose, tulip", "tables with 4 columns: a, b, c, d", "40 epochs", "accepts 95.0 %"):
        assert words in shown


def test_fit_and_predict_read_folders_of_images(run, tmp_path):
    image_module = pytest.importorskip("PIL.Image")
    random = np.random.default_rng(0)
    for name, level in (("dark", 20), ("bright", 220)):
        (tmp_path / "train" / name).mkdir(parents=True)
        for i in range(12):
            pixels = np.clip(random.normal(level, 15, (8, 8)), 0, 255).astype(np.uint8)
            image_module.fromarray(pixels).save(tmp_path / "train" / name / f"{i}.png")
    (tmp_path / "train" / "dark" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    model = tmp_path / "m.safetensors"
    refused = run("fit", tmp_path / "train", "--epochs", 1, "--model", model, "-q")
    assert refused.exit_code == 2
    assert "broken.png" in sentence(refused)
    assert not model.exists()
    fitted = run("fit", tmp_path / "train", "--epochs", 1, "--model", model, "-q", "--unreadable", "skip")
    assert fitted.exit_code == 0, fitted.output
    assert "note: " in fitted.stderr
    assert "skipped" in fitted.stderr

    (tmp_path / "new").mkdir()
    image_module.fromarray(np.full((16, 20, 3), 128, np.uint8)).save(tmp_path / "new" / "large.png")
    out = tmp_path / "p.csv"
    result = run("predict", model, tmp_path / "new", "--out", out, "-q")
    assert result.exit_code == 0, result.output
    assert "large.png" in out.read_text()


def test_commands_print_names_that_look_like_markup(run, model, flowers, tmp_path):
    folder = tmp_path / "[red]x"
    folder.mkdir()
    table, copy, out = folder / "[bold]t.csv", folder / "[b]m.safetensors", folder / "[bold]p.csv"
    table.write_text(flowers.read_text())
    copy.write_bytes(model.read_bytes())
    for arguments in (("predict", copy, table, "--out", out), ("evaluate", copy, table, "--label", "kind")):
        result = run(*arguments)
        assert result.exit_code == 0, result.output
    assert "[bold]p.csv" in re.sub(r"\s", "", run("predict", copy, table, "--out", out).stdout)
    assert "[b]m.safetensors" in run("inspect", copy).stdout
    assert "[b]gone" in sentence(run("inspect", folder / "[b]gone"))


def test_evaluate_writes_a_report(run, model, flowers, tmp_path):
    pytest.importorskip("jinja2")
    report = tmp_path / "r.html"
    result = run("evaluate", model, flowers, "--label", "kind", "--report", report, "-q")
    assert result.exit_code == 0, result.output
    assert "rose" in report.read_text(encoding="utf-8")
    assert re.sub(r"\s", "", str(report)) in re.sub(r"\s", "", result.stdout)


def test_fit_resumes_from_the_checkpoint(run, flowers, tmp_path):
    arguments = (
        "fit", flowers, "--label", "kind", "--latent-dim", 2, "--checkpoint", tmp_path / "run", "--epochs", 3,
        "--precision", "32-true", "--json", "-q",
    )  # fmt: skip
    first = run(*arguments, "--model", tmp_path / "a.safetensors")
    again = run(*arguments, "--model", tmp_path / "b.safetensors", "--resume")
    assert first.exit_code == again.exit_code == 0, first.output + again.output
    assert json.loads(first.stdout)["threshold"] == json.loads(again.stdout)["threshold"]


class TestMistakes:
    """Each ends with exit code 2, one sentence on stderr, nothing on stdout, and nothing lost."""

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("--label", "knid"), "Did you mean 'kind'"),
            ((), "--label"),
            (("--label", "kind", "--known", "rose,tulp"), "Did you mean 'tulip'"),
            (("--label", "kind", "--known", "rose", "--groups", "a=tulip"), "both given"),
            (("--label", "kind", "--subclusters", "two"), "--subclusters two"),
            (("--label", "kind", "--subclusters", "0"), "--subclusters 0"),
            (("--label", "kind", "--subclusters", "1,2"), "for 3 classes"),
            (("--label", "kind", "--held-out", "1"), "is not a share"),
            (("--label", "kind", "--resume"), "add --checkpoint"),
            (("--label", "kind", "--accept", "1.5"), "--accept"),
            (("--label", "kind", "--rule", "nearest"), "nearest"),
            (("--label", "kind", "--precision", "float8"), "float8"),
            (("--label", "kind", "--epochs", "-3"), "-3"),
            (("--label", "kind", "--method", "gmvea"), "Did you mean 'gmvae'"),
            (
                ("--label", "kind", "--method", "crosr", "--subclusters", "2"),
                "--subclusters does not apply to",
            ),
            (("--label", "kind", "--method", "softmax", "--latent-dim", "2"), "does not apply to --method softmax"),
            (("--label", "kind", "--set", "hiden=3"), "Did you mean 'hidden'? There are: accelerator, accept"),
            (("--label", "kind", "--set", "hidden"), "has no value"),
            (("--label", "kind", "--set", "max_epochs=1", "--epochs", "2"), "were both given"),
            (("--label", "kind", "--set", "max_epochs=ten"), "--set max_epochs='ten' does not work"),
            (("--label", "kind", "--image-size", "8"), "--image-size applies to image files"),
            (("--label", "kind", "--image-size", "big"), "is not a size in pixels"),
        ],
    )
    def test_fit_refuses_what_does_not_work(self, run, flowers, tmp_path, arguments, words):
        model = tmp_path / "m.safetensors"
        model.write_text("before")
        result = run("fit", flowers, *arguments, "--model", model, "-q")
        assert result.exit_code == 2, result.output
        assert words in sentence(result)
        assert result.stdout == ""
        assert "Traceback" not in result.stderr
        assert model.read_text() == "before"

    def test_fit_and_predict_refuse_sources(self, run, model, tmp_path):
        (tmp_path / "empty").mkdir()
        (tmp_path / "notes.txt").write_text("hello")
        (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04")
        for source, words in (
            (tmp_path / "missing.csv", "neither a name nor there"),
            ("mnits", "Did you mean 'mnist'"),
            (tmp_path / "empty", "images"),
            (tmp_path / "notes.txt", ".txt"),
            (tmp_path / "cut.npz", "cannot be read"),
        ):
            for arguments in (("fit", source, "--model", tmp_path / "m.safetensors"), ("predict", model, source)):
                result = run(*arguments, "-q")
                assert result.exit_code == 2, (arguments, result.output)
                assert words in sentence(result), (arguments, sentence(result))
                assert result.stdout == ""

    @pytest.mark.parametrize("command", ["predict", "evaluate", "inspect"])
    def test_commands_refuse_model_files(self, run, model, flowers, tmp_path, command):
        whole = model.read_bytes()
        rest = () if command == "inspect" else (flowers, "--label", "kind")
        (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
        (tmp_path / "foreign.safetensors").write_bytes(b"PK\x03\x04 this is a zip file")
        (tmp_path / "empty.safetensors").write_bytes(b"")
        for name, words in (
            ("cut", "not a whole model file"),
            ("foreign", "not a whole model file"),
            ("empty", "not a whole model file"),
            ("missing", "no model file"),
        ):
            result = run(command, tmp_path / f"{name}.safetensors", *rest)
            assert result.exit_code == 2, result.output
            assert words in sentence(result)
            assert result.stdout == ""

    def test_inspect_refuses_a_safetensors_file_of_another_program(self, run, tmp_path):
        from safetensors.numpy import save_file

        save_file({"weight": np.zeros(3)}, tmp_path / "other.safetensors")
        result = run("inspect", tmp_path / "other.safetensors")
        assert result.exit_code == 2
        assert "not a knownot model" in sentence(result)

    def test_inspect_refuses_a_model_that_misses_parts(self, run, tmp_path):
        from safetensors.numpy import save_file

        header = {"knownot": json.dumps({"format_version": 1, "estimator": "GMVAEClassifier"})}
        save_file({"threshold.offset": np.zeros(())}, tmp_path / "part.safetensors", metadata=header)
        result = run("inspect", tmp_path / "part.safetensors")
        assert result.exit_code == 2
        assert "does not hold a whole model" in sentence(result)

    def test_commands_refuse_outputs_that_cannot_be(self, run, model, flowers, tmp_path):
        for arguments, words in (
            (("predict", model, flowers, "--out", tmp_path / "no" / "p.csv"), "does not exist"),
            (("predict", model, flowers, "--out", tmp_path / "p.xlsx"), "does not end in .csv or .parquet"),
            (("predict", model, flowers, "--fdr", 2), "--fdr 2.0 is not a share"),
            (("evaluate", model, flowers, "--label", "kind", "--report", tmp_path / "r.pdf"), "does not end in .html"),
            (("fit", flowers, "--label", "kind", "--model", tmp_path / "m.pt"), "does not end in .safetensors"),
            (("fit", flowers, "--label", "kind", "--model", tmp_path / "no" / "m.safetensors"), "does not exist"),
        ):
            result = run(*arguments, "-q")
            assert result.exit_code == 2, result.output
            assert words in sentence(result)

    def test_commands_refuse_to_overwrite_their_input(self, run, model, flowers, tmp_path):
        table, link, copy = tmp_path / "t.csv", tmp_path / "link.csv", tmp_path / "m.safetensors"
        table.write_text(flowers.read_text())
        link.symlink_to(table)
        copy.write_bytes(model.read_bytes())
        page = tmp_path / "page.html"
        page.symlink_to(table)
        weights = tmp_path / "w.safetensors"
        weights.symlink_to(table)
        for arguments in (
            ("predict", copy, table, "--out", table),
            ("predict", copy, table, "--out", link),
            ("predict", copy, link, "--out", tmp_path / "." / "t.csv"),
            ("evaluate", copy, table, "--label", "kind", "--report", page),
            ("fit", table, "--label", "kind", "--report", page, "--model", copy),
            ("fit", table, "--label", "kind", "--model", weights),
        ):
            result = run(*arguments, "-q")
            assert result.exit_code == 2, (arguments, result.output)
            assert "would overwrite the input" in sentence(result)
        assert table.read_text() == flowers.read_text()
        assert copy.read_bytes() == model.read_bytes()

    def test_predict_refuses_a_table_with_other_columns(self, run, model, tmp_path):
        (tmp_path / "t.csv").write_text("a,b,c\n1,2,3\n")
        result = run("predict", model, tmp_path / "t.csv", "-q")
        assert result.exit_code == 2
        assert "no column 'd'" in sentence(result)

    def test_predict_refuses_images_for_a_model_of_tables(self, run, model):
        result = run("predict", model, "digits", "-q")
        assert result.exit_code == 2
        assert "fitted on tables of 4 features" in sentence(result)

    def test_evaluate_refuses_labels_that_the_model_does_not_know(self, run, flowers, model, tmp_path):
        renamed = tmp_path / "renamed.csv"
        renamed.write_text(flowers.read_text().replace("rose", "Rose").replace("tulip", "Tulip"))
        result = run("evaluate", model, renamed, "--label", "kind", "-q")
        assert result.exit_code == 2
        assert "has none of the classes that the model knows, rose, tulip" in sentence(result)
        assert "Rose, Tulip, weed" in sentence(result)
        assert "--groups" in sentence(result)
        grouped = run(
            "evaluate", model, renamed, "--label", "kind", "--groups", "rose=Rose,tulip=Tulip", "--json", "-q"
        )
        assert grouped.exit_code == 0, grouped.output
        assert json.loads(grouped.stdout)["metrics"]["closed_set_accuracy"] > 0.95

    def test_evaluate_needs_labels(self, run, model, flowers):
        result = run("evaluate", model, flowers, "-q")
        assert result.exit_code == 2
        assert "--label" in sentence(result)


def test_fit_without_a_source_tells_its_usage():
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-m", "knownot", "fit"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "SOURCE" in done.stderr


@pytest.mark.parametrize(("method", "rule"), [("crosr", "weibull"), ("softmax", "max-logit")])
def test_fit_takes_other_methods_in_the_same_way(run, flowers, tmp_path, method, rule):
    path = tmp_path / "m.safetensors"
    fitted = run(
        "fit", flowers, "--label", "kind", "--known", "rose,tulip", "--method", method, "--epochs", 20,
        "--precision", "32-true", "--model", path, "--report", tmp_path / "r.html", "--json",
    )  # fmt: skip
    assert fitted.exit_code == 0, fitted.output
    facts = json.loads(fitted.stdout)
    assert facts["rule"] == rule
    assert facts["metrics"]["closed_set_accuracy"] > 0.95
    shown = run("inspect", path)
    assert shown.exit_code == 0, shown.output
    assert rule in shown.stdout
    assert "Subclusters" not in shown.stdout
    assert run("evaluate", path, flowers, "--label", "kind").exit_code == 0
