"""The loop against the same training written out by hand, and its promises one by one."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from knownot.data import Batch
from knownot.modules import Loss, OpenGMVAE
from knownot.training import TrainingPlan, train
from knownot.training.randomness import derived_seed
from knownot.training.session import make_optimizer

CPU: dict[str, Any] = {"accelerator": "cpu", "seed": 0}


class Scripted(nn.Module):
    """Has one weight that grows by about the learning rate a step, and says the losses it was told to."""

    def __init__(self, validation_losses: Sequence[float], training_loss: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.script, self.training_loss = list(validation_losses), training_loss

    def loss(self, batch: Batch, divergence_weight: float = 1.0) -> Loss:
        if self.training:
            total = self.training_loss - self.weight
            return Loss(total, {"part": total.detach().expand(len(batch.x))})
        value = torch.tensor(self.script.pop(0))
        return Loss(value, {"part": value.expand(len(batch.x))})


def weights(module: nn.Module) -> list[torch.Tensor]:
    return [p.detach().clone() for p in module.parameters()]


def same(a: Sequence[torch.Tensor], b: Sequence[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_train_equals_the_training_written_out_by_hand(make_line, make_batches):
    settings = TrainingPlan(max_epochs=3, learning_rate=0.05, gradient_clip=0.5, warmup_epochs=2, **CPU)
    module, data = make_line(), make_batches()
    history = train(module, data, plan=settings)

    twin = make_line()
    optimizer = torch.optim.Adam(twin.parameters(), fused=True)
    steps, total_steps = len(data), 3 * len(data)
    for epoch in range(3):
        data.set_epoch(epoch)
        torch.manual_seed(derived_seed(0, "train", epoch))
        sums, norms, n = {"fit": 0.0, "size": 0.0, "total": 0.0}, [], 0
        for number, batch in enumerate(data):
            step = epoch * steps + number
            # 2 % of 21 steps is no step: the rise is its least, 1.
            optimizer.param_groups[0]["lr"] = (
                0.05 if step == 0 else 0.05 * 0.5 * (1 + math.cos(math.pi * step / total_steps))
            )
            loss = twin.loss(batch, min(1.0, step / (2 * steps)))
            optimizer.zero_grad()
            loss.total.backward()
            norms.append(math.sqrt(sum(p.grad.square().sum().item() for p in twin.parameters())))
            nn.utils.clip_grad_norm_(twin.parameters(), 0.5)
            optimizer.step()
            for name, term in loss.terms.items():
                sums[name] += term.sum().item()
            sums["total"] += loss.total.item() * len(batch.x)
            n += len(batch.x)
        assert history[epoch]["train"] == pytest.approx({name: value / n for name, value in sums.items()}, rel=1e-6)
        assert history[epoch]["gradient_norm"] == pytest.approx(sum(norms) / len(norms), rel=1e-5)
    assert max(norms) > 0.5
    assert n == 50
    assert same(weights(module), weights(twin))
    assert module.weights_seen == twin.weights_seen
    assert history[-1]["learning_rate"] == optimizer.param_groups[0]["lr"]


def test_train_learns_a_line(make_line, make_batches):
    module, validation = make_line(), make_batches(seed=1)
    untrained = train(make_line(), make_batches(), validation, TrainingPlan(1, learning_rate=1e-30, **CPU))
    history = train(module, make_batches(), validation, TrainingPlan(30, learning_rate=0.05, **CPU))
    before, after = untrained.losses("validation")[0], history.losses("validation")[-1]
    assert before is not None
    assert after is not None
    assert after < 0.7 * before
    assert history.stopped == "finished"
    assert not module.training


def test_train_depends_on_its_own_seed_alone(make_line, make_batches):
    outcomes = []
    for other in (1, 2):
        module = make_line()
        torch.manual_seed(other)
        np.random.seed(other)  # noqa: NPY002 - the global state is what must not matter
        torch_before, numpy_before = torch.get_rng_state(), repr(np.random.get_state())  # noqa: NPY002
        train(module, make_batches(), plan=TrainingPlan(2, **CPU))
        assert torch.equal(torch.get_rng_state(), torch_before)
        assert repr(np.random.get_state()) == numpy_before  # noqa: NPY002
        outcomes.append(weights(module))
    assert same(*outcomes)
    module = make_line()
    train(module, make_batches(), plan=TrainingPlan(2, accelerator="cpu", seed=1))
    assert not same(weights(module), outcomes[0])


def test_train_without_a_seed_takes_one_from_torch(make_line, make_batches):
    seeds = []
    for state in (3, 3, 4):
        module = make_line()
        torch.manual_seed(state)
        seeds.append(train(module, make_batches(), plan=TrainingPlan(1, accelerator="cpu")).seed)
    assert seeds[0] == seeds[1] != seeds[2]


def test_train_is_not_disturbed_by_validation(make_line, make_batches):
    settings = TrainingPlan(3, learning_rate=1e-30, **CPU)
    alone, watched = make_line(), make_line()
    plain = train(alone, make_batches(), plan=settings)
    history = train(watched, make_batches(), make_batches(seed=1), settings)
    assert plain.losses() == history.losses()
    # The weights hardly move, so the same noise gives the same loss.
    assert len(set(history.losses("validation"))) == 1
    assert len(set(history.losses())) == 3


def test_train_validates_at_full_divergence_during_the_warm_up(make_line, make_batches):
    history = train(
        make_line(),
        make_batches(),
        make_batches(seed=1),
        TrainingPlan(2, learning_rate=1e-30, warmup_epochs=2, **CPU),
    )
    for record in history:
        values = record["validation"] or {}
        assert values["total"] == pytest.approx(values["fit"] + values["size"], rel=1e-6)
    assert history[0]["train"]["total"] < history[0]["train"]["fit"] + 0.6 * history[0]["train"]["size"]


def test_train_restores_the_best_weights_by_validation_loss(make_batches):
    module = Scripted([5.0, 3.0, 4.0, 6.0])
    history = train(module, make_batches(), [next(iter(make_batches()))], TrainingPlan(4, schedule="constant", **CPU))
    assert history.best is history[1]
    assert module.weight.item() == pytest.approx(2 * 7 * 1e-3, rel=1e-3)
    assert history.losses("validation") == [5.0, 3.0, 4.0, 6.0]


def test_train_keeps_the_last_weights_where_asked(make_batches):
    module = Scripted([5.0, 3.0, 4.0, 6.0])
    plan = TrainingPlan(4, schedule="constant", keep="last", **CPU)
    history = train(module, make_batches(), [next(iter(make_batches()))], plan)
    assert history.best_epoch == 4
    assert module.weight.item() == pytest.approx(4 * 7 * 1e-3, rel=1e-3)


def test_train_by_sgd_equals_the_steps_written_out_by_hand(make_line, make_batches):
    plan = TrainingPlan(2, 0.01, "sgd", 0.8, "constant", gradient_clip=None, weight_decay=0.1, **CPU)
    module, data = make_line(), make_batches()
    assert "gradient_norm" not in train(module, data, plan=plan)[0]
    twin, moved = make_line(), {}
    for epoch in range(2):
        data.set_epoch(epoch)
        torch.manual_seed(derived_seed(0, "train", epoch))
        for batch in data:
            twin.zero_grad()
            twin.loss(batch, 1.0).total.backward()
            for name, weight in twin.named_parameters():
                gradient = weight.grad + 0.1 * weight.data
                moved[name] = 0.8 * moved[name] + gradient if name in moved else gradient.clone()
                weight.data -= 0.01 * (gradient + 0.8 * moved[name])
    for name, weight in module.state_dict().items():
        assert torch.allclose(weight, twin.state_dict()[name], rtol=1e-5), name


def test_train_counts_no_patience_during_the_warm_up(make_batches):
    one = [next(iter(make_batches()))]
    losses = [1.0] + [2.0] * 20
    early = train(Scripted(losses), make_batches(), one, TrainingPlan(15, patience=3, **CPU))
    assert (len(early), early.stopped, early.best_epoch) == (4, "early", 1)
    warm = train(Scripted(losses), make_batches(), one, TrainingPlan(15, patience=3, warmup_epochs=5, **CPU))
    assert (len(warm), warm.stopped, warm.best_epoch) == (8, "early", 1)


def test_train_validates_when_asked_and_after_the_last_epoch(make_batches):
    history = train(
        Scripted([3.0, 2.0, 1.0]),
        make_batches(),
        [next(iter(make_batches()))],
        TrainingPlan(5, validate_every=2, **CPU),
    )
    assert history.losses("validation") == [None, 3.0, None, 2.0, 1.0]


def test_train_interrupted_keeps_the_best_weights_so_far(make_batches):
    module = Scripted([5.0, 3.0, 4.0, 1.0])

    def stop(record):
        if record["epoch"] == 3:
            raise KeyboardInterrupt

    settings = TrainingPlan(4, schedule="constant", **CPU)
    history = train(module, make_batches(), [next(iter(make_batches()))], settings, on_epoch=stop)
    assert (history.stopped, len(history), history.best_epoch) == ("interrupted", 3, 2)
    assert module.weight.item() == pytest.approx(2 * 7 * 1e-3, rel=1e-3)


def test_train_interrupted_in_the_first_epoch_keeps_what_was_learnt(make_line, make_batches):
    module = make_line()
    original, calls = module.loss, []

    def loss(batch, divergence_weight=1.0):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(batch, divergence_weight)

    module.loss = loss
    history = train(module, make_batches(), plan=TrainingPlan(4, **CPU))
    assert (history.stopped, len(history), history.best) == ("interrupted", 0, None)
    assert not same(weights(module), weights(make_line()))


def test_train_takes_a_data_loader_of_pairs(make_line):
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    loader = DataLoader(TensorDataset(x, (x.sum(1) > 0).long()), batch_size=6, shuffle=True)
    outcomes = []
    for _ in range(2):
        module = make_line()
        train(module, loader, plan=TrainingPlan(2, **CPU))
        outcomes.append(weights(module))
    assert same(*outcomes)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_train_precision_reaches_the_module_and_leaves_the_data_alone(make_batches, precision):
    class Looking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 1)
            self.seen: set[tuple] = set()

        def loss(self, batch: Batch, divergence_weight: float = 1.0) -> Loss:
            out = self.linear(batch.x)
            self.seen.add((out.dtype, batch.x.dtype, self.training))
            return Loss(out.float().mean(), {"out": out[:, 0].detach().float()})

    module = Looking()
    history = train(module, make_batches(), make_batches(), TrainingPlan(1, precision=precision, **CPU))
    inside = torch.bfloat16 if precision == "bf16-mixed" else torch.float32
    assert module.seen == {(inside, torch.float32, True), (inside, torch.float32, False)}
    assert history.precision == precision
    assert module.linear.weight.dtype == torch.float32


def test_train_uses_channels_last_and_returns_contiguous_weights():
    seen = []
    module = OpenGMVAE((2, 8, 8), 2, latent_dim=2, hidden=(8,), blocks=((1, 4), (1, 4)))
    first = next(layer for layer in module.encoder.modules() if isinstance(layer, nn.Conv2d))
    kernel = first.weight
    first.register_forward_hook(
        lambda layer, inputs, out: seen.append(
            [t.is_contiguous(memory_format=torch.channels_last) for t in (*inputs, kernel)]
        )
    )
    batches = [(torch.rand(6, 2, 8, 8), torch.arange(6) % 2)]
    train(module, batches, plan=TrainingPlan(1, **CPU))
    assert seen == [[True, True]]
    assert all(p.is_contiguous() for p in module.parameters())


def test_train_prints_nothing(make_line, make_batches, capfd):
    train(make_line(), make_batches(), make_batches(), TrainingPlan(2, precision="bf16-mixed", **CPU))
    assert capfd.readouterr() == ("", "")


def test_make_optimizer_takes_adamw_for_weight_decay():
    parameters = [nn.Parameter(torch.ones(2))]
    assert type(make_optimizer(parameters, TrainingPlan(weight_decay=0.1))) is torch.optim.AdamW
    assert type(make_optimizer(parameters, TrainingPlan())) is torch.optim.Adam


def test_training_imports_neither_lightning_nor_rich():
    code = "import sys, knownot.training; sys.exit(any(m in sys.modules for m in ('lightning', 'rich')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_train_with_patience_needs_validation(make_line, make_batches):
    with pytest.raises(ValueError, match="patience=3 needs validation_batches"):
        train(make_line(), make_batches(), plan=TrainingPlan(2, patience=3, **CPU))


def test_train_refuses_batches_with_other_terms(make_batches):
    class Moody(Scripted):
        def loss(self, batch: Batch, divergence_weight: float = 1.0) -> Loss:
            loss = super().loss(batch)
            return loss if len(batch.x) == 8 else Loss(loss.total, {"other": loss.terms["part"]})

    with pytest.raises(ValueError, match=r"terms \('other', 'total'\).*before it had \('part', 'total'\)"):
        train(Moody([]), make_batches(), plan=TrainingPlan(1, **CPU))


def test_train_out_of_time_resumes_to_the_same_end(make_line, make_batches, tmp_path):
    whole, parts = make_line(), make_line()
    train(whole, make_batches(), plan=TrainingPlan(max_epochs=4, seed=3))
    rounds = []
    for _ in range(4):
        settings = TrainingPlan(max_epochs=4, seed=3, max_time=1e-9)
        rounds.append(train(parts, make_batches(), plan=settings, checkpoint_dir=tmp_path, resume=True))
    assert [len(history) for history in rounds] == [1, 2, 3, 4]
    assert [history.stopped for history in rounds] == ["time", "time", "time", "finished"]
    assert same(weights(whole), weights(parts))


def test_train_with_enough_time_finishes(make_line, make_batches):
    history = train(make_line(), make_batches(), plan=TrainingPlan(max_epochs=2, seed=3, max_time=600.0))
    assert history.stopped == "finished"
    assert len(history) == 2
