"""Rules for densities: by hand."""

import pytest
import torch

from knownot.rules import ComplexityCorrected, LogDensity, Typicality, make_rule

Z, Y = torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64)
EVIDENCE = {"log-density": torch.tensor([1.0, -3.0, 10.0, 2.0]), "complexity": torch.tensor([5.0, 9.0, 0.0, 1.0])}


def test_log_density_is_the_knownness():
    verdict = LogDensity().fit(Z, Y).evaluate(Z, EVIDENCE)
    assert verdict.knownness.tolist() == [1.0, -3.0, 10.0, 2.0]
    assert verdict.knownness.dtype == torch.float64
    assert verdict.logits.tolist() == [[0.0]] * 4


def test_complexity_is_added_so_that_simple_images_gain_nothing():
    assert ComplexityCorrected().fit(Z, Y).evaluate(Z, EVIDENCE).knownness.tolist() == [6.0, 6.0, 10.0, 3.0]


def test_typicality_is_the_distance_from_the_mean_of_held_out_samples():
    rule = Typicality().fit(Z, Y)
    with pytest.raises(ValueError, match="has no centre yet"):
        rule.evaluate(Z, EVIDENCE)
    with pytest.raises(ValueError, match="has no centre yet"):
        rule.state()
    rule.calibrate(Z, Y, {"log-density": torch.tensor([2.0, 4.0, float("-inf")])})
    assert rule.evaluate(Z, EVIDENCE).knownness.tolist() == [-2.0, -6.0, -7.0, -1.0]
    again = Typicality().restore(rule.state())
    assert torch.equal(again.evaluate(Z, EVIDENCE).knownness, rule.evaluate(Z, EVIDENCE).knownness)


@pytest.mark.parametrize("name", ["log-density", "complexity", "typicality"])
def test_rules_without_their_evidence_are_refused(name):
    rule = make_rule(name)
    with pytest.raises(ValueError, match="needs the evidence"):
        rule.check_evidence(["deviance"])
