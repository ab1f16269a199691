"""Black and white from grey images: a pixel is white with the probability that its grey value says.

Training draws new pixels for each batch (dynamic binarisation), on the device. Validation and test images are drawn
once, so that their numbers can be repeated.
"""

from __future__ import annotations

import numbers
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor

from knownot.data.arrays import CHUNK, image_tensor


@overload
def binarise(x: Tensor, seed: int) -> Tensor: ...
@overload
def binarise(x: np.ndarray, seed: int) -> np.ndarray: ...
def binarise(x: Any, seed: int) -> Any:
    """Draw black and white images once and for all.

    Parameters
    ----------
    x : ndarray (N, H, W) or (N, H, W, C), or Tensor (N, H, W) or (N, C, H, W)
        Grey values, the probabilities of white: uint8 in 0 … 255, or float in [0, 1].
    seed : int
        0 or more. One seed gives the same pixels on every machine, whatever device the images are on, and gives the
        first images of a set the same ones as without the rest.

    Returns
    -------
    ndarray or Tensor, uint8
        0 or 255, of the shape of ``x`` and on its device. What is black or white stays so.

    Raises
    ------
    ValueError
        If ``x`` holds no images, or the seed is none.

    References
    ----------
    Salakhutdinov and Murray, "On the quantitative analysis of deep belief networks", ICML 2008.

    Examples
    --------
    >>> binarise(np.full((1, 2, 4), 128, dtype=np.uint8), seed=0)
    array([[[  0, 255, 255, 255],
            [  0,   0,   0,   0]]], dtype=uint8)
    """
    if not isinstance(seed, numbers.Integral) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"seed={seed!r} does not work: give a whole number, 0 or more, and keep it.")
    image_tensor(x, "x")
    rng = np.random.default_rng(int(seed))
    grey = x.detach() if isinstance(x, Tensor) else np.asarray(x)
    drawn = np.empty(tuple(grey.shape), dtype=np.uint8)
    for start in range(0, len(grey), CHUNK):
        part = grey[start : start + CHUNK]
        white = _probabilities(part)
        # In float64 each number takes one step of the generator, so that the pixels do not depend on the chunks.
        drawn[start : start + CHUNK] = 255 * (rng.random(white.shape) < white).astype(np.uint8)
    return torch.from_numpy(drawn).to(x.device) if isinstance(x, Tensor) else drawn


# Numbers of 16 bits in a word of 64.
_DRAWS = 4


def draw_pixels(x: Tensor) -> Tensor:
    """Draw black and white images anew at each call, on the device, by its global generator.

    For use in the loss of a module. ``torch.manual_seed`` makes the draws repeatable, on the same kind of device.

    Parameters
    ----------
    x : Tensor of any shape, floating point
        Grey values in [0, 1], the probabilities of white. Their range is not looked at: the host would wait for the
        device.

    Returns
    -------
    Tensor
        0 or 1, of the shape and type of ``x`` and on its device. No gradient passes through it.

    Raises
    ------
    ValueError
        If ``x`` is no tensor of floating-point numbers.

    Examples
    --------
    >>> grey = torch.tensor([[0.0, 0.3, 0.6, 1.0]])
    >>> draw_pixels(grey)[:, [0, 3]], draw_pixels(grey).unique()
    (tensor([[0., 1.]]), tensor([0., 1.]))
    """
    if not isinstance(x, Tensor) or not x.is_floating_point():
        found = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"x is {found}: give a tensor of grey values in [0, 1], such as x.float() / 255 of uint8.")
    # Four draws from each random word: a quarter of the time of torch.bernoulli on a CPU. At 2^-16 they are finer than
    # the grey values of images.
    words = torch.empty(-(-x.numel() // _DRAWS), dtype=torch.int64, device=x.device)
    words.random_(torch.iinfo(torch.int64).min, None)
    uniform = words.view(torch.int16)[: x.numel()].view(x.shape)
    return (x.detach().float() * 2.0**16 - 2.0**15 > uniform).to(x.dtype)


def _probabilities(part: np.ndarray | Tensor) -> np.ndarray:
    """Grey values as float64 in [0, 1]."""
    is_uint8 = part.dtype in (torch.uint8, np.uint8)
    values = np.asarray(part.cpu().double() if isinstance(part, Tensor) else part, dtype=np.float64)
    return values / 255.0 if is_uint8 else values
