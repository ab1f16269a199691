"""The default rule on tables and embeddings beside what users would try instead; from no paper."""

from __future__ import annotations

from pathlib import Path

from knownot.experiments.declaration import Paper
from knownot.experiments.kinds.many_sets import ManySetsExperiment, Method, NamedSet
from knownot.experiments.presets import Model, Preset

_TABLES = ("iris", "wine", "contraceptive", "crabs", "glass_fgl", "penbased", "penguins", "satimage", "segment")
_MORE_TABLES = ("vehicle", "vowel")
_EMBEDDINGS = ("embedding_cifar10_efficientnet", "embedding_docstrings_minilm", "embedding_mnist_pca")

_SETS = (
    *(NamedSet(name, "tables") for name in (*_TABLES, *_MORE_TABLES)),
    *(NamedSet(name, "embeddings", one_unit=True) for name in _EMBEDDINGS),
    # Part of the optdigits table, with which the rule was developed: shown, not counted.
    NamedSet("digits", ""),
)

_METHODS = (
    Method("knownot", "EmbeddingClassifier", model="knownot"),
    Method("gmvae", "GMVAEClassifier", model="gmvae"),
    Method("softmax", "SoftmaxClassifier", model="softmax"),
    Method("5nn", "5-NN"),
    Method("5nn-cosine", "5-NN, cosine"),
    Method("5nn-whitened", "5-NN, whitened"),
    Method("lda-mahalanobis", "LDA, Mahalanobis"),
    Method("gaussian", "Gaussian a class"),
    Method("mixture", "mixture a class"),
    Method("lof", "LOF + logistic"),
    Method("isolation-forest", "isolation forest + forest"),
    Method("forest", "forest, probability"),
    Method("max-logit", "logistic, largest logit"),
    Method("energy", "logistic, energy"),
    Method("one-class-svm", "one-class SVM + SVC"),
    Method("pyod-knn", "PyOD KNN + forest", needs="pyod"),
    Method("pyod-ecod", "PyOD ECOD + forest", needs="pyod"),
)
_NETWORKS = ("gmvae", "softmax")

_OPEN_SET = ManySetsExperiment(
    name="tables/open-set",
    title="Tables and embeddings, a third of the classes unknown",
    reference="no paper; defaults of this package beside methods of scikit-learn and PyOD",
    presets={
        preset.name: preset
        for preset in (
            Preset(
                "smoke",
                {"gmvae": {"max_epochs": 2}, "softmax": {"max_epochs": 2}},
                {"sets": 2},
                note="Two small tables, two epochs.",
            ),
            Preset("cpu", note="All sets; without the networks, whose training takes most of the time."),
            Preset("paper", gpu_minutes=15.0, note="All sets and methods, each with its defaults."),
        )
    },
    models=(
        Model("knownot", "EmbeddingClassifier"),
        Model("gmvae", "GMVAEClassifier"),
        Model("softmax", "SoftmaxClassifier"),
    ),
    sets=_SETS,
    methods=_METHODS,
    without={"cpu": _NETWORKS},
    compared=_NETWORKS,
    value=5,
)
#: What readers must know of its numbers is in the Markdown file beside this one.
PAPER = Paper((_OPEN_SET,), Path(__file__).with_suffix(".md").read_text(encoding="utf-8"))
