"""What the machine computes with: accelerators and number formats, asked of the hardware, never timed."""

from __future__ import annotations

import torch


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


def cpu_has_bfloat16() -> bool:
    """Whether this CPU has instructions for bfloat16 (without them it is emulated, and slow)."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name)() for name in checks if hasattr(torch.cpu, name))


def gpu_has_bfloat16() -> bool:
    """Whether the current CUDA device computes in bfloat16, rather than emulating it."""
    return torch.cuda.is_bf16_supported(including_emulation=False)
