"""Experiments on densities that are to tell their own data set from others."""

from knownot.experiments.kinds.density.experiment import DensityExperiment

__all__ = ["DensityExperiment"]
