"""How a classifier met classes that it had not learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class HiddenResult:
    """How a classifier that never saw some classes met them.

    Attributes
    ----------
    hidden : tuple
        Labels of the hidden classes.
    n_known, n_hidden : int
        Samples that were tested.
    auroc, oscr : float
    acceptance : float
        Share of held-out known samples that were accepted; NaN where nothing is rejected.
    rejection : float
        Share of samples of hidden classes that were rejected.
    """

    hidden: tuple[Any, ...]
    n_known: int
    n_hidden: int
    auroc: float
    oscr: float
    acceptance: float
    rejection: float
