"""The family of autoencoders: its density against quadrature, its losses against their definitions."""

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from torch.distributions import Normal

from knownot.data import Batch
from knownot.modules import VAE, DensityModule, EvidenceModule, GenerativeModule, OpenGMVAE, ReconstructingModule
from knownot.probability import IsotropicGaussianLikelihood, cauchy_schwarz, kl_standard_normal

ROWS = {"likelihood": "gaussian", "hidden": (16,)}
PRIORS = [{"prior": "normal"}, {"prior": "mixture", "n_components": 3}, {"prior": "vamp", "n_components": 3}]
GRID = np.linspace(-12.0, 12.0, 4001)


def make(seed=0, factor=3.0, **settings):
    """A module whose codes say something, so that divergences are not near 0."""
    torch.manual_seed(seed)
    module = VAE(**{"input_shape": (3,), "latent_dim": 1, **ROWS, **settings})
    with torch.no_grad():
        for parameter in module.encoder.parameters():
            parameter.mul_(factor)
    return module.eval()


def batch_of(n=5, columns=3, seed=0):
    x = torch.randn(n, columns, generator=torch.Generator().manual_seed(seed))
    return Batch(x, torch.full((n,), -1))


def log_density_by_quadrature(module, x):
    """log of the integral of p(x|z) p(z) over a grid of z, of one latent dimension."""
    z = torch.from_numpy(GRID).float()[:, None]
    with torch.no_grad():
        log_prior = module.log_prior(z, module.components()).double().numpy()
        found = []
        for row in x:
            log_joint = module.decode(z).log_prob(row.expand(len(z), -1)).double().numpy() + log_prior
            found.append(logsumexp(log_joint) + math.log(GRID[1] - GRID[0]))
    return np.array(found)


@pytest.mark.parametrize("settings", PRIORS, ids=lambda s: s["prior"])
def test_log_likelihood_is_that_of_quadrature(settings):
    # With the posterior not too far from the prior, importance sampling has little variance.
    module, x = make(**settings, factor=1.0), batch_of().x
    torch.manual_seed(1)
    found = module.log_likelihood(x, n_samples=40_000).numpy()
    np.testing.assert_allclose(found, log_density_by_quadrature(module, x), atol=0.03)


@pytest.mark.parametrize("settings", PRIORS, ids=lambda s: s["prior"])
def test_log_prob_is_a_bound_and_the_importance_weighted_one_is_tighter(settings):
    x = batch_of(20).x
    truth = log_density_by_quadrature(make(**settings), x)
    elbo, importance = (
        make(**settings, bound=bound, n_draws=400).log_prob(x).detach().double().numpy()
        for bound in ("elbo", "importance")
    )
    assert (elbo < truth + 0.05).all()
    assert (elbo < importance + 1e-3).all()
    assert np.abs(importance - truth).mean() < np.abs(elbo - truth).mean()


@pytest.mark.parametrize("settings", PRIORS, ids=lambda s: s["prior"])
def test_log_prob_is_what_the_elbo_says_by_quadrature_over_the_posterior(settings):
    module, x = make(**settings, n_draws=4000), batch_of(4).x
    with torch.no_grad():
        mean, log_variance = module.posterior(x)
        steps = torch.linspace(-6.0, 6.0, 1201)
        q = torch.softmax(Normal(0.0, 1.0).log_prob(steps), 0)
        found = []
        for row, m, v in zip(x, mean, log_variance, strict=True):
            z = m + torch.exp(0.5 * v) * steps[:, None]
            log_q = Normal(m, torch.exp(0.5 * v)).log_prob(z)[:, 0]
            inside = (
                module.decode(z).log_prob(row.expand(len(z), -1)) + module.log_prior(z, module.components()) - log_q
            )
            found.append(float((q * inside).sum()))
        np.testing.assert_allclose(module.log_prob(x).numpy(), found, rtol=0.03, atol=0.15)


