"""Demonstrations: a divergence that is minimised, a shape's codes, and penalties on codes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from knownot.experiments import EXPERIMENTS, Results, Runner
from knownot.experiments.kinds.demonstrations.approximations import fit_approximation, points
from knownot.experiments.kinds.demonstrations.latent_shapes import fit_shape
from knownot.experiments.kinds.demonstrations.penalties import PENALTIES, costs_ratio, small_curve


@pytest.mark.parametrize("divergence", ["kl", "cs"])
def test_two_gaussians_are_found_and_one_takes_a_mode(divergence):
    both = fit_approximation(divergence, "mixture", 700, 0)
    one = fit_approximation(divergence, "single", 700, 0)
    assert both["numbers"]["variation"] < 0.02
    assert one["numbers"]["variation"] == pytest.approx(0.5, abs=0.01)
    # Half of the mixture is log 2 away from all of it, and half of that by Cauchy-Schwarz.
    expected = np.log(2.0) * (1.0 if divergence == "kl" else 0.5)
    assert one["numbers"]["divergence"] == pytest.approx(expected, abs=0.02)
    mode = points()[int(np.argmax(one["density"]))]
    assert abs(mode) == pytest.approx(3.0, abs=0.1)


def test_codes_come_nearer_to_the_prior_with_the_weight():
    light, heavy = (fit_shape(weight, 200, 25, 0)["numbers"] for weight in (0.2, 20.0))
    assert heavy["divergence"] < 0.7 * light["divergence"]
    assert heavy["error"] > light["error"]


def test_penalties_of_bounded_slope_prefer_two_small_dimensions():
    t = np.linspace(0.5, 1.0, 1_000)
    assert 0 < small_curve(t, 0.1).min() < small_curve(t, 0.1).max() <= 0.1
    for name, (_, bounded, h) in PENALTIES.items():
        assert h(0.0) == 0.0
        if bounded:
            assert costs_ratio(h, 1e-7, 0) < 1.0, name
    assert costs_ratio(PENALTIES["count"][2], 1e-7, 0) == 2.0
    # A steeper slope holds out longer.
    assert costs_ratio(PENALTIES["log 1e-12"][2], 0.1, 0) > 1.0 > costs_ratio(PENALTIES["log 1e-2"][2], 0.1, 0)


@pytest.mark.parametrize(
    "name", ["cauchy-schwarz/two-gaussians", "cauchy-schwarz/pinwheel", "when-vaes-know/penalties"]
)
def test_demonstrations_run_and_are_drawn(name, tmp_path):
    pytest.importorskip("matplotlib")
    experiment, results = EXPERIMENTS[name], Results(tmp_path)
    run = Runner(results, device="cpu", tell=lambda _: None).run(experiment, experiment.presets["smoke"], 0)
    [drawing] = experiment.figures([json.loads(run.read_text())], results.attachments(name, "smoke"))
    assert drawing.figure.axes
