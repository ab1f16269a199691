"""What a user reads."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from knownot.training import History, TrainingPlan, progress, train
from knownot.training.progress import Display, duration, summary


def record(epoch, loss, validation=None):
    return {
        "epoch": epoch,
        "seconds": 1.0,
        "learning_rate": 0.001,
        "train": {"reconstruction": 100.0, "w-prior": loss - 100.0, "class": 0.0, "total": loss},
        "validation": None if validation is None else {"total": validation},
    }


def terminal(width=100):
    return Console(file=io.StringIO(), force_terminal=True, width=width, record=True, highlight=False)


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    return now


def test_display_shows_epoch_terms_validation_and_time_left(clock):
    history = History()
    console = terminal()
    display = Display(history, TrainingPlan(max_epochs=4, warmup_epochs=1), 10, console)
    console.print(display.render())
    first = console.export_text()
    assert "epoch 1/4 (warm-up)" in first
    assert "0 %" in first
    assert "left" not in first
    clock[0] = 15.0
    for _ in range(25):
        display.step()
    history.records += [record(1, 150.0, 160.0), record(2, 140.1234, 170.0)]
    history.best_epoch = 1
    console.print(display.render())
    lines = [line.strip() for line in console.export_text().splitlines()]
    assert lines[0].startswith("epoch 3/4 ━")
    assert lines[0].endswith("62 % 0:09 left")
    assert lines[1] == "loss 140.1  reconstruction 100 · w-prior 40.12"
    assert lines[2] == "validation loss 170, best 160 in epoch 1"


def test_display_fits_a_narrow_terminal(clock):
    console = terminal(width=58)
    display = Display(History(), TrainingPlan(max_epochs=100, warmup_epochs=1, patience=3), 10, console)
    display.step()
    clock[0] = 8.0
    console.print(display.render())
    lines = console.export_text().splitlines()
    assert len(lines) == 1
    assert lines[0].endswith("2:13:12 left at most")


def test_train_without_a_terminal_prints_some_lines(make_line, make_batches, capsys):
    settings = TrainingPlan(20, accelerator="cpu", seed=0)
    train(make_line(), make_batches(), make_batches(seed=1), settings, progress=True)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert [line.split(":")[0] for line in lines[:-1]] == [f"epoch {n}/20" for n in (1, *range(2, 21, 2))]
    assert "loss" in lines[3]
    assert "validation loss" in lines[3]
    assert lines[-1].startswith("Trained 20 epochs in 0:")


def test_train_on_a_terminal_ends_with_a_summary(make_line, make_batches, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    train(make_line(), make_batches(), plan=TrainingPlan(2, accelerator="cpu", seed=0), progress=True)
    text = stream.getvalue()
    assert "epoch 2/2" in text
    assert "100 %" in text
    assert "Trained 2 epochs in 0:" in text.splitlines()[-1]


def test_summary_says_how_a_training_ended():
    history = History([record(1, 120.0, 130.0), record(2, 110.0, 131.5)], best_epoch=1, precision="bf16-mixed")
    history.stopped = "early"
    expected = "Stopped early after 2 epochs in 1:01 (cpu, bf16-mixed); best epoch 1, validation loss 130."
    assert summary(history, 61.2) == expected
    assert summary(History([record(1, 12345.6)], best_epoch=1, stopped="finished"), 3600) == (
        "Trained 1 epoch in 1:00:00 (cpu, 32-true); loss 12346."
    )
    assert duration(59.6) == "1:00"


def test_history_is_a_list_of_records_and_survives_json():
    history = History([record(1, 120.0), record(2, 110.0, 130.0)], best_epoch=2, stopped="finished", seed=5)
    assert len(history) == 2
    assert [r["epoch"] for r in history] == [1, 2]
    assert history.best is history[1] is history[-1]
    assert history.losses() == [120.0, 110.0]
    assert history.losses("validation") == [None, 130.0]
    assert history.losses(term="reconstruction") == [100.0, 100.0]
    assert History.from_dict(history.to_dict()) == history
