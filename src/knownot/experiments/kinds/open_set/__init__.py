"""Experiments that tell known from unknown: every method of a paper on the same split and seed."""

from knownot.experiments.kinds.open_set.experiment import OpenSetExperiment
from knownot.experiments.kinds.open_set.methods import Method

__all__ = ["Method", "OpenSetExperiment"]
