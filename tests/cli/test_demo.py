from __future__ import annotations

import json

import pytest
import torch

from knownot.cli.demo import known_digits, one_thread

pytest.importorskip("jinja2")


def test_known_digits_has_0_to_5_to_learn_from():
    train, test, known = known_digits()
    assert set(train.labels.tolist()) == set(range(6))
    assert test is not None
    assert set(test.labels.tolist()) == set(range(10))
    assert known is not None
    assert (known == (test.labels < 6)).all()


def test_one_thread_restores_the_number_of_threads():
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_demo_prints_one_json_object(run, tmp_path):
    result = run("demo", "--json", "--epochs", 2, "--out", tmp_path / "new" / "demo")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("\n") == 1
    facts = json.loads(result.stdout)
    wanted = {"accuracy", "auroc", "oscr", "accept", "acceptance", "rejection", "seconds", "model", "report"}
    assert wanted <= set(facts)
    assert facts["epochs"] == 2
    assert (tmp_path / "new" / "demo" / "digits.safetensors").is_file()
    assert (tmp_path / "new" / "demo" / "report.html").stat().st_size > 10_000
    assert "Learning the digits" in result.stderr


@pytest.mark.slow
def test_demo_tells_known_from_unknown(run, tmp_path):
    """A lower bound that a broken model cannot reach, after fewer epochs than the demo has."""
    result = run("demo", "--json", "--quiet", "--epochs", 20, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["accuracy"] > 0.95
    assert facts["auroc"] > 0.85
    assert facts["acceptance"] > 0.85
    assert facts["rejection"] > 0.3


def test_demo_does_not_overwrite_a_file_in_the_way(run, tmp_path):
    (tmp_path / "demo").write_text("mine")
    result = run("demo", "--out", tmp_path / "demo")
    assert result.exit_code == 2
    assert "cannot be made" in " ".join(result.stderr.split())
    assert (tmp_path / "demo").read_text() == "mine"
