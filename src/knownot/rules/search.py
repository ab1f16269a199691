"""Exact search for the nearest of some embeddings, prepared once and shared by the rules that ask the same."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_BLOCK = 64
# Numbers in a block of distances that is worked on at a time: what the caches of a processor hold, and at most.
_IN_CACHE, _LARGEST = 2**20, 2**26
_FEWEST, _MOST = 32, 4096
_SHORTEST = 1e-12


def nearest(queries: Tensor, references: Tensor, k: int, chunk: int | None = None) -> tuple[Tensor, Tensor]:
    """Euclidean distances and indices of the k nearest references, in chunks.

    Parameters
    ----------
    queries : Tensor, shape (N, d)
    references : Tensor, shape (M, d)
    k : int
        At most M.
    chunk : int, optional
        Queries at a time; by default as many as the caches hold.

    Returns
    -------
    distances : Tensor, shape (N, k), ascending
    indices : Tensor, shape (N, k), int64

    Examples
    --------
    >>> import torch
    >>> nearest(torch.tensor([[0.0]]), torch.tensor([[3.0], [1.0]]), k=1)
    (tensor([[1.]]), tensor([[1]]))
    """
    return Index(references).nearest(queries, k, chunk)


class Index:
    """References prepared for a search: centred, filled up to whole blocks, with their norms.

    A chunked matrix product and an exact selection in two steps: the k nearest lie in the k
    blocks of references whose minima are smallest, so only those blocks are sorted. Memory
    grows with the number of references, not with the number of queries.

    Parameters
    ----------
    references : Tensor, shape (M, d)

    Attributes
    ----------
    made_from : Tensor, shape (M, d)
        The references as they were given.

    Examples
    --------
    >>> import torch
    >>> Index(torch.tensor([[3.0], [1.0]])).nearest(torch.tensor([[0.0], [9.0]]), k=1)[1]
    tensor([[1],
            [0]])
    """

    def __init__(self, references: Tensor) -> None:
        self.made_from = references
        # It may outlive the inference that it was made in, and then be asked with gradients.
        with torch.inference_mode(False):
            # Centring keeps |a|^2 - 2ab + |b|^2 from cancelling when the data lie far from the origin.
            self.centre = references.detach().mean(0)
            self._padded, self._half_norms = _filled_up(references.detach() - self.centre)

    def __len__(self) -> int:
        return len(self.made_from)

    def nearest(self, queries: Tensor, k: int, chunk: int | None = None) -> tuple[Tensor, Tensor]:
        """As :func:`nearest`, of these references."""
        distances, indices = empty_results(queries, k)
        chunk = chunk or queries_at_a_time(self._padded)
        buffer = queries.new_empty((min(chunk, len(queries)), len(self._padded)))
        for start in range(0, len(queries), chunk):
            part = queries[start : start + chunk] - self.centre
            gap = buffer[: len(part)]
            torch.addmm(self._half_norms, part.detach(), self._padded.T, alpha=-1.0, out=gap)
            here = slice(start, start + chunk)
            distances[here], indices[here] = self._measure(part, _k_smallest(gap, k))
        return distances, indices

    def measure(self, queries: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
        """Distances (N, k) of queries (N, d) to the references found for them, and their indices, both in order."""
        return self._measure(queries - self.centre, found)

    def _measure(self, centred: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
        # A row with NaN finds the padding; its distances are NaN whatever it finds.
        found = found.clamp_max(len(self) - 1)
        # The winners' distances are taken by difference, exact also for a duplicate of a reference.
        exact, order = (centred[:, None] - self._padded[found]).norm(dim=2).sort(1)
        return exact, found.gather(1, order)


class TwoMetrics:
    """One matrix product for two searches: the nearest references, and those in the nearest direction.

    The product costs most of a search, and both can be read from it.

    Parameters
    ----------
    points : Index
        Of references (M, d).
    directions : Index
        Of the same references in the same order, each brought to length 1.

    Examples
    --------
    >>> import torch
    >>> references = torch.tensor([[1.0, 0.0], [0.0, 5.0]])
    >>> both = TwoMetrics(Index(references), Index(torch.nn.functional.normalize(references)))
    >>> (_, nearest), (_, in_direction) = both.nearest(torch.tensor([[0.1, 0.2]]), 1, 1)
    >>> nearest.item(), in_direction.item()
    (0, 1)
    """

    def __init__(self, points: Index, directions: Index) -> None:
        self.points, self.directions = points, directions
        with torch.inference_mode(False):
            # Directions are those from the origin, so that nothing is centred here.
            self._padded, self._half_norms = _filled_up(points.made_from.detach())
            self._minus_inverse = -1.0 / self._padded.norm(dim=1).clamp_min(_SHORTEST)

    @staticmethod
    def apply(points: Index, directions: Index) -> bool:
        """Whether two indices are of the same references, with a direction each and not far from the origin.

        Farther from it than from each other, differences between distances would be lost in rounding.
        """
        x, unit = points.made_from, directions.made_from
        if x.shape != unit.shape or not torch.allclose(F.normalize(x, dim=1), unit, rtol=0.0, atol=1e-5):
            return False
        if not (unit.norm(dim=1) > 0.5).all():
            return False
        spread = (x - points.centre).double().square().sum(1).mean()
        return bool(points.centre.double().square().sum() <= spread)

    def nearest(
        self, queries: Tensor, k: int, k_in_direction: int
    ) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Distances and indices of the nearest, then of those in the nearest direction, as :func:`nearest`.

        Parameters
        ----------
        queries : Tensor, shape (N, d)
        k, k_in_direction : int
            At most M.
        """
        near, in_direction = empty_results(queries, k), empty_results(queries, k_in_direction)
        chunk = queries_at_a_time(self._padded)
        buffers = queries.new_empty((2, min(chunk, len(queries)), len(self._padded)))
        for start in range(0, len(queries), chunk):
            part, here = queries[start : start + chunk], slice(start, start + chunk)
            product, gap = (buffer[: len(part)] for buffer in buffers)
            torch.mm(part.detach(), self._padded.T, out=product)
            torch.sub(self._half_norms, product, out=gap)
            near[0][here], near[1][here] = self.points.measure(part, _k_smallest(gap, k))
            product *= self._minus_inverse
            product[:, len(self.points) :] = torch.inf
            found = _k_smallest(product, k_in_direction)
            in_direction[0][here], in_direction[1][here] = self.directions.measure(F.normalize(part, dim=1), found)
        return near, in_direction


