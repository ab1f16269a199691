"""Likelihoods, priors and divergences, in the idiom of torch.distributions."""

from knownot.probability.divergences import cauchy_schwarz, cauchy_schwarz_mixtures, kl_sampled
from knownot.probability.gaussian import (
    LOG_TWO_PI,
    at_least_float32,
    diagonal_gaussian,
    kl_standard_normal,
    pairwise_log_prob,
    soft_bound,
    soft_clip,
)
from knownot.probability.likelihoods import (
    BernoulliLikelihood,
    DiscretisedLogistic,
    DiscretisedLogisticLikelihood,
    GaussianLikelihood,
    GreyBernoulli,
    IsotropicGaussianLikelihood,
    Likelihood,
    TruncatedGaussianLikelihood,
    TruncatedNormal,
    log_mass_unit_interval,
    make_likelihood,
)
from knownot.probability.mixtures import Components, check_components, mixture_log_prob, sample_components
from knownot.probability.overlaps import log_overlap, mixture_self_overlap
from knownot.probability.priors import MixturePrior, Posterior, Prior, StandardNormalPrior, VampPrior

__all__ = [
    "LOG_TWO_PI",
    "BernoulliLikelihood",
    "Components",
    "DiscretisedLogistic",
    "DiscretisedLogisticLikelihood",
    "GaussianLikelihood",
    "GreyBernoulli",
    "IsotropicGaussianLikelihood",
    "Likelihood",
    "MixturePrior",
    "Posterior",
    "Prior",
    "StandardNormalPrior",
    "TruncatedGaussianLikelihood",
    "TruncatedNormal",
    "VampPrior",
    "at_least_float32",
    "cauchy_schwarz",
    "cauchy_schwarz_mixtures",
    "check_components",
    "diagonal_gaussian",
    "kl_sampled",
    "kl_standard_normal",
    "log_mass_unit_interval",
    "log_overlap",
    "make_likelihood",
    "mixture_log_prob",
    "mixture_self_overlap",
    "pairwise_log_prob",
    "sample_components",
    "soft_bound",
    "soft_clip",
]
