"""Similarity to the training embeddings of each class: Algorithm 1 of the GradMix paper."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from knownot.probability import at_least_float32
from knownot.rules.base import Evidence, Rule, State, Verdict, least_counts
from knownot.rules.references import sample_references
from knownot.rules.selection import k_largest, k_largest_of_two

# Queries at a time, and numbers in a block of similarities, at most.
_QUERIES = {"cpu": 5 * 48}
_QUERIES_ELSEWHERE = 85 * 48
_NUMBERS = 2**24
# Planes of a class, about; with so many, and such a number of columns in a block, a block stays in the caches of a
# processor and its planes are still large.
_PLANES, _COLUMNS = 64, 4096
# Libraries for matrix products treat the last columns apart, beyond a multiple of 8, 12, 16, 24 or 48.
_WHOLE = 48


class ClassSimilarity(Rule):
    """Knownness is the sum of the k largest cosine similarities to the training embeddings of the best class.

    The sum of each class is its logit. Where any class has fewer than k embeddings, means over as many as there
    are take the place of sums, for all classes, so that they stay comparable.

    Parameters
    ----------
    k : int
        Embeddings of each class that count.
    max_references : int, optional
        Training embeddings to keep, about in proportion to the classes, with a minimum for rare
        ones; None keeps all.
    random_state : int
        Seed of that draw.

    Notes
    -----
    The result is exact, and does not depend on the other samples of a batch, to the last bit. Memory does not grow
    with the number of samples, nor with that of the training embeddings beyond a second copy of them and one
    row of similarities for 48 samples.

    Examples
    --------
    >>> import torch
    >>> z, y = torch.tensor([[1.0, 0.0], [9.0, 0.0], [0.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0, 1, 1])
    >>> ClassSimilarity(k=2).fit(z, y).score(torch.tensor([[0.0, 5.0], [3.0, 4.0]]))
    (tensor([1, 1]), tensor([2.0000, 1.6000]))
    """

    name = "class-similarity"
    _layout: _Layout | None = None

    def __init__(self, k: int = 10, max_references: int | None = None, random_state: int = 0) -> None:
        self.k = k
        self.max_references = max_references
        self.random_state = random_state

    def check(self, n_subclusters: Sequence[int]) -> None:
        """Refuse settings that leave no embedding."""
        super().check(n_subclusters)
        least_counts(k=self.k, max_references=1 if self.max_references is None else self.max_references)

    def fit(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> Self:
        self.check([1] * (int(y.max()) + 1))
        if self.max_references is not None and len(z) > self.max_references:
            keep = sample_references(y, self.max_references, self.random_state)
            z, y = z[keep], y[keep]
        self.references_, self.labels_ = _directions(z.detach()), y
        return self

    def evaluate(self, z: Tensor, evidence: Evidence | None = None) -> Verdict:
        layout = self._layout
        if layout is None or layout.made_from is not self.references_ or layout.k != self.k:
            # It may outlive the inference that it was made in.
            with torch.inference_mode(False):
                layout = self._layout = _Layout(self.references_, self.labels_, self.k)
        logits = layout.sums(z.detach())
        return Verdict(logits, logits.amax(1))

    def state(self) -> State:
        return {"references": self.references_, "labels": self.labels_}

    def restore(self, state: State) -> Self:
        self.references_, self.labels_ = state["references"], state["labels"]
        return self

    def __getstate__(self) -> dict[str, Any]:
        # A copy makes its own.
        return {**super().__getstate__(), "_layout": None}


class _Block(NamedTuple):
    """Classes whose embeddings are compared at a time, each filled up to as many: planes times groups.

    Attributes
    ----------
    classes : Tensor, shape (r,)
        Their indices.
    rows : Tensor, shape (n_planes * n_groups * r, d)
        Embeddings: the first of each group of each class, then the second of each, and so on.
    n_planes, n_groups : int
        Members of a group, and groups of a class.
    filling : Tensor
        Rows that hold no embedding.
    taken : Tensor, shape (r, 1)
        Embeddings that count: k, or fewer where a class has no more.
    """

    classes: Tensor
    rows: Tensor
    n_planes: int
    n_groups: int
    filling: Tensor
    taken: Tensor


class _Layout:
    """Embeddings class by class, in blocks.

    The k largest of a class are among the k largest of its groups. These are found for all groups of all classes
    of a block and all queries at a time, and the groups then joined in pairs.

    Parameters
    ----------
    references : Tensor, shape (M, d)
        Unit vectors.
    labels : Tensor, shape (M,)
    k : int
    """

    def __init__(self, references: Tensor, labels: Tensor, k: int) -> None:
        self.made_from, self.k = references, k
        counts = torch.bincount(labels).tolist()
        self.n_classes, self.means = len(counts), min(counts) < k
        members = labels.argsort(stable=True).split(counts)
        self.blocks = [_block(references, members, *plan, k) for plan in _plans(counts)]

    def sums(self, queries: Tensor) -> Tensor:
        """Sums, or means, of the k largest similarities to each class, (N, C)."""
        found = self.made_from.new_empty(len(queries), self.n_classes)
        for block in self.blocks:
            fitting = max(_NUMBERS // len(block.rows) // _WHOLE, 1) * _WHOLE
            at_a_time = min(fitting, _QUERIES.get(queries.device.type, _QUERIES_ELSEWHERE))
            for start in range(0, len(queries), at_a_time):
                part = _directions(queries[start : start + at_a_time]).to(self.made_from.dtype)
                # A whole number of columns, since the last ones of a product may differ in the last bit.
                similarities = block.rows @ F.pad(part, (0, 0, 0, -len(part) % _WHOLE)).T
                sums = self._sums(similarities, block)[:, : len(part)]
                found[start : start + at_a_time, block.classes] = sums.T
        return found

    def _sums(self, similarities: Tensor, block: _Block) -> Tensor:
        """Sums, or means, for the classes of a block, (r, n), from similarities (rows, n)."""
        similarities.index_fill_(0, block.filling, -math.inf)
        sums = similarities.new_zeros(len(block.classes), similarities.shape[1])
        for place, largest in enumerate(_k_largest(similarities, block, self.k)):
            # A class with fewer embeddings has no such place.
            sums += torch.where(place < block.taken, largest, 0.0)
        return sums / block.taken if self.means else sums


def _k_largest(similarities: Tensor, block: _Block, k: int) -> list[Tensor]:
    """The k largest similarities to each class of a block, or as many as there are, descending, (r, n) each."""
    planes = k_largest(similarities.unflatten(0, (block.n_planes, block.n_groups, len(block.classes))), k)
    while len(planes[0]) > 1:
        half = len(planes[0]) // 2
        planes = k_largest_of_two([plane[:half] for plane in planes], [plane[half:] for plane in planes], k)
    return [plane[0] for plane in planes]


def _plans(counts: list[int]) -> Iterator[tuple[list[int], int, int]]:
    """Classes, planes and groups of each block: classes of about one size."""
    shapes: dict[tuple[int, int], list[int]] = {}
    for c, count in enumerate(counts):
        shapes.setdefault(_shape(count), []).append(c)
    for (n_planes, n_groups), classes in shapes.items():
        n = max(1, _COLUMNS // (n_planes * n_groups))
        for start in range(0, len(classes), n):
            yield classes[start : start + n], n_planes, n_groups


def _shape(count: int) -> tuple[int, int]:
    """Planes and groups for a class, which hold all its embeddings."""
    if count < _COLUMNS:
        # Four leading bits, rounded up: classes of many sizes share a few blocks, and little is filled up.
        step = 1 << max(0, count.bit_length() - 4)
        count = -(-count // step) * step
    # A power of two, so that groups can be joined in pairs.
    n_groups = 2 ** max(0, round(math.log2(count / _PLANES)))
    return -(-count // n_groups), n_groups


def _block(
    references: Tensor, members: Sequence[Tensor], classes: list[int], n_planes: int, n_groups: int, k: int
) -> _Block:
    device = references.device
    sizes = torch.tensor([len(members[c]) for c in classes], device=device)
    n = n_planes * n_groups
    filled_up = torch.stack([F.pad(members[c], (0, n - len(members[c]))) for c in classes])
    is_filling = torch.arange(n, device=device) >= sizes[:, None]
    # From (class, plane, group) to (plane, group, class).
    shape = (n_planes, n_groups)
    places, is_filling = (part.unflatten(1, shape).permute(1, 2, 0) for part in (filled_up, is_filling))
    return _Block(
        torch.tensor(classes, device=device),
        references[places.flatten()],
        n_planes,
        n_groups,
        is_filling.flatten().nonzero().flatten(),
        sizes.clamp_max(k)[:, None],
    )


def _directions(z: Tensor) -> Tensor:
    """Unit vectors in float32 or better; those of a zero are zero."""
    z = at_least_float32(z)
    # Squares of numbers beyond 1e19 or below 1e-22 are none in float32.
    largest = z.abs().amax(1, keepdim=True)
    return F.normalize(z / torch.where(largest > 0, largest, 1.0), dim=1)
