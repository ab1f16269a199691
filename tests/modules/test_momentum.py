"""The queue of keys and the encoder that follows."""

import copy

import pytest
import torch
from torch import nn

from knownot.modules.contrastive_losses import moco_loss, unit_vectors
from knownot.modules.momentum import MomentumQueue, momentum_update


def rows(start, n):
    return torch.arange(start, start + n, dtype=torch.float32)[:, None].expand(n, 2)


@pytest.mark.parametrize("sizes", [[3, 3, 3], [7], [12], [2, 7, 1, 20, 3], [14, 0, 5]])
def test_queue_holds_the_last_keys(sizes):
    queue, seen, n = MomentumQueue(7, 2), [], 0
    for size in sizes:
        queue.enqueue(rows(n + 1, size))
        seen += range(n + 1, n + 1 + size)
        n += size
        assert int(queue.filled) == min(7, n)
        assert int(queue.pointer) == n % 7
        assert sorted(queue.vectors[: int(queue.filled), 0].tolist()) == seen[-7:]
        assert not queue.vectors[int(queue.filled) :].any()
    # The oldest lie where the next go.
    if n >= 7:
        assert float(queue.vectors[int(queue.pointer), 0]) == n - 6


def test_empty_places_are_no_negatives():
    q, k = (unit_vectors(torch.randn(4, 3)) for _ in range(2))
    queue = MomentumQueue(10, 3)
    assert moco_loss(q, k, queue.vectors, 0.1, queue.filled).tolist() == [0.0] * 4
    keys = unit_vectors(torch.randn(6, 3))
    queue.enqueue(keys)
    torch.testing.assert_close(moco_loss(q, k, queue.vectors, 0.1, queue.filled), moco_loss(q, k, keys, 0.1))


def test_queue_is_in_the_state():
    queue = MomentumQueue(5, 2)
    queue.enqueue(rows(1, 3))
    again = MomentumQueue(5, 2)
    again.load_state_dict(queue.state_dict())
    for one in (queue, again):
        one.enqueue(rows(4, 4))
    assert torch.equal(queue.vectors, again.vectors)
    assert (int(again.filled), int(again.pointer)) == (5, 2)


def test_queue_keeps_no_graph_and_takes_half_precision():
    queue = MomentumQueue(5, 2)
    queue.enqueue(torch.ones(2, 2, dtype=torch.bfloat16, requires_grad=True) * 0.5)
    assert not queue.vectors.requires_grad
    assert queue.vectors[:2].eq(0.5).all()
    assert len(queue) == 5


def test_wrong_queues_and_keys_are_refused():
    for name in ("size", "dim"):
        for value in (0, -1, 2.5, None, True):
            with pytest.raises(ValueError, match=f"{name}={value!r} does not work: give a whole number"):
                MomentumQueue(**{"size": 1, "dim": 1} | {name: value})
    for keys in (torch.zeros(2, 3), torch.zeros(2)):
        with pytest.raises(ValueError, match="holds vectors of width 2"):
            MomentumQueue(5, 2).enqueue(keys)


def test_momentum_update_is_the_weighted_mean_of_the_parameters():
    online = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    target = copy.deepcopy(online).requires_grad_(False)
    before = copy.deepcopy(target)
    with torch.no_grad():
        for p in online.parameters():
            p += torch.randn_like(p)
        online(torch.randn(8, 2))
    momentum_update(online, target, 0.9)
    for name, p in target.named_parameters():
        expected = 0.9 * before.get_parameter(name) + 0.1 * online.get_parameter(name)
        torch.testing.assert_close(p, expected)
    assert torch.equal(target[1].running_mean, before[1].running_mean)
    momentum_update(online, target, 1.0)
    torch.testing.assert_close(target[0].weight, 0.9 * before[0].weight + 0.1 * online[0].weight)
    momentum_update(online, target, 0.0)
    assert all(torch.equal(p, online.get_parameter(name)) for name, p in target.named_parameters())


def test_momentum_update_refuses_what_does_not_fit():
    for momentum in (-0.1, 1.1, float("nan"), None):
        with pytest.raises(ValueError, match="give a number from 0 to 1"):
            momentum_update(nn.Linear(1, 1), nn.Linear(1, 1), momentum)
    with pytest.raises(ValueError, match=r"differ in 1 parameters, 'weight' the first"):
        momentum_update(nn.Linear(2, 1), nn.Linear(1, 1), 0.5)
    with pytest.raises(ValueError, match=r"copy.deepcopy\(online\)"):
        momentum_update(nn.Linear(1, 1, bias=False), nn.Linear(1, 1), 0.5)
