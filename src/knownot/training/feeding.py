"""Batches for one process, on its device: from in-memory batches, a DataLoader or any iterable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler, RandomSampler, SequentialSampler

from knownot.data import Batch


class Feed:
    """The batches of one process.

    Parameters
    ----------
    batches : iterable of Batch or of (x, y), with a length
        May have ``set_epoch(epoch)`` and ``shard(rank, world_size)``; a DataLoader is sharded by a
        distributed sampler.
    name : str
        The argument's name, for messages.
    device : torch.device
    channels_last : bool
        Bring images into this memory format.
    rank, world_size : int
        Which process of how many.
    seed : int
        Of the order in a sharded DataLoader that shuffles.

    Raises
    ------
    ValueError
        If there is no batch, no length, or no way to share the batches among processes.
    """

    def __init__(
        self,
        batches: Iterable[Any],
        name: str,
        device: torch.device,
        *,
        channels_last: bool = False,
        rank: int = 0,
        world_size: int = 1,
        seed: int = 0,
    ) -> None:
        if world_size > 1:
            batches = _shard(batches, name, rank, world_size, seed)
        length = _length(batches)
        if length is None:
            raise ValueError(
                f"{name} is a {type(batches).__name__} without a length, which the learning rate's schedule needs: "
                "give InMemoryBatches, a DataLoader of a map-style data set, or a list of batches."
            )
        if length == 0:
            raise ValueError(
                f"{name} has no batch: give at least one sample (drop_last may have left out the only batch)."
            )
        self._batches = batches
        self._length = length
        self._device, self._channels_last = device, channels_last

    def __len__(self) -> int:
        return self._length

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Batches of an epoch, counted from 0."""
        for owner in (self._batches, getattr(self._batches, "sampler", None)):
            set_epoch = getattr(owner, "set_epoch", None)
            if callable(set_epoch):
                set_epoch(epoch)
        return map(self._to_device, self._batches)

    def _to_device(self, batch: Any) -> Batch:
        fields = [self._tensor_to_device(value) if isinstance(value, Tensor) else value for value in batch]
        # A named tuple with more fields than a Batch stays what it is.
        return type(batch)._make(fields) if hasattr(batch, "_make") else Batch(*fields)

    def _tensor_to_device(self, value: Tensor) -> Tensor:
        value = value.to(self._device, non_blocking=True)
        if self._channels_last and value.ndim == 4:
            value = value.contiguous(memory_format=torch.channels_last)
        return value


def _length(batches: object) -> int | None:
    """Length, or None. A DataLoader always has the method, which fails for some data sets."""
    try:
        return len(batches)  # type: ignore[arg-type]
    except TypeError:
        return None


def _shard(batches: Any, name: str, rank: int, world_size: int, seed: int) -> Iterable[Any]:
    if callable(getattr(batches, "shard", None)):
        return batches.shard(rank, world_size)
    if not isinstance(batches, DataLoader):
        raise ValueError(
            f"{name} is a {type(batches).__name__}, which cannot be shared among {world_size} processes: "
            "give InMemoryBatches or a DataLoader, or train with devices=1."
        )
    if isinstance(batches.sampler, DistributedSampler):
        return batches
    if batches.batch_size is None or not isinstance(batches.sampler, RandomSampler | SequentialSampler):
        raise ValueError(
            f"{name} is a DataLoader with its own sampler, which cannot be shared among {world_size} processes: "
            "give it a DistributedSampler, or train with devices=1."
        )
    shuffle = isinstance(batches.sampler, RandomSampler)
    sampler: DistributedSampler = DistributedSampler(
        batches.dataset, world_size, rank, shuffle=shuffle, seed=seed % 2**31, drop_last=batches.drop_last
    )
    return DataLoader(
        batches.dataset,
        batches.batch_size,
        sampler=sampler,
        num_workers=batches.num_workers,
        collate_fn=batches.collate_fn,
        pin_memory=batches.pin_memory,
        drop_last=batches.drop_last,
        timeout=batches.timeout,
        worker_init_fn=batches.worker_init_fn,
        persistent_workers=batches.persistent_workers,
        prefetch_factor=batches.prefetch_factor,
    )
