"""The open-set GMVAE against the paper's equations, term by term and by quadrature."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.distributions import Independent, Normal

from knownot.modules import Batch, OpenGMVAE


def small(n_subclusters=(2, 1, 3), **settings):
    torch.manual_seed(0)
    module = OpenGMVAE(
        (4,),
        3,
        n_subclusters,
        latent_dim=2,
        style_dim=2,
        likelihood="gaussian",
        hidden=(8,),
        prior_hidden=(6,),
        **settings,
    )
    # The prior network's own initialisation is nearly constant in w; make w matter.
    for parameter in module.prior.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return module.double()


def batch(n=6):
    generator = torch.Generator().manual_seed(3)
    return Batch(torch.randn(n, 4, generator=generator).double(), torch.arange(n) % 3)


def by_hand(module, data, seed):
    """Every term of section 3.1 written out sample by sample, with the module's own noise."""
    torch.manual_seed(seed)
    mean, log_variance = module.posterior(data.x)
    q_z = Independent(Normal(mean, (0.5 * log_variance).exp()), 1)
    z = q_z.rsample()
    w_mean, w_log_variance = module.style_encoder(data.x, data.y)
    w = Independent(Normal(w_mean, (0.5 * w_log_variance).exp()), 1).rsample()
    starts = {0: 0, 1: 2, 2: 3}
    counts = {0: 2, 1: 1, 2: 3}
    rows = []
    for i, y in enumerate(data.y.tolist()):
        means, log_variances = module.components(w[i])
        own = range(starts[y], starts[y] + counts[y])
        p_v = torch.stack(
            [Independent(Normal(means[k], (0.5 * log_variances[k]).exp()), 1).log_prob(z[i]).exp() for k in own]
        )
        r = p_v / p_v.sum()  # equation 1 with uniform p(v|y)
        covering = q_z.log_prob(z)[i] - (r * p_v.log()).sum()
        v_prior = (r * (r * counts[y]).log()).sum()
        w_prior = 0.5 * (w_mean[i] ** 2 + w_log_variance[i].exp() - 1 - w_log_variance[i]).sum()
        std = (0.5 * module.likelihood.log_variance).exp()
        reconstruction = -Normal(module.decoder(z[i]), std).log_prob(data.x[i]).sum()
        rows.append([float(t.detach()) for t in (reconstruction, covering, w_prior, v_prior)])
    return np.array(rows)


@pytest.mark.parametrize("v_prior", [False, True])
def test_open_gmvae_loss_is_the_papers_objective(v_prior):
    module, data = small(v_prior=v_prior), batch()
    torch.manual_seed(11)
    loss = module.loss(data)
    expected = by_hand(module, data, 11)
    names = ["reconstruction", "latent covering", "w-prior", "v-prior"]
    np.testing.assert_allclose(np.stack([loss.terms[n].numpy() for n in names], 1), expected, rtol=1e-6, atol=1e-7)
    total = expected[:, :3].sum(1) + (expected[:, 3] if v_prior else 0.0)
    assert float(loss.total.detach()) == pytest.approx(total.mean(), rel=1e-6)


def test_open_gmvae_objectives_agree_with_one_subcluster_each():
    data = batch()
    losses = []
    for v_prior in (False, True):
        module = small(1, v_prior=v_prior)
        torch.manual_seed(5)
        losses.append(float(module.loss(data).total.detach()))
    assert losses[0] == pytest.approx(losses[1])


def test_open_gmvae_full_objective_is_a_lower_bound_on_the_evidence():
    """-loss <= log p(x|y), the evidence by quadrature over a one-dimensional z and w."""
    torch.manual_seed(1)
    module = OpenGMVAE(
        (2,), 2, (1, 3), latent_dim=1, style_dim=1, likelihood="gaussian", hidden=(5,), prior_hidden=(4,), v_prior=True
    ).double()
    for parameter in module.prior.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    x, y = torch.tensor([[0.3, -0.8], [1.0, 0.4]]).double(), torch.tensor([0, 1])
    grid_w = torch.linspace(-6, 6, 241).double()
    grid_z = torch.linspace(-15, 15, 1501).double()
    with torch.no_grad():
        means, log_variances = module.components(grid_w[:, None])
        density = Normal(means[None, ..., 0], (0.5 * log_variances[None, ..., 0]).exp()).log_prob(grid_z[:, None, None])
        mixture = module.log_class_mixture(density)  # z, w, class
        weight = Normal(0.0, 1.0).log_prob(grid_w) + math.log(12 / 240)
        log_p_z = torch.logsumexp(mixture + weight[:, None], 1)  # z, class
        evidence = []
        for i in range(2):
            log_p_x = module.decode(grid_z[:, None]).log_prob(x[i])
            evidence.append(float(torch.logsumexp(log_p_x + log_p_z[:, y[i]] + math.log(30 / 1500), 0)))
        for i in range(2):
            repeated = Batch(x[i].expand(20000, -1), y[i].expand(20000))
            terms = module.loss(repeated).terms
            bound = -sum(terms[name] for name in ("reconstruction", "latent covering", "w-prior", "v-prior"))
            error = float(bound.std()) / math.sqrt(len(bound))
            assert float(bound.mean()) < evidence[i] + 4 * error


def test_open_gmvae_masked_components_leave_no_nan():
    module, data = small(), batch()
    module.loss(data).total.backward()
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    assert all(torch.isfinite(g).all() for g in gradients)


