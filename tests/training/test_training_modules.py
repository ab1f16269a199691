"""What the loop offers modules: a warm-up, a hook after steps, gradients in validation, terms and a criterion of their own."""  # noqa: E501

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from knownot.data import Batch, InMemoryBatches
from knownot.modules import CROSR, Loss, Module, OpenGMVAE, SoftmaxNet
from knownot.training import TrainingPlan, train
from knownot.training.divergence import TermSums
from knownot.training.session import is_variational

CPU = {"accelerator": "cpu", "seed": 0, "schedule": "constant"}


class Line(Module):
    """One weight that is drawn to the mean of x."""

    latent_dim = 1

    def __init__(self, start: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(start))
        self.register_buffer("slow", torch.tensor(start))

    def embed(self, x: Tensor) -> Tensor:
        return x[:, :1] - self.weight

    def loss(self, batch: Batch) -> Loss:
        part = (batch.x[:, 0] - self.weight).square()
        return Loss(part.mean(), {"part": part.detach()})


def ones(n: int = 8, batch_size: int = 4, **more: object) -> InMemoryBatches:
    return InMemoryBatches(torch.ones(n, 2), torch.arange(n) % 2, batch_size, **more)  # type: ignore[arg-type]


def test_is_variational_asks_whether_the_loss_takes_a_weight():
    assert is_variational(OpenGMVAE((4,), 2, likelihood="gaussian"))
    assert not is_variational(SoftmaxNet((4,), 2))
    assert not is_variational(CROSR((4,), 2, blocks=((1, 4),)))


def test_train_refuses_to_warm_up_where_there_is_no_divergence():
    with pytest.raises(ValueError, match="warmup_epochs=2 does not work: Line has no divergences to warm up"):
        train(Line(), ones(), plan=TrainingPlan(2, warmup_epochs=2, **CPU))


def test_train_calls_after_step_after_every_step_and_keeps_what_it_moves(tmp_path):
    class Momentum(Line):
        def after_step(self) -> None:
            with torch.no_grad():
                self.slow.lerp_(self.weight, 0.5)

    whole, resumed = Momentum(), Momentum()
    train(whole, ones(), plan=TrainingPlan(4, learning_rate=0.1, **CPU))
    expected, slow = 0.0, 0.0
    optimizer_line = Line()
    optimizer = torch.optim.Adam(optimizer_line.parameters(), 0.1, fused=True)
    for _ in range(8):
        optimizer_line.loss(Batch(torch.ones(4, 2), torch.zeros(4))).total.backward()
        optimizer.step()
        optimizer.zero_grad()
        expected = optimizer_line.weight.item()
        slow += 0.5 * (expected - slow)
    assert whole.weight.item() == pytest.approx(expected)
    assert whole.slow.item() == pytest.approx(slow)

    class StopError(Exception):
        pass

    def stop(record):
        if record["epoch"] == 2:
            raise StopError

    plan = TrainingPlan(4, learning_rate=0.1, **CPU)
    with pytest.raises(StopError):
        train(Momentum(), ones(), plan=plan, checkpoint_dir=tmp_path, on_epoch=stop)
    train(resumed, ones(), plan=plan, checkpoint_dir=tmp_path, resume=True)
    assert torch.equal(resumed.slow, whole.slow)


@pytest.mark.parametrize("lifts", [False, True])
def test_train_validates_without_gradients_unless_the_module_needs_them(lifts):
    class Attributing(Line):
        validates_with_gradients = lifts
        seen: list[bool] = []

        def loss(self, batch: Batch) -> Loss:
            if not self.training:
                self.seen.append(torch.is_grad_enabled())
                if torch.is_grad_enabled():
                    x = batch.x.clone().requires_grad_()
                    assert torch.autograd.grad(self.embed(x).sum(), x)[0].shape == x.shape
            return super().loss(batch)

    module = Attributing()
    Attributing.seen = []
    train(module, ones(), ones(), TrainingPlan(1, **CPU))
    assert set(Attributing.seen) == {lifts}


def test_train_chooses_weights_by_the_criterion_of_the_loss():
    class Chosen(Line):
        """Trained towards 1, chosen by how near it is to 0.3."""

        def loss(self, batch: Batch) -> Loss:
            loss = super().loss(batch)
            criterion = (self.weight - 0.3).abs().expand(len(batch.x))
            return Loss(loss.total, loss.terms, None if self.training else criterion)

    module, plain = Chosen(), Line()
    plan = TrainingPlan(10, learning_rate=0.1, **CPU)
    history = train(module, ones(), ones(), plan)
    # Chosen by its total it ends elsewhere.
    train(plain, ones(), ones(), plan)
    assert plain.weight.item() > 0.5
    assert module.weight.item() == pytest.approx(0.3, abs=0.11)
    assert history.best is not None
    validation = history.best["validation"]
    assert validation is not None
    assert validation["criterion"] == min(history.losses("validation", "criterion"))  # type: ignore[type-var]
    assert "criterion" not in history[0]["train"]


