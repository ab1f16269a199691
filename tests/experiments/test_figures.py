"""What all figures have in common."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.text import Text

from knownot.experiments.figures import empty_figure, encoded, label_ends, look, panels, spread


def test_look_gives_no_two_of_many_lines_the_same():
    looks = {(found["color"], found["marker"]) for found in map(look, range(36))}
    assert len(looks) == 36


def test_panels_are_as_many_as_asked_for():
    figure = empty_figure(3.0, 3.0)
    shown = panels(figure, 4, 3)
    assert figure.axes == shown
    assert len(shown) == 4
    assert {axes.get_subplotspec().get_gridspec().get_geometry() for axes in shown} == {(2, 3)}


def test_label_ends_neither_overlap_nor_leave_their_figure():
    figure = empty_figure(5.0, 4.5)
    axes = figure.subplots()
    ends = [(f"method {i}", 1.0, 0.5 + i / 1000, "#000000", i == 2) for i in range(5)]
    for _, x, y, _, _ in ends:
        axes.plot([0.0, x], [0.0, y])
    label_ends(axes, ends)
    figure.draw_without_rendering()
    # The texts alone, without the lines that lead to them.
    boxes = sorted((Text.get_window_extent(text) for text in axes.texts), key=lambda box: box.y0)
    for below, above in pairwise(boxes):
        assert below.y1 <= above.y0 + 1.0
    assert max(box.x1 for box in boxes) <= figure.bbox.x1
    assert [text.get_text() for text in axes.texts if text.get_fontweight() == "bold"] == ["method 2"]


@pytest.mark.parametrize("seed", range(5))
def test_spread_gives_the_nearest_places_that_are_apart_in_order_and_within_bounds(seed):
    from scipy.optimize import minimize

    wished = np.sort(np.random.default_rng(seed).uniform(0, 1, 6))
    places = np.array(spread(wished.tolist(), 0.15, -5.0, 5.0))
    assert (np.diff(places) >= 0.15 - 1e-9).all()
    best = minimize(
        lambda x: np.sum((x - wished) ** 2),
        np.linspace(-1, 2, 6),
        constraints=[{"type": "ineq", "fun": lambda x: np.diff(x) - 0.15}],
    )
    assert np.sum((places - wished) ** 2) == pytest.approx(best.fun, abs=1e-5)
    bounded = np.array(spread(wished.tolist(), 0.15, 0.1, 0.9))
    assert (np.diff(bounded) >= 0.15 - 1e-9).all()
    assert bounded[0] >= 0.1 - 1e-9
    assert bounded[-1] <= 0.9 + 1e-9


def test_spread_is_even_where_not_all_fit():
    assert spread([0.1, 0.2, 0.3], 1.0, 0.0, 1.0) == [0.0, 0.5, 1.0]
    assert spread([], 1.0, 0.0, 1.0) == []


@pytest.mark.parametrize("form", ["svg", "png"])
def test_encoded_gives_the_same_bytes_for_the_same_figure(form):
    def drawn() -> bytes:
        figure = empty_figure(2.0, 2.0)
        figure.subplots().plot([0.0, 1.0], [1.0, 0.0], label="a line")
        return encoded(figure, form)

    first = drawn()
    assert first == drawn()
    assert first.startswith(b"<?xml" if form == "svg" else b"\x89PNG")
