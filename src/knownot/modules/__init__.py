"""One file a paper: the model as equations."""

from knownot.data import Batch
from knownot.modules.base import Loss, OpenSetModule
from knownot.modules.crosr import CROSR
from knownot.modules.open_gmvae import OpenGMVAE
from knownot.modules.softmax import SoftmaxNet

__all__ = ["CROSR", "Batch", "Loss", "OpenGMVAE", "OpenSetModule", "SoftmaxNet"]
