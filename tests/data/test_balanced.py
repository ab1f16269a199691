"""Batches with a share of labelled samples: the share, how often samples come, resume, processes."""

import numpy as np
import pytest
import torch

from knownot.data.balanced import BalancedBatches


def make(n=103, n_labelled=7, **settings):
    y = torch.full((n,), -1)
    y[:n_labelled] = torch.arange(n_labelled) % 3
    return BalancedBatches(torch.arange(n, dtype=torch.float32)[:, None], y, **{"batch_size": 10, **settings})


@pytest.mark.parametrize(("share", "n"), [(0.5, 5), (0.2, 2), (0.01, 1), (0.99, 9)])
def test_every_batch_has_the_share_asked_for(share, n):
    batches = make(labelled_share=share)
    assert [int((b.y >= 0).sum()) for b in batches] == [n] * len(batches)
    assert {len(b.y) for b in batches} == {10}


def test_unlabelled_samples_come_once_and_labelled_ones_equally_often():
    batches = make(labelled_share=0.3)
    seen = torch.cat([b.x[:, 0] for b in batches]).long()
    counts = torch.bincount(seen, minlength=103)
    assert counts[7:].max() == 1
    assert int(counts[7:].sum()) == 7 * len(batches) == 7 * (96 // 7)
    assert int(counts[:7].max() - counts[:7].min()) <= 1


def test_order_depends_on_seed_and_epoch_alone():
    one, other = make(seed=3), make(seed=3)
    one.set_epoch(4)
    list(one)
    other.set_epoch(4)
    assert torch.equal(one.order(), other.order())
    other.set_epoch(5)
    assert not torch.equal(one.order(), other.order())
    assert not torch.equal(make(seed=1).order(), make(seed=2).order())


def test_processes_share_each_step():
    whole = make(n=203, batch_size=20, labelled_share=0.2)
    parts = [make(n=203, batch_size=10, labelled_share=0.2).shard(rank, 2) for rank in (0, 1)]
    assert len({len(part) for part in parts}) == 1
    assert len(parts[0]) == len(whole)
    for step, together in enumerate(zip(*parts, strict=True)):
        labelled = sum(int((b.y >= 0).sum()) for b in together)
        assert labelled == 4, step
    seen = torch.cat([b.x[:, 0] for part in parts for b in part])
    assert len(seen[seen >= 7].unique()) == len(seen[seen >= 7])


def test_several_labels_are_balanced_in_turn():
    rng = np.random.default_rng(0)
    y = torch.from_numpy((rng.random((400, 3)) < [0.05, 0.5, 0.0]).astype(np.float32))
    y[200:] = torch.nan
    batches = BalancedBatches(torch.zeros(400, 1), y, 20, labelled_share=0.5, by_label=True)
    for number, batch in enumerate(batches):
        rows = batch.y[batch.y.isfinite().all(1)]
        # The third label has no positive sample, and is passed over.
        assert (len(rows), int(rows[:, number % 2].sum())) == (10, 5)


def test_all_labelled_is_as_good_as_none_unlabelled():
    batches = make(n=20, n_labelled=20)
    assert all((b.y >= 0).all() for b in batches)


def test_fingerprint_knows_the_share():
    assert make(labelled_share=0.2).fingerprint() != make(labelled_share=0.3).fingerprint()


def test_refuses_what_cannot_be_shared():
    with pytest.raises(ValueError, match=r"labelled_share=1\.0 does not work"):
        make(labelled_share=1.0)
    with pytest.raises(ValueError, match="no sample is labelled"):
        make(n_labelled=0)
    with pytest.raises(ValueError, match="by_label=True balances several kinds of labels"):
        make(by_label=True)
