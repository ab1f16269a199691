"""Checkpoints that are damaged, of format 1, or cannot be written."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from knownot.data import InMemoryBatches
from knownot.modules import OpenGMVAE
from knownot.training import TrainingPlan, train
from knownot.training.checkpoint import read_checkpoint, write_checkpoint

PLAN = TrainingPlan(max_epochs=4, seed=0, accelerator="cpu", precision="32-true")


def begun() -> tuple[OpenGMVAE, InMemoryBatches]:
    torch.manual_seed(0)
    module = OpenGMVAE((4,), n_classes=2, latent_dim=2, likelihood="gaussian", hidden=(8,), prior_hidden=(8,))
    x = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
    return module, InMemoryBatches(x, torch.arange(32) % 2, 8, shuffle=True)


def test_read_checkpoint_refuses_every_flipped_bit(tmp_path):
    path = write_checkpoint(tmp_path, {"weights": {"a": torch.arange(300.0)}, "text": "some"})
    content = path.read_bytes()
    random = np.random.default_rng(0)
    for place in [*range(8 * 90), *random.integers(0, 8 * len(content), 150)]:
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
            read_checkpoint(tmp_path)


def test_train_resumes_a_checkpoint_of_format_1_and_says_what_it_cannot_compare(tmp_path):
    shutil.copy(Path(__file__).with_name("format_1") / "checkpoint.pt", tmp_path / "checkpoint.pt")
    whole, batches = begun()
    expected = train(whole, batches, plan=PLAN)
    resumed, batches = begun()
    with pytest.warns(UserWarning, match="written by an earlier version, which did not note the data"):
        history = train(resumed, batches, plan=PLAN, checkpoint_dir=tmp_path, resume=True)
    assert history.stopped == "finished"
    assert history.losses() == pytest.approx(expected.losses(), rel=1e-4)


def test_train_goes_on_where_a_checkpoint_cannot_be_written(tmp_path, monkeypatch):
    module, batches = begun()
    train(module, batches, plan=PLAN, checkpoint_dir=tmp_path, on_epoch=None)
    before = (tmp_path / "checkpoint.pt").read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("knownot.training.session.write_checkpoint", full)
    module, batches = begun()
    with pytest.warns(UserWarning, match=r"epoch 1 could not be written .*\(No space left on device\)"):
        history = train(module, batches, plan=PLAN, checkpoint_dir=tmp_path)
    assert (history.stopped, len(history)) == ("finished", 4)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_train_refuses_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("a file")
    module, batches = begun()
    with pytest.raises(ValueError, match=r"no checkpoints can be written to .*file"):
        train(module, batches, plan=PLAN, checkpoint_dir=tmp_path / "file")
