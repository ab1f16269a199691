"""Contrastive losses on unit vectors, one number for each anchor.

Everything here is computed in float32 or better, also under autocast: at a temperature of 0.05, bfloat16 would
round a logit of 20 to a multiple of 0.125.

**Several processes.** A contrastive loss of a joined batch is not the mean of the losses of its parts, since every
sample is a negative of every other. :func:`gather_with_gradients` joins the batches of all processes; each process then
computes the loss of the whole, and its ``mean()`` is the one that a single process would compute. Gradients sent back
are summed over the processes, so that the gradient of a process's own samples is that of the joined loss times the
number of processes, and the average that ``DistributedDataParallel`` takes of all processes is that of the joined
loss, neither more nor less.

References
----------
Chen et al., "A simple framework for contrastive learning of visual representations", ICML 2020 (SimCLR).
Khosla et al., "Supervised contrastive learning", NeurIPS 2020, equation 2 (SupCon).
He et al., "Momentum contrast for unsupervised visual representation learning", CVPR 2020 (MoCo).
"""

from __future__ import annotations

import math
import numbers
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from knownot.probability import at_least_float32


class AnchorLosses(NamedTuple):
    """Losses of anchors of which some may have no positive.

    Attributes
    ----------
    values : Tensor, shape (N,)
        In nats; 0, with a gradient of 0, for an anchor without a positive.
    valid : Tensor of bool, shape (N,)
        Anchors with a positive.
    """

    values: Tensor
    valid: Tensor

    def mean(self) -> Tensor:
        """Mean over the anchors with a positive; 0, with a gradient of 0, where there is none.

        Examples
        --------
        >>> AnchorLosses(torch.tensor([3.0, 0.0]), torch.tensor([True, False])).mean()
        tensor(3.)
        """
        return self.values.sum() / self.valid.sum().clamp_min(1)


def unit_vectors(features: Tensor) -> Tensor:
    """Rows brought to length 1, in float32 or better.

    Parameters
    ----------
    features : Tensor, shape (N, d)

    Returns
    -------
    Tensor, shape (N, d)
        A row shorter than 1e-6 is divided by 1e-6, so that its gradient stays finite.

    Examples
    --------
    >>> unit_vectors(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """
    return F.normalize(at_least_float32(features), dim=1, eps=1e-6)


def supcon_loss(z: Tensor, y: Tensor, temperature: float) -> AnchorLosses:
    """Supervised contrastive loss: samples of an anchor's class attract it, all others repel it.

    L_i = -1/|P(i)| sum_{p in P(i)} log [exp(z_i z_p / t) / sum_{k != i} exp(z_i z_k / t)], where P(i) are the
    other samples of the label of i. The denominator runs over all others, positives included, and the mean over
    positives stands outside the logarithm.

    Parameters
    ----------
    z : Tensor, shape (N, d)
        Unit vectors; with two views of a sample, both are rows.
    y : Tensor, shape (N,), integers
        Class indices. A negative one is unlabelled: a negative of every anchor, a positive of none.
    temperature : float
        t, above 0.

    Returns
    -------
    AnchorLosses
        ``values`` and ``valid``, each (N,); ``mean()`` is the loss of the batch.

    Raises
    ------
    ValueError
        If shapes do not fit each other, or the temperature is not above 0.

    Examples
    --------
    >>> z = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> supcon_loss(z, torch.tensor([0, 0, 1]), temperature=1.0)
    AnchorLosses(values=tensor([0.3133, 0.3133, 0.0000]), valid=tensor([ True,  True, False]))
    """
    _check_vectors(z=z)
    if y.shape != z.shape[:1] or y.is_floating_point():
        raise ValueError(
            f"y is {y.dtype} of shape {tuple(y.shape)} for {len(z)} vectors: give one class index, a whole number, "
            "for each vector, and -1 where unlabelled."
        )
    with _full_precision(z):
        similarity = _similarities(z, z, temperature)
        itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
        positive = (y[:, None] == y) & (y >= 0) & ~itself
        n_positives = positive.sum(1)
        # The mean of the logarithms: their denominator is the same for all positives.
        attraction = (similarity * positive).sum(1) / n_positives.clamp_min(1)
        repulsion = similarity.masked_fill(itself, -math.inf).logsumexp(1)
        valid = n_positives > 0
        return AnchorLosses(torch.where(valid, repulsion - attraction, 0.0), valid)


