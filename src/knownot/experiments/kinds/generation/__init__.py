"""Experiments on generative models of binary images: likelihood, samples, codes."""

from knownot.experiments.kinds.generation.experiment import GenerationExperiment

__all__ = ["GenerationExperiment"]
