"""The GradMix paper: its settings; experiments of sections 1, 4 and 5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from knownot.experiments.declaration import Paper
from knownot.experiments.kinds.activated import ActivatedExperiment
from knownot.experiments.kinds.closed_set import ClosedSetExperiment, CorruptedExperiment, OutsideExperiment
from knownot.experiments.kinds.probes import ProbeExperiment
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
    fast : int
        Epochs of the preset "fast".
    photo : mapping
        Settings of the classifier with the fast network, which are the same at every preset but "smoke".
    """

    weights: tuple[float, float]
    epochs: int
    cpu: int
    at_most: Mapping[str, int]
    minutes: float
    fast: int = 200
    photo: Mapping[str, Any] = field(default_factory=dict)

    @property
    def losses(self) -> dict[str, float]:
        """theta and lambda as the estimator calls them."""
        return dict(zip(("supervised_weight", "self_supervised_weight"), self.weights, strict=True))


# The scripts have 400 to 650 epochs on CIFAR and 600 to 800 on Tiny ImageNet; of SVHN they say nothing.
_CIFAR10 = _Data((1.0, 1.2), 500, 7, {}, 5.0, photo={"batch_size": 256, "max_epochs": 25})
_CIFAR_PLUS = _Data((1.0, 1.2), 500, 11, {}, 3.5)
_SVHN = _Data((1.0, 1.2), 400, 5, {}, 8.0)
# Narrow networks want smaller steps.
_DIGITS = {"width": 0.5, "n_networks": 3, "batch_size": 512, "learning_rate": 0.26, "max_epochs": 8, "rule": "network"}
_MNIST = _Data((1.0, 3.0), 10, 5, {}, 5.0, 20, _DIGITS)
# As many steps in all as one network has on CIFAR-10.
_TINY = _Data((1.0, 1.0), 700, 6, {}, 6.0, photo={"n_networks": 3, "batch_size": 256, "max_epochs": 40})
# Where many models are compared, images are small.
_TINY_SMALL = replace(_TINY, cpu=18, at_most={"pixels": 32}, photo={})


def _photo(data: _Data) -> Model:
    """The classifier with the fast network."""
    settings = {"network": "fast", "validation_fraction": 0.1, "rule": "max-logit", **data.photo}
    return Model("photo", "SoftmaxClassifier", settings, "softmax, fast network")


