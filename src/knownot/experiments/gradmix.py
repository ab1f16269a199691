"""The GradMix paper: its settings; experiments of sections 1, 4 and 5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knownot.experiments.declaration import Paper
from knownot.experiments.kinds.protocol import Method, ProtocolExperiment
from knownot.experiments.presets import Model, Preset, Settings

_REFERENCE = "GradMix paper"
#: The paper's own settings of ContrastiveClassifier. Its appendix is not public: temperature, learning rate, schedule
#: and batch size are those of the authors' scripts.
PAPER_SETTINGS: dict[str, Any] = {
    "network": "resnet18",
    "mixing": "gradmix",
    "temperature": 0.05,
    "learning_rate": 1e-3,
    "batch_size": 256,
    "validation_fraction": 0.1,
    "training__optimizer": "adam",
    "training__schedule": "cosine",
    "training__keep": "last",
}


@dataclass(frozen=True)
class _Data:
    """What depends on the data.

    Attributes
    ----------
    weights : (float, float)
        theta and lambda.
    epochs : int
        At the paper's size.
    cpu, at_most : int, mapping
        Epochs on two cores, and limits of the data.
    minutes : float
        Of a GPU, for each hundred epochs of one model with three views.
    """

    weights: tuple[float, float]
    epochs: int
    cpu: int
    at_most: Mapping[str, int]
    minutes: float
    fast: int = 200

    @property
    def losses(self) -> dict[str, float]:
        """theta and lambda as the estimator calls them."""
        return dict(zip(("supervised_weight", "self_supervised_weight"), self.weights, strict=True))


# The scripts have 400 to 650 epochs on CIFAR and 600 to 800 on Tiny ImageNet; of SVHN they say nothing.
_CIFAR10 = _Data((1.0, 1.2), 500, 8, {}, 5.0)
_CIFAR_PLUS = _Data((1.0, 1.2), 500, 11, {}, 3.5)
_SVHN = _Data((1.0, 1.2), 400, 5, {}, 8.0)
_MNIST = _Data((1.0, 3.0), 10, 5, {}, 5.0, 20)
_TINY = _Data((1.0, 1.0), 700, 18, {"pixels": 32}, 6.0)

_PHOTO = Model("photo", "SoftmaxClassifier", {"network": "fast", "validation_fraction": 0.1}, "softmax, fast network")
_BESIDE = (
    Method("photo", "softmax, fast network, largest logit", "photo"),
    Method("photo+energy", "softmax, fast network, energy", "photo", "energy"),
    Method("photo+neighbours", "softmax, fast network, neighbours", "photo", "neighbours"),
    Method("photo+cosine", "softmax, fast network, cosine neighbours", "photo", "cosine"),
    Method("pixels+5nn", "raw pixels, 5-NN Euclidean", None, "euclidean"),
    Method("pixels+5nn-cosine", "raw pixels, 5-NN cosine", None, "cosine"),
)
_FAST: Settings = {
    "batch_size": 1024,
    "learning_rate": 0.5,
    "training__optimizer": "sgd",
    "training__momentum": 0.9,
    "training__schedule": "triangle",
    "training__weight_decay": 5e-4,
}
_NARROW = "ResNet-18 with a quarter of the channels, {epochs} epochs in batches of 128"


def _contrastive(name: str, title: str, data: _Data, **settings: Any) -> Model:
    """A contrastive classifier as the paper has it, but for some settings."""
    return Model(name, "ContrastiveClassifier", {**PAPER_SETTINGS, **data.losses, **settings}, title)


def _presets(data: _Data, models: Sequence[Model], cpu: int | None = None, **at_most: int) -> dict[str, Preset]:
    """Sizes of an experiment on protocols; models with a network of their own are trained as it is usual for it."""
    ours = [model.name for model in models if model.settings.get("network", "").startswith("resnet")]
    others = [model.name for model in models if model.name not in ours]
    epochs, limits = cpu or data.cpu, {**data.at_most, **at_most}
    narrow = _NARROW.format(epochs=epochs)
    few = "".join(
        f"{n:,} {what}, " if what != "pixels" else f"images of {n} pixels, " for what, n in sorted(limits.items())
    ).replace(" train,", " training images,")

    def of_ours(settings: Settings, of_others: Settings | None = None) -> dict[str, Settings]:
        return {**dict.fromkeys(ours, settings), **(dict.fromkeys(others, of_others) if of_others else {})}

    tiny = {"width": 0.0625, "max_epochs": 1, "batch_size": 64}
    presets = (
        Preset(
            "smoke",
            of_ours(tiny, {**tiny, "width": 0.125}),
            {"train": 400, "test": 400, "pixels": 16},
            note="400 images of at most 16 pixels, one epoch, four channels: whether it runs, not how good it is.",
        ),
        Preset(
            "cpu",
            of_ours({"width": 0.25, "max_epochs": epochs, "batch_size": 128}),
            limits,
            note=f"{few}{narrow}, where the paper has 64 channels and hundreds of epochs: how methods compare after "
            "minutes on two cores, not what they reach."
            if data.epochs > 100
            else f"{few}{narrow}.",
        ),
        Preset(
            "fast",
            of_ours({**_FAST, "max_epochs": data.fast}),
            gpu_minutes=_minutes(data, len(ours), data.fast, 2.0),
            note=f"The paper's network, {data.fast} epochs by SGD in batches of 1,024 with a triangular learning rate "
            "up to 0.5, in bfloat16.",
        ),
        Preset(
            "paper",
            of_ours({"max_epochs": data.epochs}),
            gpu_minutes=_minutes(data, len(ours), data.epochs, 1.0),
            note=f"{data.epochs} epochs of Adam with a cosine from 0.001 to 0 in batches of 256, temperature 0.05. A "
            "tenth of the training images is held out, for the threshold.",
        ),
    )
    return {preset.name: preset for preset in presets}


def _minutes(data: _Data, n_models: int, epochs: int, speedup: float) -> float:
    """What one seed is expected to take on a GPU, with a minute for the rest."""
    return round(1.0 + n_models * data.minutes * epochs / 100.0 / speedup, 1)


def _protocol(name: str, title: str, data: _Data, auroc: float, value: int) -> ProtocolExperiment:
    """One column of table 2."""
    models = (_contrastive("gradmix", "GradMix", data, **({"mixing": "none"} if name == "mnist" else {})), _PHOTO)
    return ProtocolExperiment(
        name=f"gradmix/{name}",
        title=title,
        reference=f"{_REFERENCE}, section 4.1, table 2",
        protocol=name,
        models=models,
        methods=(Method("gradmix", "SupCon + SimCLR" if name == "mnist" else "GradMix", "gradmix"), *_BESIDE),
        presets=_presets(data, models),
        published={"gradmix": {"auroc": auroc}},
        emphasised="gradmix",
        value=value,
    )


def _variants(
    name: str, title: str, reference: str, protocol: str, data: _Data, models: Sequence[Model], **more: Any
) -> ProtocolExperiment:
    """Models side by side, each with its own rule."""
    return ProtocolExperiment(
        name=f"gradmix/{name}",
        title=title,
        reference=f"{_REFERENCE}, {reference}",
        protocol=protocol,
        models=tuple(models),
        methods=tuple(Method(model.name, model.title, model.name) for model in models),
        compared=True,
        **more,
    )


def _cross_entropy() -> Model:
    """The paper's baseline: the same network, views and training, by cross-entropy."""
    kept = ("network", "learning_rate", "batch_size", "validation_fraction")
    shared = {name: value for name, value in PAPER_SETTINGS.items() if name in kept or name.startswith("training__")}
    settings = {**shared, "views": "simclr", "rule": "max-softmax"}
    return Model("cross-entropy", "SoftmaxClassifier", settings, "cross-entropy, largest probability")