def empty_results(queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Room for the distances and indices of the k nearest."""
    return queries.new_empty((len(queries), k)), queries.new_empty((len(queries), k), dtype=torch.int64)


def queries_at_a_time(padded: Tensor) -> int:
    """How many queries to compare with so many references at a time, a power of two.

    A chunk is kept in the cache, unless reading so many columns for each chunk again would take longer.
    """
    n, n_columns = padded.shape
    wanted = max(_IN_CACHE // n, 2 * n_columns) if padded.device.type == "cpu" else _MOST
    fitting = min(max(min(wanted, _LARGEST // n), _FEWEST), _MOST)
    return 1 << fitting.bit_length() - 1


def _filled_up(references: Tensor) -> tuple[Tensor, Tensor]:
    """References and halves of their squared norms, with infinitely long ones up to a multiple of the block."""
    n_padding = -len(references) % _BLOCK
    half_norms = F.pad(0.5 * references.square().sum(1), (0, n_padding), value=torch.inf)
    return F.pad(references, (0, 0, 0, n_padding)), half_norms


def _k_smallest(gap: Tensor, k: int) -> Tensor:
    """Indices of the k smallest entries of each row; the rows are whole blocks long."""
    n_blocks = gap.shape[1] // _BLOCK
    if n_blocks <= 2 * k:
        return gap.topk(k, dim=1, largest=False).indices
    blocks = gap.unflatten(1, (n_blocks, _BLOCK)).amin(2).topk(k, dim=1, largest=False).indices
    candidates = (blocks[:, :, None] * _BLOCK + torch.arange(_BLOCK, device=gap.device)).flatten(1)
    return candidates.gather(1, gap.gather(1, candidates).topk(k, dim=1, largest=False).indices)
