from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from knownot.data import InMemoryBatches


def numbered(n: int, batch_size: int, **options) -> InMemoryBatches:
    """Samples whose one feature and label are their position."""
    return InMemoryBatches(torch.arange(n, dtype=torch.float32)[:, None], torch.arange(n), batch_size, **options)


def seen(batches: InMemoryBatches) -> list[int]:
    return [i for batch in batches for i in batch.y.tolist()]


sizes = st.integers(1, 60)
epochs = st.integers(0, 1000)


@given(n=sizes, batch_size=st.integers(1, 20), seed=epochs, epoch=epochs, shuffle=st.booleans())
def test_in_memory_batches_hold_each_sample_once_per_epoch(n, batch_size, seed, epoch, shuffle):
    batches = numbered(n, batch_size, seed=seed, shuffle=shuffle)
    batches.set_epoch(epoch)
    lengths = [len(batch.y) for batch in batches]
    assert sorted(seen(batches)) == list(range(n))
    cut = [len(range(n)[start : start + batch_size]) for start in range(0, n, batch_size)]
    if len(cut) > 1 and cut[-1] == 1 < batch_size:
        cut[-2:] = [batch_size + 1]
    assert lengths == cut
    assert len(batches) == len(cut)
    for batch in batches:
        assert torch.equal(batch.x[:, 0], batch.y.float())


@given(seed=epochs, epoch=epochs, before=st.lists(epochs, max_size=3))
def test_in_memory_batches_order_depends_on_seed_and_epoch_alone(seed, epoch, before):
    batches = numbered(40, 7, seed=seed, shuffle=True)
    for earlier in before:
        batches.set_epoch(earlier)
        seen(batches)
    torch.manual_seed(epoch)
    np.random.seed(0)  # noqa: NPY002  the global state must not matter
    batches.set_epoch(epoch)
    fresh = numbered(40, 7, seed=seed, shuffle=True)
    fresh.set_epoch(epoch)
    assert seen(batches) == seen(fresh) == seen(fresh)


def test_in_memory_batches_order_differs_by_epoch_and_seed():
    orders = set()
    for seed in range(5):
        batches = numbered(40, 7, seed=seed, shuffle=True)
        for epoch in range(5):
            batches.set_epoch(epoch)
            orders.add(tuple(seen(batches)))
    assert len(orders) == 25


def test_in_memory_batches_order_is_uniform():
    batches = numbered(4, 4, shuffle=True)
    first = []
    for epoch in range(2000):
        batches.set_epoch(epoch)
        first.append(seen(batches)[0])
    # 500 expected, standard deviation 19.4.
    assert np.abs(np.bincount(first) - 500).max() < 5 * 19.4


@given(n=sizes, world_size=st.integers(1, 6), batch_size=st.integers(1, 12), epoch=epochs, shuffle=st.booleans())
def test_shard_parts_are_disjoint_and_equally_long(n, world_size, batch_size, epoch, shuffle):
    whole = numbered(n, batch_size, shuffle=shuffle)
    whole.set_epoch(epoch)
    if n < world_size:
        with pytest.raises(ValueError, match=f"for each of {world_size} processes"):
            whole.shard(0, world_size)
        return
    parts = [whole.shard(rank, world_size) for rank in range(world_size)]
    assert sorted(i for part in parts for i in seen(part)) == list(range(n))
    assert len({len(part) for part in parts}) == len({sum(1 for _ in part) for part in parts}) == 1
    for part in parts:
        lengths = [len(batch.y) for batch in part]
        assert lengths[:-1] == [batch_size] * (len(part) - 1)
        assert lengths[-1] <= batch_size + 2
        assert lengths[-1] > 1 or batch_size == 1 or part.n_samples == 1
        assert sum(lengths) == part.n_samples


def test_shard_steps_together_are_a_step_of_one_process():
    whole = numbered(24, 6, shuffle=True)
    parts = [numbered(24, 2, shuffle=True).shard(rank, 3) for rank in range(3)]
    for together, *apart in zip(whole, *parts, strict=True):
        assert sorted(together.y.tolist()) == sorted(i for batch in apart for i in batch.y.tolist())


