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
from knownot.modules.semi_supervised_vae import MultiLabelVAE, SemiSupervisedVAE
from knownot.modules.softmax import PhotoNet, SoftmaxNet
from knownot.modules.vae import VAE

__all__ = [
    "CROSR",
    "VAE",
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
    "MultiLabelVAE",
    "OpenGMVAE",
    "PhotoNet",
    "ReconstructingModule",
    "SemiSupervisedVAE",
    "SoftmaxNet",
]
