"""The open-set Gaussian-mixture VAE paper: its settings; experiments of sections 5.1 to 5.4 and figures 5 and 7."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from knownot.experiments.declaration import Headline, Paper
from knownot.experiments.kinds.open_set import Method, OpenSetExperiment
from knownot.experiments.kinds.subclusters import Group, SubclusterExperiment
from knownot.experiments.presets import Model, Preset

_NC_U: dict[str, Any] = {"rule": "nc-u", "classifier_weight": 0.0, "hidden": (500, 100)}
_CIFAR: dict[str, Any] = {
    **_NC_U,
    "pretrain_epochs": 40,
    "blocks": ((2, 64), (2, 128), (4, 256)),
    "hidden": (1000, 500),
}
#: The paper's own settings of GMVAEClassifier, by experiment: networks of its tables 1 to 4, its objective, its rule.
#: Not stated there and chosen here: learning rate, batch size, epochs of pretraining, and "PFC", taken as a linear
#: layer.
PAPER_SETTINGS: dict[str, dict[str, Any]] = {
    "open-gmvae/fashion-mnist": {**_NC_U, "latent_dim": 10, "blocks": ((2, 20), (2, 50)), "prior_hidden": (50, 50)},
    "open-gmvae/cifar10": {**_CIFAR, "latent_dim": 50, "prior_hidden": (100, 100)},
    "open-gmvae/mnist-even-odd": {
        **_NC_U,
        "latent_dim": 5,
        "n_subclusters": (2, 2),
        "blocks": ((1, 20), (1, 50)),
        "prior_hidden": (20, 20),
    },
    "open-gmvae/cifar10-animals-vehicles": {
        **_CIFAR,
        "latent_dim": 20,
        "n_subclusters": (2, 2),
        "prior_hidden": (50, 50),
    },
}

_METHODS = (
    Method("crosr+evt", "CROSR + EVT", "crosr", "weibull"),
    Method("crosr+nc-d", "CROSR + NC-D", "crosr", "nc-d"),
    Method("gmvae+nc-d", "GMVAE + NC-D", "gmvae", "nc-d"),
    Method("gmvae+nc-u", "GMVAE + NC-U", "gmvae", "nc-u"),
    Method("knownot", "knownot, default rule", "knownot", "evidence"),
    Method("knownot+nc-u", "knownot's GMVAE + NC-U", "knownot", "nc-u"),
    # Not in the paper: what else is read from the same trainings, and what a reader would try first.
    Method("crosr+openmax", "CROSR + OpenMax", "crosr", "openmax"),
    Method("crosr-y+nc-d", "CROSR, y alone, + NC-D", "crosr", "nc-d", "logits"),
    Method("crosr-z+nc-d", "CROSR, z alone, + NC-D", "crosr", "nc-d", "latent"),
    Method("crosr+nc-u", "CROSR + NC-U", "crosr", "nc-u"),
    Method("softmax+msp", "softmax, largest probability", "softmax", "max-softmax"),
    Method("softmax+max-logit", "softmax, largest logit", "softmax", "max-logit"),
    Method("softmax+energy", "softmax, energy", "softmax", "energy"),
    Method("softmax+neighbours", "softmax, neighbours of its features", "softmax", "neighbours"),
    Method("pixels+5nn", "raw pixels, 5-NN Euclidean", None, "euclidean"),
    Method("pixels+5nn-cosine", "raw pixels, 5-NN cosine", None, "cosine"),
)
# Of photographs, what `knownot fit` takes for them, beside the paper's table.
_PHOTO = Model(
    "photo",
    "SoftmaxClassifier",
    {"network": "fast", "rule": "max-logit", "max_epochs": 25, "batch_size": 256},
    title="softmax, fast network",
)
_OF_PHOTOS = (
    Method("photo+max-logit", "softmax, fast network, largest logit", "photo", "max-logit"),
    Method("photo+energy", "softmax, fast network, energy", "photo", "energy"),
    Method("photo+network", "softmax, fast network, logits and features", "photo", "network"),
)
_DASHED = {"markerfacecolor": "white", "linestyle": (0, (4, 1.5))}
# No two lines share both colour and mark.
_LINES: dict[str, dict[str, Any]] = {
    "knownot": {"color": "#c04800", "marker": "o"},
    "gmvae+nc-u": {"color": "#00795a", "marker": "s"},
    "gmvae+nc-d": {"color": "#00795a", "marker": "s", **_DASHED},
    "crosr+nc-d": {"color": "#0063a3", "marker": "^"},
    "crosr+evt": {"color": "#0063a3", "marker": "^", **_DASHED},
    "softmax+max-logit": {"color": "#a85a86", "marker": "D", "markersize": 3.5},
    "photo+max-logit": {"color": "#7a5c00", "marker": "P"},
    "pixels+5nn": {"color": "#6b7280", "marker": "v", "linestyle": (0, (1, 1.2)), "markersize": 4.0},
}

_SMOKE = Preset(
    "smoke",
    {"": {"blocks": ((1, 8), (1, 8)), "hidden": (64,), "max_epochs": 2, "training__precision": "32-true"}},
    {"train": 600, "test": 500, "validation known": 200, "validation unknown": 200},
    note="600 training images, two epochs, narrow networks: whether it runs, not how good it is.",
)


def _named(*presets: Preset) -> Mapping[str, Preset]:
    return {preset.name: preset for preset in presets}


def _open_set(
    name: str, headline: Headline, n_subclusters: int = 1, photographs: bool = False, **more: Any
) -> OpenSetExperiment:
    """One of the paper's four; the softmax classifier has the layers of phi_z."""
    paper = PAPER_SETTINGS[name]
    encoder = {key: paper[key] for key in ("blocks", "hidden")}
    methods = (*_METHODS, *(_OF_PHOTOS if photographs else ()))
    drawn = {method.name for method in methods}
    return OpenSetExperiment(
        name=name,
        protocol=name,
        models=(
            Model("crosr", "CROSRClassifier", title="CROSR"),
            Model("gmvae", "GMVAEClassifier", paper, title="GMVAE"),
            Model("knownot", "GMVAEClassifier", {"n_subclusters": n_subclusters}, title="GMVAE, knownot's settings"),
            Model("softmax", "SoftmaxClassifier", {"network": "plain", **encoder}, title="softmax network"),
            *((_PHOTO,) if photographs else ()),
        ),
        methods=methods,
        headlines=(
            headline,
            Headline("knownot+nc-u", headline.over),
            Headline("knownot", headline.over),
            Headline("knownot", "gmvae+nc-u"),
        ),
        n_subclusters=n_subclusters,
        lines={method: look for method, look in _LINES.items() if method in drawn},
        mapped=("crosr", "gmvae", "knownot", "softmax"),
        **more,
    )