def simclr_loss(z1: Tensor, z2: Tensor, temperature: float) -> Tensor:
    """Self-supervised contrastive loss (NT-Xent): the two views of a sample attract each other.

    L_i = -log [exp(z_i z_j / t) / sum_{k != i} exp(z_i z_k / t)], where j is the other view of the sample of i
    and k runs over all 2N vectors but i.

    Parameters
    ----------
    z1, z2 : Tensor, shape (N, d)
        Unit vectors of both views, in the same order.
    temperature : float
        t, above 0.

    Returns
    -------
    Tensor, shape (2N,)
        Losses in nats of the anchors in ``z1``, then of those in ``z2``.

    Raises
    ------
    ValueError
        If shapes do not fit each other, or the temperature is not above 0.

    Examples
    --------
    >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> simclr_loss(z, z, temperature=1.0)
    tensor([0.5514, 0.5514, 0.5514, 0.5514])
    """
    _check_vectors(z1=z1, z2=z2)
    with _full_precision(z1):
        z = torch.cat([at_least_float32(z1), at_least_float32(z2)])
        logits = _similarities(z, z, temperature)
        logits = logits.masked_fill(torch.eye(len(z), dtype=torch.bool, device=z.device), -math.inf)
        other_view = torch.arange(len(z), device=z.device).roll(len(z1))
        return F.cross_entropy(logits, other_view, reduction="none")


def mixed_loss(mixed: Tensor, z2: Tensor, temperature: float) -> Tensor:
    """:func:`simclr_loss` with the first view replaced by its mix with another image.

    The second view of the same sample is the positive and stands in the denominator like all others; the clean
    first view takes no part.

    Parameters
    ----------
    mixed : Tensor, shape (N, d)
        Unit vectors of the mixed first views.
    z2 : Tensor, shape (N, d)
        Unit vectors of the second views, in the same order.
    temperature : float
        Above 0.

    Returns
    -------
    Tensor, shape (2N,)
        Losses in nats of the mixed views, then of the second ones.

    Raises
    ------
    ValueError
        If shapes do not fit each other, or the temperature is not above 0.

    Examples
    --------
    >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> mixed_loss(z.flip(0), z, temperature=1.0)
    tensor([1.5514, 1.5514, 1.5514, 1.5514])
    """
    return simclr_loss(mixed, z2, temperature)


def moco_loss(q: Tensor, k: Tensor, queue: Tensor, temperature: float, filled: Tensor | int | None = None) -> Tensor:
    """Contrast each query with its key and a queue of earlier keys (InfoNCE of MoCo).

    L_i = -log [exp(q_i k_i / t) / (exp(q_i k_i / t) + sum_j exp(q_i n_j / t))] with the n_j of the queue.
    No gradient goes to the keys or the queue.

    Parameters
    ----------
    q : Tensor, shape (N, d)
        Unit vectors of the queries.
    k : Tensor, shape (N, d)
        Unit vectors of their keys, from the momentum encoder.
    queue : Tensor, shape (K, d)
        Unit vectors of earlier keys; the queue may be filled anew before the backward pass.
    temperature : float
        t, above 0.
    filled : int or Tensor, scalar, optional
        Number of places of the queue, from the first, that hold a key; see :attr:`MomentumQueue.filled`.
        Default: all.

    Returns
    -------
    Tensor, shape (N,)
        Losses in nats; 0 where the queue is empty.

    Raises
    ------
    ValueError
        If shapes do not fit each other, or the temperature is not above 0.

    Examples
    --------
    >>> q = torch.tensor([[1.0, 0.0]])
    >>> moco_loss(q, q, torch.tensor([[0.0, 1.0], [0.0, 0.0]]), temperature=1.0, filled=1)
    tensor([0.3133])
    """
    _check_vectors(q=q, k=k)
    if queue.ndim != 2 or queue.shape[1] != q.shape[1]:
        raise ValueError(f"queue has shape {tuple(queue.shape)}, q {tuple(q.shape)}: give vectors of the same width.")
    with _full_precision(q):
        q = at_least_float32(q)
        # A copy, since the backward pass needs the queue as it is now, and keys may be put in before.
        negatives = _similarities(q, queue.detach().clone(), temperature)
        if filled is not None:
            empty = torch.arange(len(queue), device=q.device) >= filled
            negatives = negatives.masked_fill(empty, -math.inf)
        positives = (q * k.detach().to(q)).sum(1, keepdim=True) / temperature
        logits = torch.cat([positives, negatives], 1)
        return F.cross_entropy(logits, logits.new_zeros(len(q), dtype=torch.int64), reduction="none")


