from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from knownot.cli.scores import MOST_ROWS, Bar, class_table, judge, scorecard
from knownot.cli.terminal import THEME


class Ruler:
    """Knows classes 0 and 1 at those places of a line; knownness is minus the distance."""

    classes_ = np.array([0, 1])
    offset_ = -0.25

    def nearest_class(self, x, *, return_knownness):
        assert return_knownness, "one pass gives both"
        nearest = np.clip(np.rint(x[:, 0]), 0, 1).astype(int)
        return nearest, -np.abs(x[:, 0] - nearest)


def shown(part, width: int = 120) -> str:
    text = io.StringIO()
    Console(file=text, width=width, theme=THEME).print(part)
    return text.getvalue()


def test_judge_counts_what_becomes_of_each_class():
    x = np.array([[0.0], [0.1], [0.4], [0.9], [1.0], [5.0], [1.1]])
    y = np.array([0, 0, 0, 0, 1, 7, 7])
    metrics, rows = judge(Ruler(), x, y)
    assert [row["label"] for row in rows] == [0, 1, 7]
    assert [row["known"] for row in rows] == [True, True, False]
    zero, one, seven = rows
    assert (zero["right"], zero["wrong"], zero["rejected"]) == pytest.approx((0.5, 0.25, 0.25))
    assert (one["right"], one["wrong"], one["rejected"]) == (1, 0, 0)
    assert (seven["right"], seven["wrong"], seven["rejected"]) == (0, 0.5, 0.5)
    assert metrics["acceptance"] == pytest.approx(4 / 5)
    assert metrics["unknown_rejection"] == 0.5


def test_known_classes_come_first():
    _, rows = judge(Ruler(), np.array([[0.0], [1.0]]), np.array([-5, 1]))
    assert [row["label"] for row in rows] == [1, -5]


def test_scorecard_shows_what_there_is():
    text = shown(scorecard({"closed_set_accuracy": 0.987, "auroc": 0.9123, "acceptance": 0.94}, accept=0.95))
    assert "98.7 %" in text
    assert "0.912" in text
    assert "95.0 % were asked for" in text
    assert "OSCR" not in text


@pytest.mark.parametrize(("right", "wrong"), [(1, 0), (0, 1), (0, 0), (1 / 3, 1 / 3), (0.98, 0.01)])
def test_bars_are_equally_wide(right, wrong):
    assert len(Bar(right, wrong).drawn(30).plain) == 30


def test_eighty_columns_are_enough():
    rows = [{"label": "9", "known": False, "samples": 12345, "right": 0.0, "wrong": 1.0, "rejected": 0.0}]
    text = shown(class_table(rows), width=80)
    assert "…" not in text
    assert "▓" * 20 in text


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


def test_square_brackets_in_class_names_are_no_markup():
    rows = [{"label": "[red]x[/]", "known": True, "samples": 1, "right": 1.0, "wrong": 0.0, "rejected": 0.0}]
    assert "[red]x[/]" in shown(class_table(rows))
