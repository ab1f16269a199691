"""What a batch of images, rows or maps must be, said in words where it is not."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def check_images(x: Tensor, channels: Sequence[int] | None = None) -> None:
    """Refuse what is no float32 batch (N, C, H, W). Values are not looked at: the host would wait for the device."""
    _check_float32(x, 4, "Images are needed as a float32 tensor (N, C, H, W) in [0, 1]")
    if 0 in x.shape[1:]:
        raise ValueError(f"Images of shape {tuple(x.shape[1:])} (C, H, W) have no pixels; give at least one.")
    if channels is not None and x.shape[1] not in channels:
        wanted = " or ".join(map(str, channels))
        raise ValueError(f"Images have {x.shape[1]} channels; {wanted} are needed. Is x (N, C, H, W)?")


def check_rows(x: Tensor) -> None:
    """Refuse what is no float32 batch (N, F)."""
    _check_float32(x, 2, "Rows are needed as a float32 tensor (N, F)")


def check_maps(maps: Tensor, x: Tensor) -> None:
    """Refuse maps that are no (N, h, w), one for each image of x."""
    if not isinstance(maps, Tensor) or maps.ndim != 3 or not maps.is_floating_point():
        raise ValueError(f"Attribution is needed as a float tensor (N, h, w), found {_described(maps)}.")
    if len(maps) != len(x) or 0 in maps.shape[1:]:
        raise ValueError(
            f"Attribution of shape {tuple(maps.shape)} does not go with {len(x)} images; give one map (h, w) each."
        )


def check_positive(value: float, name: str) -> None:
    """Refuse what is no finite number above 0."""
    if not (isinstance(value, int | float) and 0 < value < math.inf):
        raise ValueError(f"{name}={value!r}; give a number above 0.")


def check_whole(value: int, name: str) -> None:
    """Refuse what is no whole number of 0 or more."""
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{name}={value!r}; give a whole number of 0 or more.")


def check_share(value: float, name: str) -> None:
    """Refuse what is no number in [0, 1]."""
    check_bounds(value, name, 0, 1)


def check_bounds(value: float, name: str, low: float, high: float = math.inf) -> None:
    """Refuse what is no finite number in [low, high]."""
    if not (isinstance(value, int | float) and math.isfinite(value) and low <= value <= high):
        wanted = f"in [{low}, {high}]" if high < math.inf else f"of {low} or more"
        raise ValueError(f"{name}={value!r}; give a number {wanted}.")


def check_range(value: tuple[float, float], name: str, low: float, high: float = math.inf) -> None:
    """Refuse what is no pair of finite numbers with low < smaller <= larger <= high."""
    fine = isinstance(value, tuple | list) and len(value) == 2
    fine = fine and all(isinstance(v, int | float) and math.isfinite(v) for v in value)
    if not (fine and low < value[0] <= value[1] <= high):
        wanted = f"at most {high}" if high < math.inf else "finite"
        raise ValueError(f"{name}={value!r}; give two numbers, the smaller first, above {low} and {wanted}.")


def _check_float32(x: Tensor, dimensions: int, needed: str) -> None:
    if not isinstance(x, Tensor) or x.ndim != dimensions:
        raise ValueError(f"{needed}, found {_described(x)}.")
    if x.dtype != torch.float32:
        advice = "x.float() / 255" if x.dtype == torch.uint8 and dimensions == 4 else "x.float()"
        raise ValueError(f"{needed}, found {x.dtype}; give {advice}.")


def _described(x: object) -> str:
    if isinstance(x, Tensor):
        return f"{x.dtype} of shape {tuple(x.shape)}"
    return type(x).__name__
