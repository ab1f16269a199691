"""CIFAR's original batches, which exist only as pickles: read by an unpickler that runs nothing.

A pickle names functions to call while it is loaded, so loading one from a stranger runs the
stranger's code. CIFAR-10 and CIFAR-100 are published in no other form. This one place of the package
therefore reads pickles, through an unpickler that knows only what an array is made of and refuses
every other name; nothing else here is ever loaded this way.
"""

from __future__ import annotations

import os
import pickle  # noqa: TID251  see the module's docstring
from pathlib import Path
from typing import Any

import numpy as np

# The names in the published files, under numpy 1 and 2, and bytes as Python 3 writes them for 2.
_ARRAY_PARTS = {
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "numpy.ndarray",
    "numpy.dtype",
    "_codecs.encode",
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full not in _ARRAY_PARTS:
            raise ValueError(f"it asks to run {full}, which no CIFAR batch does")
        if name == "encode":
            return lambda text, _encoding="latin1": text.encode("latin1")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def read_cifar_batch(path: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray]:
    """Read one batch of CIFAR-10 or CIFAR-100 in its original python form.

    Parameters
    ----------
    path : str or path
        Such as ``cifar-10-batches-py/data_batch_1`` or ``cifar-100-python/train``.

    Returns
    -------
    images : ndarray, shape (N, 32, 32, 3), uint8
    labels : ndarray, shape (N,), int64
        The fine labels of CIFAR-100.

    Raises
    ------
    ValueError
        If the file is not such a batch, or asks for anything but arrays.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            content = _ArrayUnpickler(stream, encoding="bytes").load()
        images = np.asarray(content[b"data"])
        labels = content[b"fine_labels"] if b"fine_labels" in content else content[b"labels"]
        if images.dtype != np.uint8 or images.shape != (len(labels), 3072):
            raise ValueError(f"its images are {images.dtype} of shape {images.shape} for {len(labels)} labels")
    except Exception as error:  # unpickling another kind of file can fail in any way
        raise ValueError(
            f"{file} is not a CIFAR batch: {error}. "
            "Take the files of cifar-10-python.tar.gz or cifar-100-python.tar.gz."
        ) from error
    return (
        np.ascontiguousarray(images.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)),
        np.asarray(labels, dtype=np.int64),
    )