_BESIDE = (
    Method("photo", "softmax, fast network, its own rule", "photo"),
    Method("photo+max-logit", "softmax, fast network, largest logit", "photo", "max-logit"),
    Method("photo+network", "softmax, fast network, logits and features", "photo", "network"),
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
_ONLY_FIRST = " The contrastive network was trained on the first split alone."
_NARROW = "a quarter of the channels of ResNet-18, batches of 128"


def _contrastive(name: str, title: str, data: _Data, **settings: Any) -> Model:
    """A contrastive classifier as the paper has it, but for some settings."""
    return Model(name, "ContrastiveClassifier", {**PAPER_SETTINGS, **data.losses, **settings}, title)


def _presets(
    data: _Data,
    models: Sequence[Model],
    cpu: int | None = None,
    only: Mapping[str, Sequence[int]] | None = None,
    **at_most: int,
) -> dict[str, Preset]:
    """Sizes of an experiment on protocols; models with a network of their own are trained as it is usual for it.

    ``only`` names models that the preset "cpu" trains at some seeds.
    """
    ours = [model.name for model in models if model.settings.get("network", "").startswith("resnet")]
    others = [model.name for model in models if model.name not in ours]
    epochs, limits = cpu or data.cpu, {**data.at_most, **at_most}
    sizes = {"train": "{:,} training images", "test": "{:,} test images", "pixels": "images of {} pixels"}
    parts = [sizes[what].format(n) for what, n in limits.items()]
    small = f"{', '.join([*parts, _NARROW])}. {epochs} epochs"
    small = f"{small[0].upper()}{small[1:]}"
    less = ", where the paper has hundreds: how methods compare after minutes on two cores, not what they reach."

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
            of_ours(
                {"width": 0.25, "max_epochs": epochs, "batch_size": 128}, None if data.photo else {"max_epochs": epochs}
            ),
            limits,
            only=only or {},
            note=small + (less if data.epochs > 100 else ".") + (_ONLY_FIRST if only else ""),
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
    models = (_contrastive("gradmix", "GradMix", data, **({"mixing": "none"} if name == "mnist" else {})), _photo(data))
    return ProtocolExperiment(
        name=f"gradmix/{name}",
        title=title,
        reference=f"{_REFERENCE}, section 4.1, table 2",
        protocol=name,
        models=models,
        methods=(Method("gradmix", "SupCon + SimCLR" if name == "mnist" else "GradMix", "gradmix"), *_BESIDE),
        presets=_presets(data, models, only={"gradmix": (0,)}),
        published={"gradmix": {"auroc": auroc}},
        emphasised="gradmix",
        value=value,
    )


def _variants(
    name: str, title: str, reference: str, protocol: str, models: Sequence[Model], **more: Any
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
        models,
        presets=_presets(data, models, cpu=4, train=10_000),
        published={name: {"auroc": auroc} for name, auroc in published.items()},
        emphasised="gradmix",
        value=value,
    )


_TABLE_1 = {
    "cifar10": {"supcon": {"auroc": 0.6715, "dimension": 8.07}, "supcon+simclr": {"auroc": 0.8875, "dimension": 14.25}},
    "tiny": {"supcon": {"auroc": 0.7297, "dimension": 10.04}, "supcon+simclr": {"auroc": 0.7748, "dimension": 17.47}},
}


def _intrinsic_dimension(short: str, of: str, protocol: str, data: _Data, value: int) -> ProtocolExperiment:
    """Table 1 on one protocol; its models are among those of figure 2."""
    models = (_supcon(data), _supcon_simclr(data))
    return _variants(
        f"intrinsic-dimension{'' if short == 'cifar10' else f'-{short}'}",
        f"{of}: what SimCLR adds to SupCon",
        "section 1, table 1",
        protocol,
        models,
        presets=_presets(data, models, cpu=4, train=10_000),
        published=_TABLE_1[short],
        emphasised="supcon+simclr",
        models_of=f"gradmix/augmentations-{short}",
        value=value,
    )


def _layers() -> ProtocolExperiment:
    """Figure 3."""
    stages = {
        "layer3": "conv4_2",
        "layer4": "conv5_2",
        "layer2+3": "conv3_2 + conv4_2",
        "layer3+4": "conv4_2 + conv5_2",
        "layer2+3+4": "conv3_2 + conv4_2 + conv5_2",
    }
    models = []
    for name, title in stages.items():
        numbers = name.removeprefix("layer").split("+")
        layers = [f"layer{number}" for number in numbers]
        models.append(_contrastive(name, title, _CIFAR10, mixing_settings={"layers": layers}))
    return _variants(
        "layers",
        "CIFAR-10: layers that GradMix looks at",
        "section 4.1, figure 3",
        "cifar10",
        models,
        presets=_presets(_CIFAR10, models, cpu=6, train=10_000),
        emphasised="layer4",
        value=13,
    )


def _attribution() -> ProtocolExperiment:
    """What of GradMix matters."""
    variants = {
        "gradmix": ("GradMix", {}),
        "away": ("hides what lowers the loss", {"attribution_sign": -1}),
        "similarity": ("hides what makes views alike", {"attribution_of": "similarity"}),
        "unweighted": ("mixed term with weight 1", {"area_weight": False}),
    }
    models = [
        _contrastive(name, title, _CIFAR10, mixing_settings=settings) for name, (title, settings) in variants.items()
    ]
    return _variants(
        "attribution",
        "CIFAR-10: what GradMix hides",
        "no table; variants that are not in the paper",
        "cifar10",
        models,
        presets=_presets(_CIFAR10, models, cpu=6, train=10_000),
        emphasised="gradmix",
        value=12,
    )


def _closed_models(data: _Data) -> tuple[Model, ...]:
    return (_cross_entropy(), _supcon_simclr(data), _contrastive("gradmix", "GradMix", data), _photo(data))


_CLOSED_METHODS = (
    Method("cross-entropy", "cross-entropy, ResNet-18", "cross-entropy"),
    Method("photo", "softmax, fast network", "photo"),
    Method("supcon+simclr", "SupCon + SimCLR", "supcon+simclr"),
    Method("gradmix", "GradMix", "gradmix"),
)
# All CIFAR-10 classes are more images than a protocol has.
_WHOLE = _Data((1.0, 1.2), 500, 6, {"train": 20_000}, 8.0)
_WHOLE_TINY = _Data((1.0, 1.0), 700, 6, {"train": 20_000, "pixels": 32}, 30.0, 100)


def _closed(name: str, title: str, dataset: str, data: _Data, published: Settings, **more: Any) -> ClosedSetExperiment:
    """One column of table 3."""
    models = _closed_models(data)
    return ClosedSetExperiment(
        name=f"gradmix/{name}",
        title=title,
        reference=f"{_REFERENCE}, section 4.2, table 3",
        dataset=dataset,
        models=models,
        methods=_CLOSED_METHODS,
        presets=_presets(data, models),
        published={method: {"accuracy": accuracy} for method, accuracy in published.items()},
        emphasised="gradmix",
        **more,
    )


def _outside() -> OutsideExperiment:
    """Table 4, and sets that are easier to have."""
    models = _closed_models(_WHOLE)
    presets = _presets(_WHOLE, models)
    smoke = presets["smoke"]
    return OutsideExperiment(
        name="gradmix/outside",
        title="CIFAR-10 against other data sets",
        reference=f"{_REFERENCE}, section 4.3, table 4; sets beside CIFAR-100 and SVHN are not in the paper",
        dataset="cifar10",
        outside=("cifar100", "svhn", "tiny-imagenet", "mnist", "fashion-mnist", "omniglot28"),
        models=models,
        methods=(*_CLOSED_METHODS, *(method for method in _BESIDE if method.name != "photo")),
        presets={**presets, "smoke": replace(smoke, at_most={**smoke.at_most, "outside": 100})},
        published={
            "cross-entropy": {"auroc cifar100": 0.863, "auroc svhn": 0.906},
            "gradmix": {
                "auroc cifar100": 0.9322,
                "auroc svhn": 0.987,
                "aupr_in cifar100": 0.925,
                "aupr_in svhn": 0.985,
                "aupr_out cifar100": 0.9086,
            },
        },
        emphasised="gradmix",
        models_of="gradmix/closed-set",
        value=17,
    )


def _corruptions(
    name: str, title: str, dataset: str, data: _Data, without: Sequence[float], with_it: Sequence[float], **more: Any
) -> CorruptedExperiment:
    """Table 5 and figure 4 on one data set; the paper's numbers are the mean drop, then that of each severity."""
    models = _closed_models(data)
    presets = _presets(data, models)
    presets["cpu"] = replace(presets["cpu"], at_most={**presets["cpu"].at_most, "test": 2_000})
    presets["smoke"] = replace(presets["smoke"], at_most={**presets["smoke"].at_most, "test": 60})
    metrics = ("drop", *(f"drop severity {severity}" for severity in range(1, 6)))
    published = {
        method: {metric: round(drop / 100.0, 4) for metric, drop in zip(metrics, drops, strict=True)}
        for method, drops in (("supcon+simclr", without), ("gradmix", with_it))
    }
    return CorruptedExperiment(
        name=f"gradmix/{name}",
        title=title,
        reference=f"{_REFERENCE}, section 4.4, table 5 and figure 4",
        dataset=dataset,
        models=models,
        methods=_CLOSED_METHODS,
        presets=presets,
        published=published,
        emphasised="gradmix",
        **more,
    )


_MIXINGS = {"none": "no mixing", "cutmix": "CutMix", "gradmix": "GradMix"}


def _encoder(name: str, title: str, method: str, network: str, mixing: str) -> Model:
    kept = {name: value for name, value in PAPER_SETTINGS.items() if name not in ("network", "mixing")}
    return Model(name, "SelfSupervisedEncoder", {**kept, "method": method, "network": network, "mixing": mixing}, title)


def _probe_presets(models: Sequence[Model], cost: float, epochs: Mapping[str, int] | None = None) -> dict[str, Preset]:
    """Sizes of an experiment on encoders; epochs by model, of 200, where they differ."""
    share = {model.name: (epochs or {}).get(model.name, 200) / 200 for model in models}

    def each(most: int, settings: Settings) -> dict[str, Settings]:
        return {name: {**settings, "max_epochs": max(1, round(most * part))} for name, part in share.items()}

    whole = sum(share.values()) * cost
    presets = (
        Preset(
            "smoke",
            each(2, {"width": 0.0625, "batch_size": 64}),
            {"train": 600, "test": 400, "pixels": 16},
            note="600 images of 16 pixels, two epochs, four channels: whether it runs, not how good it is.",
        ),
        Preset(
            "cpu",
            each(8, {"width": 0.25, "batch_size": 128}),
            {"train": 8_000, "pixels": 32},
            note="8,000 training images of 32 pixels, a quarter of the channels, 8 epochs where the paper has 200.",
        ),
        Preset(
            "fast",
            each(100, _FAST),
            {"pixels": 32},
            gpu_minutes=round(2.0 + 3.0 * whole, 1),
            note="Images of 32 pixels, 100 epochs where the paper has 200, by SGD in batches of 1,024, in bfloat16.",
        ),
        Preset("paper", each(200, {}), gpu_minutes=round(2.0 + 50.0 * whole, 1), note="200 epochs, batches of 256."),
    )
    return {preset.name: preset for preset in presets}


def _self_supervised(depth: int, cost: float, value: int) -> ProbeExperiment:
    """Figure 5, left, with one network."""
    models = [
        _encoder(f"{method}-{mixing}", f"{title}, {mixed}", method, f"resnet{depth}", mixing)
        for method, title in (("simclr", "SimCLR"), ("moco", "MoCo"))
        for mixing, mixed in _MIXINGS.items()
    ]
    return ProbeExperiment(
        name="gradmix/self-supervised" + ("" if depth == 18 else f"-{depth}"),
        title=f"Tiny ImageNet, 80 classes: linear probes of ResNet-{depth} trained without labels",
        reference=f"{_REFERENCE}, section 4.5, figure 5, left",
        dataset="tiny-imagenet",
        known_in="tiny-imagenet",
        models=tuple(models),
        presets=_probe_presets(models, cost),
        emphasised="simclr-gradmix",
        value=value,
    )


def _over_epochs() -> ProbeExperiment:
    """Figure 5, right."""
    names = {(mixing, epochs): f"{mixing}-{epochs}" for mixing in _MIXINGS for epochs in (50, 100, 150, 200)}
    models = [
        _encoder(name, f"{_MIXINGS[mixing]}, {epochs} epochs of 200", "simclr", "resnet18", mixing)
        for (mixing, epochs), name in names.items()
    ]
    lines = {title: tuple(names[m, e] for m, e in names if m == mixing) for mixing, title in _MIXINGS.items()}
    return ProbeExperiment(
        name="gradmix/self-supervised-epochs",
        title="Tiny ImageNet, 80 classes: linear probes of SimCLR after more and more epochs",
        reference=f"{_REFERENCE}, section 4.5, figure 5, right",
        dataset="tiny-imagenet",
        known_in="tiny-imagenet",
        models=tuple(models),
        lines=lines,
        presets=_probe_presets(models, 1.0, {name: epochs for (_, epochs), name in names.items()}),
        emphasised="gradmix-200",
        seeds=(0,),
        value=3,
    )


def _activated(short: str, of: str, protocol: str, data: _Data, value: int) -> ActivatedExperiment:
    """Figure 6; its models are among those of figure 2."""
    models = (_supcon_simclr(data), _contrastive("gradmix", "+ GradMix", data))
    return ActivatedExperiment(
        name=f"gradmix/activated-share{'' if short == 'cifar10' else f'-{short}'}",
        title=f"{of}: how much of an image is looked at",
        reference=f"{_REFERENCE}, section 5, figure 6",
        protocol=protocol,
        models=models,
        presets=_presets(data, models, cpu=4, train=10_000),
        emphasised="gradmix",
        models_of=f"gradmix/augmentations-{short}",
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
        _TINY_SMALL,
        {"cross-entropy": 0.577, "supcon": 0.7297, "supcon+simclr": 0.7748, "gradmix": 0.8192},
        24,
    ),
    _intrinsic_dimension("cifar10", "CIFAR-10", "cifar10", _CIFAR10, 27),
    _intrinsic_dimension("tiny", "Tiny ImageNet", "tiny-imagenet", _TINY_SMALL, 23),
    _layers(),
    _attribution(),
    _closed(
        "closed-set",
        "CIFAR-10, all classes known",
        "cifar10",
        _WHOLE,
        {"cross-entropy": 0.94, "gradmix": 0.941},
        value=16,
    ),
    _closed(
        "closed-set-cifar100",
        "CIFAR-100, all classes known",
        "cifar100",
        _WHOLE,
        {"cross-entropy": 0.716, "gradmix": 0.78},
        value=2,
    ),
    _closed(
        "closed-set-tiny",
        "Tiny ImageNet, the first 100 classes known",
        "tiny-imagenet",
        _WHOLE_TINY,
        {"cross-entropy": 0.637, "gradmix": 0.7246},
        first_classes=100,
        value=1,
    ),
    _outside(),
    _corruptions(
        "corruptions",
        "CIFAR-10, corrupted test images",
        "cifar10",
        _WHOLE,
        (18.08, 7.01, 11.18, 15.93, 23.01, 33.29),
        (15.97, 6.66, 10.04, 14.03, 20.49, 28.64),
        models_of="gradmix/closed-set",
        value=15,
    ),
    _corruptions(
        "corruptions-tiny",
        "Tiny ImageNet, 80 classes, corrupted test images",
        "tiny-imagenet",
        _WHOLE_TINY,
        (38.81, 22.61, 37.02, 39.43, 46.23, 49.31),
        (37.36, 25.25, 31.49, 38.91, 45.23, 48.91),
        known_in="tiny-imagenet",
        value=8,
    ),
    _self_supervised(18, 1.0, 11),
    _self_supervised(34, 1.8, 4),
    _self_supervised(50, 3.5, 3),
    _over_epochs(),
    _activated("cifar10", "CIFAR-10", "cifar10", _CIFAR10, 25),
    _activated("tiny", "Tiny ImageNet", "tiny-imagenet", _TINY_SMALL, 14),
)
#: What readers must know of its numbers is in the Markdown file beside this one.
PAPER = Paper(_EXPERIMENTS, Path(__file__).with_suffix(".md").read_text(encoding="utf-8"))
