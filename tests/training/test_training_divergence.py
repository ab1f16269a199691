"""A training that leaves the finite numbers is stopped, named and undone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from knownot.data import Batch
from knownot.modules import Loss
from knownot.training import DivergenceError, TrainingPlan, train
from knownot.training.divergence import TermSums

SETTINGS = TrainingPlan(4, schedule="constant", accelerator="cpu", seed=0)


class Exploding(nn.Module):
    """One weight; a term turns infinite in one step, or only the gradient, or the validation."""

    def __init__(self, step: int, how: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.step, self.how, self.calls = step, how, 0

    def loss(self, batch: Batch, divergence_weight: float = 1.0) -> Loss:
        self.calls += self.training
        part = -self.weight.expand(len(batch.x))
        other = torch.ones(len(batch.x))
        if self.calls == self.step and self.how == "term":
            other = other / 0.0
        if self.how == "validation" and not self.training and self.calls >= self.step:
            other = other * torch.nan
        total = (part + other).mean()
        if self.calls == self.step and self.how == "gradient":
            # sqrt has an infinite slope at 0 and is finite there.
            total = total + (self.weight - self.weight.detach()).sqrt()
        return Loss(total, {"part": part.detach(), "other": other})


def run(module, make_batches, tmp_path, **more):
    with pytest.raises(DivergenceError) as caught:
        train(module, make_batches(), make_batches(batch_size=50), SETTINGS, checkpoint_dir=tmp_path, **more)
    return caught.value


def test_divergence_error_names_epoch_term_and_step(make_batches, tmp_path):
    module = Exploding(step=2 * 7 + 3, how="term")
    error = run(module, make_batches, tmp_path)
    assert (error.epoch, error.terms) == (3, ("other",))
    assert "epoch 3: 'other' became infinite or NaN in step 3." in str(error)
    assert "holds the weights of epoch 2, the last good one" in str(error)
    assert module.weight.item() == pytest.approx(2 * 7 * 1e-3, rel=1e-3)
    assert not module.training


def test_train_finds_an_infinite_gradient_in_the_last_step(make_batches, tmp_path):
    error = run(Exploding(step=2 * 7, how="gradient"), make_batches, tmp_path)
    assert (error.epoch, error.terms) == (2, ("gradient",))


def test_train_guards_validation(make_batches, tmp_path):
    error = run(Exploding(step=2 * 7, how="validation"), make_batches, tmp_path)
    assert (error.epoch, error.terms) == (2, ("other",))
    assert "in validation, 'other'" in str(error)


def test_train_diverging_in_the_first_epoch_keeps_the_first_weights(make_batches, tmp_path):
    module = Exploding(step=2, how="term")
    assert "holds the weights it began with" in str(run(module, make_batches, tmp_path))
    assert module.weight.item() == 0.0
    assert not (tmp_path / "checkpoint.pt").exists()


def test_train_resumes_after_a_divergence_from_a_good_epoch(make_batches, tmp_path):
    run(Exploding(step=2 * 7 + 3, how="term"), make_batches, tmp_path)
    module = Exploding(step=-1, how="none")
    history = train(module, make_batches(), make_batches(batch_size=50), SETTINGS, checkpoint_dir=tmp_path, resume=True)
    assert len(history) == 4
    assert module.calls == 2 * 7
    assert module.weight.item() == pytest.approx(4 * 7 * 1e-3, rel=1e-3)


def test_term_sums_are_means_over_samples_and_blame_the_first_term():
    sums = TermSums(torch.device("cpu"))
    sums.add(torch.tensor(1.0), {"a": torch.tensor([1.0, 2.0, 3.0]), "b": torch.zeros(3)}, 3)
    sums.add(torch.tensor(5.0), {"a": torch.tensor([6.0]), "b": torch.ones(1)}, 1)
    assert sums.read().means == {"a": 3.0, "b": 0.25, "total": 2.0}
    assert sums.read().culprits == ()
    inf = torch.tensor([torch.inf])
    sums.add(torch.tensor(torch.inf), {"a": torch.ones(1), "b": inf}, 1)
    sums.add(torch.tensor(torch.nan), {"a": inf, "b": -inf}, 1)
    found = sums.read()
    assert (found.culprits, found.step) == (("b",), 3)


def test_term_sums_add_up_processes_and_blame_the_earliest():
    sums = TermSums(torch.device("cpu"))
    sums.add(torch.tensor(1.0), {"a": torch.tensor([1.0, 3.0])}, 2)
    sums.add(torch.tensor(2.0), {"a": torch.tensor([2.0, 2.0])}, 2)

    def gather(values):
        other = values.clone()
        other[0] += 4.0  # the other process: sum of a 12, all else the same
        return torch.stack([values, other])

    assert sums.read(gather=gather).means == {"a": 2.5, "total": 1.5}

    def gather_bad(values):
        other = values.clone()
        other[0], other[2] = torch.nan, 1.0  # a left there after one finite step
        return torch.stack([values, other])

    assert (sums.read(gather=gather_bad).culprits, sums.read(gather=gather_bad).step) == (("a",), 2)


def test_term_sums_without_terms_judge_the_total():
    sums = TermSums(torch.device("cpu"))
    sums.add(torch.tensor(3.0), {}, 4)
    assert sums.read().means == {"total": 3.0}
    sums.add(torch.tensor(torch.nan), {}, 4)
    assert sums.read().culprits == ("total",)
