"""What there is, by name, without loading any of it: estimators, the terminal's methods, rules.

The one place that lazy imports, :func:`knownot.load`, the terminal's choices and rules by name read, so that
a new estimator or rule is one line here. Nothing can be registered from outside: a saved model names a class
of the package, and never one that happens to be called the same.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

#: Class name to "module:Class".
ESTIMATORS = {
    "GMVAEClassifier": "knownot.estimators.gmvae:GMVAEClassifier",
    "CROSRClassifier": "knownot.estimators.crosr:CROSRClassifier",
    "SoftmaxClassifier": "knownot.estimators.softmax:SoftmaxClassifier",
    "ContrastiveClassifier": "knownot.estimators.contrastive:ContrastiveClassifier",
    "SelfSupervisedEncoder": "knownot.estimators.self_supervised:SelfSupervisedEncoder",
    "EmbeddingClassifier": "knownot.estimators.embedding:EmbeddingClassifier",
    "VAE": "knownot.estimators.vae:VAE",
    "SemiSupervisedVAE": "knownot.estimators.semi_supervised:SemiSupervisedVAE",
    "MultiLabelVAE": "knownot.estimators.multi_label:MultiLabelVAE",
    "GaussianMixtureDensity": "knownot.estimators.mixture:GaussianMixtureDensity",
    "GaussianMixtureClusterer": "knownot.estimators.mixture:GaussianMixtureClusterer",
}

#: What ``knownot fit --method`` calls an estimator, to its class name.
METHODS = {
    "gmvae": "GMVAEClassifier",
    "crosr": "CROSRClassifier",
    "softmax": "SoftmaxClassifier",
    "contrastive": "ContrastiveClassifier",
    "embedding": "EmbeddingClassifier",
    "vae": "VAE",
    "semi-supervised": "SemiSupervisedVAE",
    "mixture-density": "GaussianMixtureDensity",
    "mixture-clusters": "GaussianMixtureClusterer",
}

#: What ``rule=`` and ``--rule`` call a rule, to "module:Class".
RULES = {
    "auto": "knownot.rules.weighted:WeightedEvidence",
    "evidence": "knownot.rules.combined:CombinedEvidence",
    "nc-d": "knownot.rules.centroids:NearestCentroid",
    "nc-u": "knownot.rules.centroids:NearestCentroidUncertainty",
    "neighbours": "knownot.rules.neighbours:Neighbours",
    "cosine": "knownot.rules.neighbours:CosineNeighbours",
    "class-similarity": "knownot.rules.class_similarity:ClassSimilarity",
    "whitened": "knownot.rules.neighbours:WhitenedNeighbours",
    "whitened-cosine": "knownot.rules.neighbours:WhitenedCosineNeighbours",
    "local": "knownot.rules.local:LocalNeighbours",
    "residual": "knownot.rules.local:Residual",
    "mahalanobis": "knownot.rules.gaussian:Mahalanobis",
    "relative-mahalanobis": "knownot.rules.gaussian:RelativeMahalanobis",
    "gaussian": "knownot.rules.gaussian:ClassGaussian",
    "mixture": "knownot.rules.gaussian:ClassMixture",
    "linear": "knownot.rules.classifiers:Linear",
    "forest": "knownot.rules.classifiers:Forest",
    "likelihood": "knownot.rules.likelihood:Likelihood",
    "weibull": "knownot.rules.weibull:Weibull",
    "openmax": "knownot.rules.weibull:OpenMax",
    "max-softmax": "knownot.rules.softmax:MaximumSoftmax",
    "max-logit": "knownot.rules.softmax:MaximumLogit",
    "energy": "knownot.rules.softmax:Energy",
    "network": "knownot.rules.network:NetworkEvidence",
    "log-density": "knownot.rules.outliers:LogDensity",
    "complexity": "knownot.rules.outliers:ComplexityCorrected",
    "typicality": "knownot.rules.outliers:Typicality",
}

#: Names of the package itself, to "module:name".
PUBLIC = {
    **ESTIMATORS,
    "OpenSetWrapper": "knownot.estimators.wrapper:OpenSetWrapper",
    "LeaveClassesOut": "knownot.model_selection:LeaveClassesOut",
    "rehearse": "knownot.model_selection:rehearse",
    "auroc_scorer": "knownot.model_selection:auroc_scorer",
    "oscr_scorer": "knownot.model_selection:oscr_scorer",
    "open_macro_f1_scorer": "knownot.model_selection:open_macro_f1_scorer",
    "TrainingSettings": "knownot.training:TrainingSettings",
    "embed": "knownot.embeddings:embed",
    "load": "knownot.estimators:load",
    "__version__": "knownot.version:__version__",
}


def resolve(address: str) -> Any:
    """Import what an address names.

    Parameters
    ----------
    address : str
        "module:name".

    Examples
    --------
    >>> resolve("math:pi")
    3.141592653589793
    """
    module, _, name = address.partition(":")
    return getattr(import_module(module), name)
