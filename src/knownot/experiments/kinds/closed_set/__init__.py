"""Experiments on models that know all classes of a data set: closed-set accuracy, other data sets, corruptions."""

from knownot.experiments.kinds.closed_set.corrupted import CorruptedExperiment
from knownot.experiments.kinds.closed_set.experiment import ClosedSetExperiment
from knownot.experiments.kinds.closed_set.outside import OutsideExperiment

__all__ = ["ClosedSetExperiment", "CorruptedExperiment", "OutsideExperiment"]
