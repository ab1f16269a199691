"""Contrastive losses against double loops, numerical gradients and a single process."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from knownot.modules.contrastive_losses import (
    gather_with_gradients,
    mixed_loss,
    moco_loss,
    simclr_loss,
    supcon_loss,
    unit_vectors,
)


def vectors(n, d=4, seed=0, dtype=torch.float64):
    return unit_vectors(torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype))


def supcon_by_loops(z, y, t):
    """Corrected equation 2 of the paper, sum by sum; None for an anchor without a positive."""
    z, y = z.tolist(), y.tolist()
    losses = []
    for i in range(len(z)):
        others = [k for k in range(len(z)) if k != i]
        exps = {k: math.exp(math.fsum(a * b for a, b in zip(z[i], z[k], strict=True)) / t) for k in others}
        positives = [p for p in others if y[p] == y[i] and y[i] >= 0]
        terms = [-math.log(exps[p] / math.fsum(exps.values())) for p in positives]
        losses.append(math.fsum(terms) / len(terms) if terms else None)
    return losses


def simclr_by_loops(z1, z2, t):
    z, n = [*z1.tolist(), *z2.tolist()], len(z1)
    losses = []
    for i in range(2 * n):
        exps = [math.exp(math.fsum(a * b for a, b in zip(z[i], z[k], strict=True)) / t) for k in range(2 * n)]
        j = i + n if i < n else i - n
        losses.append(-math.log(exps[j] / (math.fsum(exps) - exps[i])))
    return losses


def moco_by_loops(q, k, queue, t):
    def product(a, b):
        return math.exp(math.fsum(x * y for x, y in zip(a, b, strict=True)) / t)

    losses = []
    for a, b in zip(q.tolist(), k.tolist(), strict=True):
        positive = product(a, b)
        losses.append(-math.log(positive / (positive + math.fsum(product(a, n) for n in queue.tolist()))))
    return losses


def assert_supcon(z, y, t):
    found, expected = supcon_loss(z, y, t), supcon_by_loops(z, y, t)
    assert found.valid.tolist() == [value is not None for value in expected]
    torch.testing.assert_close(found.values.tolist(), [value or 0.0 for value in expected], rtol=1e-9, atol=1e-9)
    present = [value for value in expected if value is not None]
    assert float(found.mean()) == pytest.approx(sum(present) / len(present) if present else 0.0)


@pytest.mark.parametrize("t", [0.07, 0.5, 2.0])
def test_losses_are_their_definitions(t):
    z1, z2 = vectors(7), vectors(7, seed=1)
    y = torch.tensor([0, 1, 0, 2, 1, 0, -1])
    assert_supcon(torch.cat([z1, z2]), torch.cat([y, y]), t)
    torch.testing.assert_close(simclr_loss(z1, z2, t).tolist(), simclr_by_loops(z1, z2, t))
    torch.testing.assert_close(mixed_loss(z2, z1, t).tolist(), simclr_by_loops(z2, z1, t))
    queue = vectors(11, seed=2)
    torch.testing.assert_close(moco_loss(z1, z2, queue, t).tolist(), moco_by_loops(z1, z2, queue, t))
    torch.testing.assert_close(moco_loss(z1, z2, queue, t, filled=4).tolist(), moco_by_loops(z1, z2, queue[:4], t))


@given(st.lists(st.integers(-1, 3), min_size=1, max_size=9), st.integers(0, 99))
def test_supcon_with_any_labels(labels, seed):
    assert_supcon(vectors(len(labels), seed=seed), torch.tensor(labels), 0.1)


@pytest.mark.parametrize(
    "labels",
    [[0, 0, 0, 0], [0, 1, 2, 3], [-1, -1, -1, -1], [0, 0, 1, -1], [5, 900, 5, 900]],
    ids=["one class", "nothing in common", "unlabelled", "single and unlabelled", "large indices"],
)
def test_supcon_at_its_edges_is_finite_and_has_a_gradient(labels):
    z = vectors(4, dtype=torch.float32).requires_grad_()
    loss = supcon_loss(z, torch.tensor(labels), 0.05)
    assert_supcon(z.detach().double(), torch.tensor(labels), 0.05)
    loss.mean().backward()
    assert z.grad.isfinite().all()
    assert bool(loss.values.ge(0).all())
    assert bool(z.grad.any()) == bool(loss.valid.any())


def test_one_sample_alone():
    z = vectors(1).requires_grad_()
    losses = [supcon_loss(z, torch.tensor([0]), 0.1).mean(), simclr_loss(z, z, 0.1).mean()]
    losses.append(moco_loss(z, vectors(1, seed=1), z.new_zeros(0, 4), 0.1).mean())
    sum(losses).backward()
    assert [loss.item() for loss in losses] == [0.0, 0.0, 0.0]
    assert z.grad.abs().max() == 0.0


def test_supcon_of_one_class_for_each_sample_is_simclr():
    """Two views of each sample and no other of its class: the same loss."""
    z1, z2 = vectors(6), vectors(6, seed=1)
    y = torch.arange(6).repeat(2)
    torch.testing.assert_close(supcon_loss(torch.cat([z1, z2]), y, 0.2).values, simclr_loss(z1, z2, 0.2))


def test_gradients_are_those_of_finite_differences():
    z1, z2 = (vectors(5, 3, seed).requires_grad_() for seed in (0, 1))
    y = torch.tensor([0, 1, 0, -1, 2])
    queue = vectors(6, 3, seed=2)
    assert torch.autograd.gradcheck(lambda z: supcon_loss(z, y, 0.3).values, (z1,))
    assert torch.autograd.gradcheck(lambda a, b: simclr_loss(a, b, 0.3), (z1, z2))
    assert torch.autograd.gradcheck(lambda a, b: mixed_loss(a, b, 0.3), (z1, z2))
    assert torch.autograd.gradcheck(lambda q: moco_loss(q, z2, queue, 0.3, filled=4), (z1,))


def test_moco_sends_no_gradient_to_keys_and_its_queue_may_change_before_backward():
    q, k = vectors(3).requires_grad_(), vectors(3, seed=1).requires_grad_()
    queue = vectors(5, seed=2)
    moco_loss(q, k, queue, 0.2).sum().backward()
    expected, q.grad = q.grad, None
    loss = moco_loss(q, k, queue, 0.2).sum()
    queue.zero_()
    loss.backward()
    assert k.grad is None
    torch.testing.assert_close(q.grad, expected, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_autocast_changes_nothing(dtype):
    """Vectors of float32 give the same loss and gradient under autocast; those of half precision finite ones."""
    z1, z2 = (vectors(64, 16, seed, torch.float32) for seed in (0, 1))
    y, queue = torch.arange(64) % 5, vectors(32, 16, 2, torch.float32)

    def losses(a, b, autocast=True):
        a = a.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            values = [supcon_loss(a, y, 0.05).values, simclr_loss(a, b, 0.05), moco_loss(a, b, queue, 0.05)]
        sum(value.mean() for value in values).backward()
        assert all(value.dtype == torch.float32 for value in values)
        return [*values, a.grad]

    plain = losses(z1, z2, autocast=False)
    for ours, expected in zip(losses(z1, z2), plain, strict=True):
        assert torch.equal(ours, expected)
    for ours, expected in zip(losses(z1.to(dtype), z2.to(dtype)), plain, strict=True):
        assert ours.isfinite().all()
        assert (ours.float() - expected).abs().max() < 0.3


def test_collapsed_and_opposite_vectors_are_finite():
    same = torch.ones(8, 4).div(2.0).requires_grad_()
    opposite = -same.detach()
    loss = simclr_loss(same, opposite, 0.01).mean() + supcon_loss(same, torch.arange(8) % 2, 0.01).mean()
    loss.backward()
    assert loss.isfinite()
    assert same.grad.isfinite().all()
    # All in one point: every other vector is as likely as the positive.
    torch.testing.assert_close(simclr_loss(same, same, 0.01), torch.full((16,), math.log(15.0)))


def test_unit_vectors_have_length_one_and_finite_gradients():
    features = torch.randn(5, 3, dtype=torch.bfloat16)
    features[4] = 0.0
    features.requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z = unit_vectors(features)
    assert z.dtype == torch.float32
    torch.testing.assert_close(z.norm(dim=1)[:4], torch.ones(4))
    z.sum().backward()
    assert features.grad.abs().max() < 2e6
    assert unit_vectors(torch.ones(1, 2, dtype=torch.float64)).dtype == torch.float64


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf, None, "0.1"])
def test_a_temperature_that_is_none_is_refused(temperature):
    z = vectors(2)
    for loss in (
        lambda: supcon_loss(z, torch.zeros(2, dtype=torch.int64), temperature),
        lambda: simclr_loss(z, z, temperature),
        lambda: moco_loss(z, z, z, temperature),
    ):
        with pytest.raises(ValueError, match="does not work: give a finite number above 0"):
            loss()


def test_shapes_that_do_not_fit_are_refused():
    z = vectors(3)
    for y in (torch.zeros(2, dtype=torch.int64), torch.zeros(3, 1, dtype=torch.int64), torch.zeros(3)):
        with pytest.raises(ValueError, match="give one class index, a whole number"):
            supcon_loss(z, y, 0.1)
    with pytest.raises(ValueError, match="z1 and z2 have shapes"):
        simclr_loss(z, z[:2], 0.1)
    with pytest.raises(ValueError, match="at least one sample"):
        simclr_loss(z[:0], z[:0], 0.1)
    with pytest.raises(ValueError, match=r"z is torch\.int64"):
        supcon_loss(torch.ones(3, 4, dtype=torch.int64), torch.zeros(3, dtype=torch.int64), 0.1)
    with pytest.raises(ValueError, match="vectors of the same width"):
        moco_loss(z, z, torch.zeros(5, 3), 0.1)


def test_one_process_gathers_nothing():
    z = vectors(2)
    assert gather_with_gradients(z) is z


@pytest.mark.slow
def test_two_processes_have_the_loss_and_the_gradients_of_one(tmp_path):
    script = Path(__file__).with_name("gathering.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, script, tmp_path], capture_output=True, text=True, timeout=300, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    one = torch.load(tmp_path / "one.pt")
    for sizes in ("even", "uneven"):
        first, second = (torch.load(tmp_path / f"{sizes}-{rank}.pt") for rank in (0, 1))
        for found in (first, second):
            torch.testing.assert_close(found["rows"], one["rows"], rtol=0, atol=0)
            torch.testing.assert_close(found["loss"], one["loss"], rtol=1e-12, atol=0)
            for name, gradient in one["gradients"].items():
                torch.testing.assert_close(found["gradients"][name], gradient, rtol=1e-9, atol=1e-12)
