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

# Queries at a time, and numbers in a block of similarities, at most.
_QUERIES = {"cpu": 256}
_QUERIES_ELSEWHERE = 4096
_NUMBERS = 2**24
# Libraries for matrix products treat the rows and columns beyond a multiple of this apart.
_WHOLE = 16
# A class with fewer columns than this shares a block with others of about its size.
_ALONE = 4096


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
    row of similarities for 16 samples.

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
    rows : Tensor, shape (at least n_planes * r * n_groups, d)
        Embeddings. Those of a group lie in the planes, one behind the other, so that the maxima of all groups
        are those of whole planes, which is fast.
    n_planes, n_groups : int
        Members of a group, and groups of a class.
    filling : Tensor
        Columns that hold no embedding.
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

    The k largest of a class lie in the k groups with the largest maxima, so that only the members of these are
    sorted.

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
        order = labels.argsort(stable=True)
        members = dict(enumerate(order.split(counts)))
        self.blocks = [_block(references, members, *plan, k) for plan in _plans(counts, k)]

    def sums(self, queries: Tensor) -> Tensor:
        """Sums, or means, of the k largest similarities to each class, (N, C)."""
        found = self.made_from.new_empty(len(queries), self.n_classes)
        for block in self.blocks:
            n_columns = len(block.rows)
            fitting = max(_NUMBERS // n_columns // _WHOLE, 1) * _WHOLE
            at_a_time = min(fitting, _QUERIES.get(queries.device.type, _QUERIES_ELSEWHERE))
            room = self.made_from.new_empty(min(at_a_time, -(-len(queries) // _WHOLE) * _WHOLE), n_columns)
            for start in range(0, len(queries), at_a_time):
                here = slice(start, start + at_a_time)
                part = _directions(queries[here]).to(self.made_from.dtype)
                # Whole numbers of rows, since a product of few, or the last rows of one, may differ in the last bit.
                filled = F.pad(part, (0, 0, 0, -len(part) % _WHOLE))
                similarities = torch.mm(filled, block.rows.T, out=room[: len(filled)])[: len(part)]
                found[here, block.classes] = self._sums(similarities, block)
        return found

    def _sums(self, similarities: Tensor, block: _Block) -> Tensor:
        similarities.index_fill_(1, block.filling, -math.inf)
        largest = _k_largest(similarities, block, self.k)
        counts = torch.arange(largest.shape[2], device=largest.device) < block.taken
        sums = torch.where(counts, largest, 0.0).sum(2)
        return sums / block.taken[:, 0] if self.means else sums


def _k_largest(similarities: Tensor, block: _Block, k: int) -> Tensor:
    """The k largest similarities (n, r, k), or as many as there are, to each class of a block, descending."""
    r, n_planes, n_groups = len(block.classes), block.n_planes, block.n_groups
    n_places = n_planes * r * n_groups
    planes = similarities[:, :n_places].unflatten(1, (n_planes, r, n_groups))
    if n_planes == 1:
        return planes[:, 0].topk(min(k, n_groups), dim=2).values
    groups = planes.amax(1).topk(k, dim=2, sorted=False).indices
    device = similarities.device
    first = groups + n_groups * torch.arange(r, device=device)[:, None]
    of_planes = torch.arange(0, n_places, r * n_groups, device=device)
    columns = (first[:, :, None] + of_planes[:, None]).flatten(1)
    return similarities.gather(1, columns).unflatten(1, (r, n_planes * k)).topk(k, dim=2).values


def _plans(counts: list[int], k: int) -> Iterator[tuple[list[int], int, int]]:
    """Classes, planes and groups of each block: classes of about one size that fit in one block."""
    shapes: dict[tuple[int, int], list[int]] = {}
    for c, count in enumerate(counts):
        shapes.setdefault(_shape(count, k), []).append(c)
    for (n_planes, n_groups), classes in shapes.items():
        n = max(1, _NUMBERS // _QUERIES["cpu"] // (n_planes * n_groups))
        for start in range(0, len(classes), n):
            yield classes[start : start + n], n_planes, n_groups


def _shape(count: int, k: int) -> tuple[int, int]:
    """Planes and groups for a class: as many groups as there will be members of the k best groups, or nearly."""
    n_planes = 2 ** int(math.log2(max(1.0, math.sqrt(count / k))))
    # Too few planes cost more than they save.
    n_planes = n_planes if n_planes > 2 else 1
    n_groups = -(-count // n_planes)
    if count < _ALONE:
        # Three leading bits, so that sizes differ little within a block and classes of many sizes share a few blocks.
        step = 2 ** max(0, n_groups.bit_length() - 4)
        n_groups = -(-n_groups // step) * step
    return n_planes, n_groups


def _block(
    references: Tensor, members: dict[int, Tensor], classes: list[int], n_planes: int, n_groups: int, k: int
) -> _Block:
    device = references.device
    sizes = torch.tensor([len(members[c]) for c in classes], device=device)
    # The e-th embedding of a class is in plane e // n_groups, group e % n_groups.
    e = torch.arange(n_planes * n_groups, device=device).view(n_planes, 1, n_groups)
    is_filling = (e >= sizes[:, None]).flatten()
    filled_up = torch.stack([F.pad(members[c], (0, n_planes * n_groups - len(members[c]))) for c in classes])
    places = filled_up.view(len(classes), n_planes, n_groups).transpose(0, 1).flatten()
    rows = F.pad(references[places], (0, 0, 0, -len(places) % _WHOLE))
    taken = sizes.clamp_max(k)[:, None]
    return _Block(torch.tensor(classes, device=device), rows, n_planes, n_groups, is_filling.nonzero().flatten(), taken)


def _directions(z: Tensor) -> Tensor:
    """Unit vectors in float32 or better; those of a zero are zero."""
    z = at_least_float32(z)
    # Squares of numbers beyond 1e19 or below 1e-22 are none in float32.
    largest = z.abs().amax(1, keepdim=True)
    return F.normalize(z / torch.where(largest > 0, largest, 1.0), dim=1)
