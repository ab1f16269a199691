"""CROSR: loss and embedding against hand computations."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from knownot.modules import Batch
from knownot.modules.crosr import CROSR


def small(shape=(1, 9, 8), **settings):
    return CROSR(shape, 3, ((1, 4), (1, 6)), (8,), bottleneck_dim=5, **settings)


def images(n=6):
    return Batch(torch.rand(n, 1, 9, 8), torch.arange(n) % 3)


@pytest.mark.parametrize("weight", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("shape", [(1, 9, 8), (7,)])
def test_crosr_loss_is_cross_entropy_and_weighted_squared_error(shape, weight):
    module = small(shape, reconstruction_weight=weight).double()
    x, y = torch.rand(6, *shape).double(), torch.arange(6) % 3
    loss = module.loss(Batch(x, y))
    logits, _, made = (part if isinstance(part, list) else part.detach().numpy() for part in module.network(x))
    cross_entropy = -log_softmax(logits, 1)[np.arange(6), y.numpy()]
    squared = ((made - x.numpy()).reshape(6, -1) ** 2).mean(1)
    np.testing.assert_allclose(loss.terms["class"].numpy(), cross_entropy)
    np.testing.assert_allclose(loss.terms["reconstruction"].numpy(), squared)
    assert float(loss.total.detach()) == pytest.approx((cross_entropy + weight * squared).mean())
    assert not any(term.requires_grad for term in loss.terms.values())


def test_crosr_embedding_is_logits_then_the_means_of_the_codes():
    module, x = small(), images().x
    logits, codes, _ = module.network(x)
    z = module.embed(x)
    assert z.shape == (6, module.latent_dim) == (6, 3 + 2 * 5)
    torch.testing.assert_close(z[:, : module.n_classes], logits)
    torch.testing.assert_close(z[:, 3:8], codes[0].mean((2, 3)))
    torch.testing.assert_close(z[:, 8:], codes[1].mean((2, 3)))


def test_crosr_embedding_of_a_table_is_logits_then_the_codes():
    module, x = small((7,)), torch.randn(4, 7)
    logits, codes, _ = module.network(x)
    torch.testing.assert_close(module.embed(x), torch.cat([logits, *codes], 1))


def test_crosr_evidence_equals_its_definitions():
    module, x = small(), images().x
    found = module.evidence(x)
    assert set(found) == {"embedding", *module.evidence_names}
    torch.testing.assert_close(found["embedding"], module.embed(x))
    torch.testing.assert_close(found["logits"], module.network(x)[0])
    error = (module.reconstruct(x) - x).square().flatten(1).sum(1) / x.square().flatten(1).sum(1)
    torch.testing.assert_close(found["relative error"], error)
    assert set(module.evidence(x, ())) == {"embedding"}
    assert set(module.evidence(x, ["logits", "deviance"])) == {"embedding", "logits"}
    blank = module.evidence(torch.zeros(1, 1, 9, 8))
    assert all(torch.isfinite(value).all() for value in blank.values())
    assert small((7,)).evidence_names == ("logits",)


def test_crosr_reconstruct_bounds_images_and_not_tables():
    x = 5.0 * torch.randn(64, 1, 9, 8)
    image, table = small(), small((7,))
    with torch.no_grad():
        raw, made = image.network(x)[2], image.reconstruct(x)
        row = table.reconstruct(torch.randn(64, 7))
    torch.testing.assert_close(made, raw.clip(0.0, 1.0))
    assert not torch.equal(made, raw)
    assert float(row.min()) < 0.0


def test_crosr_loss_and_evidence_are_float32_under_autocast():
    module, batch = small(), images()
    with torch.autocast("cpu", torch.bfloat16):
        loss = module.loss(batch)
        found = module.evidence(batch.x)
    assert {t.dtype for t in (loss.total, *loss.terms.values(), *found.values())} == {torch.float32}


def test_crosr_refuses_impossible_weights():
    for weight in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"reconstruction_weight=.* give a finite number of at least 0"):
            small(reconstruction_weight=weight)


def test_crosr_training_lowers_both_terms():
    """A lower bound that a network without one of the two branches cannot reach."""
    y = torch.arange(120) % 3
    x = 0.1 * torch.rand(120, 1, 9, 8)
    for c in range(3):
        x[y == c, :, 3 * c : 3 * c + 3] += 0.8
    module, batch = CROSR((1, 9, 8), 3, ((1, 8), (1, 8)), (8,), bottleneck_dim=5), Batch(x, y)
    first = module.loss(batch).terms
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-2)
    for _ in range(100):
        loss = module.loss(batch)
        optimiser.zero_grad()
        loss.total.backward()
        optimiser.step()
    assert float(loss.terms["class"].mean()) < 0.05
    assert float(loss.terms["reconstruction"].mean()) < 0.25 * float(x.var(0).mean())
    assert float(first["class"].mean()) > 0.5
