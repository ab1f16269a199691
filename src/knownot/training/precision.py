"""Which precision, decided by the hardware and the module (never by timing)."""

from __future__ import annotations

from typing import Literal

from torch import nn

from knownot.hardware import choose_accelerator, cpu_has_bfloat16, gpu_has_bfloat16

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


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
        return "bf16-mixed" if gpu_has_bfloat16() else "32-true"
    convolves = any(isinstance(part, _CONVOLUTIONS) for part in module.modules())
    return "bf16-mixed" if device_type == "cpu" and convolves and cpu_has_bfloat16() else "32-true"


def has_image_convolutions(module: nn.Module) -> bool:
    """Whether the module gains from the channels_last memory format."""
    return any(isinstance(part, nn.Conv2d | nn.ConvTranspose2d) for part in module.modules())
