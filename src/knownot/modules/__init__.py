"""One file a paper: the model as equations."""

from knownot.data import Batch
from knownot.modules.base import Loss, OpenSetModule
from knownot.modules.open_gmvae import OpenGMVAE

__all__ = ["Batch", "Loss", "OpenGMVAE", "OpenSetModule"]
