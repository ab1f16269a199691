"""Demonstrations in two dimensions or one: seconds each, to be looked at."""

from knownot.experiments.kinds.demonstrations.approximations import ApproximationExperiment
from knownot.experiments.kinds.demonstrations.latent_shapes import LatentShapeExperiment
from knownot.experiments.kinds.demonstrations.penalties import PenaltyExperiment

__all__ = ["ApproximationExperiment", "LatentShapeExperiment", "PenaltyExperiment"]