def test_train_takes_terms_of_some_samples_only():
    class Half(Line):
        def loss(self, batch: Batch) -> Loss:
            loss = super().loss(batch)
            labelled = batch.y == 1
            return Loss(loss.total, {**loss.terms, "labelled": batch.x[labelled, 1], "whole": torch.tensor(2.0)})

    x = torch.arange(10.0)[:, None].repeat(1, 2)
    y = torch.tensor([1, 1, 1, 0, 0, 0, 0, 0, 0, 1])
    history = train(Half(), InMemoryBatches(x, y, 3), plan=TrainingPlan(1, **CPU))
    assert history[0]["train"]["labelled"] == pytest.approx(np.mean([0, 1, 2, 9]))
    assert history[0]["train"]["whole"] == 2.0
    none = train(Half(), InMemoryBatches(x, torch.zeros(10, dtype=torch.int64), 3), plan=TrainingPlan(1, **CPU))
    assert "labelled" not in none[0]["train"]
    assert none.losses(term="labelled") == [None]


def test_term_sums_are_means_over_the_samples_of_each_term_in_all_processes():
    sums = TermSums(torch.device("cpu"))
    sums.add(torch.tensor(1.0), {"a": torch.tensor([1.0, 3.0]), "b": torch.tensor([5.0])}, 2)
    sums.add(torch.tensor(4.0), {"a": torch.tensor([2.0]), "b": torch.zeros(0)}, 1)
    assert sums.read().means == {"a": 2.0, "b": 5.0, "total": 2.0}
    doubled = sums.read(gather=lambda values: torch.stack([values, values]))
    assert doubled.means == {"a": 2.0, "b": 5.0, "total": 2.0}


def test_train_takes_a_last_batch_of_one_with_batch_norm():
    class Normed(Line):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(2)

        def loss(self, batch: Batch) -> Loss:
            part = self.norm(batch.x).square().sum(1)
            return Loss(part.mean() + self.weight * 0, {"part": part.detach()})

    history = train(Normed(), ones(9), plan=TrainingPlan(1, **CPU))
    assert history.stopped == "finished"


def test_built_with_is_what_a_module_was_given_and_its_defaults():
    module = SoftmaxNet((4,), 3, label_smoothing=0.1)
    assert module.built_with["label_smoothing"] == "0.1"
    assert module.built_with["hidden"] == "(500, 100)"


def labelled(seed: int = 0, n: int = 12) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 3, generator=generator), torch.arange(n) % 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": torch.arange(12) % 3 * 0}, "was begun with other training samples or labels"),
        ({"x": labelled(1)[0]}, "was begun with other training samples or labels"),
        ({"batch_size": 3}, "steps_per_epoch = 3, this training 4"),
        ({"held": labelled(2)}, "was begun with other validation samples or labels"),
        ({"label_smoothing": 0.2}, "it has the module's label_smoothing = 0.0, this training 0.2"),
    ],
)
@pytest.mark.parametrize("finished", [False, True])
def test_train_resumes_with_the_same_data_and_module_only(tmp_path, change, message, finished):
    class StopError(Exception):
        pass

    def stop(record):
        if record["epoch"] == 1 and not finished:
            raise StopError

    def begin(x=None, y=None, batch_size=4, held=None, label_smoothing=0.0, **more):
        x, y = labelled()[0] if x is None else x, labelled()[1] if y is None else y
        held = labelled(3) if held is None else held
        torch.manual_seed(0)
        module = SoftmaxNet((3,), 3, hidden=(4,), label_smoothing=label_smoothing)
        plan = TrainingPlan(2, accelerator="cpu", seed=0)
        batches = InMemoryBatches(x, y, batch_size, shuffle=True)
        return train(module, batches, InMemoryBatches(*held, 4), plan, checkpoint_dir=tmp_path, **more)

    with suppress(StopError):
        begin(on_epoch=stop)
    with pytest.raises(ValueError, match=message):
        begin(resume=True, **change)
    assert begin(resume=True).stopped == "finished"


def test_train_compares_lists_of_batches_as_well(tmp_path):
    plan = TrainingPlan(2, **CPU)
    train(Line(), [Batch(torch.ones(2, 2), torch.zeros(2))], plan=plan, checkpoint_dir=tmp_path)
    with pytest.raises(ValueError, match="other training samples or labels"):
        train(Line(), [(torch.zeros(2, 2), torch.zeros(2))], plan=plan, checkpoint_dir=tmp_path, resume=True)
