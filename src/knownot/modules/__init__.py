"""One file a paper: the model as equations."""

from knownot.data import Batch
from knownot.modules.base import (
    DensityModule,
    EvidenceModule,
    GenerativeModule,
    Loss,
    MixtureModule,
    Module,
    ReconstructingModule,
)
from knownot.modules.contrastive import Contrastive, MomentumContrast
from knownot.modules.crosr import CROSR
from knownot.modules.mixture import GaussianMixture
from knownot.modules.open_gmvae import OpenGMVAE
from knownot.modules.softmax import PhotoNet, SoftmaxNet

__all__ = [
    "CROSR",
    "Batch",
    "Contrastive",
    "DensityModule",
    "EvidenceModule",
    "GaussianMixture",
    "GenerativeModule",
    "Loss",
    "MixtureModule",
    "Module",
    "MomentumContrast",
    "OpenGMVAE",
    "PhotoNet",
    "ReconstructingModule",
    "SoftmaxNet",
]
