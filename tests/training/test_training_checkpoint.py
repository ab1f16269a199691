"""Checkpoints: whole or absent, resumed to the last bit, and refused when they do not belong."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from knownot.training import TrainingPlan, train
from knownot.training.checkpoint import FORMAT, read_checkpoint, write_checkpoint

SETTINGS = TrainingPlan(6, learning_rate=0.05, warmup_epochs=3, weight_decay=0.01, accelerator="cpu", seed=3)


class StopError(Exception):
    pass


def stop_after(epoch):
    def stop(record):
        if record["epoch"] == epoch:
            raise StopError

    return stop


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def begin(module, batches, folder, plan=SETTINGS, epochs=3, validation=None):
    with pytest.raises(StopError):
        train(module, batches, validation, plan, checkpoint_dir=folder, on_epoch=stop_after(epochs))


@pytest.mark.parametrize("every", [1, 2])
def test_train_resumed_ends_as_if_never_interrupted(make_line, make_batches, tmp_path, every):
    settings = replace(SETTINGS, checkpoint_every=every)
    whole, resumed = make_line(), make_line()
    expected = train(whole, make_batches(), make_batches(seed=1), settings)
    begin(make_line(), make_batches(), tmp_path, settings, 3, make_batches(seed=1))
    history = train(resumed, make_batches(), make_batches(seed=1), settings, checkpoint_dir=tmp_path, resume=True)
    assert equal(whole, resumed)
    assert [{**r, "seconds": 0} for r in history] == [{**r, "seconds": 0} for r in expected]
    assert (history.best_epoch, history.stopped) == (expected.best_epoch, "finished")


def test_train_resumes_the_order_of_a_data_loader(make_line, tmp_path):
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))

    def loader():
        return DataLoader(TensorDataset(x, (x.sum(1) > 0).long()), batch_size=6, shuffle=True)

    whole, resumed = make_line(), make_line()
    train(whole, loader(), plan=SETTINGS)
    begin(make_line(), loader(), tmp_path)
    train(resumed, loader(), plan=SETTINGS, checkpoint_dir=tmp_path, resume=True)
    assert equal(whole, resumed)


def test_train_resumes_early_stopping(make_line, make_batches, tmp_path):
    settings = replace(SETTINGS, max_epochs=40, patience=2, learning_rate=0.3, schedule="constant")
    whole, resumed = make_line(), make_line()
    expected = train(whole, make_batches(), make_batches(seed=1), settings)
    assert expected.stopped == "early"
    begin(make_line(), make_batches(), tmp_path, settings, len(expected) - 1, make_batches(seed=1))
    history = train(resumed, make_batches(), make_batches(seed=1), settings, checkpoint_dir=tmp_path, resume=True)
    assert (len(history), history.stopped, history.best_epoch) == (len(expected), "early", expected.best_epoch)
    assert equal(whole, resumed)


def test_train_resumed_after_its_end_returns_at_once(make_line, make_batches, tmp_path):
    first, second = make_line(), make_line()
    begun = train(first, make_batches(), make_batches(seed=1), SETTINGS, checkpoint_dir=tmp_path)
    history = train(second, make_batches(), make_batches(seed=1), SETTINGS, checkpoint_dir=tmp_path, resume=True)
    assert second.weights_seen == []
    assert equal(first, second)
    assert history == begun


def test_train_resumed_may_prolong_a_constant_schedule(make_line, make_batches, tmp_path):
    long = replace(SETTINGS, schedule="constant")
    whole, resumed = make_line(), make_line()
    train(whole, make_batches(), plan=long)
    train(make_line(), make_batches(), plan=replace(long, max_epochs=4), checkpoint_dir=tmp_path)
    history = train(resumed, make_batches(), plan=long, checkpoint_dir=tmp_path, resume=True)
    assert (len(history), history.stopped) == (6, "finished")
    assert equal(whole, resumed)


def test_train_without_a_seed_resumes_that_of_the_checkpoint(make_line, make_batches, tmp_path):
    settings = replace(SETTINGS, seed=None)
    begin(make_line(), make_batches(), tmp_path, settings)
    content = read_checkpoint(tmp_path)
    assert content is not None
    seed = content["history"]["seed"]
    resumed, whole = make_line(), make_line()
    history = train(resumed, make_batches(), plan=settings, checkpoint_dir=tmp_path, resume=True)
    train(whole, make_batches(), plan=replace(settings, seed=seed))
    assert history.seed == seed
    assert equal(whole, resumed)


def test_train_resumed_without_a_checkpoint_begins(make_line, make_batches, tmp_path):
    history = train(make_line(), make_batches(), plan=SETTINGS, checkpoint_dir=tmp_path / "new", resume=True)
    assert len(history) == 6
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": 0.1}, "it has learning_rate = 0.05, this training 0.1"),
        ({"max_epochs": 9}, "it has max_epochs = 6, this training 9"),
        ({"seed": 4}, "it has seed = 3, this training 4"),
        ({"precision": "bf16-mixed"}, "it has precision = 32-true, this training bf16-mixed"),
    ],
)
def test_train_resumed_refuses_other_settings(make_line, make_batches, tmp_path, change, message):
    train(make_line(), make_batches(), plan=SETTINGS, checkpoint_dir=tmp_path)
    with pytest.raises(ValueError, match=message) as caught:
        train(make_line(), make_batches(), plan=replace(SETTINGS, **change), checkpoint_dir=tmp_path, resume=True)
    assert "or start over with resume=False" in str(caught.value)


def test_train_resumed_refuses_other_data_and_modules(make_line, make_batches, tmp_path):
    train(make_line(), make_batches(), plan=SETTINGS, checkpoint_dir=tmp_path)
    with pytest.raises(ValueError, match="it has steps_per_epoch = 7, this training 8"):
        train(make_line(), make_batches(60), plan=SETTINGS, checkpoint_dir=tmp_path, resume=True)
    other = make_line()
    other.linear = torch.nn.Linear(3, 2)
    before = other.linear.weight.detach().clone()
    with pytest.raises(ValueError, match=r"the weights linear.weight = \[1, 3\], this training \[2, 3\]"):
        train(other, make_batches(), plan=SETTINGS, checkpoint_dir=tmp_path, resume=True)
    assert torch.equal(other.linear.weight, before)


def test_read_checkpoint_refuses_damaged_foreign_and_newer_files(tmp_path):
    path = write_checkpoint(tmp_path, {"weights": {"a": torch.zeros(3)}})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"cannot be read as a checkpoint.*Remove it, or name another"):
        read_checkpoint(tmp_path)
    path.unlink()
    torch.save({"something": "else"}, path)
    with pytest.raises(ValueError, match="is no checkpoint of a training"):
        read_checkpoint(tmp_path)
    torch.save({"format": FORMAT + 1}, path)
    with pytest.raises(ValueError, match=f"has format {FORMAT + 1}, this version of knownot reads up to {FORMAT}"):
        read_checkpoint(tmp_path)


def test_read_checkpoint_runs_no_code(tmp_path):
    class Harmful:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"format": FORMAT, "harm": Harmful()}, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        read_checkpoint(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_train_resumed_needs_a_folder(make_line, make_batches):
    with pytest.raises(ValueError, match="resume=True needs a checkpoint_dir"):
        train(make_line(), make_batches(), plan=SETTINGS, resume=True)


@pytest.mark.slow
def test_train_killed_at_any_moment_resumes_to_the_same_bits(tmp_path):
    script = Path(__file__).with_name("killed_training.py")
    for precision in ("32-true", "bf16-mixed"):
        (tmp_path / precision).mkdir()
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    for precision in ("32-true", "bf16-mixed"):
        assert f"{precision}: same bits after 4 kills" in done.stdout, done.stdout
