"""Settings, schedules, precision, and batches of all kinds."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler, IterableDataset, TensorDataset

from knownot.data import Batch, InMemoryBatches
from knownot.training import (
    ADAM,
    FAST_SGD,
    TrainingPlan,
    TrainingSettings,
    choose_accelerator,
    choose_precision,
    precision,
    train,
)
from knownot.training.feeding import Feed
from knownot.training.schedule import divergence_weight_at, learning_rate_at

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("setting", "needed"),
    [
        ({"max_epochs": 0}, "max_epochs=0 does not work: give a whole number, 1 or more."),
        ({"devices": 0}, "devices=0 does not work: give a whole number, 1 or more."),
        ({"learning_rate": 0.0}, "learning_rate=0.0 does not work: give a positive number, such as 0.001."),
        ({"learning_rate": float("nan")}, "learning_rate=nan does not work: give a positive number"),
        ({"weight_decay": -1.0}, "weight_decay=-1.0 does not work: give 0 or a positive number."),
        ({"warmup_epochs": -1}, "warmup_epochs=-1 does not work: give 0 or a positive whole number."),
        ({"gradient_clip": 0}, "gradient_clip=0 does not work: give a positive norm, or None for no clipping."),
        ({"max_time": 0.0}, "max_time=0.0 does not work: give a positive number of seconds, or None for no limit."),
        ({"patience": 0}, "patience=0 does not work: give 1 or more epochs, or None for never."),
        ({"seed": -1}, "seed=-1 does not work: give 0 or a positive whole number, or None."),
        ({"schedule": "step"}, "schedule='step' does not work: give one of 'cosine', 'constant', 'triangle'."),
        ({"optimizer": "lion"}, "optimizer='lion' does not work: give one of 'adam', 'sgd'."),
        ({"momentum": 1.0}, "momentum=1.0 does not work: give a number from 0 to below 1."),
        ({"keep": "all"}, "keep='all' does not work: give one of 'best', 'last'."),
        ({"precision": "16"}, "precision='16' does not work: give one of 'auto', '32-true', 'bf16-mixed'."),
        ({"accelerator": "gpu"}, "accelerator='gpu' does not work: give one of 'auto', 'cpu', 'cuda', 'mps'."),
    ],
)
def test_training_plan_refuses_what_is_out_of_range(setting, needed):
    with pytest.raises(ValueError) as caught:
        TrainingPlan(**setting)
    assert str(caught.value).startswith(needed)


def test_learning_rate_at_rises_falls_and_nearly_vanishes():
    settings = TrainingPlan(learning_rate=0.1)
    rates = [learning_rate_at(step, 1000, settings) for step in range(1000)]
    assert rates[:20] == pytest.approx([0.1 * (k + 1) / 20 for k in range(20)])
    assert max(rates) == rates[19] == 0.1
    assert rates[19:] == sorted(rates[19:], reverse=True)
    assert 0 < rates[-1] < 1e-6
    # A half cosine is at its middle value halfway down.
    assert rates[19 + 490] == pytest.approx(0.05, rel=0.01)


def test_learning_rate_at_rises_and_falls_in_a_triangle():
    plan = TrainingPlan(learning_rate=0.5, schedule="triangle")
    rates = [learning_rate_at(step, 1000, plan) for step in range(1000)]
    assert rates[0] == pytest.approx(0.1, rel=0.01)
    assert rates[230] == pytest.approx(0.5, rel=0.01)
    assert rates[999] == pytest.approx(0.01, rel=0.05)
    assert rates[115] == pytest.approx((rates[0] + rates[230]) / 2, rel=0.01)
    assert rates[615] == pytest.approx((rates[230] + rates[999]) / 2, rel=0.01)
    assert learning_rate_at(0, 1, plan) > 0


def test_learning_rate_at_a_single_step_is_the_full_rate():
    assert learning_rate_at(0, 1, TrainingPlan(learning_rate=0.1)) == 0.1


def test_learning_rate_at_with_a_constant_schedule_and_no_warm_up():
    settings = TrainingPlan(learning_rate=0.1, schedule="constant")
    assert {learning_rate_at(step, 100, settings) for step in range(100)} == {0.1}
    assert divergence_weight_at(0, 10, settings) == 1.0


@pytest.mark.parametrize(
    ("has_bfloat16", "module", "expected"),
    [
        (True, nn.Sequential(nn.Conv2d(1, 1, 3)), "bf16-mixed"),
        (True, nn.Sequential(nn.ConvTranspose2d(1, 1, 3)), "bf16-mixed"),
        (True, nn.Linear(2, 2), "32-true"),
        (False, nn.Sequential(nn.Conv2d(1, 1, 3)), "32-true"),
    ],
)
def test_choose_precision_on_a_cpu(monkeypatch, has_bfloat16, module, expected):
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda: has_bfloat16)
    assert choose_precision(module, "cpu") == expected


@pytest.mark.parametrize(("supported", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
def test_choose_precision_on_cuda(monkeypatch, supported, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    assert choose_accelerator() == "cuda"
    assert choose_precision(nn.Linear(2, 2)) == expected


def test_train_refuses_an_accelerator_that_is_not_there(monkeypatch, make_line, make_batches):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"accelerator='cuda' is not on this machine, which has .*'cpu': use one"):
        train(make_line(), make_batches(), plan=TrainingPlan(1, accelerator="cuda"))


def test_feed_gives_batches_whatever_comes():
    x, y = torch.rand(5, 2, 3, 3), torch.arange(5)
    pairs = Feed([(x, y)], "train_batches", CPU, channels_last=True)
    (batch,) = pairs.epoch(0)
    assert isinstance(batch, Batch)
    assert torch.equal(batch.x, x)
    assert batch.x.is_contiguous(memory_format=torch.channels_last)
    loader = Feed(DataLoader(TensorDataset(x, y), batch_size=2), "train_batches", CPU)
    assert [len(b.x) for b in loader.epoch(0)] == [2, 2, 1]
    assert len(loader) == 3


def test_feed_follows_the_epoch():
    batches = InMemoryBatches(torch.rand(9, 2), torch.arange(9), 4, shuffle=True, seed=1)
    feed = Feed(batches, "train_batches", CPU)
    orders = [torch.cat([b.y for b in feed.epoch(epoch)]).tolist() for epoch in (0, 1, 0)]
    assert orders[0] == orders[2] != orders[1]


@pytest.mark.parametrize("shuffle", [False, True])
def test_feed_shares_a_data_loader_among_processes(shuffle):
    loader = DataLoader(TensorDataset(torch.rand(10, 2), torch.arange(10)), batch_size=3, shuffle=shuffle)
    parts = [Feed(loader, "train_batches", CPU, rank=rank, world_size=2) for rank in (0, 1)]
    seen = {epoch: [torch.cat([b.y for b in part.epoch(epoch)]).tolist() for part in parts] for epoch in (0, 1, 2)}
    assert all(sorted(a + b) == list(range(10)) for a, b in seen.values())
    assert (seen[1] == seen[2]) is not shuffle
    own = DataLoader(loader.dataset, 3, sampler=DistributedSampler(loader.dataset, 2, 1, shuffle=False))
    (first, *_) = Feed(own, "train_batches", CPU, rank=1, world_size=2).epoch(0)
    assert first.y.tolist() == [1, 3, 5]


def test_feed_refuses_what_cannot_be_counted_or_shared():
    class Endless(IterableDataset):
        def __iter__(self):
            yield from range(3)

    with pytest.raises(ValueError, match="train_batches is a generator without a length"):
        Feed((batch for batch in [None]), "train_batches", CPU)
    with pytest.raises(ValueError, match="validation_batches has no batch: give at least one sample"):
        Feed([], "validation_batches", CPU)
    with pytest.raises(ValueError, match="train_batches is a list, which cannot be shared among 2 processes"):
        Feed([1], "train_batches", CPU, rank=0, world_size=2)
    data = TensorDataset(torch.rand(4, 2))
    odd = DataLoader(data, sampler=torch.utils.data.WeightedRandomSampler([1.0] * 4, 4))
    with pytest.raises(ValueError, match="a DataLoader with its own sampler, which cannot be shared among 2"):
        Feed(odd, "train_batches", CPU, rank=0, world_size=2)
    with pytest.raises(ValueError, match="a DataLoader without a length, which the learning rate's schedule needs"):
        Feed(DataLoader(Endless()), "train_batches", CPU)


def test_settings_left_open_are_those_of_the_recipe():
    plan = TrainingSettings().plan()
    assert (plan.optimizer, plan.schedule, plan.weight_decay, plan.keep) == ("adam", "cosine", 0.0, "best")
    plan = TrainingSettings().plan(FAST_SGD)
    assert (plan.optimizer, plan.momentum, plan.schedule, plan.keep) == ("sgd", 0.85, "triangle", "last")
    given = TrainingSettings(optimizer="adam", momentum=0.0, schedule="constant", weight_decay=0.0, keep="best")
    assert given.plan(FAST_SGD) == TrainingPlan(momentum=0.0, schedule="constant")
    assert [recipe.learning_rate(200) for recipe in (ADAM, FAST_SGD)] == pytest.approx([1e-3, 0.3])