_GREY = _named(
    _SMOKE,
    Preset(
        "cpu",
        {"": {"max_epochs": 5}, "crosr": {"max_epochs": 2}},
        note="5 epochs of training, CROSR 2.",
    ),
    Preset(
        "paper",
        {"crosr": {"max_epochs": 6}},
        gpu_minutes=3.0,
        note="The paper trains to a plateau; learning rate and batch size are not stated. Here: batches of 128, a "
        "cosine from 0.001 to 0 over 3,000 steps, weights of the best validation loss. CROSR, four times as slow on a "
        "processor, has 6 epochs.",
    ),
)
_QUARTER = {"blocks": ((2, 16), (2, 32), (4, 64)), "hidden": (250, 125)}
_COLOUR = _named(
    replace(
        _SMOKE,
        settings={
            **_SMOKE.settings,
            "gmvae": {"pretrain_epochs": 1},
            "photo": {"width": 0.125, "blocks": None, "hidden": None},
        },
    ),
    Preset(
        "cpu",
        {
            "": {"max_epochs": 4, "batch_size": 128},
            "gmvae": {**_QUARTER, "pretrain_epochs": 4},
            "softmax": _QUARTER,
            "crosr": {"blocks": ((2, 16), (2, 32), (2, 64), (2, 128), (2, 128)), "hidden": (128, 128)},
            "photo": _PHOTO.settings,
        },
        note="Where KNOWNOT_DATA names JPEG copies of CIFAR-10, so are these. "
        "A quarter of the width of the paper's networks, 4 epochs: whether it learns, not how far it gets. phi_z "
        "but for its last linear layer is trained as a classifier first, 4 epochs, and frozen. The fast network is "
        "trained as it is for photographs by default, 25 epochs.",
    ),
    Preset(
        "paper",
        {"": {"max_epochs": 60, "batch_size": 128}, "gmvae": {"pretrain_epochs": 40}, "photo": _PHOTO.settings},
        gpu_minutes=9.0,
        note="60 epochs of 128 with a cosine from 0.001 to 0, weights of the best validation loss. phi_z but for its "
        "last linear layer is trained as a classifier first, 40 epochs, and frozen.",
    ),
)


