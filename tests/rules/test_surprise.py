"""Surprises: edges, tails and units; the shares themselves are tested with the rules."""

import math

import pytest
import torch

from knownot.rules import Surprise


def normal(n=3000, seed=0):
    return torch.randn(n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_tail_is_exponential_with_the_mean_excess():
    reference = normal()
    surprise = Surprise.fit(reference)
    edge = torch.quantile(reference, 0.1)
    excess = (edge - reference[reference < edge]).mean()
    steps = torch.tensor([0.0, 1.0, 5.0, 50.0]).double()
    torch.testing.assert_close(surprise(edge - steps * excess), -math.log(0.1) + steps, atol=1e-6, rtol=1e-6)


def test_nothing_is_surprising_about_the_best():
    surprise = Surprise.fit(normal())
    assert surprise(torch.tensor([1e9, torch.inf, float(surprise.knots[-1])])).abs().max() == 0.0


def test_it_is_continuous_where_the_tail_begins():
    surprise = Surprise.fit(normal())
    edge = surprise.knots[0]
    below, above = surprise(torch.stack([edge - 1e-9, edge + 1e-9]))
    assert float(below) == pytest.approx(float(above), abs=1e-5)


@pytest.mark.parametrize(("unit", "offset"), [(1e5, 0.0), (1e-3, 0.0), (1.0, 1e6), (-0.0 + 7.0, -3.0)])
def test_it_has_no_unit(unit, offset):
    reference, scores = normal(), 3.0 * normal(500, 1)
    expected = Surprise.fit(reference)(scores)
    torch.testing.assert_close(
        Surprise.fit(unit * reference + offset)(unit * scores + offset), expected, atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("reference", [torch.ones(1), torch.ones(50), torch.tensor([0.0, 1.0]), torch.arange(5.0)])
def test_few_or_equal_references_give_finite_surprises(reference):
    surprise = Surprise.fit(reference)
    found = surprise(torch.tensor([-100.0, 0.5, 1.0, 100.0]))
    assert torch.isfinite(found).all()
    assert (found.diff() <= 0).all()
    assert found[0] > 3.0


def test_nan_stays_nan_and_alone():
    surprise = Surprise.fit(normal())
    assert torch.isnan(surprise(torch.tensor([0.0, torch.nan, -9.0]))).tolist() == [False, True, False]
    assert surprise(torch.tensor([-torch.inf])).item() == torch.inf
