"""Vision models of transformers: what is taken of them, and how they are refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import knownot
from knownot.embeddings import as_encoder

transformers = pytest.importorskip("transformers")

SIZE = {"height": 32, "width": 32}
SMALL = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "image_size": 32,
    "patch_size": 8,
}  # fmt: skip
TEXT = {
    "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 99,
}  # fmt: skip
VISION = {name: value for name, value in SMALL.items() if name != "intermediate_size"}
STAGES = {"hidden_sizes": [8, 32], "depths": [1, 1]}
BOTH = {"text_config": TEXT, "vision_config": SMALL}


def save(folder: Path, kind: str, **settings) -> str:
    torch.manual_seed(0)
    config = getattr(transformers, kind.replace("Model", "Config").replace("ForImageClassification", "Config"))
    getattr(transformers, kind)(config(**settings)).save_pretrained(folder)
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    ViTImageProcessorPil(size=SIZE).save_pretrained(folder)
    return str(folder)


def by_hand(folder, images, take, **settings):
    """The same model, used as its documentation says."""
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    model = transformers.AutoModel.from_pretrained(folder).eval()
    inputs = ViTImageProcessorPil.from_pretrained(folder)(images=images, return_tensors="pt")
    with torch.no_grad():
        return take(model, inputs["pixel_values"])


@pytest.mark.parametrize(
    ("kind", "settings", "pooling", "taken", "take"),
    [
        ("ViTModel", SMALL, "auto", "cls", lambda m, x: m(x).last_hidden_state[:, 0]),
        ("ViTModel", SMALL, "pooler", "pooler", lambda m, x: m(x).pooler_output),
        ("ViTModel", SMALL, "mean", "mean", lambda m, x: m(x).last_hidden_state[:, 1:].mean(1)),
        ("ViTForImageClassification", SMALL, "auto", "cls", lambda m, x: m(x).last_hidden_state[:, 0]),
        ("DeiTModel", SMALL, "mean", "mean", lambda m, x: m(x).last_hidden_state[:, 2:].mean(1)),
        ("Dinov2Model", VISION, "auto", "pooler", lambda m, x: m(x).last_hidden_state[:, 0]),
        (
            "Dinov2WithRegistersModel", VISION | {"num_register_tokens": 3}, "mean", "mean",
            lambda m, x: m(x).last_hidden_state[:, 4:].mean(1),
        ),
        ("CLIPModel", BOTH | {"projection_dim": 24}, "auto", "features", lambda m, x: m.visual_projection(
            m.vision_model(x).pooler_output)),
        ("CLIPModel", BOTH, "cls", "cls", lambda m, x: m.vision_model(x).last_hidden_state[:, 0]),
        ("CLIPVisionModel", SMALL, "auto", "pooler", lambda m, x: m(x).pooler_output),
        ("SiglipModel", BOTH, "auto", "features", lambda m, x: m.vision_model(x).pooler_output),
        ("SiglipVisionModel", SMALL, "auto", "pooler", lambda m, x: m(x).pooler_output),
        ("ConvNextModel", STAGES | {"num_stages": 2}, "auto", "pooler", lambda m, x: m(x).pooler_output),
        ("ResNetModel", STAGES | {"embedding_size": 8}, "auto", "pooler", lambda m, x: m(x).pooler_output[:, :, 0, 0]),
        (
            "ResNetModel", STAGES | {"embedding_size": 8}, "mean", "mean",
            lambda m, x: m(x).last_hidden_state.mean((2, 3)),
        ),
    ],
)  # fmt: skip
def test_pooling_takes_what_it_says(tmp_path, photos, kind, settings, pooling, taken, take):
    folder = save(tmp_path / kind, kind, **settings)
    data = knownot.embed(photos, folder, pooling=pooling, precision="32-true", side=10_000)
    wanted = by_hand(folder, [Image.open(path) for path in data.paths], take)
    assert f"pooling {taken}," in data.note
    assert data.x.shape == wanted.shape
    assert np.allclose(data.x, wanted.numpy(), atol=1e-5)


def test_photos_are_shrunk_while_they_are_decoded_without_much_ado(tmp_path, vit):
    random = np.random.default_rng(0)
    pixels = np.kron(random.normal(128, 40, (15, 20, 3)), np.ones((60, 60, 1))).clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "large.jpg", quality=95)
    small = knownot.embed(tmp_path, vit, precision="32-true").x[0]
    whole = knownot.embed(tmp_path, vit, precision="32-true", side=10_000).x[0]
    assert small @ whole > 0.999 * np.linalg.norm(small) * np.linalg.norm(whole)
    assert as_encoder(vit).side == 64


def test_bfloat16_is_near_float32(photos, vit):
    exact = knownot.embed(photos, vit, precision="32-true").x
    fast = knownot.embed(photos, vit, precision="bf16-mixed").x
    assert fast.dtype == np.float32
    error = np.linalg.norm(fast - exact, axis=1) / np.linalg.norm(exact, axis=1)
    assert 1e-5 < error.max() < 0.03


def test_precision_follows_the_hardware(vit, monkeypatch):
    for fast, wanted in ((True, "bf16-mixed"), (False, "32-true")):
        monkeypatch.setattr("knownot.embeddings.pretrained.cpu_has_bfloat16", lambda fast=fast: fast)
        assert as_encoder(vit, device="cpu").description["precision"] == wanted


def test_transformers_speaks_as_before(vit):
    before = transformers.utils.logging.get_verbosity()
    as_encoder(vit)
    assert transformers.utils.logging.get_verbosity() == before
    assert transformers.utils.logging.is_progress_bar_enabled()


def test_image_processor_of_dinov3_needs_no_torchvision(vit, tmp_path, photos):
    folder = tmp_path / "vit"
    shutil.copytree(vit, folder)
    file = folder / "preprocessor_config.json"
    file.write_text(file.read_text().replace("ViTImageProcessor", "DINOv3ViTImageProcessor"))
    assert "DINOv3ViT" in file.read_text()
    assert np.array_equal(knownot.embed(photos, str(folder)).x, knownot.embed(photos, vit).x)


def _without(folder, name):
    (folder / name).unlink()


def _rename_model(folder):
    (folder / "config.json").write_text('{"model_type": "vitx"}')


def _pickled(folder):
    from safetensors.torch import load_file

    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def _incomplete(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights.pop(next(name for name in weights if "layer" in name))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _own_code(folder):
    (folder / "preprocessor_config.json").write_text(
        '{"image_processor_type": "Mine", "auto_map": {"AutoImageProcessor": "code.Mine"}}'
    )


def _unknown_processor(folder):
    (folder / "preprocessor_config.json").write_text('{"image_processor_type": "AnotherImageProcessor"}')


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda f: _without(f, "config.json"), "holds no config.json"),
        (lambda f: _without(f, "model.safetensors"), "weights of encoder .* cannot be loaded"),
        (lambda f: _without(f, "preprocessor_config.json"), "no image processor that can be used"),
        (lambda f: (f / "model.safetensors").write_bytes(b"x" * 900), "weights of encoder .* cannot be loaded"),
        (_rename_model, "weights of encoder .* cannot be loaded"),
        (_pickled, "saved as safetensors"),
        (_incomplete, "lacks 1 weights, first .*: they would be random"),
        (_own_code, "code of its own, which is not run"),
        (_unknown_processor, "has no image processor that can be used"),
    ],
)
def test_encoder_that_cannot_be_used_is_refused(vit, tmp_path, spoil, match):
    folder = tmp_path / "spoiled"
    shutil.copytree(vit, folder)
    spoil(folder)
    with pytest.raises(ValueError, match=match):
        as_encoder(str(folder))


def test_image_processor_for_torchvision_alone_is_refused(vit, monkeypatch):
    def only_torchvision(*_, **__):
        raise ImportError("FooImageProcessor requires the Torchvision library but it was not found.")

    monkeypatch.setattr(transformers.AutoImageProcessor, "from_pretrained", only_torchvision)
    with pytest.raises(ValueError, match=r"can only be used with torchvision.*give knownot\.embed a function"):
        as_encoder(vit)


def test_model_that_takes_no_pictures_is_refused(tmp_path):
    folder = save(tmp_path / "bert", "BertModel", **TEXT)
    with pytest.raises(ValueError, match="a BertModel, does not take pictures alone"):
        as_encoder(folder)


def test_model_that_masks_at_random_is_refused(tmp_path, photos):
    folder = save(tmp_path / "mae", "ViTMAEModel", **SMALL)
    with pytest.raises(ValueError, match="two embeddings for one picture"):
        knownot.embed(photos, folder)


def test_names_that_are_not_there(monkeypatch, tmp_path):
    for name in ("./none", "/none", "", "a/b/c"):
        with pytest.raises(ValueError, match="is not there: give the folder"):
            as_encoder(name)
    with pytest.raises(ValueError, match="no name on the Hugging Face hub"):
        as_encoder("no name!")
    import huggingface_hub

    def offline(*_, **__):
        raise OSError("no network\nat all")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", offline)
    with pytest.raises(ValueError, match=r"hub cannot be reached \(no network\): check the name"):
        as_encoder("nobody/knows-this")


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"pooling": "max"}, "pooling is 'max': choose auto"),
        ({"precision": "16"}, "precision is '16': choose auto"),
        ({"device": "gpu"}, "device 'gpu' is none"),
        ({"device": "cuda:99"}, "device 'cuda:99' is not on this machine"),
        ({"side": 1.5}, "side is 1.5"),
    ],
)
def test_wrong_settings_are_refused(vit, settings, match):
    with pytest.raises(ValueError, match=match):
        as_encoder(vit, **settings)


def test_pooling_that_a_model_lacks_is_refused(tmp_path):
    resnet = save(tmp_path / "resnet", "ResNetModel", embedding_size=8, **STAGES)
    with pytest.raises(ValueError, match="ResNetModel has no class token"):
        as_encoder(resnet, pooling="cls")
    headless = save(tmp_path / "vit", "ViTForImageClassification", **SMALL)
    with pytest.raises(ValueError, match="without the weights of its pooler, which would be random"):
        as_encoder(headless, pooling="pooler")