@given(n=st.integers(12, 60), world_size=st.integers(1, 3), batch_size=st.integers(1, 4))
def test_in_memory_batches_with_drop_last_are_whole(n, world_size, batch_size):
    whole = numbered(n, batch_size, drop_last=True)
    for rank in range(world_size):
        lengths = [len(batch.y) for batch in whole.shard(rank, world_size)]
        assert lengths == [batch_size] * (n // world_size // batch_size)


def test_shard_shares_the_tensors_and_leaves_the_whole():
    whole = numbered(10, 3)
    part = whole.shard(1, 2)
    assert part._x.data_ptr() == whole._x.data_ptr()
    part.set_epoch(3)
    assert whole.epoch == 0
    assert seen(whole) == list(range(10))


def test_in_memory_batches_scale_uint8_images():
    images = torch.randint(0, 256, (7, 3, 4, 5), dtype=torch.uint8)
    batches = InMemoryBatches(images, torch.arange(7), 3)
    got = list(batches)
    x = torch.cat([batch.x for batch in got])
    torch.testing.assert_close(x, images.double().div(255).float(), rtol=0, atol=1e-7)
    for batch in got:
        assert batch.x.dtype == torch.float32
        assert batch.x.is_contiguous(memory_format=torch.channels_last)
        assert batch.y.dtype == torch.int64
    assert [len(batch.x) for batch in got] == [3, 4]
    assert batches.input_shape == (3, 4, 5)


def test_in_memory_batches_copy_float_images():
    images = torch.rand(4, 1, 3, 3, dtype=torch.float64)
    batch = next(iter(InMemoryBatches(images, None, 4)))
    torch.testing.assert_close(batch.x, images.float())
    assert batch.y.tolist() == [-1] * 4
    batch.x.zero_()
    assert images.min() > 0
    table = torch.rand(4, 2)
    next(iter(InMemoryBatches(table, torch.arange(4), 4))).x.zero_()
    assert table.min() > 0


def test_in_memory_batches_hand_out_several_columns_of_labels():
    whole = torch.arange(10).reshape(2, 5).T
    (batch,) = InMemoryBatches(torch.rand(5, 3), whole.to(torch.int32), 5)
    assert batch.y.dtype == torch.int64
    assert torch.equal(batch.y, whole)
    parts = torch.tensor([[0.5, torch.nan], [1.0, 2.0], [torch.nan, 0.25]], dtype=torch.float64)
    batches = InMemoryBatches(torch.rand(3, 3), parts, 2, shuffle=True)
    got = torch.cat([batch.y for batch in batches])
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, parts.float()[batches.order()], rtol=0, atol=0, equal_nan=True)
    assert next(iter(InMemoryBatches(torch.rand(3, 3), parts[:, :1], 3))).y.shape == (3, 1)


def test_in_memory_batches_keep_a_single_sample():
    assert [len(batch.y) for batch in numbered(1, 4)] == [1]
    assert [len(batch.y) for batch in numbered(3, 1)] == [1, 1, 1]
    # Of 11 samples two processes get 6 and 5: the left-over sample of the second joins, and so do two of the first.
    lengths = [[len(batch.y) for batch in numbered(11, 4).shard(rank, 2)] for rank in range(2)]
    assert lengths == [[6], [5]]