def test_log_class_mixture_ignores_padding():
    module = small()
    log_p = torch.randn(5, 6).double()
    found = module.log_class_mixture(log_p)
    for c, own in enumerate([slice(0, 2), slice(2, 3), slice(3, 6)]):
        expected = torch.logsumexp(log_p[:, own], 1) - math.log(own.stop - own.start)
        torch.testing.assert_close(found[:, c], expected)


def test_open_gmvae_class_term_takes_w_from_its_prior():
    """It must not depend on the style encoder, which has seen the label."""
    module, data = small(classifier_weight=3.0), batch()
    torch.manual_seed(2)
    before = module.loss(data).terms["class"]
    for parameter in module.style_encoder.parameters():
        torch.nn.init.normal_(parameter, std=3.0)
    torch.manual_seed(2)
    torch.testing.assert_close(module.loss(data).terms["class"], before)
    with torch.no_grad():
        module.prior[-1].bias.add_(torch.randn(module.prior[-1].bias.shape))
    torch.manual_seed(2)
    assert not torch.allclose(module.loss(data).terms["class"], before)


def test_class_log_density_averages_over_the_draws_of_w():
    module = small()
    z = torch.randn(7, 2).double()
    means, log_variances = module.components(module.style_draws)
    densities = Independent(Normal(means, (0.5 * log_variances).exp()), 1).log_prob(z[:, None, None])
    expected = module.log_class_mixture(densities).exp().mean(1).log()
    torch.testing.assert_close(module.class_log_density(z), expected, rtol=1e-6, atol=1e-7)


def test_open_gmvae_component_means_start_apart():
    torch.manual_seed(0)
    module = OpenGMVAE((4,), 2, 3, latent_dim=10, likelihood="gaussian")
    means, _ = module.components(torch.zeros(1, 10))
    assert torch.pdist(means[0]).min() > 1.0
    together = OpenGMVAE((4,), 2, 3, latent_dim=10, likelihood="gaussian", prior_spread=0.0)
    assert torch.pdist(together.components(torch.zeros(1, 10))[0][0]).max() < 1.0


def test_open_gmvae_evidence_equals_its_definitions():
    torch.manual_seed(0)
    module = OpenGMVAE((1, 16, 16), 2, blocks=((1, 4),), hidden=(8,), latent_dim=3)
    x = torch.rand(5, 1, 16, 16)
    found = module.evidence(x)
    assert set(found) == {"embedding", *module.evidence_names}
    mean, log_variance = module.posterior(x)
    q = Independent(Normal(mean, (0.5 * log_variance).exp()), 1)
    torch.testing.assert_close(found["posterior log-density"], q.log_prob(mean))
    error = (module.reconstruct(x) - x).square().flatten(1).sum(1) / x.square().flatten(1).sum(1)
    torch.testing.assert_close(found["relative error"], error)
    box = torch.full((1, 1, 3, 3), 1 / 9)
    smooth = F.conv2d(module.reconstruct(x) - x, box, padding=1).square().flatten(1).sum(1)
    torch.testing.assert_close(found["smooth error"], smooth / x.square().flatten(1).sum(1))
    blank = module.evidence(torch.zeros(1, 1, 16, 16))
    assert all(torch.isfinite(value).all() for value in blank.values())
    assert set(module.evidence(x, ["deviance"])) == {"embedding", "deviance"}


def test_open_gmvae_samples_come_from_the_right_class():
    torch.manual_seed(0)
    module = OpenGMVAE((2,), 2, 1, latent_dim=2, likelihood="gaussian", hidden=(4,), prior_hidden=())
    # p(z|y) far apart, and a decoder that returns z.
    with torch.no_grad():
        module.prior[-1].weight.zero_()
        module.prior[-1].bias.copy_(torch.tensor([[[-9.0, 0.0], [-4, -4]], [[9.0, 0.0], [-4, -4]]]).flatten())
    module.decoder = torch.nn.Identity()
    x = module.sample(torch.tensor([0, 1, 1, 0]))
    assert (x[:, 0] > 0).tolist() == [False, True, True, False]


def test_open_gmvae_refuses_wrong_numbers_of_subclusters():
    with pytest.raises(ValueError, match=r"does not fit 3 classes: give one positive number, or one for each class"):
        OpenGMVAE((4,), 3, (1, 2), likelihood="gaussian")


def test_open_gmvae_training_separates_two_classes():
    """A lower bound that a model without a working class term or reconstruction cannot reach."""
    torch.manual_seed(0)
    centres = torch.tensor([[4.0, 0, 0, 0], [-4.0, 0, 0, 0]])
    y = torch.arange(400) % 2
    x = centres[y] + torch.randn(400, 4)
    module = OpenGMVAE((4,), 2, latent_dim=2, likelihood="gaussian", hidden=(16,), classifier_weight=5.0)
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-2)
    first = module.loss(Batch(x, y))
    for _ in range(150):
        loss = module.loss(Batch(x, y))
        optimiser.zero_grad()
        loss.total.backward()
        optimiser.step()
    assert float(loss.terms["reconstruction"].mean()) < float(first.terms["reconstruction"].mean()) - 1.0
    predicted = module.class_log_density(module.embed(x)).argmax(1)
    assert float((predicted == y).float().mean()) > 0.99
    assert F.mse_loss(module.reconstruct(x), x) < 3.0
