"""Which accelerator and which precision, decided by the hardware (never by timing)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def choose_accelerator(accelerator: str = "auto") -> str:
    """Name the device type that ``accelerator`` means here.

    Parameters
    ----------
    accelerator : {"auto", "cpu", "cuda", "mps"}

    Returns
    -------
    {"cpu", "cuda", "mps"}

    Raises
    ------
    ValueError
        If that accelerator is not on this machine.

    Examples
    --------
    >>> choose_accelerator("cpu")
    'cpu'
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if accelerator == "auto":
        return next(name for name, available in there.items() if available)
    if not there.get(accelerator, False):
        found = ", ".join(repr(name) for name, available in there.items() if available)
        raise ValueError(f"accelerator={accelerator!r} is not on this machine, which has {found}: use one, or 'auto'.")
    return accelerator


def choose_precision(module: nn.Module, accelerator: str = "auto") -> Literal["32-true", "bf16-mixed"]:
    """Precision for ``precision="auto"``: bfloat16 where the hardware computes in it and it pays.

    CUDA with bfloat16: "bf16-mixed". A CPU with bfloat16 instructions (AVX-512 BF16 or AMX) and a
    module with convolutions: "bf16-mixed", about twice as fast; small linear layers would become
    slower by it. Else "32-true".

    Parameters
    ----------
    module : nn.Module
    accelerator : {"auto", "cpu", "cuda", "mps"}

    Returns
    -------
    {"32-true", "bf16-mixed"}

    Examples
    --------
    >>> from torch import nn
    >>> choose_precision(nn.Linear(2, 2), "cpu")
    '32-true'
    """
    device_type = choose_accelerator(accelerator)
    if device_type == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    convolves = any(isinstance(part, _CONVOLUTIONS) for part in module.modules())
    return "bf16-mixed" if device_type == "cpu" and convolves and cpu_has_bfloat16() else "32-true"


def cpu_has_bfloat16() -> bool:
    """Whether this CPU has instructions for bfloat16 (without them it is emulated, and slow)."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name)() for name in checks if hasattr(torch.cpu, name))


def has_image_convolutions(module: nn.Module) -> bool:
    """Whether the module gains from the channels_last memory format."""
    return any(isinstance(part, nn.Conv2d | nn.ConvTranspose2d) for part in module.modules())
