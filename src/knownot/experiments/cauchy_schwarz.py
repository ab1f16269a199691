"""The Cauchy-Schwarz autoencoder paper: its settings; tables 1, 2, 3, 7 and 8, figures 1 to 4 and 7."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from knownot.experiments.declaration import Paper
from knownot.experiments.kinds.action_units import ActionUnitsExperiment
from knownot.experiments.kinds.demonstrations import ApproximationExperiment, LatentShapeExperiment
from knownot.experiments.kinds.few_labels import FewLabelsExperiment
from knownot.experiments.kinds.generation import GenerationExperiment
from knownot.experiments.presets import Model, Preset, Settings

_REFERENCE = "Cauchy-Schwarz autoencoder paper"
#: The paper's own settings of VAE on binary images: layers of its table 6, optimisation of its table 4.
PAPER_SETTINGS: dict[str, Any] = {
    "likelihood": "binarised",
    "network": "mlp",
    "hidden": (300, 300),
    "latent_dim": 40,
    "rule": "log-density",
    "accept": None,
    "learning_rate": 5e-4,
    "batch_size": 100,
    "validation_fraction": 0.1,
    "training__schedule": "constant",
    "training__keep": "best",
    "training__warmup_epochs": 100,
    "training__patience": 100,
}
_VAMP = {"prior": "vamp"}
_CS = {"divergence": "cauchy-schwarz"}
_MIXTURE = {"prior": "mixture", **_CS}


def _model(name: str, title: str, **settings: Any) -> Model:
    return Model(name, "VAE", {**PAPER_SETTINGS, **settings}, title)


def _family(latent_dim: int, n_components: int) -> tuple[Model, ...]:
    """The five of the paper with the same networks."""
    return (
        _model("vae", "VAE", latent_dim=latent_dim),
        _model("iwae", "IWAE, 5 samples", latent_dim=latent_dim, n_importance_samples=5),
        _model(
            "vampprior", f"VampPrior-VAE, K = {n_components}", latent_dim=latent_dim, n_components=n_components, **_VAMP
        ),
        _model("csrae", "CSRAE", latent_dim=latent_dim, **_CS),
        _model(
            "mixture-csrae",
            f"MixtureCSRAE, K = {n_components}",
            latent_dim=latent_dim,
            n_components=n_components,
            **_MIXTURE,
        ),
    )


def _presets(
    models: Sequence[Model], epochs: int, only: Mapping[str, Sequence[int]], minutes: float
) -> dict[str, Preset]:
    """Sizes of an experiment. Settings are by model: the network for the Fréchet distance has its own."""
    warmup = max(1, epochs // 4)

    def each(settings: Settings) -> dict[str, Settings]:
        return {model.name: settings for model in models}

    narrow = {"hidden": (32,), "max_epochs": 2, "training__warmup_epochs": 1, "training__patience": None}
    few = {m.name: narrow | ({"n_components": 5} if "n_components" in m.settings else {}) for m in models}
    short = {
        "max_epochs": epochs,
        "learning_rate": 1e-3,
        "training__schedule": "cosine",
        "training__warmup_epochs": warmup,
        "training__patience": None,
    }
    presets = (
        Preset(
            "smoke",
            few,
            {"train": 600, "test": 200, "likelihood": 50, "codes": 5},
            note="600 images, two epochs, narrow layers: whether it runs, not how good it is.",
        ),
        Preset(
            "cpu",
            each(short),
            {"likelihood": 1_000, "codes": 500},
            only=only,
            note=f"{epochs} epochs with a cosine from 0.001 to 0, divergences warmed up over {warmup}, where the paper "
            "has 400 and 100. Log-likelihood of 1,000 test images.",
        ),
        Preset(
            "paper",
            each({"max_epochs": 400}),
            {"codes": 5_000, "likelihood": 10_000},
            gpu_minutes=minutes,
            note="400 epochs.",
        ),
    )
    return {preset.name: preset for preset in presets}


# Fréchet distances of the paper are in features of Inception, and not comparable; errors of neighbours are.
_PUBLISHED = {
    "vae": {"knn sample k=3": 0.0704, "knn sample k=5": 0.0601, "knn sample k=10": 0.0532},
    "vampprior": {"knn sample k=3": 0.0398, "knn sample k=5": 0.0387, "knn sample k=10": 0.0377},
    "csrae": {"knn sample k=3": 0.0603, "knn sample k=5": 0.0527, "knn sample k=10": 0.0482},
    "mixture-csrae": {"knn sample k=3": 0.0298, "knn sample k=5": 0.0295, "knn sample k=10": 0.0294},
}


def _density(name: str, title: str, dataset: str, latent_dim: int, epochs: int, value: int, **more: Any) -> Any:
    models = _family(latent_dim, 400)
    return GenerationExperiment(
        name=f"cauchy-schwarz/{name}",
        title=title,
        reference=f"{_REFERENCE}, sections 4.3 and 4.4, tables 1 and 2, figures 5 to 7",
        dataset=dataset,
        models=models,
        presets=_presets(models, epochs, {}, 25.0),
        emphasised="mixture-csrae",
        value=value,
        **more,
    )


def _weights() -> GenerationExperiment:
    """Figure 3."""
    models = tuple(
        _model(f"lambda-{weight:g}", f"{weight:g}", beta=weight, **_CS)
        for weight in (0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
    )
    return GenerationExperiment(
        name="cauchy-schwarz/lambda",
        title="CSRAE on dynamic MNIST: weight of the divergence",
        reference=f"{_REFERENCE}, section 4.2, figure 3",
        dataset="mnist",
        models=models,
        presets=_presets(models, 12, {}, 30.0),
        emphasised="lambda-1",
        along="λ",
        seeds=(0,),
        value=2,
    )


def _components() -> GenerationExperiment:
    """Figure 4."""
    models = tuple(
        _model(f"{prior}-{k}-d{d}", f"{title}, K = {k}, d = {d}", prior=prior, n_components=k, latent_dim=d, **_CS)
        for prior, title in (("mixture", "mixture"), ("vamp", "VampPrior"))
        for d in (10, 40)
        for k in (10, 100, 400)
    )
    return GenerationExperiment(
        name="cauchy-schwarz/components",
        title="Cauchy-Schwarz autoencoders on dynamic MNIST: number of components and dimensions",
        reference=f"{_REFERENCE}, section 4.2, figure 4",
        dataset="mnist",
        models=models,
        presets=_presets(models, 12, {}, 50.0),
        emphasised="mixture-400-d40",
        seeds=(0,),
        value=1,
    )


#: Of the classifiers that learn from few labels; the paper states neither weight.
_FEW_LABELS: dict[str, Any] = {
    "likelihood": "binarised",
    "hidden": (300, 300),
    "latent_dim": 40,
    "accept": None,
    "batch_size": 200,
    "learning_rate": 1e-3,
    "training__schedule": "cosine",
    "training__keep": "last",
}
# Error by number of labels, table 3(a).
_FEW_LABELS_PUBLISHED = {
    "vae": (0.0489, 0.0378, 0.0355),
    "csrae": (0.0469, 0.0381, 0.0327),
    "mixture-csrae": (0.0412, 0.0373, 0.0275),
}
_COUNTS = (250, 1_000, 4_000)


def _few_labels() -> FewLabelsExperiment:
    """Table 3(a)."""
    plain = {**_FEW_LABELS, "views": "none"}
    normal, mixture = {"prior": "normal"}, {"prior": "mixture", "n_components": 100}
    network = {"validation_fraction": 0.2, "accept": None, "training__keep": "last"}
    models = (
        Model("vae", "SemiSupervisedVAE", {**plain, **normal, "divergence": "kl"}, "VAE"),
        Model("csrae", "SemiSupervisedVAE", {**plain, **normal, **_CS}, "CSRAE"),
        Model("mixture-csrae", "SemiSupervisedVAE", {**plain, **mixture, **_CS}, "MixtureCSRAE, K = 100"),
        Model("views", "SemiSupervisedVAE", {**_FEW_LABELS, **mixture, **_CS}, "MixtureCSRAE with views"),
        Model("network", "SoftmaxClassifier", network, "fast network with views, labelled images alone"),
    )

    def sized(epochs: int, **more: Any) -> dict[str, Settings]:
        return {m.name: {"max_epochs": epochs, **(more if m.estimator == "SemiSupervisedVAE" else {})} for m in models}

    # As many steps for the network, which sees few images an epoch, are far more epochs.
    presets = (
        Preset(
            "smoke",
            sized(2, hidden=(32,)) | {"network": {"max_epochs": 1, "width": 0.1}},
            {"train": 600, "test": 200},
            note="600 images, two epochs, narrow layers: whether it runs, not how good it is.",
        ),
        Preset(
            "cpu",
            sized(20) | {"network": {"max_epochs": 60, "batch_size": 100}},
            only={"vae": (0,), "csrae": (0,)},
            note="20 epochs over all 60,000 images; the network sees labelled images alone, 60 times.",
        ),
        Preset("paper", sized(400) | {"network": {"max_epochs": 100, "batch_size": 100}}, gpu_minutes=60.0),
    )
    return FewLabelsExperiment(
        name="cauchy-schwarz/few-labels",
        title="Dynamic MNIST with few labels",
        reference=f"{_REFERENCE}, sections 3.3 and 4.5, table 3(a)",
        dataset="mnist",
        counts=_COUNTS,
        models=models,
        labelled_only=("network",),
        presets={preset.name: preset for preset in presets},
        published={
            name: {f"error {count}": error for count, error in zip(_COUNTS, errors, strict=True)}
            for name, errors in _FEW_LABELS_PUBLISHED.items()
        },
        emphasised="views",
        value=4,
    )


#: Of the classifiers of action units: optimisation of table 4, two phases and balanced batches of appendix B.2.
_FACES: dict[str, Any] = {
    "network": "strided",
    "latent_dim": 40,
    "prior": "mixture",
    "n_components": 100,
    **_CS,
    "balanced": True,
    "pretrain_epochs": 100,
    "batch_size": 100,
    "learning_rate": 5e-4,
    "training__schedule": "constant",
    "training__keep": "last",
    "training__warmup_epochs": 100,
}


def _by_unit(share: float, mean: float, units: Mapping[int, float]) -> dict[str, float]:
    """What tables 7 and 8 state, which is in per cent."""
    stated = {f"f1 {share:g}": mean, **{f"f1 {share:g} AU{unit}": value for unit, value in units.items()}}
    return {metric: round(value / 100, 4) for metric, value in stated.items()}


def _action_units(
    name: str, title: str, table: str, units: Sequence[int], stated: Mapping[float, tuple[float, Sequence[float]]]
) -> ActionUnitsExperiment:
    """Tables 3(b), 3(c), 7 and 8."""
    models = (
        Model("mixture-csrae", "MultiLabelVAE", _FACES, "MixtureCSRAE, K = 100"),
        Model("labelled-only", "MultiLabelVAE", _FACES, "the same, labelled frames alone"),
    )
    narrow = {"hidden": (32,), "n_components": 5, "batch_size": 32}
    short = {"learning_rate": 1e-3, "training__schedule": "cosine"}
    presets = (
        Preset(
            "smoke",
            {"": {**narrow, "max_epochs": 2, "pretrain_epochs": 1, "training__warmup_epochs": 0}},
            {"frames": 30, "pixels": 16, "epochs": 5},
            note="30 frames of each person at 16 pixels, two epochs: whether it runs, not how good it is.",
        ),
        Preset(
            "cpu",
            {"": {**short, "max_epochs": 20, "pretrain_epochs": 10, "training__warmup_epochs": 5}},
            {"frames": 300, "pixels": 64, "epochs": 50},
            note="300 frames of each person at 64 pixels; 10 epochs without labels and 20 with them.",
        ),
        Preset(
            "paper",
            {"": {"max_epochs": 400}},
            {"pixels": 64},
            gpu_minutes=240.0,
            note="All frames, at 64 pixels where the paper has 224; 100 epochs without labels and 400 with them.",
        ),
    )
    published = {}
    for share, (mean, values) in stated.items():
        published.update(_by_unit(share, mean, dict(zip(units, values, strict=True))))
    return ActionUnitsExperiment(
        name=f"cauchy-schwarz/{name}",
        title=title,
        reference=f"{_REFERENCE}, section 4.5, appendix B.2, table {table}",
        dataset=name,
        models=models,
        labelled_only=("labelled-only",),
        presets={preset.name: preset for preset in presets},
        published={"mixture-csrae": published},
        emphasised="mixture-csrae",
        value=1,
    )


def _two_gaussians() -> ApproximationExperiment:
    """Figure 1."""
    return ApproximationExperiment(
        name="cauchy-schwarz/two-gaussians",
        title="Approximations of a mixture of two Gaussians",
        reference=f"{_REFERENCE}, section 4.2, figure 1",
        presets={
            "smoke": Preset("smoke", at_most={"steps": 50}, note="50 steps: whether it runs."),
            "cpu": Preset("cpu", at_most={"steps": 3_000}),
        },
        emphasised="cs-mixture",
    )


def _pinwheel() -> LatentShapeExperiment:
    """Figure 2."""
    return LatentShapeExperiment(
        name="cauchy-schwarz/pinwheel",
        title="Codes of a pinwheel under a fixed prior",
        reference=f"{_REFERENCE}, section 4.2, figure 2",
        weights=(0.5, 1.0, 2.0, 5.0, 10.0, 20.0),
        presets={
            "smoke": Preset("smoke", at_most={"samples": 200, "epochs": 2}, note="Two epochs: whether it runs."),
            "cpu": Preset(
                "cpu", at_most={"samples": 4_000, "epochs": 150}, note="Layers of 64, where the paper has 10."
            ),
        },
        emphasised="1",
    )


_EXPERIMENTS = (
    _density("mnist", "Dynamic MNIST, 40 dimensions", "mnist", 40, 30, 5),
    _density("mnist-20", "Dynamic MNIST, 20 dimensions", "mnist", 20, 30, 4, published=_PUBLISHED),
    _density("omniglot", "Omniglot, 40 dimensions", "omniglot28", 40, 40, 3),
    _weights(),
    _components(),
    _few_labels(),
    _action_units(
        "disfa",
        "DISFA: action units with few labels",
        "7",
        (1, 2, 4, 6, 9, 12, 25, 26),
        {
            0.1: (25.21, (3.75, 4.37, 14.69, 32.20, 12.74, 58.81, 57.32, 17.81)),
            0.25: (27.10, (3.67, 4.75, 29.26, 30.47, 16.39, 60.57, 54.22, 17.46)),
        },
    ),
    _action_units(
        "fera2015",
        "FERA2015: action units with few labels",
        "8",
        (6, 10, 12, 14, 17),
        {
            0.1: (30.56, (24.68, 60.46, 36.32, 28.16, 2.41)),
            0.25: (27.87, (19.30, 39.10, 39.65, 32.08, 9.25)),
        },
    ),
    _two_gaussians(),
    _pinwheel(),
)
#: What readers must know of its numbers is in the Markdown file beside this one.
PAPER = Paper(_EXPERIMENTS, Path(__file__).with_suffix(".md").read_text(encoding="utf-8"))