def test_log_prob_of_a_sample_does_not_depend_on_the_others_and_repeats():
    module, x = make(), batch_of(30).x
    torch.testing.assert_close(module.log_prob(x)[7:8], module.log_prob(x[7:8]), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(module.log_prob(x), module.log_prob(x), rtol=0, atol=0)


def expected_loss(module, batch, beta, divergence):
    """Mean over many draws of noise of -log p(x|z) + beta D, by the definition."""
    mean, log_variance = module.posterior(batch.x)
    q = Normal(mean, torch.exp(0.5 * log_variance))
    z = q.sample((1500,))
    rows = batch.x.repeat(len(z), 1)
    reconstruction = -module.decode(z.flatten(0, 1)).log_prob(rows).view(len(z), -1).mean(0)
    if divergence == "closed":
        d = kl_standard_normal(mean, log_variance)
    elif divergence == "cauchy-schwarz":
        d = cauchy_schwarz(mean, log_variance, module.components())
    else:
        d = (q.log_prob(z).sum(-1) - module.log_prior(z, module.components())).mean(0)
    return reconstruction, d, (reconstruction + beta * d).mean()


@pytest.mark.parametrize(
    ("settings", "divergence"),
    [
        ({}, "closed"),
        ({"prior": "mixture", "n_components": 3}, "sampled"),
        ({"prior": "vamp", "n_components": 2}, "sampled"),
        ({"divergence": "cauchy-schwarz"}, "cauchy-schwarz"),
        ({"divergence": "cauchy-schwarz", "prior": "mixture", "n_components": 3}, "cauchy-schwarz"),
    ],
)
@pytest.mark.parametrize("beta", [1.0, 0.3])
def test_loss_is_reconstruction_and_weighted_divergence(settings, divergence, beta):
    module, batch = make(beta=beta, **settings), batch_of()
    with torch.no_grad():
        torch.manual_seed(3)
        # Every row draws its own noise.
        rows = Batch(batch.x.repeat(1000, 1), batch.y.repeat(1000))
        loss = module.loss(rows, divergence_weight=0.5)
        reconstruction, d, total = expected_loss(module, batch, 0.5 * beta, divergence)
        found = {name: term.view(1000, -1).mean(0) for name, term in loss.terms.items()}
        torch.testing.assert_close(found["reconstruction"], reconstruction, rtol=0.08, atol=0.15)
        torch.testing.assert_close(found["divergence"].float(), d.float(), rtol=0.08, atol=0.15)
        torch.testing.assert_close(loss.total.float(), total.float(), rtol=0.04, atol=0.15)
        torch.testing.assert_close(loss.criterion, loss.terms["reconstruction"] + loss.terms["divergence"])


def test_importance_weighted_loss_is_the_logarithm_of_the_mean_weight():
    module, batch = make(n_importance_samples=5, prior="mixture", n_components=2, beta=0.7), batch_of()
    torch.manual_seed(4)
    loss = module.loss(batch, divergence_weight=0.5)
    torch.manual_seed(4)
    mean, log_variance = module.posterior(batch.x)
    z = mean + torch.exp(0.5 * log_variance) * torch.randn(5, *mean.shape)
    log_q = Normal(mean, torch.exp(0.5 * log_variance)).log_prob(z).sum(-1)
    log_p = torch.stack([module.decode(codes).log_prob(batch.x) for codes in z])
    ratio = module.log_prior(z, module.components()) - log_q
    expected = -(torch.logsumexp(log_p + 0.35 * ratio, 0) - math.log(5))
    torch.testing.assert_close(loss.total, expected.mean().to(loss.total.dtype))
    torch.testing.assert_close(
        loss.criterion.double(), -(torch.logsumexp(log_p + ratio, 0) - math.log(5)).double(), rtol=1e-5, atol=1e-5
    )


def test_more_importance_samples_are_a_tighter_bound():
    batch = batch_of(200)
    with torch.no_grad():
        means = [float(make(n_importance_samples=n).loss(batch).total) for n in (1, 5, 50)]
    assert means[0] > means[1] > means[2]


def test_pixels_are_drawn_anew_in_training_alone():
    torch.manual_seed(0)
    module = VAE((1, 8, 8), latent_dim=2, hidden=(8,), binarise=True)
    seen = []
    module.encoder.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    grey = torch.rand(400, 1, 8, 8)
    module.train()
    module.loss(Batch(grey, torch.full((400,), -1)))
    module.loss(Batch(grey, torch.full((400,), -1)))
    module.eval()
    module.loss(Batch(grey, torch.full((400,), -1)))
    assert set(seen[0].unique().tolist()) == {0.0, 1.0}
    assert not torch.equal(seen[0], seen[1])
    assert abs(float((seen[0] - grey).mean())) < 0.02
    assert torch.equal(seen[2], grey)


@pytest.mark.parametrize("network", ["mlp", "strided"])
@pytest.mark.parametrize(
    "likelihood", ["isotropic-gaussian", "bernoulli", "truncated-gaussian", "discretised-logistic"]
)
def test_images_by_every_likelihood_and_network(network, likelihood):
    torch.manual_seed(0)
    module = VAE((3, 20, 17), 4, likelihood, network=network, hidden=(8,), channels=(4, 6))
    x = (torch.rand(6, 3, 20, 17) * 255).round() / 255
    loss = module.loss(Batch(x, torch.full((6,), -1)))
    loss.total.backward()
    assert all(bool(p.grad.isfinite().all()) for p in module.parameters() if p.grad is not None)
    module.eval()
    with torch.no_grad():
        assert module.log_prob(x).shape == module.log_likelihood(x, 3).shape == (6,)
        assert module.reconstruct(x).shape == module.sample(6).shape == x.shape
        evidence = module.evidence(x)
    assert set(evidence) == {"embedding", *module.evidence_names}
    assert evidence["class log-density"].shape == (6, 1)


def test_width_is_a_factor_of_all_hidden_layers():
    narrow = VAE((1, 28, 28), 5, network="strided", width=0.25)
    assert [m.out_channels for m in narrow.encoder.trunk if hasattr(m, "out_channels")] == [16, 32, 64]
    assert narrow.encoder.head.out_features == 10
    wide = VAE((7,), 2, "gaussian", hidden=(10, 20), width=2.0)
    assert [m.out_features for m in wide.encoder[1] if hasattr(m, "out_features")] == [20, 40, 4]
    assert [m.out_features for m in wide.decoder[0] if hasattr(m, "out_features")] == [40, 20, 7]


def test_fixed_variance_stays_and_a_learned_one_moves():
    batch = batch_of(64)
    for variance, moves in ((0.3, False), ("learned", True)):
        torch.manual_seed(0)
        module = VAE((3,), 2, "isotropic-gaussian", decoder_variance=variance, hidden=(8,)).train()
        assert isinstance(module.likelihood, IsotropicGaussianLikelihood)
        before = module.likelihood.decoder_variance.item()
        optimizer = torch.optim.Adam(module.parameters(), 0.05)
        for _ in range(20):
            optimizer.zero_grad()
            module.loss(batch).total.backward()
            optimizer.step()
        assert (abs(module.likelihood.decoder_variance.item() - before) > 0.01) == moves


def test_responsibilities_are_those_of_bayes():
    module, x = make(prior="mixture", n_components=4), batch_of(6).x
    with torch.no_grad():
        z, components = module.embed(x), module.components()
        std = torch.exp(0.5 * components.log_variances).expand_as(components.means)
        joint = components.log_weights + Normal(components.means, std).log_prob(z[:, None]).sum(-1)
        torch.testing.assert_close(
            module.responsibilities(x).float(), torch.softmax(joint, 1).float(), rtol=1e-4, atol=1e-5
        )


def test_samples_have_the_moments_of_the_model():
    module = make(prior="mixture", n_components=3)
    with torch.no_grad():
        torch.manual_seed(0)
        drawn = module.sample(20_000)
        z = torch.from_numpy(GRID).float()[:, None]
        weights = torch.softmax(module.log_prior(z, module.components()), 0)
        mean = (weights[:, None] * module.decode(z).mean).sum(0)
    torch.testing.assert_close(drawn.mean(0), mean.float(), atol=0.05, rtol=0.05)


def test_evidence_is_what_its_names_say():
    module, x = make(latent_dim=2, prior="mixture", n_components=2), batch_of().x
    with torch.no_grad():
        found = module.evidence(x)
        mean, log_variance = module.posterior(x)
        torch.testing.assert_close(found["embedding"], mean)
        torch.testing.assert_close(found["log-density"], module.log_prob(x))
        own = Normal(mean, torch.exp(0.5 * log_variance)).log_prob(mean).sum(-1)
        torch.testing.assert_close(found["posterior log-density"], own)
        torch.testing.assert_close(
            found["class log-density"][:, 0], module.log_prior(mean, module.components()).double()
        )
        assert set(module.evidence(x, {"deviance"})) == {"embedding", "deviance"}


def test_errors_of_images_are_those_of_the_open_set_gmvae():
    torch.manual_seed(0)
    ours = VAE((1, 16, 16), 3, hidden=(8,))
    theirs = OpenGMVAE((1, 16, 16), 2, latent_dim=3, blocks=(), hidden=(8,))
    theirs.encoder, theirs.decoder = ours.encoder, ours.decoder
    x = torch.rand(4, 1, 16, 16)
    names = {"relative error", "smooth error", "deviance"}
    for name, value in theirs.evidence(x, names).items():
        torch.testing.assert_close(ours.evidence(x, names)[name], value)


def test_module_is_what_the_protocols_ask_for():
    module = make()
    for protocol in (DensityModule, EvidenceModule, GenerativeModule, ReconstructingModule):
        assert isinstance(module, protocol)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prior": "flow"}, "prior='flow' is not known"),
        ({"divergence": "js"}, "divergence='js' is not known"),
        ({"network": "resnet"}, "network='resnet' is not known"),
        ({"bound": "eubo"}, "bound='eubo' is not known"),
        ({"n_importance_samples": 0}, "n_importance_samples=0 does not work"),
        ({"latent_dim": 0}, "latent_dim=0 does not work"),
        ({"n_draws": 0}, "n_draws=0 does not work"),
        ({"beta": -1.0}, r"beta=-1\.0 does not work"),
        ({"n_importance_samples": 2, "divergence": "cauchy-schwarz"}, "does not go with divergence='cauchy-schwarz'"),
        ({"network": "strided"}, "network='strided' is for images"),
        ({"width": 0.0}, r"width=0\.0 does not work"),
        ({"width": -1.0}, r"width=-1\.0 does not work"),
        ({"hidden": (8, 0)}, "the least of hidden=0 does not work"),
        ({"likelihood": "poisson"}, "likelihood='poisson' is not known"),
    ],
)
def test_settings_that_do_not_work_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        VAE(**{"input_shape": (3,), **ROWS, **settings})


def test_fixed_draws_have_mean_0_and_variance_1_in_each_dimension():
    noise = VAE((3,), 5, n_draws=4, **ROWS).noise
    torch.testing.assert_close(noise.mean(0), torch.zeros(5))
    torch.testing.assert_close(noise.square().mean(0), torch.ones(5))
    assert VAE((3,), 5, n_draws=3, **ROWS).noise.shape == (3, 5)
