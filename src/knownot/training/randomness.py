"""Random numbers that are the same in a resumed training, and that leave the caller's state unchanged.

Every epoch starts from a state that (seed, stream, epoch, process) alone decides. So there is no
random state to be saved: noise of the module, dropout and the order of a DataLoader are the same
after a resume as without it, and a validation draws the same noise after every epoch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derived_seed(seed: int, stream: str, epoch: int = 0, rank: int = 0) -> int:
    """Seed for one stream of random numbers, 0 … 2^63 - 1.

    Hashed, since neighbouring seeds of a generator may begin with similar numbers and the CPU's
    takes only the lower 32 bits.

    Examples
    --------
    >>> derived_seed(0, "train", 1) == derived_seed(0, "train", 1)
    True
    >>> derived_seed(0, "train", 1) == derived_seed(0, "train", 2)
    False
    """
    key = f"{seed}/{stream}/{epoch}/{rank}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little") >> 1


def seed_device(seed: int, device: torch.device) -> None:
    """Seed the CPU's generator and that of the device; other devices keep their state."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


@contextmanager
def preserved_random_state(device: torch.device) -> Iterator[None]:
    """Give the caller's random states (CPU and the device) back at the end."""
    cpu = torch.get_rng_state()
    other = None
    if device.type == "cuda":
        other = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        other = torch.mps.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(cpu)
        if other is not None and device.type == "cuda":
            torch.cuda.set_rng_state(other, device)
        elif other is not None:
            torch.mps.set_rng_state(other)
