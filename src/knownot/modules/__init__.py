"""One file a paper: the model as equations."""

from knownot.modules.base import Batch, Loss
from knownot.modules.open_gmvae import OpenGMVAE

__all__ = ["Batch", "Loss", "OpenGMVAE"]
