"""Experiments on many tables and embeddings: some classes of each are unknown, and all methods have the same split."""

from knownot.experiments.kinds.many_sets.declared import Method, NamedSet
from knownot.experiments.kinds.many_sets.experiment import ManySetsExperiment

__all__ = ["ManySetsExperiment", "Method", "NamedSet"]
