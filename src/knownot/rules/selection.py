"""The k largest of some numbers, for many samples at a time, by comparisons of whole tensors."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor


class _Comparison(NamedTuple):
    """Afterwards the larger number of two places is in the first, the smaller in the second, where it is needed."""

    first: int
    second: int
    larger: bool
    smaller: bool


class _Network(NamedTuple):
    """Comparisons in their order, and the places where the k largest end up, descending."""

    comparisons: list[_Comparison]
    order: list[int]


def k_largest(planes: Iterable[Tensor], k: int) -> list[Tensor]:
    """The k largest of the numbers that stand in one place of some tensors, place by place.

    A sort of each place by itself would look at one number at a time; here one operation compares two tensors in
    all places. Which are compared does not depend on the numbers: Batcher's merging network, less all that does
    not lead to the k largest.

    Parameters
    ----------
    planes : iterable of Tensor, all of one shape
        Changed by the call. NaN in one of them makes NaN of what it is compared with.
    k : int

    Returns
    -------
    list of Tensor
        Descending; k of them, or as many as there are planes.

    References
    ----------
    Batcher, "Sorting networks and their applications", 1968; Knuth, "The Art of Computer Programming", 5.3.4.

    Examples
    --------
    >>> k_largest([torch.tensor([1.0, 9.0]), torch.tensor([2.0, 8.0]), torch.tensor([3.0, 7.0])], k=2)
    [tensor([3., 9.]), tensor([2., 8.])]
    """
    places = list(planes)
    return _carry_out(_network(len(places), 0, k), places)


def k_largest_of_two(a: list[Tensor], b: list[Tensor], k: int) -> list[Tensor]:
    """As :func:`k_largest`, from two descending sequences, which takes fewer comparisons.

    Parameters
    ----------
    a, b : list of Tensor, all of one shape
        Changed by the call.
    k : int

    Returns
    -------
    list of Tensor

    Examples
    --------
    >>> k_largest_of_two([torch.tensor([9.0]), torch.tensor([3.0])], [torch.tensor([5.0])], k=2)
    [tensor([9.]), tensor([5.])]
    """
    return _carry_out(_network(len(a), len(b), k), [*a, *b])


def _carry_out(network: _Network, places: list[Tensor]) -> list[Tensor]:
    spare = torch.empty_like(places[0])
    for first, second, larger, smaller in network.comparisons:
        a, b = places[first], places[second]
        if larger and smaller:
            torch.maximum(a, b, out=spare)
            torch.minimum(a, b, out=b)
            places[first], spare = spare, a
        elif larger:
            torch.maximum(a, b, out=a)
        else:
            torch.minimum(a, b, out=b)
    return [places[place] for place in network.order]


@lru_cache(maxsize=256)
def _network(n: int, n_more: int, k: int) -> _Network:
    """For n numbers in any order, or for two descending sequences of n and n_more."""
    pairs: list[tuple[int, int]] = []
    places = list(range(n + n_more))
    order = _merged(places[:n], places[n:], pairs)[:k] if n_more else _sorted(places, k, pairs)
    needed, comparisons = set(order), []
    for first, second in reversed(pairs):
        larger, smaller = first in needed, second in needed
        if larger or smaller:
            comparisons.append(_Comparison(first, second, larger, smaller))
            needed |= {first, second}
    return _Network(comparisons[::-1], order)


def _sorted(places: list[int], k: int, pairs: list[tuple[int, int]]) -> list[int]:
    if len(places) == 1:
        return places
    half = 1 << (len(places) - 1).bit_length() - 1
    return _merged(_sorted(places[:half], k, pairs), _sorted(places[half:], k, pairs), pairs)[:k]


def _merged(a: list[int], b: list[int], pairs: list[tuple[int, int]]) -> list[int]:
    """The places of two descending sequences as one."""
    if not a or not b:
        return a + b
    if len(a) == len(b) == 1:
        pairs.append((a[0], b[0]))
        return a + b
    even, odd = _merged(a[::2], b[::2], pairs), _merged(a[1::2], b[1::2], pairs)
    # Each number of the one is at most one place from where it belongs among those of the other.
    order = even[:1]
    for pair in zip(odd, even[1:], strict=False):
        pairs.append(pair)
        order += pair
    n_paired = (len(order) - 1) // 2
    return order + odd[n_paired:] + even[n_paired + 1 :]
