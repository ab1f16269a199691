"""Encoders: pictures in, one row of numbers a picture out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image

from knownot.hardware import choose_accelerator

#: Pixels of the shorter side of photos that are given to a callable.
SHORTER_SIDE = 512
Precision = str
Pictures = list[Image.Image]


class Encoder(Protocol):
    """What turns pictures into embeddings.

    Attributes
    ----------
    description : dict of str to str
        What it is, for people and for the table: ``encoder``, ``pooling``, ``precision``, ``device``, ``revision``.
    side : int or None
        Pixels of the shorter side that photos are decoded with at least. None: their own size.
    batch_size : int
        How many pictures it takes at once, if nothing else is asked for.
    """

    description: dict[str, str]
    side: int | None
    batch_size: int

    def prepare(self, image: Image.Image) -> Any:
        """Bring one picture into the form that `encode` takes. Called in threads."""

    def encode(self, prepared: Sequence[Any]) -> Any:
        """Embed prepared pictures: an array or tensor (N, d)."""


class CallableEncoder:
    """Any function of a list of pictures.

    Parameters
    ----------
    function : callable
        Takes a list of RGB Pillow images of different sizes, returns an array or tensor (N, d).
    side : int or None
        Photos are decoded so that the shorter side has this many pixels or more. None: at full size.
    """

    batch_size = 16

    def __init__(self, function: Callable[[Pictures], Any], side: int | None = SHORTER_SIDE) -> None:
        self.function, self.side = function, side
        name = getattr(function, "__qualname__", type(function).__qualname__)
        self.description = {"encoder": name, "pooling": "its own", "precision": "its own", "device": "its own"}

    def prepare(self, image: Image.Image) -> Image.Image:
        return image

    def encode(self, prepared: Sequence[Image.Image]) -> Any:
        with torch.no_grad():
            return self.function(list(prepared))


def as_encoder(
    encoder: str | Callable[[Pictures], Any] | Encoder,
    *,
    pooling: str = "auto",
    device: str = "auto",
    precision: Precision = "auto",
    side: int | None = None,
) -> Encoder:
    """Load the encoder that a name or a folder stands for, or take a function for one.

    Parameters
    ----------
    encoder : str, callable or Encoder
        The name of a model on the Hugging Face hub, a folder of one saved with ``save_pretrained``, or a function that
        takes a list of Pillow images (RGB, upright) and returns an array or tensor (N, d).
    pooling : {"auto", "pooler", "cls", "mean"}
        Of a named model: how its output becomes one row, see `knownot.embeddings.pooling`.
    device : str
        Of a named model: "auto", "cpu", "cuda", "mps", or a device of PyTorch such as "cuda:1".
    precision : {"auto", "32-true", "bf16-mixed"}
        Of a named model. "auto": bfloat16 where the hardware computes in it.
    side : int, optional
        Pixels of the shorter side that photos are decoded with at least. None: twice what the model needs; 512 for
        a function.

    Returns
    -------
    Encoder

    Raises
    ------
    ValueError
        If there is no such model, it takes no pictures, or a setting is unknown.

    Examples
    --------
    >>> brightness = as_encoder(lambda images: np.array([[np.asarray(image).mean()] for image in images]))
    >>> brightness.encode([Image.new("RGB", (4, 4), "white")])
    array([[255.]])
    """
    if side is not None and (isinstance(side, bool) or not isinstance(side, int | np.integer) or side < 1):
        raise ValueError(f"side is {side!r}: give a positive whole number of pixels, or None.")
    if isinstance(encoder, str):
        from knownot.embeddings.pretrained import load_pretrained

        loaded = load_pretrained(encoder, pooling, choose_device(device), precision)
        loaded.side = loaded.side if side is None else int(side)
        return loaded
    if all(hasattr(encoder, name) for name in ("prepare", "encode", "description", "side", "batch_size")):
        return encoder  # type: ignore[return-value]
    if callable(encoder):
        given = {"pooling": pooling, "device": device, "precision": precision}
        if changed := [name for name, value in given.items() if value != "auto"]:
            raise ValueError(
                f"{', '.join(changed)} cannot be chosen for a function, which decides itself: leave it out, or name "
                "a pretrained model."
            )
        return CallableEncoder(encoder, SHORTER_SIDE if side is None else int(side))
    raise ValueError(
        f"encoder is a {type(encoder).__name__}: give the name of a model on the Hugging Face hub, the folder of one "
        "that was saved with save_pretrained (as str), or a function of a list of Pillow images."
    )


def choose_device(device: str) -> torch.device:
    """Turn "auto", "cuda" or "cuda:1" into a device of this machine.

    Raises
    ------
    ValueError
        If it is no device, or not on this machine.

    Examples
    --------
    >>> choose_device("cpu")
    device(type='cpu')
    """
    if device == "auto":
        return torch.device(choose_accelerator())
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device {device!r} is none: choose auto, cpu, cuda, cuda:1 or mps.") from error
    there = torch.cuda.device_count() if chosen.type == "cuda" else int(chosen.type == choose_accelerator())
    if chosen.type != "cpu" and (chosen.index or 0) >= there:
        raise ValueError(
            f"device {device!r} is not on this machine, where auto means {choose_accelerator()!r}: use that one."
        )
    return chosen


def as_rows(found: Any, n: int) -> np.ndarray:
    """Check what an encoder returned, and bring it to float32 in memory.

    Raises
    ------
    ValueError
        If it is not (n, d) numbers.
    """
    if isinstance(found, torch.Tensor):
        found = found.detach().to("cpu", torch.float32).numpy()
    try:
        rows = np.asarray(found, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"The encoder returned a {type(found).__name__} that is no array of numbers ({error}): "
            "return an array or a tensor of shape (N, d)."
        ) from error
    if rows.ndim != 2 or len(rows) != n or not rows.shape[1]:
        raise ValueError(
            f"The encoder returned an array of shape {rows.shape} for {n} pictures: return one row for each, ({n}, d)."
        )
    return rows
