"""A tiny random vision transformer on disk, photos of three places, and a function that embeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

SIZE = {"height": 32, "width": 32}
SMALL = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "image_size": 32,
    "patch_size": 8,
}  # fmt: skip


def save_encoder(folder: Path, model_class: str, config_class: str, **settings) -> str:
    """Save a random model with an image processor, as `save_pretrained` does."""
    transformers = pytest.importorskip("transformers")
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    torch.manual_seed(0)
    model = getattr(transformers, model_class)(getattr(transformers, config_class)(**settings))
    model.save_pretrained(folder)
    ViTImageProcessorPil(size=SIZE).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def vit(tmp_path_factory) -> str:
    return save_encoder(tmp_path_factory.mktemp("encoders") / "vit", "ViTModel", "ViTConfig", **SMALL)


def write_photos(root: Path, n: int = 7) -> Path:
    random = np.random.default_rng(0)
    for name, colour in (("sand", (220, 190, 120)), ("sea", (20, 60, 200)), ("wood", (30, 160, 40))):
        (root / name).mkdir(parents=True)
        for i in range(n):
            noise = np.kron(random.normal(0, 25, (6, 8, 3)), np.ones((10, 10, 1)))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels if i % 2 else pixels.transpose(1, 0, 2)).save(root / name / f"{i}.jpg")
    return root


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> Path:
    return write_photos(tmp_path_factory.mktemp("photos") / "places")
