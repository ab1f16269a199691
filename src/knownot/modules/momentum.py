"""What momentum contrast keeps between steps: a queue of keys, and an encoder that follows another slowly.

He et al., "Momentum contrast for unsupervised visual representation learning", CVPR 2020.
"""

from __future__ import annotations

import numbers

import torch
from torch import Tensor, nn


class MomentumQueue(nn.Module):
    """The last keys of earlier batches, as negatives.

    All of it is in ``state_dict``, so that a resumed training goes on with the same negatives. With several
    processes, the keys of all of them are put in (:func:`gather_with_gradients`), so that the queues stay equal.

    Parameters
    ----------
    size : int
        Keys that are kept, K, at least 1.
    dim : int
        Width of a key, d, at least 1.

    Attributes
    ----------
    vectors : Tensor, shape (K, d), float32
        Keys; places that were never filled are 0.
    pointer : Tensor, scalar, int64
        Where the next key goes.
    filled : Tensor, scalar, int64
        Places, from the first, that hold a key.

    Raises
    ------
    ValueError
        If ``size`` or ``dim`` is not a whole number of at least 1.

    Examples
    --------
    >>> queue = MomentumQueue(size=3, dim=1)
    >>> queue.enqueue(torch.tensor([[0.1], [0.2]]))
    >>> queue.enqueue(torch.tensor([[0.3], [0.4]]))
    >>> queue.vectors.flatten(), queue.filled
    (tensor([0.4000, 0.2000, 0.3000]), tensor(3))
    """

    vectors: Tensor
    pointer: Tensor
    filled: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        for name, value in (("size", size), ("dim", dim)):
            if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name}={value!r} does not work: give a whole number of at least 1.")
        self.register_buffer("vectors", torch.zeros(size, dim))
        self.register_buffer("pointer", torch.tensor(0))
        self.register_buffer("filled", torch.tensor(0))

    def __len__(self) -> int:
        return len(self.vectors)

    @torch.no_grad()
    def enqueue(self, keys: Tensor) -> None:
        """Put in keys, in place of the oldest ones.

        Nothing is copied to the host.

        Parameters
        ----------
        keys : Tensor, shape (n, d)
            Unit vectors; of more than K, the last K are kept.

        Raises
        ------
        ValueError
            If they are of another width.
        """
        if keys.ndim != 2 or keys.shape[1] != self.vectors.shape[1]:
            raise ValueError(
                f"keys have shape {tuple(keys.shape)}: this queue holds vectors of width {self.vectors.shape[1]}, "
                f"so give (n, {self.vectors.shape[1]})."
            )
        size = len(self)
        places = (self.pointer + torch.arange(len(keys), device=keys.device)) % size
        self.vectors.index_copy_(0, places[-size:], keys[-size:].to(self.vectors))
        self.pointer.add_(len(keys)).remainder_(size)
        self.filled.add_(len(keys)).clamp_(max=size)


@torch.no_grad()
def momentum_update(online: nn.Module, target: nn.Module, momentum: float) -> None:
    """Move the parameters of an encoder a little towards those of another.

    target = momentum * target + (1 - momentum) * online, after each step of the optimiser. Buffers, such as the
    running means of batch normalisation, are left: the target's own passes update them.

    Parameters
    ----------
    online : nn.Module
        The encoder that is trained.
    target : nn.Module
        A copy of it, which is changed.
    momentum : float
        In [0, 1]; 0 copies, 1 changes nothing.

    Raises
    ------
    ValueError
        If the momentum is out of range, or the two do not have the same parameters.

    Examples
    --------
    >>> online, target = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.constant_(online.weight, 1.0), nn.init.constant_(target.weight, 0.0)
    >>> momentum_update(online, target, momentum=0.75)
    >>> target.weight.item()
    0.25
    """
    if not isinstance(momentum, numbers.Real) or not 0.0 <= momentum <= 1.0:
        raise ValueError(f"momentum={momentum!r} does not work: give a number from 0 to 1.")
    ours, theirs = dict(online.named_parameters()), dict(target.named_parameters())
    shapes = [{name: tuple(p.shape) for name, p in parameters.items()} for parameters in (ours, theirs)]
    if shapes[0] != shapes[1]:
        odd = sorted(name for name in {*ours, *theirs} if shapes[0].get(name) != shapes[1].get(name))
        raise ValueError(
            f"The two networks differ in {len(odd)} parameters, {odd[0]!r} the first: make the target as a copy of "
            "the one that is trained, copy.deepcopy(online)."
        )
    if ours:
        torch._foreach_lerp_(list(theirs.values()), [ours[name] for name in theirs], 1.0 - momentum)
