"""Experiments on standard protocols: trained on the known classes of a published split, tested on all classes."""

from knownot.experiments.kinds.protocol.declared import Method
from knownot.experiments.kinds.protocol.experiment import ProtocolExperiment

__all__ = ["Method", "ProtocolExperiment"]
