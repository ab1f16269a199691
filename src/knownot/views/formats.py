"""The two memory formats of a batch of images."""

from __future__ import annotations

import torch
from torch import Tensor


def memory_format(x: Tensor) -> torch.memory_format:
    """``channels_last`` where x is in that format and in no other, else ``contiguous_format``."""
    last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return torch.channels_last if last else torch.contiguous_format


def in_format_of(x: Tensor, found: Tensor) -> Tensor:
    """Images in the memory format of x."""
    return found.contiguous(memory_format=memory_format(x))


def pixels(x: Tensor) -> Tensor:
    """(N, C, H * W), a view in both memory formats."""
    if memory_format(x) is torch.channels_last:
        return x.permute(0, 2, 3, 1).flatten(1, 2).mT
    return x.flatten(2)
