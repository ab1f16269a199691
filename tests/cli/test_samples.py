from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownot.cli.kinds import Kind
from knownot.cli.samples import (
    divide,
    hold_out,
    parse_image_size,
    read,
    read_for,
    read_parts,
    require_label,
    spelled_like,
)
from knownot.cli.selection import parse_selection
from knownot.cli.terminal import Terminal
from knownot.data import Dataset


@pytest.fixture
def quiet() -> Terminal:
    return Terminal(quiet=True)


@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    share=st.floats(0, 0.99),
    seed=st.integers(0, 1000),
)
def test_hold_out_takes_the_share_of_every_known_class_and_leaves_a_sample(counts, share, seed):
    y = np.repeat(np.arange(len(counts)), counts)
    known = y != 1
    kept = hold_out(y, known, share, seed)
    assert not kept[~known].any()
    for label, count in enumerate(counts):
        if label != 1:
            assert kept[y == label].sum() == max(1, count - round(share * count))


def test_hold_out_depends_on_the_seed():
    y, known = np.zeros(50, int), np.ones(50, bool)
    first, again, other = (hold_out(y, known, 0.5, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("share", [-0.1, 1.0, 3.0])
def test_hold_out_refuses_what_is_no_share(share):
    with pytest.raises(ValueError, match="is not a share"):
        hold_out(np.zeros(3), np.ones(3, bool), share, 0)


def labelled(y, **more) -> Dataset:
    """Samples whose first value tells them apart."""
    return Dataset(np.stack([np.arange(len(y)), np.ones(len(y))], 1).astype(np.float32), np.array(y), **more)


def test_divide_keeps_the_test_set_of_a_named_set(quiet):
    data, test = read_parts(quiet, "digits", None, "refuse")
    train, judged, known = divide(data, test, parse_selection("0,1", None))
    assert set(train.labels.tolist()) == {0, 1}
    assert judged is not None
    assert set(judged.labels.tolist()) == set(range(10))
    assert known is not None
    assert (known == (judged.labels < 2)).all()


def test_divide_names_groups_in_both_parts():
    data = labelled(np.repeat([0, 1, 2], 10))
    train, test, known = divide(data, None, parse_selection(None, "low=0+1"), 0.2)
    assert test is not None
    assert known is not None
    assert train.labels.tolist() == ["low"] * 16
    assert sorted(test.labels.tolist()) == ["2"] * 10 + ["low"] * 4
    assert (known == (test.labels == "low")).all()
    assert sorted(np.concatenate([train.x, test.x])[:, 0]) == list(range(30))


def test_divide_holds_nothing_out_when_told_so():
    parts = divide(labelled([0, 0, 1, 1]), held_out=0.0)
    assert len(parts.train) == 4
    assert parts.test is parts.known is None


@pytest.mark.parametrize("kind", [Kind.density, Kind.clusterer, Kind.other])
def test_divide_takes_samples_without_labels(kind):
    data = Dataset(np.arange(40.0, dtype=np.float32).reshape(20, 2))
    train, test, known = divide(data, held_out=0.3, kind=kind)
    assert test is not None
    assert known is not None
    assert (len(train), len(test)) == (14, 6)
    assert known.all()
    assert sorted(np.concatenate([train.x, test.x])[:, 0]) == list(range(0, 40, 2))
    with pytest.raises(ValueError, match="has no labels"):
        divide(data, None, parse_selection("a", None), kind=kind)


def test_divide_needs_labels_for_a_classifier():
    with pytest.raises(ValueError, match="has no labels"):
        divide(Dataset(np.zeros((4, 2), np.float32)))


def test_divide_gives_a_clusterer_all_known_samples():
    data = labelled(np.repeat([0, 1, 2], 10))
    train, test, _ = divide(data, None, parse_selection("0,1", None), kind=Kind.clusterer)
    assert len(train) == 20
    assert test is None
    train, test, known = divide(data, None, parse_selection("0,1", None), 0.5, kind=Kind.clusterer)
    assert test is not None
    assert known is not None
    assert set(test.labels.tolist()) == {0, 1}
    assert (len(train), len(test), known.all()) == (10, 10, True)


@pytest.mark.parametrize("text", ["0", "x", "64x", "64x48x3", "-3", "big", "64.5", ""])
def test_parse_image_size_refuses_what_is_no_size(text):
    with pytest.raises(ValueError, match=f"--image-size {text} is not a size in pixels"):
        parse_image_size(text)


def test_read_parts_refuses_a_size_for_what_is_no_image_file(quiet, tmp_path):
    np.savez(tmp_path / "t.npz", x=np.zeros((4, 2), np.float32), y=[0, 0, 1, 1])
    for source in ("digits", str(tmp_path / "t.npz")):
        with pytest.raises(ValueError, match=f"--image-size applies to image files, and {source} is something else"):
            read_parts(quiet, source, None, "refuse", (8, 8))


def test_read_passes_on_how_far_it_is_and_what_is_noted(monkeypatch, capsys):
    asked: dict[str, Any] = {}

    def reader(source, label=None, *, split="train", progress=None, **settings):
        asked.update(settings, split=split, label=label)
        assert progress is not None
        progress(3, 7)
        warnings.warn(f"{source}: 1 image was skipped.", stacklevel=1)
        warnings.warn("the disk is slow", stacklevel=1)
        return Dataset(np.zeros((2, 2)), name=source, note="1 image was skipped; all were resized")

    monkeypatch.setattr("knownot.data.read_source", reader)
    monkeypatch.setattr("knownot.cli.terminal.SECONDS_BETWEEN_LINES", 0)
    with warnings.catch_warnings(record=True) as caught:
        data = read(Terminal(), "photos", "kind", split="test", channels=3)
    assert len(data) == 2
    assert asked == {"split": "test", "channels": 3, "label": "kind"}
    err = capsys.readouterr().err
    assert "Reading photos (test) ... 3 of 7" in err
    assert err.count("note: ") == 1
    assert "note: photos: 1 image was skipped; all were resized." in err
    assert [str(warning.message) for warning in caught] == ["the disk is slow"]


def test_read_for_asks_for_the_form_of_the_model(monkeypatch, quiet):
    asked = []
    monkeypatch.setattr(
        "knownot.data.read_source",
        lambda source, label=None, progress=None, **more: asked.append(more) or Dataset(np.zeros((1, 2))),
    )
    images = SimpleNamespace(input_shape_=(3, 64, 48))
    table = SimpleNamespace(input_shape_=(2,), feature_names_in_=np.array(["a", "b"], object))
    for model, source in ((images, "photos"), (table, "digits"), (SimpleNamespace(), "x.npz")):
        read_for(quiet, model, source, None, "skip")
    assert asked == [
        {"unreadable": "skip", "channels": 3, "image_size": (64, 48)},
        {"unreadable": "skip", "split": "test", "columns": ["a", "b"]},
        {"unreadable": "skip"},
    ]


def test_require_label_asks_for_the_label_of_a_table(tmp_path):
    table = tmp_path / "table.CSV"
    table.write_text("a,b\n1,2\n")
    require_label(str(table), "b")
    require_label("folder", None)
    with pytest.raises(ValueError, match=r"table.CSV is a table.*--label COL"):
        require_label(str(table), None)


def test_spelled_like_writes_labels_as_the_model_does():
    assert spelled_like(np.array([0, 3]), np.array(["0"])).tolist() == ["0", "3"]
    assert spelled_like(np.array([0, 3]), np.array(["cat"]), ("cat", "dog")).tolist() == ["cat", "3"]
    assert spelled_like(np.array(["5"]), np.array([1])).tolist() == [5]
    assert spelled_like(np.array(["x"]), np.array([1])).tolist() == ["x"]
    assert spelled_like(np.array([2]), np.array([1])).tolist() == [2]
