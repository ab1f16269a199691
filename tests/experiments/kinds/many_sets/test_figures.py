"""The figure of forecasts: what it shows is what was measured."""

from __future__ import annotations

import pytest

pytest.importorskip("matplotlib")

from knownot.experiments.figures import encoded
from knownot.experiments.kinds.many_sets.figures import forecast_figure


def of(expected, low, high, true):
    return {"forecast": expected, "forecast_low": low, "forecast_high": high, "auroc": true}


POINTS = {
    "tables": [of(0.9, 0.8, 0.95, 0.8), of(0.7, 0.6, 0.75, 0.5)],
    "embeddings": [of(0.8, 0.7, 0.9, 0.85)],
}


def test_points_stand_at_true_and_expected_auroc():
    [axes] = forecast_figure(POINTS).axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert lines["tables"].get_xdata().tolist() == [0.8, 0.5]
    assert lines["tables"].get_ydata().tolist() == [0.9, 0.7]
    assert lines["embeddings"].get_xdata().tolist() == [0.85]
    bars = [segment.tolist() for bars in axes.collections for segment in bars.get_segments()]
    assert bars == [[[0.8, 0.8], [0.8, 0.95]], [[0.5, 0.6], [0.5, 0.75]], [[0.85, 0.7], [0.85, 0.9]]]
    title = axes.get_title(loc="left")
    assert title.startswith("3 splits: correlation 0.79, mean absolute error 0.117,")
    assert "67% of the 90 % intervals" in title


def test_the_line_of_equals_runs_through_all_that_is_shown():
    [axes] = forecast_figure(POINTS).axes
    [line] = [line for line in axes.get_lines() if list(line.get_xdata()) == list(line.get_ydata())]
    assert list(line.get_xdata()) == [0.5, 1.0]
    assert axes.get_xlim() == axes.get_ylim() == (0.5, 1.01)


def test_one_split_has_no_correlation():
    [axes] = forecast_figure({"tables": POINTS["tables"][:1], "embeddings": []}).axes
    assert axes.get_title(loc="left").startswith("1 splits: mean absolute error 0.100,")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["tables"]


def test_the_figure_has_the_same_bytes_each_time():
    assert encoded(forecast_figure(POINTS), "svg") == encoded(forecast_figure(POINTS), "svg")
