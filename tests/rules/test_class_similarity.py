"""Similarity to each class against scikit-learn and a sort of everything; memory, bits, odd data."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from knownot.data import load_named
from knownot.rules import ClassSimilarity, make_rule
from knownot.rules import class_similarity as implementation


def normal(n, d=16, seed=0, dtype=torch.float32):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def by_sorting(z, y, queries, k):
    """Algorithm 1, one class after the other, in float64."""
    z, queries = (torch.nn.functional.normalize(rows.double(), dim=1) for rows in (z, queries))
    classes = [queries @ z[y == c].T for c in range(int(y.max()) + 1)]
    short = min(s.shape[1] for s in classes) < k
    top = [s.sort(1, descending=True).values[:, :k] for s in classes]
    return torch.stack([t.mean(1) if short else t.sum(1) for t in top], 1)


@pytest.mark.parametrize("sizes", [(700, 3000, 11, 40), (5000,), (10, 10), tuple(range(10, 90)), (4096, 4095)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_logits_are_sums_of_the_largest_similarities(sizes, dtype):
    y = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    order = torch.randperm(len(y))
    z, y, queries = normal(len(y), dtype=dtype), y[order], normal(33, seed=1, dtype=dtype)
    rule = ClassSimilarity().fit(z, y)
    verdict = rule.evaluate(queries)
    expected = by_sorting(z, y, queries, 10)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(verdict.logits.double(), expected, rtol=0, atol=tolerance)
    torch.testing.assert_close(verdict.knownness.double(), expected.amax(1), rtol=0, atol=tolerance)
    assert verdict.logits.dtype == dtype


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=6),
    st.integers(1, 12),
    st.integers(1, 40),
    st.booleans(),
)
def test_any_sizes_of_classes(sizes, k, n_queries, ties):
    y = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    z, queries = normal(len(y), 3), normal(n_queries, 3, seed=1)
    if ties:
        z, queries = z.sign(), queries.sign()
    found = ClassSimilarity(k=k).fit(z, y).evaluate(queries).logits
    torch.testing.assert_close(found.double(), by_sorting(z, y, queries, k), rtol=0, atol=1e-5)


def test_scikit_learn_finds_the_same():
    z, queries = normal(3000), normal(50, seed=1)
    y = torch.arange(3000) % 3
    peers = [NearestNeighbors(n_neighbors=7, metric="cosine", algorithm="brute").fit(z[y == c]) for c in range(3)]
    expected = np.stack([(1 - peer.kneighbors(queries)[0]).sum(1) for peer in peers], 1)
    np.testing.assert_allclose(ClassSimilarity(k=7).fit(z, y).evaluate(queries).logits, expected, atol=1e-5)


def test_many_blocks_give_what_one_gives(monkeypatch):
    z, y, queries = normal(3000), torch.arange(3000) % 20, normal(300, seed=1)
    one = ClassSimilarity().fit(z, y).evaluate(queries)
    monkeypatch.setattr(implementation, "_NUMBERS", 2**15)
    monkeypatch.setattr(implementation, "_QUERIES", {"cpu": 48})
    rule = ClassSimilarity().fit(z, y)
    many = rule.evaluate(queries)
    assert len(rule._layout.blocks) > 3
    torch.testing.assert_close(many.logits, one.logits, rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("d", [1, 5, 64])
@pytest.mark.parametrize("n_classes", [1, 3, 70])
def test_a_row_has_the_same_bits_wherever_it_stands(dtype, d, n_classes):
    z, y = normal(2100, d, dtype=dtype), torch.arange(2100) % n_classes
    queries = normal(600, d, seed=1, dtype=dtype)
    rule = ClassSimilarity().fit(z, y)
    whole = rule.evaluate(queries)
    order = torch.randperm(600)
    for parts in (order.split(1)[:20], order.split(7)[:20], order.split(16), order.split(333), [order]):
        for part in parts:
            found = rule.evaluate(queries[part])
            assert torch.equal(found.logits, whole.logits[part])
            assert torch.equal(found.knownness, whole.knownness[part])


def test_means_stand_in_for_sums_in_all_classes_where_one_is_small():
    z = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    y = torch.tensor([0, 0, 0, 1])
    query = torch.tensor([[0.6, 0.8]])
    torch.testing.assert_close(ClassSimilarity(k=1).fit(z, y).evaluate(query).logits, torch.tensor([[0.6, 0.8]]))
    classes, knownness = ClassSimilarity(k=3).fit(z, y).score(query)
    # By sums, three similarities of 0.6 would win over one of 0.8.
    assert classes.tolist() == [1]
    assert float(knownness) == pytest.approx(0.8)


def test_embeddings_of_any_scale_and_odd_ones():
    z, y, queries = normal(60), torch.arange(60) % 3, normal(8, seed=1)
    expected = ClassSimilarity().fit(z, y).evaluate(queries).logits
    for scale in (1e-30, 1e30):
        found = ClassSimilarity().fit(z * scale, y).evaluate(queries * scale).logits
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    rule = ClassSimilarity().fit(z, y)
    odd = queries.clone()
    odd[0], odd[1, 3], odd[2, 0] = 0.0, torch.nan, torch.inf
    verdict = rule.evaluate(odd)
    assert verdict.knownness[0] == 0.0
    assert verdict.knownness[1:3].isnan().all()
    assert torch.equal(verdict.logits[3:], rule.evaluate(queries).logits[3:])
    half = rule.evaluate(queries.half())
    assert half.logits.dtype == torch.float32
    torch.testing.assert_close(half.logits, expected, rtol=0, atol=1e-2)
    assert rule.evaluate(queries[:0]).logits.shape == (0, 3)
    assert rule.evaluate(queries[:0]).knownness.shape == (0,)


def test_sum_over_one_embedding_that_all_queries_equal():
    z = torch.ones(20, 4)
    verdict = ClassSimilarity().fit(z, torch.arange(20) % 2).evaluate(z[:3])
    torch.testing.assert_close(verdict.knownness, torch.full((3,), 10.0))


def test_inference_gradients_copies_and_states():
    z, y = normal(100), torch.arange(100) % 4
    rule = ClassSimilarity()
    with torch.inference_mode():
        expected = rule.fit(z.clone(), y.clone()).evaluate(z).logits
    assert torch.equal(rule.evaluate(z.clone().requires_grad_()).logits, expected)
    assert torch.equal(copy.deepcopy(rule).evaluate(z).logits, expected)
    assert torch.equal(make_rule("class-similarity").restore(rule.state()).evaluate(z).logits, expected)
    assert not hasattr(clone(rule), "references_")
    assert copy.deepcopy(rule)._layout is None
    fewer = copy.deepcopy(rule)
    fewer.evaluate(z)
    assert torch.equal(fewer.set_params(k=3).evaluate(z).logits, ClassSimilarity(k=3).fit(z, y).evaluate(z).logits)
    # A second fit does not look at the first.
    assert torch.equal(
        rule.fit(z, y.flip(0)).evaluate(z).logits, ClassSimilarity().fit(z, y.flip(0)).evaluate(z).logits
    )


def test_max_references_keep_the_shares_of_the_classes():
    y = torch.tensor([0] * 800 + [1] * 200)
    rule = ClassSimilarity(max_references=100).fit(normal(1000), y)
    assert torch.bincount(rule.labels_).tolist() == [80, 20]


def test_ten_thousand_classes_and_one_large_one_take_little_memory():
    queries = normal(2000, 4, seed=1)
    for n_classes in (1, 10_000):
        rule = ClassSimilarity().fit(normal(100_000, 4), torch.arange(100_000) % n_classes)
        rule.evaluate(queries[:1])
        with torch.profiler.profile(profile_memory=True) as profile:
            rule.evaluate(queries[:600])
        assert max(event.self_cpu_memory_usage for event in profile.events()) < 5 * 2**26


@pytest.mark.parametrize("settings", [{"k": 0}, {"k": 2.5}, {"k": None}, {"max_references": 0}])
def test_settings_that_leave_no_embedding(settings):
    name, value = next(iter(settings.items()))
    with pytest.raises(ValueError, match=f"{name}={value!r} does not work: give a whole number of at least 1"):
        ClassSimilarity(**settings).fit(normal(9), torch.arange(9) % 3)


@pytest.mark.data
def test_digits_of_six_classes_against_the_other_four(data_root):
    """Pixels themselves, without any network, tell some of the unknown digits apart."""
    data = load_named("mnist", folder=data_root)
    x, y = torch.as_tensor(data.x[:12_000]).flatten(1).float(), torch.as_tensor(data.y[:12_000])
    classes = torch.full((10,), -1)
    classes[[2, 4, 5, 9, 8, 3]] = torch.arange(6)
    index = classes[y.long()]
    train, test = index[:10_000] >= 0, slice(10_000, 12_000)
    rule = ClassSimilarity().fit(x[:10_000][train], index[:10_000][train])
    found, knownness = rule.score(x[test])
    is_known = index[test] >= 0
    assert (found == index[test])[is_known].float().mean() > 0.93
    assert roc_auc_score(is_known, knownness) > 0.75
