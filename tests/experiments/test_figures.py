"""Figures: what they show is what was measured."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from knownot.experiments import EXPERIMENTS

pytest.importorskip("matplotlib")

from knownot.experiments.figures import LINES, encoded, f1_figure, maps_figure, spread, subclusters_figure

FASHION = EXPERIMENTS["open-gmvae/fashion-mnist"]


def test_lines_are_the_means_over_the_seeds(fashion):
    left, right = f1_figure(FASHION, fashion.runs(FASHION.name, "paper")).axes
    drawn = {line.get_label(): line for line in left.get_lines()}
    assert set(drawn) == {"knownot", "gmvae+nc-u", "crosr+nc-d", "pixels+5nn"}
    assert drawn["crosr+nc-d"].get_xdata().tolist() == [0, 1, 2]
    assert drawn["crosr+nc-d"].get_ydata() == pytest.approx([0.8, 0.5, 0.4])
    drawn = {line.get_label(): line for line in right.get_lines()}
    assert drawn["gmvae+nc-u"].get_ydata() == pytest.approx([0.7, 0.6, 0.64])
    widths = {name: line.get_linewidth() for name, line in drawn.items()}
    assert max(widths, key=lambda name: widths[name]) == "knownot"
    ticks = left.xaxis.get_major_locator().tick_values(0, 2)
    assert np.array_equal(ticks, np.round(ticks))
    assert {text.get_text() for text in right.texts} == {
        "knownot, default rule", "GMVAE + NC-U", "CROSR + NC-D", "raw pixels, 5-NN Euclidean"
    }  # fmt: skip


def test_bands_are_one_standard_deviation_wide(fashion):
    _, right = f1_figure(FASHION, fashion.runs(FASHION.name, "paper")).axes
    [heights] = [
        band.get_paths()[0].vertices[:, 1]
        for band, line in zip(right.collections, right.get_lines(), strict=True)
        if line.get_label() == "gmvae+nc-u"
    ]
    deviation = np.std([0.6, 0.68], ddof=1)
    assert heights.max() == pytest.approx(0.7)
    assert any(np.isclose(heights, 0.64 + deviation))
    assert any(np.isclose(heights, 0.64 - deviation))


def test_one_seed_has_no_bands(fashion):
    left, _ = f1_figure(FASHION, fashion.runs(FASHION.name, "paper")[:1]).axes
    assert len(left.collections) == 0
    assert len(left.get_lines()) == 4


def test_no_two_methods_look_alike():
    looks = {(style["color"], style["marker"], style.get("markerfacecolor")) for style in LINES.values()}
    assert len(looks) == len(LINES)


def test_labels_neither_overlap_nor_leave_their_panel(fashion):
    figure = f1_figure(FASHION, fashion.runs(FASHION.name, "paper"))
    figure.draw_without_rendering()
    boxes = sorted((text.get_window_extent() for text in figure.axes[1].texts), key=lambda box: box.y0)
    for below, above in pairwise(boxes):
        assert below.y1 <= above.y0 + 1.0
    assert max(box.x1 for box in boxes) <= figure.bbox.x1


@pytest.mark.parametrize("seed", range(5))
def test_places_are_apart_in_order_within_bounds_and_as_near_as_can_be(seed):
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


def test_places_without_room_are_even():
    assert spread([0.1, 0.2, 0.3], 1.0, 0.0, 1.0) == [0.0, 0.5, 1.0]
    assert spread([], 1.0, 0.0, 1.0) == []


def test_maps_show_every_point_and_a_star_for_each_class(fashion):
    maps = fashion.maps(FASHION.name, "paper")
    assert maps is not None
    figure = maps_figure(FASHION, maps)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["CROSR, [y, z]", "GMVAE"]
    points, stars = figure.axes[0].collections
    assert np.allclose(points.get_offsets(), maps["maps"]["crosr, [y, z]"]["points"])
    assert np.allclose(stars.get_offsets(), maps["maps"]["crosr, [y, z]"]["centroids"])
    # A star has the colour of the points of its class.
    assert np.allclose(points.get_facecolors()[:6, :3], stars.get_facecolors()[:, :3])
    [legend] = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Shirt", "centroid"]


@pytest.mark.parametrize("form", ["svg", "png"])
def test_the_same_figure_has_the_same_bytes(fashion, form):
    runs = fashion.runs(FASHION.name, "paper")
    first = encoded(f1_figure(FASHION, runs), form)
    assert first == encoded(f1_figure(FASHION, runs), form)
    assert first.startswith(b"<?xml" if form == "svg" else b"\x89PNG")


def study(seed: int) -> dict:
    """A result on subclusters: the covering of K lies K below that of 1, and early epochs far away."""
    epochs = np.arange(8.0)
    curves = [
        {
            "n_subclusters": k,
            "reconstruction": np.where(epochs < 4, 500.0, 20.0 - epochs).tolist(),
            "covering": (epochs - k + seed).tolist(),
            "bound": (epochs + 50.0).tolist(),
        }
        for k in (1, 2, 3)
    ]
    drops = {"drop 1→2": 1.0 + seed, "drop 2→3": 1.0, "n_subclusters": 2 + seed, "true": 2}
    return {"seed": seed, "methods": {"even": drops, "odd": drops}, "curves": {"even": curves, "odd": curves}}


def test_subclusters_are_drawn_over_the_second_half_of_the_epochs():
    figure = subclusters_figure([study(0), study(1)])
    assert len(figure.axes) == 2
    assert figure.axes[0].get_title(loc="left").strip() == "even"
    lines = figure.axes[0].get_lines()
    assert len(lines) == 6
    strong = {line.get_label(): line for line in lines if line.get_alpha() is None}
    assert set(strong) == {"K = 1", "K = 2", "K = 3"}
    assert strong["K = 2"].get_xdata().tolist() == [13.0, 14.0, 15.0, 16.0]
    assert strong["K = 2"].get_ydata().tolist() == [5.0, 4.0, 3.0, 2.0]
    [text] = [text.get_text() for text in figure.axes[0].texts]
    assert text == "drops 1→2: 1.50, 2→3: 1.00; chosen 2, 3"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["K = 1", "K = 2", "K = 3"]