def _parts() -> OpenSetExperiment:
    """What the gain of GMVAE + NC-U over CROSR + NC-D depends on: how long each is trained."""
    whole = PAPER_SETTINGS["open-gmvae/mnist-even-odd"]
    variants = {
        "gmvae": ("as published", "GMVAEClassifier", whole),
        "gmvae-long": ("twice as long", "GMVAEClassifier", {**whole, "max_epochs": 38}),
        "crosr": ("6 epochs", "CROSRClassifier", {"max_epochs": 6}),
        "crosr-short": ("2 epochs", "CROSRClassifier", {"max_epochs": 2}),
    }
    methods = []
    for name, (what, _, _) in variants.items():
        kind, rule = ("GMVAE", "nc-u") if name.startswith("gmvae") else ("CROSR", "nc-d")
        methods.append(Method(f"{name}+{rule}", f"{kind} + {rule.upper()}, {what}", name, rule))
    pairs = [(a, b) for a in methods if a.rule == "nc-u" for b in methods if b.rule == "nc-d"]
    smoke = replace(_SMOKE, settings={"": _SMOKE.settings[""], **{name: {"max_epochs": 1} for name in variants}})
    return OpenSetExperiment(
        name="open-gmvae/mnist-even-odd-parts",
        title="MNIST, even and odd: what the gain over CROSR depends on",
        reference="open-set GMVAE paper, section 5.3; the variants are not in the paper",
        protocol="open-gmvae/mnist-even-odd",
        presets=_named(smoke, Preset("paper", gpu_minutes=3.0, note="One seed.")),
        models=tuple(Model(name, estimator, settings) for name, (_, estimator, settings) in variants.items()),
        methods=tuple(methods),
        headlines=tuple(
            Headline(a.name, b.name, 19.9 if (a.model, b.model) == ("gmvae", "crosr") else None) for a, b in pairs
        ),
        n_subclusters=2,
        seeds=(0,),
    )


_SUBCLUSTERS = _named(
    Preset("smoke", {"": {"max_samples": 400, "max_epochs": 2, "max_subclusters": 2}}, note="400 samples, two epochs."),
    Preset(
        "cpu",
        {"": {"max_samples": 2_500, "max_epochs": 12, "max_subclusters": 3, "stop_early": False}},
        note="2,500 samples of each class or pair, 500 of them held out, 12 epochs with each of one, two and three "
        "subclusters.",
    ),
    Preset(
        "paper",
        {"": {"max_samples": 20_000, "max_epochs": 100, "max_subclusters": 3, "stop_early": False}},
        gpu_minutes=8.0,
        note="All samples of a class, 100 epochs, one, two and three subclusters.",
    ),
)


