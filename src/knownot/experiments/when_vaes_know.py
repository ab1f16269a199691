"""The paper "When do VAEs know what they don't know?": its settings; tables 1 and 2, figures 2 to 4, the supplement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from knownot.experiments.declaration import Paper
from knownot.experiments.kinds.demonstrations import PenaltyExperiment
from knownot.experiments.kinds.density import DensityExperiment
from knownot.experiments.presets import Model, Preset

_REFERENCE = "When do VAEs know paper"
#: The paper's own settings of VAE: convolutions 64, 128, 256 of stride 2, a learned variance, Adam at a fixed rate.
PAPER_SETTINGS: dict[str, Any] = {
    "likelihood": "isotropic-gaussian",
    "network": "strided",
    "rule": "log-density",
    "learning_rate": 1e-4,
    "batch_size": 64,
    "validation_fraction": 0.1,
    "training__optimizer": "adam",
    "training__schedule": "constant",
    "training__keep": "last",
}
_DIMENSIONS = (16, 32, 64, 128, 256, 512)
_CAPACITIES = {"1/4": 0.25, "1/2": 0.5, "1": 1.0, "2": 2.0, "3": 3.0, "4": 4.0}
# The paper's bits have an offset of 4 where 8 is right.
_OFFSET = 4.0
_RULES = {
    "complexity": "corrected for complexity",
    "typicality": "typicality",
    "evidence": "several kinds of evidence",
    "neighbours": "neighbours of codes",
}


def _published(names: Sequence[str], columns: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
    """Numbers of a table of the paper by model, bits with the right offset."""
    return {
        name: {
            metric: round(values[i] + (_OFFSET if metric.startswith("bpd") else 0.0), 4)
            for metric, values in columns.items()
        }
        for i, name in enumerate(names)
    }


def _presets(
    models: Sequence[Model], epochs: int, only: Mapping[str, Sequence[int]], minutes: float
) -> dict[str, Preset]:
    """Sizes of an experiment: the paper takes 200,000 steps."""
    presets = (
        Preset(
            "smoke",
            {
                **{model.name: {"latent_dim": min(model.settings["latent_dim"], 8), "width": 0.05} for model in models},
                "": {"max_epochs": 1, "batch_size": 64},
            },
            {"train": 500, "test": 200, "outside": 200},
            note="500 images, one epoch, a few channels: whether it runs, not how good it is.",
        ),
        Preset(
            "cpu",
            {"": {"max_epochs": epochs, "learning_rate": 1e-3, "batch_size": 128, "training__schedule": "cosine"}},
            {"outside": 5_000},
            only=only,
            note=f"{epochs} epochs in batches of 128 with a cosine from 0.001 to 0, where the paper takes 200,000 "
            "steps at 0.0001.",
        ),
        Preset(
            "paper",
            {"": {"max_epochs": 240}},
            gpu_minutes=minutes,
            note="240 epochs of Adam at 0.0001 in batches of 64: the paper's 200,000 steps. No batch size is stated.",
        ),
    )
    return {preset.name: preset for preset in presets}


def _by_dimension() -> DensityExperiment:
    """Table 1, figures 2 and 4."""
    models = [Model(f"d{d}", "VAE", {**PAPER_SETTINGS, "latent_dim": d}, f"κ = {d}") for d in _DIMENSIONS]
    others = {model.name: (0,) for model in models if model.name != "d64"}
    return DensityExperiment(
        name="when-vaes-know/fashion-mnist",
        title="Fashion-MNIST in, MNIST out: dimensions of the code",
        reference=f"{_REFERENCE}, section 4.1, table 1, figures 2 and 4",
        dataset="fashion-mnist",
        outside=("mnist", "omniglot28"),
        models=tuple(models),
        rules=_RULES,
        presets=_presets(models, 8, others, 60.0),
        published=_published(
            [model.name for model in models],
            {
                "bpd train": (2.375, 2.208, 2.084, 2.009, 2.054, 2.020),
                "bpd test": (2.805, 2.690, 2.562, 2.424, 2.397, 2.301),
                "bpd mnist": (9.598, 8.618, 6.294, 4.958, 4.578, 4.351),
                "variance": (0.0055, 0.0040, 0.0030, 0.0024, 0.0023, 0.0024),
            },
        ),
        emphasised="d64",
        along="dimensions of the code",
        value=7,
    )


def _by_capacity() -> DensityExperiment:
    """Table 2 and figure 3."""
    models = [
        Model(f"x{name}", "VAE", {**PAPER_SETTINGS, "latent_dim": 32, "width": width}, f"×{name}")
        for name, width in _CAPACITIES.items()
    ]
    models.append(Model("x8", "VAE", {**PAPER_SETTINGS, "latent_dim": 32, "width": 8.0}, "×8"))
    # Of two cores: those up to the paper's own size; the larger ones at none.
    only: dict[str, tuple[int, ...]] = dict.fromkeys(("x2", "x3", "x4", "x8"), ()) | {
        "x1/4": (0,),
        "x1/2": (0,),
    }
    return DensityExperiment(
        name="when-vaes-know/cifar10",
        title="CIFAR-10 in, other sets out: capacity of the networks",
        reference=f"{_REFERENCE}, section 4.1, table 2, figure 3; sets beside SVHN and CelebA are not in the paper",
        dataset="cifar10",
        outside=("svhn", "mnist", "fashion-mnist", "omniglot28"),
        models=tuple(models),
        rules=_RULES,
        presets=_presets(models, 8, only, 120.0),
        published=_published(
            [f"x{name}" for name in _CAPACITIES],
            {
                "bpd train": (2.828, 2.766, 2.602, 2.275, 1.981, 1.728),
                "bpd test": (2.824, 2.761, 2.598, 2.272, 1.978, 1.726),
                "bpd svhn": (2.404, 2.394, 2.406, 2.579, 2.890, 3.367),
                "variance": (0.0110, 0.0101, 0.0082, 0.0051, 0.0035, 0.0024),
            },
        ),
        emphasised="x1",
        along="capacity",
        value=6,
    )


def _by_variance() -> DensityExperiment:
    """Table 1 and figure 1 of the supplement, which have CelebA."""
    base = {**PAPER_SETTINGS, "latent_dim": 64}
    models = (
        Model("learned", "VAE", base, "γ learned"),
        Model("batch", "VAE", {**base, "likelihood": "closed-form-gaussian"}, "γ of each batch, in closed form"),
        Model("fixed", "VAE", base, "γ fixed at what was learned"),
        Model("one", "VAE", {**base, "likelihood": 1.0}, "γ = 1"),
    )
    return DensityExperiment(
        name="when-vaes-know/variance",
        title="Fashion-MNIST: variance of the decoder learned or fixed",
        reference=f"{_REFERENCE}, supplement, section 2, table 1 and figure 1; the paper has CelebA",
        dataset="fashion-mnist",
        outside=("mnist",),
        models=models,
        fixed_at={"fixed": "learned"},
        presets=_presets(models, 8, {"batch": (0,), "one": (0,)}, 40.0),
        emphasised="learned",
        seeds=(0, 1, 2),
        value=4,
    )


def _penalties() -> PenaltyExperiment:
    """Theorem 1."""
    return PenaltyExperiment(
        name="when-vaes-know/penalties",
        title="Penalties that do not find the sparse code",
        reference=f"{_REFERENCE}, theorem 1, proved in the supplement, section 3",
        presets={name: Preset(name) for name in ("smoke", "cpu")},
        seeds=(0,),
        emphasised="count",
    )


_EXPERIMENTS = (_by_dimension(), _by_capacity(), _by_variance(), _penalties())
#: What readers must know of its numbers is in the Markdown file beside this one.
PAPER = Paper(_EXPERIMENTS, Path(__file__).with_suffix(".md").read_text(encoding="utf-8"))
