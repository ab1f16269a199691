"""Figures of open-set experiments: what they show is what was measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from knownot.experiments import EXPERIMENTS

pytest.importorskip("matplotlib")

from knownot.experiments.figures import encoded

FASHION = EXPERIMENTS["open-gmvae/fashion-mnist"]


def figure_of(experiment, results, name, n_seeds=2):
    """One figure of an experiment at the preset paper, by the last part of its file's name."""
    runs = results.runs(FASHION.name, "paper")[:n_seeds]
    drawings = experiment.figures(runs, results.attachments(FASHION.name, "paper"))
    return {drawing.name: drawing.figure for drawing in drawings}[name]


def drawn(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def test_f1_figure_shows_the_means_over_the_seeds(fashion):
    left, right = figure_of(FASHION, fashion, "f1.svg").axes
    assert set(drawn(left)) == {"knownot", "gmvae+nc-u", "crosr+nc-d", "pixels+5nn"}
    assert drawn(left)["crosr+nc-d"].get_xdata().tolist() == [0, 1, 2]
    assert drawn(left)["crosr+nc-d"].get_ydata() == pytest.approx([0.8, 0.5, 0.4])
    assert drawn(right)["gmvae+nc-u"].get_ydata() == pytest.approx([0.7, 0.6, 0.64])
    widths = {name: line.get_linewidth() for name, line in drawn(right).items()}
    assert widths.pop("knownot") > max(widths.values())
    ticks = left.xaxis.get_major_locator().tick_values(0, 2)
    assert np.array_equal(ticks, np.round(ticks))
    assert {text.get_text() for text in right.texts} == {
        "knownot, default rule", "GMVAE + NC-U", "CROSR + NC-D", "raw pixels, 5-NN Euclidean"
    }  # fmt: skip
    assert [text.get_text() for text in right.texts if text.get_fontweight() == "bold"] == ["knownot, default rule"]


def test_f1_figure_shades_one_standard_deviation(fashion):
    _, right = figure_of(FASHION, fashion, "f1.svg").axes
    [heights] = [
        band.get_paths()[0].vertices[:, 1]
        for band, line in zip(right.collections, right.get_lines(), strict=True)
        if line.get_label() == "gmvae+nc-u"
    ]
    deviation = np.std([0.6, 0.68], ddof=1)
    assert heights.max() == pytest.approx(0.7)
    assert any(np.isclose(heights, 0.64 + deviation))
    assert any(np.isclose(heights, 0.64 - deviation))


def test_f1_figure_of_one_seed_has_no_bands(fashion):
    left, _ = figure_of(FASHION, fashion, "f1.svg", n_seeds=1).axes
    assert len(left.collections) == 0
    assert len(left.get_lines()) == 4


def test_f1_figure_draws_all_methods_where_no_lines_are_declared(fashion):
    left, _ = figure_of(replace(FASHION, lines={}), fashion, "f1.svg").axes
    assert set(drawn(left)) == {"knownot", "gmvae+nc-u", "crosr+nc-d", "pixels+5nn"}
    assert len({(line.get_color(), line.get_marker()) for line in left.get_lines()}) == 4
    left, _ = figure_of(replace(FASHION, lines={"pixels+5nn": {"color": "red"}}), fashion, "f1.svg").axes
    assert set(drawn(left)) == {"pixels+5nn"}


def test_f1_figure_has_the_same_bytes_each_time(fashion):
    assert encoded(figure_of(FASHION, fashion, "f1.svg"), "svg") == encoded(
        figure_of(FASHION, fashion, "f1.svg"), "svg"
    )


def test_lines_of_the_paper_do_not_look_alike():
    looks = {(style["color"], style["marker"], style.get("markerfacecolor")) for style in FASHION.lines.values()}
    assert len(looks) == len(FASHION.lines)
    assert set(FASHION.lines) <= set(FASHION.titles)


def test_maps_figure_shows_every_point_and_a_star_for_each_class(fashion):
    maps = fashion.attachments(FASHION.name, "paper")["maps"]
    figure = figure_of(FASHION, fashion, "maps.png")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["CROSR, [y, z]", "GMVAE"]
    points, stars = figure.axes[0].collections
    assert np.allclose(points.get_offsets(), maps["maps"]["crosr, [y, z]"]["points"])
    assert np.allclose(stars.get_offsets(), maps["maps"]["crosr, [y, z]"]["centroids"])
    # A star has the colour of the points of its class.
    assert np.allclose(points.get_facecolors()[:6, :3], stars.get_facecolors()[:, :3])
    [legend] = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Shirt", "centroid"]


def test_figures_without_maps_are_of_macro_f1_alone(fashion):
    fashion.attachment_path(FASHION.name, "paper", 0, "maps").unlink()
    runs = fashion.runs(FASHION.name, "paper")
    drawings = FASHION.figures(runs, fashion.attachments(FASHION.name, "paper"))
    assert [drawing.name for drawing in drawings] == ["f1.svg"]
