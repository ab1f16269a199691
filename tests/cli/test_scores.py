from __future__ import annotations

import io

import pytest
from rich.console import Console

from knownot.cli.scores import (
    LONGEST_NAME,
    MOST_ROWS,
    Bar,
    Length,
    acceptance_table,
    class_table,
    cluster_table,
    indented,
    scorecard,
)
from knownot.cli.terminal import THEME


def shown(part, width: int = 120) -> str:
    text = io.StringIO()
    Console(file=text, width=width, theme=THEME).print(part)
    return text.getvalue()


def test_scorecard_shows_metrics_that_are_there():
    text = shown(scorecard({"closed_set_accuracy": 0.987, "auroc": 0.9123, "acceptance": 0.94}, accept=0.95))
    assert "98.7 %" in text
    assert "0.912" in text
    assert "95.0 % were asked for" in text
    assert "OSCR" not in text


@pytest.mark.parametrize(("right", "wrong"), [(1, 0), (0, 1), (0, 0), (1 / 3, 1 / 3), (0.98, 0.01)])
def test_bar_is_as_wide_as_its_column(right, wrong):
    assert len(Bar(right, wrong).drawn(30).plain) == 30


def test_class_table_fits_into_eighty_columns():
    rows = [
        {"label": "9" * LONGEST_NAME, "known": known, "samples": 12345, "right": 0.0, "wrong": 1.0, "rejected": 0.0}
        for known in (True, False)
    ]
    for table in (class_table(rows), acceptance_table([row | {"accepted": 1.0} for row in rows])):
        text = shown(indented(table), width=80)
        assert "…" not in text
        assert "samples" in text
        assert "▓" * 8 in text


def test_class_table_names_classes_and_shortens_long_lists():
    rows = [
        {"label": i, "known": i < 80, "samples": 1234, "right": 0.5, "wrong": 0.25, "rejected": 0.25}
        for i in range(100)
    ]
    text = shown(class_table(rows[:2], ("cat", "dog")))
    assert "cat" in text
    assert "dog" in text
    assert "1,234" in text
    assert "25.0 %" in text
    text = shown(class_table(rows))
    assert f"{100 - MOST_ROWS} more between" in text
    assert "never seen" in text


def test_class_table_prints_square_brackets_in_names():
    rows = [{"label": "[red]x[/]", "known": True, "samples": 1, "right": 1.0, "wrong": 0.0, "rejected": 0.0}]
    assert "[red]x[/]" in shown(class_table(rows))


def test_class_table_shortens_long_names():
    rows = [{"label": "a" * 40, "known": True, "samples": 1, "right": 1.0, "wrong": 0.0, "rejected": 0.0}]
    assert "a" * (LONGEST_NAME - 1) + "…" in shown(class_table(rows))


def test_acceptance_table_draws_wrong_acceptance_apart():
    rows = [
        {"label": "cat", "known": True, "samples": 10, "accepted": 0.9, "rejected": 0.1},
        {"label": "dog", "known": False, "samples": 1000, "accepted": 0.5, "rejected": 0.5},
    ]
    lines = shown(acceptance_table(rows), width=80).splitlines()
    cat, dog = (next(line for line in lines if line.strip().startswith(name)) for name in ("cat", "dog"))
    assert "90.0 %" in cat
    assert (cat.count("█"), cat.count("▓"), cat.count("░")) == (27, 0, 3)
    assert (dog.count("█"), dog.count("▓"), dog.count("░")) == (0, 15, 15)


def test_cluster_table_shows_labels_where_there_are_any():
    rows = [
        {"cluster": 3, "samples": 600, "share": 0.75, "label": 1, "purity": 0.9},
        {"cluster": 0, "samples": 200, "share": 0.25, "label": 0, "purity": 0.5},
    ]
    text = shown(cluster_table(rows, ("cat", "dog")), width=80)
    assert "mostly" in text
    assert text.index("dog") < text.index("cat")
    assert text.count("█") == 30 + 10
    bare = [{name: row[name] for name in ("cluster", "samples", "share")} for row in rows]
    assert "mostly" not in shown(cluster_table(bare))


def test_length_is_never_empty():
    assert Length(0.0).drawn(8).plain == "█"
    assert Length(1.0).drawn(8).plain == "█" * 8
