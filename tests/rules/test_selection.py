"""The k largest against a sort."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from knownot.rules.selection import _network, k_largest, k_largest_of_two


@given(st.integers(1, 70), st.integers(1, 30), st.booleans())
def test_are_those_of_a_sort(n, k, ties):
    numbers = torch.randn(n, 200, generator=torch.Generator().manual_seed(n))
    numbers = numbers.round() if ties else numbers
    expected = numbers.sort(0, descending=True).values[:k]
    assert torch.equal(torch.stack(k_largest(numbers.clone().unbind(0), k)), expected)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 30))
def test_of_two_sequences(n, m, k):
    a, b = (torch.randn(size, 200).mul(2).round().sort(0, descending=True).values for size in (n, m))
    expected = torch.cat([a, b]).sort(0, descending=True).values[:k]
    assert torch.equal(torch.stack(k_largest_of_two([*a.clone()], [*b.clone()], k)), expected)


@pytest.mark.parametrize(("n", "k"), [(8, 8), (11, 3), (12, 12)])
def test_are_right_for_all_of_zeros_and_ones(n, k):
    """A network of comparisons that is right for these is right for all numbers (Knuth 5.3.4, theorem Z)."""
    numbers = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * n).T.contiguous()
    expected = numbers.sort(0, descending=True).values[:k]
    assert torch.equal(torch.stack(k_largest(numbers.unbind(0), k)), expected)


def test_infinities_and_nan_stay_in_their_place():
    numbers = torch.tensor([[1.0, 2.0, torch.nan], [-torch.inf, torch.inf, 0.0], [3.0, -torch.inf, 5.0]])
    found = torch.stack(k_largest(numbers.unbind(0), 2))
    assert found[:, :2].tolist() == [[3.0, torch.inf], [1.0, 2.0]]
    assert found[:, 2].isnan().all()


@pytest.mark.parametrize(("k", "most"), [(1, 1.0), (10, 10.0)])
def test_comparisons_grow_with_the_numbers_alone(k, most):
    for n in (16, 100, 1000):
        comparisons = _network(n, 0, k).comparisons
        assert sum(c.larger + c.smaller for c in comparisons) <= most * n
