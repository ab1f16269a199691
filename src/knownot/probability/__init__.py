"""Likelihoods, priors and divergences, in the idiom of torch.distributions."""

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
    GaussianLikelihood,
    GreyBernoulli,
    TruncatedGaussianLikelihood,
    TruncatedNormal,
    log_mass_unit_interval,
    make_likelihood,
)

__all__ = [
    "LOG_TWO_PI",
    "BernoulliLikelihood",
    "GaussianLikelihood",
    "GreyBernoulli",
    "TruncatedGaussianLikelihood",
    "TruncatedNormal",
    "at_least_float32",
    "diagonal_gaussian",
    "kl_standard_normal",
    "log_mass_unit_interval",
    "make_likelihood",
    "pairwise_log_prob",
    "soft_bound",
    "soft_clip",
]
