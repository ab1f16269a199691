"""Propositions 1 and 2 of the open-set GMVAE paper, as numbers: the best loss against K."""

from __future__ import annotations

import copy
import itertools
import math

import pytest
import torch
from torch import nn

from knownot.modules import Batch, OpenGMVAE

TERMS = ("reconstruction", "latent covering", "w-prior", "v-prior")


def zero(network):
    """Weights and biases of every layer at 0, so that the last bias alone says what comes out (Lemma 1)."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
    return network[-1].bias


def single_class(k, *, seed=0, v_prior=True, n_features=4, latent_dim=2, likelihood="bernoulli"):
    torch.manual_seed(seed)
    return OpenGMVAE(
        (n_features,),
        1,
        k,
        latent_dim=latent_dim,
        likelihood=likelihood,
        hidden=(8,),
        prior_hidden=(6,),
        v_prior=v_prior,
    ).double()


def scrambled(k, seed, **settings):
    """A module in which every network depends on its input."""
    module = single_class(k, seed=seed, **settings)
    for network in (module.prior, module.encoder, module.style_encoder.head, module.decoder):
        for parameter in network.parameters():
            nn.init.normal_(parameter, std=0.5)
    return module


def at_optimum(k, mu_x, mu_z, log_variance_z):
    """The solution of equation (1) of the supplement."""
    module = single_class(k, n_features=len(mu_x), latent_dim=len(mu_z))
    with torch.no_grad():
        zero(module.encoder).copy_(torch.cat([mu_z, log_variance_z]))
        zero(module.style_encoder.head)  # mean 0, log-variance 0
        zero(module.prior).copy_(torch.cat([mu_z, log_variance_z]).repeat(k))
        zero(module.decoder).copy_(torch.logit(mu_x))
    return module


def all_bits(n, dtype=torch.float64):
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=n)), dtype=dtype)


def full_loss(terms):
    return sum(terms[name] for name in TERMS)


def labels(x):
    return torch.zeros(len(x), dtype=torch.int64)


# Proposition 1


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_proposition_1_solution_has_the_entropy_of_the_data_as_loss(k):
    mu_x = torch.tensor([0.2, 0.5, 0.85, 0.97]).double()
    module = at_optimum(k, mu_x, torch.tensor([0.7, -1.3]).double(), torch.tensor([0.4, -0.9]).double())
    bits = all_bits(4)
    probability = (mu_x**bits * (1 - mu_x) ** (1 - bits)).prod(1)
    entropy = -float((probability * probability.log()).sum())
    for _ in range(3):  # whatever the noise: the loss of each x is -log p_data(x), not on average only
        loss = full_loss(module.loss(Batch(bits, labels(bits))).terms)
        torch.testing.assert_close(loss, -probability.log(), rtol=1e-6, atol=1e-6)  # log K is kept in float32
        assert float((probability * loss).sum()) == pytest.approx(entropy, rel=1e-6)


@pytest.mark.parametrize("k", [1, 3])
def test_proposition_1_solution_is_not_improved_by_training(k):
    """E[loss] = H(p_data) + KL(...) >= H(p_data): exactly in x, by Monte Carlo over z and w."""
    mu_x = torch.tensor([0.2, 0.5, 0.85]).double()
    module = at_optimum(k, mu_x, torch.zeros(2).double(), torch.zeros(2).double())
    bits = all_bits(3)
    probability = (mu_x**bits * (1 - mu_x) ** (1 - bits)).prod(1)
    entropy = -float((probability * probability.log()).sum())
    # Off the optimum first, so that there is something to learn.
    for parameter in module.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    every = bits.repeat_interleave(200, 0)
    weight = probability.repeat_interleave(200) / 200

    def estimate():
        with torch.no_grad():
            loss = full_loss(module.loss(Batch(every, labels(every))).terms)
        mean = loss.view(8, 200).mean(1)
        variance = (probability.square() * loss.view(8, 200).var(1) / 200).sum()
        return float((probability * mean).sum()), float(variance.sqrt())

    first, _ = estimate()
    optimiser = torch.optim.Adam(module.parameters(), 0.02)
    reached = []
    for step in range(200):
        rows = every[torch.multinomial(weight, 128, replacement=True)]
        optimiser.zero_grad()
        module.loss(Batch(rows, labels(rows))).total.backward()
        optimiser.step()
        if step % 50 == 49:
            mean, error = estimate()
            assert mean > entropy - 4 * error - 1e-6
            reached.append(mean)
    assert first > entropy + 0.1
    assert min(reached) < entropy + 0.03


# Proposition 2


def with_one_more(module, k, log_variance):
    """The construction of the proof: K components as they were, one more that is flat (Lemma 2)."""
    wider = single_class(k + 1, v_prior=module.v_prior)
    d = module.latent_dim
    state = copy.deepcopy(module.state_dict())
    last = max(int(name.split(".")[1]) for name in state if name.startswith("prior."))
    weight, bias = state[f"prior.{last}.weight"], state[f"prior.{last}.bias"]
    flat = torch.cat([torch.zeros(d), torch.full((d,), log_variance)]).double()
    state[f"prior.{last}.weight"] = torch.cat([weight, torch.zeros_like(weight[: 2 * d])])
    state[f"prior.{last}.bias"] = torch.cat([bias, flat])
    wider.load_state_dict(state)
    return wider


def mean_loss(module, x, seed=5):
    torch.manual_seed(seed)  # the same noise for both: z and w do not depend on K
    with torch.no_grad():
        return float(module.loss(Batch(x, labels(x))).total)


def trained(k, x, seed, steps=150):
    module = scrambled(k, seed)
    optimiser = torch.optim.Adam(module.parameters(), 0.02)
    for _ in range(steps):
        optimiser.zero_grad()
        module.loss(Batch(x, labels(x))).total.backward()
        optimiser.step()
    return module


def clustered_bits(n=200):
    generator = torch.Generator().manual_seed(0)
    rate = torch.tensor([[0.05, 0.1, 0.9, 0.9], [0.9, 0.95, 0.1, 0.05]]).double()
    return torch.bernoulli(rate[torch.arange(n) % 2], generator=generator)


@pytest.mark.parametrize("make", ["random", "trained"])
@pytest.mark.parametrize("k", [1, 2, 4])
def test_proposition_2_bounds_the_cost_of_one_more_component(k, make):
    x = clustered_bits()
    module = scrambled(k, seed=k) if make == "random" else trained(k, x, seed=k)
    before = mean_loss(module, x)
    limit = math.log((k + 1) / k)
    rises = []
    for raw in (5.0, 15.0, 60.0):  # log-variances of about 5, 13 and 20: delta falls to 1e-9 and less
        after = mean_loss(with_one_more(module, k, raw), x)
        rises.append(after - before)
    # logsumexp grows when a component is added, so the bound holds at every delta, and is met as
    # delta -> 0 wherever the K components cover all of q(z|x), which those of a random module do not.
    assert all(rise <= limit + 1e-6 for rise in rises)
    assert rises == sorted(rises), rises
    if make == "trained":
        assert rises[-1] == pytest.approx(limit, abs=1e-4)


# Section 3.2 against section 3.1


@pytest.mark.parametrize("k", [1, 2, 3, 7])
def test_section_3_2_gains_log_k_less_the_entropy_of_the_posterior(k):
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(2)).double()
    full, paper = (scrambled(k, seed=3, v_prior=v, likelihood="gaussian") for v in (True, False))
    totals = []
    for module in (full, paper):
        torch.manual_seed(9)
        totals.append(float(module.loss(Batch(x, labels(x))).total.detach()))
    # H(r) by hand, with the noise the loss drew: first z, then w.
    torch.manual_seed(9)
    with torch.no_grad():
        mean, log_variance = full.posterior(x)
        z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        w_mean, w_log_variance = full.style_encoder(x, labels(x))
        w = w_mean + (0.5 * w_log_variance).exp() * torch.randn_like(w_mean)
        means, log_variances = full.components(w)
        log_p = (-0.5 * ((z[:, None] - means).square() / log_variances.exp() + log_variances)).sum(-1)
        r = log_p.softmax(-1)
        entropy = torch.special.entr(r).sum(-1).mean()
    assert totals[0] - totals[1] == pytest.approx(math.log(k) - float(entropy), abs=1e-6)
    assert 0.0 <= totals[0] - totals[1] <= math.log(k) + 1e-6


@pytest.mark.parametrize("k", [1, 2, 3])
def test_section_3_2_gains_the_log_by_splitting_true_clusters(k):
    """Every one of k clusters, far apart, torn in proportion: the objective falls by log((k+1)/k), the bound stays.

    With one cluster on a line in z, k + 1 equal intervals against k: each is a Gaussian scaled to its
    interval, so that neither what is covered nor what is paid for it changes but by the width.
    """
    x = torch.linspace(-1, 1, 601).double()[:, None].repeat(1, 4)
    losses = {}
    for n in (k, k + 1):
        module = single_class(n, latent_dim=1, n_features=4, likelihood="gaussian", v_prior=False)
        index = ((torch.arange(601) * n) // 601).double()
        place = (torch.arange(601) * n % 601).double() / 601 - 0.5
        # z = 100 * interval + place / n: intervals torn apart, 1/n as wide as the whole; q(z|x) very narrow.
        z_of_x = 100.0 * index + place / n

        class Table(nn.Module):
            def __init__(self, codes):
                super().__init__()
                self.codes = codes

            def forward(self, x):
                return torch.stack([self.codes, torch.full_like(self.codes, -12.0)], 1)

        module.encoder = Table(z_of_x)
        zero(module.style_encoder.head)
        zero(module.decoder)
        variance = 1 / 12 / n**2
        raw = 20 * math.atanh(math.log(variance) / 20)  # undoes the soft bound
        with torch.no_grad():
            zero(module.prior).copy_(torch.tensor([[100.0 * j, raw] for j in range(n)]).double().flatten())
        torch.manual_seed(0)
        terms = module.loss(Batch(x, labels(x))).terms
        paper = float((terms["latent covering"] + terms["w-prior"]).mean())
        losses[n] = paper, paper + float(terms["v-prior"].mean())
    assert losses[k][0] - losses[k + 1][0] == pytest.approx(math.log((k + 1) / k), abs=0.02)
    assert losses[k][1] == pytest.approx(losses[k + 1][1], abs=0.02)
