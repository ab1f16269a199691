"""Batches from one tensor that lives on the device: a batch is an index, scaling happens there."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

# Bytes that are hashed in one piece.
HASHED = 1 << 24


class Batch(NamedTuple):
    """Samples and their labels, on one device.

    Attributes
    ----------
    x : Tensor, shape (N, C, H, W) or (N, F), float32
        Images in [0, 1], channels first; tables as they are.
    y : Tensor, shape (N,), int64, or (N, L), int64 or float32
        Class indices 0 … C - 1, -1 where unlabelled; or a column for each kind of label, where
        floating-point ones are NaN where missing.
    """

    x: Tensor
    y: Tensor


class InMemoryBatches:
    """Batches cut from tensors on one device, in an order that (seed, epoch) alone decides.

    Images are kept as uint8 where they came so, channels last in memory, and become float32 in
    [0, 1] batch by batch on the device. The order of an epoch does not depend on the epochs
    before it, so that a resumed run sees the very batches it would have seen.

    Parameters
    ----------
    x : Tensor, shape (N, C, H, W) or (N, F)
        Images as uint8 or as float in [0, 1]; tables as float.
    y : Tensor, shape (N,) or (N, L), optional
        Class indices, whole numbers; or a column for each kind of label, whole numbers or
        floating-point ones with NaN where missing. None: unlabelled, -1 everywhere.
    batch_size : int
        Samples in a batch, on each process. A single sample that would be left over at the end
        joins the batch before it, since batch normalisation cannot learn from one.
    shuffle : bool
        Permute the samples again for each epoch; see `set_epoch`.
    seed : int
        Not negative; decides the permutations.
    device : str or torch.device
        Where the tensors live and the batches come out.
    drop_last : bool
        Leave out a last batch that would be smaller than ``batch_size``.

    Attributes
    ----------
    input_shape : tuple of int
        Shape of one sample, (C, H, W) or (F,).

    Raises
    ------
    ValueError
        If the tensors do not fit each other or the above, or would give no batch at all.

    Examples
    --------
    >>> import torch
    >>> images = torch.full((5, 1, 2, 2), 255, dtype=torch.uint8)
    >>> batches = InMemoryBatches(images, torch.arange(5), batch_size=2)
    >>> [batch.y.tolist() for batch in batches]
    [[0, 1], [2, 3, 4]]
    >>> next(iter(batches)).x.max()
    tensor(1.)
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor | None,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        device: str | torch.device = "cpu",
        drop_last: bool = False,
    ) -> None:
        x, y = _check_samples(x, y)
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}: give a number of samples, 1 or more.")
        if seed < 0:
            raise ValueError(f"seed is {seed}: give a number that is not negative.")
        self.input_shape: tuple[int, ...] = tuple(x.shape[1:])
        # Images lie channels last, so that an indexed batch needs no second copy to be so, and flat,
        # which index_select copies fastest.
        stored = x.permute(0, 2, 3, 1) if self.is_image else x
        self._x = stored.to(device).contiguous().flatten(1)
        self._y = y.to(device).contiguous()
        self.batch_size, self.shuffle, self.seed, self.drop_last = batch_size, shuffle, seed, drop_last
        self.epoch = 0
        self.rank, self.world_size = 0, 1
        self._refuse_no_batches()

    @property
    def device(self) -> torch.device:
        """Where the batches come out."""
        return self._x.device

    @property
    def is_image(self) -> bool:
        """Whether the samples are images."""
        return len(self.input_shape) == 3

    @property
    def n_samples(self) -> int:
        """Samples this process sees in an epoch, before ``drop_last``."""
        return len(range(self.rank, len(self._x), self.world_size))

    def __len__(self) -> int:
        """Batches in an epoch, the same on every process."""
        whole, rest = divmod(len(self._x) // self.world_size, self.batch_size)
        if self.drop_last or rest == 0 or (rest == 1 and whole > 0):
            return whole
        return whole + 1

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, 0 or higher, whose order the next iteration follows.

        Iterating does not move on by itself: without a call, each iteration repeats the order.
        """
        if epoch < 0:
            raise ValueError(f"epoch is {epoch}: epochs count from 0.")
        self.epoch = epoch

    def shard(self, rank: int, world_size: int) -> InMemoryBatches:
        """Take the part of one process: every ``world_size``-th sample of the epoch's order.

        The parts of an epoch are disjoint, cover all samples (``drop_last`` aside) and have the
        same number of batches; for that, the last batch of a part may hold one sample more than
        that of another, at most ``batch_size + 2``. But for the last, step t of all processes
        together is step t of one process with ``world_size`` times the batch size. The tensors are
        shared, not copied.

        Parameters
        ----------
        rank : int
            Number of the process, 0 … world_size - 1.
        world_size : int
            Number of processes.

        Raises
        ------
        ValueError
            If there is no such process, or not a sample (with ``drop_last``, a batch) for each.
        """
        if not 0 <= rank < world_size:
            raise ValueError(f"rank is {rank} of {world_size} processes: ranks count from 0 to world_size - 1.")
        part = copy.copy(self)
        part.rank, part.world_size = rank, world_size
        part._refuse_no_batches()
        return part

    def order(self) -> Tensor:
        """Positions of this process's samples in the current epoch, int64, shape (n_samples,)."""
        n = len(self._x)
        # Drawn on the CPU by numpy, so that the order is the same on every device.
        positions = np.random.default_rng([self.seed, self.epoch]).permutation(n) if self.shuffle else np.arange(n)
        return torch.from_numpy(positions[self.rank :: self.world_size].astype(np.int64))

    def fingerprint(self) -> str:
        """Digest of all that decides the batches, but for the epoch, the process and the device.

        The same samples and labels in the same order, cut and shuffled alike, have the same digest
        on every machine; a training that is resumed can tell by it that these are its data.

        Examples
        --------
        >>> x = torch.zeros(4, 2)
        >>> InMemoryBatches(x, None, 2).fingerprint() == InMemoryBatches(x + 1, None, 2).fingerprint()
        False
        """
        # Numbers of numpy would be written in another way.
        settings = (int(self.batch_size), bool(self.shuffle), int(self.seed), bool(self.drop_last))
        digest = hashlib.blake2b(repr(settings).encode(), digest_size=16)
        for tensor, shape in ((self._x, self.input_shape), (self._y, self._y.shape[1:])):
            digest.update(repr((str(tensor.dtype), len(tensor), *shape)).encode())
            # Piece by piece, since what lies on a device is copied to be read.
            for rows in tensor.split(max(1, HASHED // max(1, tensor[:1].nbytes))):
                digest.update(rows.cpu().numpy().data)
        return digest.hexdigest()

    def __iter__(self) -> Iterator[Batch]:
        order = self.order().to(self.device)
        last = len(self) - 1
        for number in range(last + 1):
            start = number * self.batch_size
            stop = len(order) if number == last and not self.drop_last else start + self.batch_size
            yield self._batch(order[start:stop])

    def _batch(self, index: Tensor) -> Batch:
        x = self._x.index_select(0, index)
        if x.dtype == torch.uint8:
            x = x.to(torch.float32).div_(255.0)
        if self.is_image:
            channels, height, width = self.input_shape
            x = x.view(-1, height, width, channels).permute(0, 3, 1, 2)
        return Batch(x, self._y.index_select(0, index))

    def _refuse_no_batches(self) -> None:
        if len(self) == 0:
            each = f" for each of {self.world_size} processes" if self.world_size > 1 else ""
            need = f"a whole batch of {self.batch_size} (drop_last=True)" if self.drop_last else "one sample"
            raise ValueError(
                f"{len(self._x)} samples do not make {need}{each}: "
                "give more samples, a smaller batch_size, fewer processes or drop_last=False."
            )


def _check_samples(x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return samples as uint8 or float32, labels as int64 or float32, or a sentence about what does not fit."""
    if x.ndim not in (2, 4):
        raise ValueError(
            f"x has shape {tuple(x.shape)}: images are (N, C, H, W), tables are (N, F); "
            "image_tensor brings arrays of images into this form."
        )
    if x.is_floating_point():
        x = x.to(torch.float32)
    elif x.dtype != torch.uint8 or x.ndim == 2:
        raise ValueError(
            f"x is {x.dtype} of shape {tuple(x.shape)}: images (N, C, H, W) are uint8 or float in [0, 1], "
            "tables (N, F) are float; convert it first."
        )
    if y is None:
        return x, torch.full((len(x),), -1, dtype=torch.int64)
    several = y.ndim == 2 and y.shape[1] > 0
    if not (several or y.ndim == 1) or len(y) != len(x) or y.is_complex() or (y.is_floating_point() and not several):
        raise ValueError(
            f"y is {y.dtype} of shape {tuple(y.shape)} for {len(x)} samples: "
            "give one whole number, the class index, for each sample, or several columns of labels, (N, L), "
            "of whole numbers or of floating-point ones with NaN where missing."
        )
    y = y.to(torch.float32 if y.is_floating_point() else torch.int64)
    if y.isinf().any():
        raise ValueError(
            f"y holds {int(y.isinf().sum())} values that are infinite or too large for float32: "
            "give other numbers, or NaN where a label is missing."
        )
    return x, y