def _supcon(data: _Data) -> Model:
    return _contrastive("supcon", "SupCon", data, mixing="none", self_supervised_weight=0.0)


def _supcon_simclr(data: _Data) -> Model:
    return _contrastive("supcon+simclr", "SupCon + SimCLR", data, mixing="none")


def _augmentations(short: str, of: str, data: _Data, published: Mapping[str, float], value: int) -> ProtocolExperiment:
    """Figure 2 on one protocol."""
    mixed = [
        _contrastive(f"{mixing}-{alpha:g}", f"{title}, α = {alpha:g}", data, mixing=mixing, mixing_settings=settings)
        for mixing, title in (("mixup", "+ Mixup"), ("cutmix", "+ CutMix"))
        for alpha in (0.2, 1.0)
        for settings in ({"alpha": alpha},)
    ]
    gradcam = _contrastive("gradmix-gradcam", "+ GradMix by Grad-CAM", data, mixing_settings={"attribution": "gradcam"})
    gradmix = _contrastive("gradmix", "+ GradMix", data)
    models = (_cross_entropy(), _supcon(data), _supcon_simclr(data), *mixed, gradcam, gradmix)
    return _variants(
        f"augmentations-{short}",
        f"{of}: what is mixed",
        "section 4.1, figure 2",
        {"tiny": "tiny-imagenet"}.get(short, short),
        data,
        models,
        presets=_presets(data, models, cpu=4, train=10_000),
        published={name: {"auroc": auroc} for name, auroc in published.items()},
        emphasised="gradmix",
        value=value,
    )


_EXPERIMENTS = (
    _protocol("mnist", "MNIST, 6 known and 4 unknown digits", _MNIST, 0.998, 22),
    _protocol("svhn", "SVHN, 6 known and 4 unknown digits", _SVHN, 0.947, 20),
    _protocol("cifar10", "CIFAR-10, 6 known and 4 unknown classes", _CIFAR10, 0.9133, 30),
    _protocol("cifar+10", "CIFAR-10, 4 classes known, and 10 unknown ones of CIFAR-100", _CIFAR_PLUS, 0.9862, 19),
    _protocol("cifar+50", "CIFAR-10, 4 classes known, and 50 unknown ones of CIFAR-100", _CIFAR_PLUS, 0.9764, 18),
    _protocol("tiny-imagenet", "Tiny ImageNet, 20 known and 180 unknown classes", _TINY, 0.8192, 26),
    _augmentations(
        "cifar10",
        "CIFAR-10",
        _CIFAR10,
        {"cross-entropy": 0.677, "supcon": 0.6715, "supcon+simclr": 0.8875, "gradmix": 0.9133},
        28,
    ),
    _augmentations(
        "tiny",
        "Tiny ImageNet",
        _TINY,
        {"cross-entropy": 0.577, "supcon": 0.7297, "supcon+simclr": 0.7748, "gradmix": 0.8192},
        24,
    ),
)
#: What readers must know of its numbers is in the Markdown file beside this one.
PAPER = Paper(_EXPERIMENTS, Path(__file__).with_suffix(".md").read_text(encoding="utf-8"))
