"""`knownot embed`, and what the other commands do with its tables."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

from knownot.embeddings.embedding import journal_of


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    transformers = pytest.importorskip("transformers")
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    folder = tmp_path_factory.mktemp("encoders") / "vit"
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=32, patch_size=8
    )
    transformers.ViTModel(config).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos") / "places"
    random = np.random.default_rng(0)
    for name, colour in (("sand", (220, 190, 120)), ("sea", (20, 60, 200)), ("wood", (30, 160, 40))):
        (root / name).mkdir(parents=True)
        for i in range(30):
            noise = np.kron(random.normal(0, 20, (4, 4, 3)), np.ones((10, 10, 1)))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i:02d}.jpg")
    return root


def sentence(result):
    """What stands on stderr, in one line."""
    return " ".join(result.stderr.split())


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_photos_become_a_model_and_predictions(run, photos, encoder, tmp_path, ending):
    table, new, model, out = (tmp_path / name for name in (f"p.{ending}", f"new.{ending}", "m.safetensors", "out.csv"))
    result = run("embed", photos, "--encoder", encoder, "--out", table, "--json", "-q", "--batch-size", 8)
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert (facts["photos"], facts["dimensions"], facts["pooling"]) == (90, 32, "cls")
    fitted = run(
        "fit", table, "--label", "label", "--known", "sea,wood", "--method", "embedding", "--model", model,
        "--accept", 0.8, "--report", tmp_path / "r.html", "--json", "-q",
    )  # fmt: skip
    assert fitted.exit_code == 0, fitted.output
    assert json.loads(fitted.stdout)["metrics"]["closed_set_accuracy"] == 1
    assert run("embed", photos / "sea", "-e", encoder, "-o", new, "-q", "--batch-size", 8).exit_code == 0
    assert run("predict", model, new, "--out", out, "-q").exit_code == 0
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [str(photos / "sea" / f"{i:02d}.jpg") for i in range(30)]
    assert {row["nearest_class"] for row in rows} == {"sea"}
    result = run("evaluate", model, table, "--label", "label", "--json", "-q")
    assert result.exit_code == 0, result.output
    result = run("fit", table, "--label", "label", "--image-size", 8, "--model", model, "-q")
    assert "--image-size applies to image files" in sentence(result)


def test_embed_says_what_was_taken(run, photos, encoder, tmp_path):
    result = run(
        "embed", photos, "-e", encoder, "-o", tmp_path / "p.npz", "--pooling", "mean", "--precision", "32-true"
    )
    assert result.exit_code == 0, result.output
    for words in ("90 photos, 32 numbers each", "mean", "32-true", "cpu", "Written to"):
        assert words in result.stdout


def test_interrupted_embed_says_how_to_go_on(run, photos, encoder, tmp_path, monkeypatch):
    from knownot.embeddings.pretrained import Pretrained

    encode, calls = Pretrained.encode, []

    def stop(self, prepared):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return encode(self, prepared)

    table = tmp_path / "p.parquet"
    with monkeypatch.context() as patched:
        patched.setattr(Pretrained, "encode", stop)
        result = run("embed", photos, "-e", encoder, "-o", table, "--batch-size", 8)
    assert result.exit_code == 130
    assert "the same command goes on from there" in sentence(result)
    assert journal_of(table).exists()
    assert not table.exists()
    result = run("embed", photos, "-e", encoder, "-o", table, "--batch-size", 8, "--json")
    assert json.loads(result.stdout)["resumed"] == 16
    assert "16 of 90 photos were embedded by an unfinished run" in sentence(result)


def test_mistakes_are_answered_with_a_sentence(run, photos, encoder, tmp_path, monkeypatch):
    for arguments, words in (
        ((photos, "-e", encoder, "-o", tmp_path / "p.txt"), "does not end in .parquet"),
        ((photos, "-e", tmp_path / "none", "-o", tmp_path / "p.csv"), "is not there: give the folder"),
        ((tmp_path / "none", "-e", encoder, "-o", tmp_path / "p.csv"), "is neither a name nor there"),
        ((photos, "-e", encoder, "-o", tmp_path / "p.csv", "--device", "gpu"), "device 'gpu' is none"),
    ):
        result = run("embed", *arguments)
        assert result.exit_code == 2
        assert words in sentence(result)
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    result = run("embed", photos, "-e", encoder, "-o", tmp_path / "p.csv")
    assert result.exit_code == 2
    assert "pip install 'knownot[encoders]'" in sentence(result)
    assert list(tmp_path.iterdir()) == []


def test_photos_that_cannot_be_read_are_skipped_once_asked(run, encoder, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (40, 40)).save(folder / "a.jpg")
    (folder / "b.jpg").write_bytes(b"no image")
    refused = run("embed", folder, "-e", encoder, "-o", tmp_path / "p.csv", "-q")
    assert refused.exit_code == 2
    assert "1 of 2 photos cannot be read" in sentence(refused)
    result = run("embed", folder, "-e", encoder, "-o", tmp_path / "p.csv", "-q", "--unreadable", "skip", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["skipped"] == 1
    assert sentence(result).count("were skipped") == 1
