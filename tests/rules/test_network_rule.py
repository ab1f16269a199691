"""The rule on what a classifying network says: each part, their sum, and what is refused."""

import pytest
import torch
import torch.nn.functional as F

from knownot.rules import Mahalanobis, NetworkEvidence, Surprise


@pytest.fixture
def samples():
    torch.manual_seed(0)
    y = torch.arange(300) % 3
    z = 4 * torch.eye(3)[y] + 0.6 * torch.randn(300, 3)
    return z, y, 2 * z + 0.1 * torch.randn(300, 3)


def by_hand(part, z, y, at, logits):
    if part == "logit":
        return logits.max(1).values
    if part == "norm":
        return at.square().sum(1).sqrt()
    if part == "whitened":
        return Mahalanobis().fit(z, y).evaluate(at).knownness
    distance = (F.normalize(at)[:, None] - F.normalize(z)).norm(dim=2)
    return -distance.sort(1).values[:, :10].mean(1)


@pytest.mark.parametrize("parts", [("logit",), ("neighbours",), ("norm", "whitened"), ("logit", "neighbours", "norm")])
def test_network_evidence_is_the_sum_of_surprises(samples, parts):
    z, y, logits = samples
    training, held, test = slice(0, 150), slice(150, 240), slice(240, 300)
    rule = NetworkEvidence(parts).fit(z[training], y[training])
    rule.calibrate(z[held], y[held], {"logits": logits[held]})
    expected = torch.zeros(60, dtype=torch.float64)
    for part in parts:
        scale = Surprise.fit(by_hand(part, z[training], y[training], z[held], logits[held]))
        expected -= scale(by_hand(part, z[training], y[training], z[test], logits[test]))
    verdict = rule.evaluate(z[test], {"logits": logits[test]})
    assert torch.allclose(verdict.knownness, expected, atol=1e-4)
    assert torch.equal(verdict.logits, logits[test])
    again = NetworkEvidence(parts).restore(rule.state())
    assert torch.equal(again.evaluate(z[test], {"logits": logits[test]}).knownness, verdict.knownness)


def test_network_evidence_needs_calibration_and_logits(samples):
    z, y, logits = samples
    rule = NetworkEvidence().fit(z, y)
    with pytest.raises(ValueError, match="has no scale yet: call calibrate"):
        rule.evaluate(z, {"logits": logits})
    with pytest.raises(ValueError, match="has no scale yet: call calibrate"):
        rule.state()
    with pytest.raises(ValueError, match="needs the evidence logits"):
        rule.calibrate(z, y)
    with pytest.raises(ValueError, match="there is one class"):
        NetworkEvidence().fit(z, torch.zeros(300, dtype=torch.int64))


@pytest.mark.parametrize("parts", [(), ("logit", "logit"), ("colour",)])
def test_network_evidence_refuses_parts_that_there_are_not(samples, parts):
    z, y, _ = samples
    with pytest.raises(ValueError, match="give some of logit, neighbours, norm, whitened, each once"):
        NetworkEvidence(parts).fit(z, y)