def gather_with_gradients(tensor: Tensor) -> Tensor:
    """The batches of all processes, joined; gradients go back to the process that a row came from.

    All processes must call it equally often, in the same order; several tensors are best joined before. Rows
    may be of any number, on each process another.

    Parameters
    ----------
    tensor : Tensor, shape (n, ...)
        The rows of this process. Other dimensions are the same on all processes.

    Returns
    -------
    Tensor, shape (N, ...)
        Rows of the first process, then of the second, and so on, the same on all of them; ``tensor`` itself
        where there is one process.

    Notes
    -----
    The gradient of a row is the sum of the gradients that it gets on all processes: see the head of this file for
    what that means with ``DistributedDataParallel``.

    Examples
    --------
    >>> gather_with_gradients(torch.arange(3))
    tensor([0, 1, 2])
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return tensor
    return _Gather.apply(tensor)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        count = torch.tensor([len(tensor)], device=tensor.device)
        counts = [torch.empty_like(count) for _ in range(dist.get_world_size())]
        dist.all_gather(counts, count)
        ctx.sizes = [int(n) for n in torch.cat(counts).tolist()]
        # Backends gather equal sizes alone: every process fills up to the largest.
        padded = tensor.new_zeros((max(ctx.sizes), *tensor.shape[1:]))
        padded[: len(tensor)] = tensor
        parts = [torch.empty_like(padded) for _ in ctx.sizes]
        dist.all_gather(parts, padded)
        return torch.cat([part[:n] for part, n in zip(parts, ctx.sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        gradient = gradients[0].contiguous().clone()
        dist.all_reduce(gradient)
        return gradient.split(ctx.sizes)[dist.get_rank()]


def _full_precision(tensor: Tensor) -> torch.autocast:
    return torch.autocast(tensor.device.type, enabled=False)


def _similarities(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """Inner products of all rows over the temperature, (N, M), in float32 or better."""
    if not isinstance(temperature, numbers.Real) or not 0.0 < temperature < math.inf:
        raise ValueError(f"temperature={temperature!r} does not work: give a finite number above 0.")
    a = at_least_float32(a)
    return a @ b.to(a).T / temperature


def _check_vectors(**vectors: Tensor) -> None:
    """Refuse what is not (N, d) with at least one row, or differs from the first."""
    first = next(iter(vectors.values()))
    for name, tensor in vectors.items():
        if tensor.ndim != 2 or len(tensor) == 0 or not tensor.is_floating_point():
            raise ValueError(
                f"{name} is {tensor.dtype} of shape {tuple(tensor.shape)}: give one unit vector of floating-point "
                "numbers for each sample, (N, d), and at least one sample."
            )
        if tensor.shape != first.shape:
            raise ValueError(
                f"{' and '.join(vectors)} have shapes {' and '.join(str(tuple(v.shape)) for v in vectors.values())}: "
                "give one vector of each for every sample, in the same order."
            )
