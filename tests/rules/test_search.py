"""Searches for nearest neighbours against brute force in float64, and the search that rules share."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from knownot.rules import (
    CosineNeighbours,
    LocalNeighbours,
    Neighbours,
    WeightedEvidence,
    WhitenedCosineNeighbours,
    WhitenedNeighbours,
    nearest,
)
from knownot.rules.search import Index, TwoMetrics
from knownot.rules.shared_search import SharedSearch


def rows(n, d, seed, offset=0.0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) + offset


def brute(queries, references, k):
    distances = torch.cdist(queries.double(), references.double(), compute_mode="donot_use_mm_for_euclid_dist")
    found = distances.topk(k, largest=False)
    return found.values, found.indices


@pytest.mark.parametrize(("n", "m", "d", "k"), [(1, 1, 1, 1), (3, 63, 2, 5), (700, 65, 3, 65), (600, 3000, 20, 5)])
def test_index_equals_brute_force(n, m, d, k):
    queries, references = rows(n, d, 0), rows(m, d, 1)
    distances, indices = Index(references).nearest(queries, k)
    expected, where = brute(queries, references, k)
    np.testing.assert_allclose(distances, expected, rtol=1e-5)
    # Two that are equally near, but for rounding, may change places.
    assert (indices == where).float().mean() > 0.99


@pytest.mark.parametrize("d", [1, 20, 130])
def test_two_metrics_equal_two_searches(d):
    queries, references = rows(600, d, 2), rows(2000, d, 3)
    queries[5] = 0.0
    points, directions = Index(references), Index(F.normalize(references, dim=1))
    assert TwoMetrics.apply(points, directions)
    near, in_direction = TwoMetrics(points, directions).nearest(queries, 5, 3)
    # What is as near but for rounding may be found instead.
    torch.testing.assert_close(near[0], points.nearest(queries, 5)[0], rtol=1e-5, atol=1e-3 if d == 1 else 1e-6)
    expected = directions.nearest(F.normalize(queries, dim=1), 3)[0]
    torch.testing.assert_close(in_direction[0], expected, rtol=0.0, atol=1e-6)
    assert in_direction[1].max() < len(references)


def test_two_metrics_are_refused_far_from_the_origin_and_for_other_references():
    references = rows(100, 4, 4)
    directions = Index(F.normalize(references, dim=1))
    assert TwoMetrics.apply(Index(references), directions)
    assert not TwoMetrics.apply(Index(references.flip(0)), directions)
    assert not TwoMetrics.apply(Index(references[:50]), directions)
    without_direction = torch.cat([references, torch.zeros(1, 4)])
    assert not TwoMetrics.apply(Index(without_direction), Index(F.normalize(without_direction, dim=1)))
    far = references + 100.0
    assert not TwoMetrics.apply(Index(far), Index(F.normalize(far, dim=1)))


def test_a_row_of_the_search_does_not_depend_on_the_rows_beside_it():
    references, queries = rows(5000, 128, 5), rows(512, 128, 6)
    queries[3] = torch.nan
    index = Index(references)
    both = TwoMetrics(index, Index(F.normalize(references, dim=1)))
    for search in (lambda q: index.nearest(q, 5), lambda q: sum(both.nearest(q, 5, 5), ())):
        for whole, turned in zip(search(queries), search(queries.flip(0)), strict=True):
            np.testing.assert_array_equal(whole, turned.flip(0))


def test_an_index_made_in_inference_takes_part_in_gradients():
    rule = Neighbours(k=2).fit(rows(10, 3, 7), torch.arange(10) % 2)
    with torch.inference_mode():
        rule.score(rows(4, 3, 8))
    z = rows(4, 3, 8).requires_grad_()
    rule.score(z)[1].sum().backward()
    assert z.grad is not None
    assert z.grad.abs().max() > 0


def test_the_index_follows_the_references_and_is_not_saved():
    y = torch.arange(100) % 2
    rule = Neighbours(k=1).fit(rows(100, 3, 9), y)
    queries = rows(20, 3, 10)
    before = rule.score(queries)[1]
    assert rule.state().keys() == {"references", "labels"}
    assert copy.copy(rule)._index is None
    other = Neighbours(k=1).fit(rows(60, 3, 11), y[:60])
    expected = other.score(queries)[1]
    assert torch.equal(rule.restore(other.state()).score(queries)[1], expected)
    assert not torch.equal(before, expected)
    assert torch.equal(copy.deepcopy(rule).score(queries)[1], expected)


def test_shared_search_says_what_each_rule_says_alone():
    y = torch.arange(900) % 3
    z = rows(900, 12, 12) + 2.0 * F.one_hot(y, 12)
    queries = {"one": rows(300, 12, 13), "other": rows(300, 12, 14)}
    kinds = {
        "near": (Neighbours(max_references=400), "one"),
        "local": (LocalNeighbours(max_references=400), "one"),
        "cosine": (CosineNeighbours(max_references=400), "one"),
        "cosine of others": (CosineNeighbours(max_references=300), "one"),
        "whitened": (WhitenedNeighbours(), "other"),
        "whitened cosine": (WhitenedCosineNeighbours(k=7), "other"),
        "near in other": (Neighbours(k=4), "other"),
        "cosine in other": (CosineNeighbours(), "other"),
    }
    rules = {name: rule.fit(z, y) for name, (rule, _) in kinds.items()}
    views = {name: view for name, (_, view) in kinds.items()}
    found = SharedSearch(rules, views).verdicts(queries)
    assert found.keys() == rules.keys()
    for name, rule in rules.items():
        alone = rule.evaluate(queries[views[name]])
        torch.testing.assert_close(found[name].knownness, alone.knownness, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(found[name].logits, alone.logits)


def test_weighted_evidence_searches_once_for_all_that_look_at_one_view(monkeypatch):
    y = torch.arange(300) % 3
    z = rows(300, 6, 15) + 4.0 * F.one_hot(y, 6)
    rule = WeightedEvidence().fit(z, y, {"own scale": z})
    # Every source is asked, whatever its weight.
    rule.weights_ = {name: 1.0 / len(rule.weights_) for name in rule.weights_}
    expected = rule.evaluate(z, {"own scale": z})
    counted = []
    for kind in (Index, TwoMetrics):
        own = kind.nearest
        monkeypatch.setattr(kind, "nearest", lambda self, *a, own=own: counted.append(self) or own(self, *a))
    again = rule.evaluate(z, {"own scale": z})
    assert torch.equal(again.knownness, expected.knownness)
    assert 0 < len(counted) <= 3
    loaded = WeightedEvidence().restore(rule.state())
    assert torch.equal(loaded.evaluate(z, {"own scale": z}).knownness, expected.knownness)


def test_nearest_in_chunks_of_any_size_finds_the_same():
    queries, references = rows(130, 5, 16), rows(700, 5, 17)
    whole = nearest(queries, references, 4)
    for chunk in (1, 7, 1000):
        for found, expected in zip(nearest(queries, references, 4, chunk), whole, strict=True):
            torch.testing.assert_close(found, expected)


def test_two_metrics_find_references_alone_also_where_all_lie_the_other_way():
    references = rows(70, 3, 18).abs() + torch.tensor([0.0, 0.0, 0.01])
    references -= 0.5 * references.mean(0)
    both = TwoMetrics(Index(references), Index(F.normalize(references, dim=1)))
    queries = -5.0 * references[:9]
    for _, indices in both.nearest(queries, 70, 70):
        assert torch.equal(indices.sort(1).values, torch.arange(70).expand(9, -1))
