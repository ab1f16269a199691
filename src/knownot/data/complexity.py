"""How complex images are: what a lossless coder needs for them."""

from __future__ import annotations

import io

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

_WHITE = 255.0


def compressed_bits(images: Tensor) -> NDArray[np.float64]:
    """Length of each image's PNG in bits, less that of a blank one, shape (N,).

    Parameters
    ----------
    images : Tensor, shape (N, C, H, W)
        uint8, or float in [0, 1], which is rounded to 256 levels. Images of other than one or three channels are
        coded channel by channel.

    Examples
    --------
    >>> plain, noise = torch.zeros(1, 1, 16, 16), torch.rand(1, 1, 16, 16)
    >>> bits = compressed_bits(torch.cat([plain, noise]))
    >>> float(bits[0]), bool(bits[1] > 1000)
    (0.0, True)
    """
    rounded = images if images.dtype == torch.uint8 else (images * _WHITE).round().clamp(0, _WHITE).byte()
    if images.shape[1] not in (1, 3):
        rounded = rounded.flatten(0, 1)[:, None]
    planes = rounded.permute(0, 2, 3, 1).cpu().numpy()
    if not len(planes):
        return np.zeros(0)
    blank = _length(np.zeros_like(planes[0]))
    lengths = np.array([_length(plane) - blank for plane in planes], np.float64)
    return 8.0 * lengths.reshape(len(images), -1).sum(1)


def _length(image: NDArray[np.uint8]) -> int:
    stream = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(stream, "PNG")
    return stream.tell()
