"""Errors of reconstructed images that rules may ask an autoencoder for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch.nn.functional as F
from torch import Tensor

# Images with fewer pixels a side are too small to be smoothed.
_LEAST_SMOOTHED = 16


def error_names(input_shape: Sequence[int]) -> tuple[str, ...]:
    """Errors that there are of samples of a shape: none of rows.

    Examples
    --------
    >>> error_names((1, 28, 28)), error_names((1, 8, 8)), error_names((13,))
    (('relative error', 'smooth error'), ('relative error',), ())
    """
    if len(input_shape) != 3:
        return ()
    return ("relative error", "smooth error") if min(input_shape[1:]) >= _LEAST_SMOOTHED else ("relative error",)


def reconstruction_errors(reconstructed: Tensor, x: Tensor, names: Collection[str]) -> dict[str, Tensor]:
    """Squared errors of images over their energy; only those that ``names`` has.

    Parameters
    ----------
    reconstructed, x : Tensor, shape (N, C, H, W)
    names : collection of str
        "relative error": pixel by pixel; "smooth error": the error averaged over 3x3 pixels first: a stroke too many or
        too few leaves an error of one sign over several pixels, where an edge a little off cancels out.

    Returns
    -------
    dict of str to Tensor, shape (N,)
    """
    found: dict[str, Tensor] = {}
    wanted = [name for name in error_names(x.shape[1:]) if name in names]
    if not wanted:
        return found
    error = reconstructed - x
    # One grey level a pixel as the least energy, so that a blank image stays finite.
    energy = x.square().flatten(1).sum(1).clamp_min(x[0].numel() / 255.0**2)
    if "relative error" in wanted:
        found["relative error"] = error.square().flatten(1).sum(1) / energy
    if "smooth error" in wanted:
        smooth = F.avg_pool2d(error, 3, stride=1, padding=1)
        found["smooth error"] = smooth.square().flatten(1).sum(1) / energy
    return found