_EXPERIMENTS = (
    _open_set(
        "open-gmvae/fashion-mnist",
        Headline("gmvae+nc-u", "crosr+nc-d", 3.9),
        title="Fashion-MNIST: 6 known and 4 unknown classes",
        reference="open-set GMVAE paper, section 5.1, figure 1",
        presets=_GREY,
        value=1,
    ),
    _open_set(
        "open-gmvae/cifar10",
        Headline("gmvae+nc-u", "crosr+nc-d", 61.3),
        photographs=True,
        title="CIFAR-10: 6 known and 4 unknown classes",
        reference="open-set GMVAE paper, section 5.2, figures 2 to 4",
        presets=_COLOUR,
        value=10,
    ),
    _open_set(
        "open-gmvae/mnist-even-odd",
        Headline("gmvae+nc-u", "crosr+nc-d", 19.9),
        n_subclusters=2,
        title="MNIST: even (0, 2) and odd (1, 3) against 4 to 9",
        reference="open-set GMVAE paper, section 5.3, figure 6",
        presets=_GREY,
        value=2,
    ),
    _parts(),
    _open_set(
        "open-gmvae/cifar10-animals-vehicles",
        Headline("gmvae+nc-u", "crosr+evt", 33.0),
        n_subclusters=2,
        photographs=True,
        title="CIFAR-10: animals (cat, dog) and vehicles (car, truck) against 6 classes",
        reference="open-set GMVAE paper, section 5.4, figure 8",
        presets=_COLOUR,
        value=9,
    ),
    SubclusterExperiment(
        name="open-gmvae/subclusters-mnist",
        title="Number of subclusters: MNIST digits, two together and one alone",
        reference="open-set GMVAE paper, section 4, figure 5",
        presets=_SUBCLUSTERS,
        groups=(
            Group("even: 0 and 2", 2, "mnist", (0, 2)),
            Group("odd: 1 and 3", 2, "mnist", (1, 3)),
            Group("0 alone", 1, "mnist", (0,)),
            Group("1 alone", 1, "mnist", (1,)),
        ),
        published={
            "even: 0 and 2": {"drop 1→2": 0.86, "drop 2→3": 0.22, "n_subclusters": 2},
            "odd: 1 and 3": {"drop 1→2": 1.23, "drop 2→3": -0.09, "n_subclusters": 2},
        },
        value=3,
    ),
    SubclusterExperiment(
        name="open-gmvae/subclusters-cifar10",
        title="Number of subclusters: animals (cat, dog) and vehicles (car, truck)",
        reference="open-set GMVAE paper, section 4, figure 7",
        presets=_SUBCLUSTERS,
        groups=(Group("animals", 2, "cifar10", (3, 5)), Group("vehicles", 2, "cifar10", (1, 9))),
        published={
            "animals": {"drop 1→2": 1.31, "drop 2→3": -1.47, "n_subclusters": 2},
            "vehicles": {"drop 1→2": 0.82, "drop 2→3": 0.5, "n_subclusters": 2},
        },
        value=4,
    ),
    SubclusterExperiment(
        name="open-gmvae/subclusters-shapes",
        title="Number of subclusters: synthetic shapes",
        reference="open-set GMVAE paper, section 4; the shapes are not in the paper",
        presets=_named(
            _SUBCLUSTERS["smoke"],
            Preset(
                "cpu",
                {"": {"max_subclusters": 4}},
                note="1,200 samples, up to four subclusters, 1,000 steps with each.",
            ),
        ),
        groups=(
            Group("1 blob, 5-d", 1, shape="blobs", arguments={"n_samples": 1_200, "n_clusters": 1, "n_features": 5}),
            Group("2 blobs, 10-d", 2, shape="blobs", arguments={"n_samples": 1_200, "n_clusters": 2, "n_features": 10}),
            Group("3 blobs, 5-d", 3, shape="blobs", arguments={"n_samples": 1_200, "n_clusters": 3, "n_features": 5}),
            Group("2 arcs", 2, shape="arcs", arguments={"n_samples": 1_200, "n_clusters": 2}),
            Group("3 arms of a pinwheel", 3, shape="pinwheel", arguments={"n_samples": 1_200, "n_clusters": 3}),
        ),
    ),
)
#: What readers must know of its numbers is in the Markdown file beside this one.
PAPER = Paper(_EXPERIMENTS, Path(__file__).with_suffix(".md").read_text(encoding="utf-8"))
