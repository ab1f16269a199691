"""Two hundred random settings of the family: nothing becomes infinite, whatever goes together."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from knownot.data import Batch
from knownot.modules import VAE

N_SETTINGS, N_PARTS = 200, 8


def drawn_settings(random):
    """Settings that go together, over their whole range."""
    divergence = random.choice(["kl", "cauchy-schwarz"])
    likelihood = random.choice(["isotropic-gaussian", "gaussian", "bernoulli", "truncated-gaussian"])
    image = likelihood in ("bernoulli", "truncated-gaussian") or random.random() < 0.3
    settings = {
        "input_shape": (int(random.choice([1, 3])), 4, 4) if image else (int(random.integers(1, 9)),),
        "latent_dim": int(random.choice([1, 2, 10, 64])),
        "likelihood": str(likelihood),
        "prior": str(random.choice(["normal", "mixture", "vamp"])),
        "n_components": int(random.choice([1, 2, 30])),
        "covariance": str(random.choice(["shared", "diagonal"])),
        "divergence": str(divergence),
        "n_importance_samples": int(random.choice([1, 1, 3])) if divergence == "kl" else 1,
        "beta": float(10.0 ** random.uniform(-3, 3)) * float(random.random() > 0.05),
        "hidden": (int(random.choice([1, 4, 32])),),
        "bound": str(random.choice(["elbo", "importance"])),
    }
    if likelihood == "isotropic-gaussian":
        fixed = float(10.0 ** random.uniform(-8, 4))
        settings["decoder_variance"] = ["learned", "batch", fixed][random.integers(3)]
    if image and likelihood == "gaussian":
        settings["likelihood"] = "isotropic-gaussian"
    return settings


def drawn_samples(random, shape, likelihood):
    """Samples such as the estimator hands over: in [0, 1], or scaled, which outliers are not."""
    x = torch.from_numpy(random.random((6, *shape))).float()
    if len(shape) == 3:
        constant = random.random()
        return torch.zeros_like(x) if constant < 0.1 else torch.ones_like(x) if constant < 0.2 else x
    return (x - 0.5) * float(10.0 ** random.uniform(-6, 4))


@pytest.mark.parametrize("part", range(N_PARTS))
def test_no_setting_makes_anything_infinite(part):
    random = np.random.default_rng([11, part])
    for _ in range(N_SETTINGS // N_PARTS):
        settings = drawn_settings(random)
        x = drawn_samples(random, settings["input_shape"], settings["likelihood"])
        batch = Batch(x, torch.full((len(x),), -1))
        torch.manual_seed(int(random.integers(2**31)))
        module = VAE(**settings)
        module.start_from(x, 0)
        optimizer = torch.optim.Adam(module.parameters(), 10.0 ** random.uniform(-4, -1))
        for step in range(3):
            loss = module.loss(batch, step / 2)
            assert math.isfinite(loss.total.item()), settings
            optimizer.zero_grad()
            loss.total.backward()
            norm = torch.nn.utils.clip_grad_norm_(module.parameters(), 100.0)
            assert math.isfinite(norm.item()), settings
            optimizer.step()
        module.eval()
        with torch.no_grad():
            said = [module.log_prob(x), module.log_likelihood(x, 3), module.embed(x), module.reconstruct(x)]
            said += [*module.evidence(x).values(), module.sample(3)]
        assert all(bool(part.isfinite().all()) for part in said), settings