def test_fingerprint_depends_on_all_that_decides_the_batches_and_nothing_else():
    x, y = torch.randint(0, 256, (40, 3, 4, 2), dtype=torch.uint8), torch.arange(40) % 5

    def fingerprint(x=x, y=y, batch_size=8, **options) -> str:
        return InMemoryBatches(x, y, batch_size, **options).fingerprint()

    changed_x, changed_y = x.clone(), y.clone()
    changed_x[39, 2, 3, 1] += 1
    changed_y[39] = 0
    others = [
        fingerprint(changed_x),
        fingerprint(y=changed_y),
        fingerprint(y=None),
        fingerprint(y=y[:, None]),
        fingerprint(y=y[:, None].float()),
        fingerprint(x.float() / 255),
        fingerprint(x.reshape(40, 3, 2, 4)),
        fingerprint(x.flip(0), y.flip(0)),
        fingerprint(x[:39], y[:39]),
        fingerprint(batch_size=9),
        fingerprint(shuffle=True),
        fingerprint(seed=1),
        fingerprint(drop_last=True),
    ]
    assert len({fingerprint(), *others}) == 1 + len(others)
    assert set(fingerprint()) <= set("0123456789abcdef")

    same = InMemoryBatches(x.contiguous(memory_format=torch.channels_last), y.to(torch.int32), np.int64(8))
    same.set_epoch(3)
    assert same.fingerprint() == same.shard(1, 2).fingerprint() == fingerprint()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_fingerprint_is_the_same_on_another_device():
    x = torch.rand(40, 3)
    assert InMemoryBatches(x, None, 8, device="cuda").fingerprint() == InMemoryBatches(x, None, 8).fingerprint()


def test_fingerprint_does_not_depend_on_the_pieces(monkeypatch):
    batches = InMemoryBatches(torch.rand(100, 7), torch.arange(300).reshape(3, 100).T, 8)
    whole = batches.fingerprint()
    monkeypatch.setattr("knownot.data.batches.HASHED", 60)
    assert batches.fingerprint() == whole


def test_in_memory_batches_do_not_copy_channels_last_images():
    array = np.zeros((3, 4, 4, 3), np.uint8)
    tensor = torch.from_numpy(array).permute(0, 3, 1, 2)
    assert InMemoryBatches(tensor, None, 2)._x.data_ptr() == tensor.data_ptr()


@pytest.mark.parametrize(
    ("x", "y", "batch_size", "options", "message"),
    [
        (torch.zeros(3, 4, 4), None, 1, {}, r"x has shape \(3, 4, 4\): images are \(N, C, H, W\)"),
        (torch.zeros(3, 4, dtype=torch.uint8), None, 1, {}, "tables \\(N, F\\) are float"),
        (torch.zeros(3, 1, 4, 4, dtype=torch.int64), None, 1, {}, "x is torch.int64"),
        (torch.zeros(3, 4), torch.arange(2), 1, {}, "one whole number, the class index, for each sample"),
        (torch.zeros(3, 4), torch.zeros(3), 1, {}, "y is torch.float32"),
        (torch.zeros(3, 4), torch.tensor(1), 1, {}, r"y is torch.int64 of shape \(\) for 3 samples"),
        (torch.zeros(3, 4), torch.zeros(2, 2), 1, {}, r"several columns of labels, \(N, L\)"),
        (torch.zeros(3, 4), torch.zeros(3, 0), 1, {}, r"shape \(3, 0\)"),
        (torch.zeros(3, 4), torch.zeros(3, 1, 1, dtype=torch.int64), 1, {}, r"shape \(3, 1, 1\)"),
        (torch.zeros(3, 4), torch.zeros(3, 2, dtype=torch.complex64), 1, {}, "y is torch.complex64"),
        (torch.zeros(3, 4), torch.full((3, 2), 1e300, dtype=torch.float64), 1, {}, "6 values that are infinite or too"),
        (torch.zeros(3, 4), None, 0, {}, "batch_size is 0"),
        (torch.zeros(3, 4), None, 1, {"seed": -1}, "seed is -1"),
        (torch.zeros(0, 4), None, 1, {}, "0 samples do not make one sample"),
        (torch.zeros(3, 4), None, 4, {"drop_last": True}, "3 samples do not make a whole batch of 4"),
    ],
)
def test_in_memory_batches_refuse_what_does_not_fit(x, y, batch_size, options, message):
    with pytest.raises(ValueError, match=message):
        InMemoryBatches(x, y, batch_size, **options)


def test_in_memory_batches_refuse_impossible_processes_and_epochs():
    batches = numbered(4, 2)
    with pytest.raises(ValueError, match="rank is 2 of 2 processes"):
        batches.shard(2, 2)
    with pytest.raises(ValueError, match="epochs count from 0"):
        batches.set_epoch(-1)
