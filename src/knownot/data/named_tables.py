"""Published tables and embeddings by name: those of scikit-learn, and files of the folder KNOWNOT_DATA."""

from __future__ import annotations

import difflib
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

from knownot.data.arrays import Dataset, check_finite, check_labels
from knownot.data.named import data_folder

#: Names, and what the tables hold. Those with an asterisk in front come with scikit-learn.
NAMED_TABLES: dict[str, str] = {
    "iris": "* Three kinds of iris, 4 measures (UCI)",
    "wine": "* Wines of three growers, 13 measures (UCI)",
    "digits": "* Handwritten digits, 64 pixels (UCI optdigits, its test part)",
    "contraceptive": "Contraceptive method, 9 answers (UCI, from KEEL)",
    "crabs": "Leptograpsus crabs, species and sex, 5 measures (MASS)",
    "glass_fgl": "Fragments of glass, 9 measures (MASS)",
    "penbased": "Digits written by pen, 16 coordinates (UCI, from KEEL)",
    "penguins": "Penguins of Palmer station, 9 columns (palmerpenguins)",
    "satimage": "Pixels of a satellite image, 36 values (UCI, from KEEL)",
    "segment": "Segments of outdoor pictures, 19 measures (UCI, from KEEL)",
    "vehicle": "Silhouettes of vehicles, 18 measures (UCI, from KEEL)",
    "vowel": "Spoken vowels, 11 columns (UCI, from KEEL)",
    "embedding_cifar10_efficientnet": "CIFAR-10 through EfficientNet-Lite0, 1,280 features",
    "embedding_docstrings_minilm": "Docstrings of twelve libraries through MiniLM, 384 features",
    "embedding_mnist_pca": "MNIST, 64 principal components",
}


def load_named_table(name: str, *, folder: str | os.PathLike[str] | None = None) -> Dataset:
    """Load a published table or embedding, whole: it has no test part of its own.

    ``iris``, ``wine`` and ``digits`` come with scikit-learn. The others are files ``tables/NAME.npz``, with arrays
    ``X`` (N, F) of numbers and ``y`` (N,) of classes, in the folder that the environment variable KNOWNOT_DATA names.

    Parameters
    ----------
    name : str
        One of `NAMED_TABLES`.
    folder : str or path, optional
        Looked in instead of KNOWNOT_DATA.

    Returns
    -------
    Dataset
        ``x`` (N, F) float64, ``y`` int64.

    Raises
    ------
    ValueError
        If there is no such table, its file is not there, or it cannot be read.

    Examples
    --------
    >>> load_named_table("iris")
    Dataset('iris', 150 samples of shape (4,), 3 classes)
    """
    if name not in NAMED_TABLES:
        near = difflib.get_close_matches(str(name), list(NAMED_TABLES), n=1)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"There is no table named {name!r}; the names are {', '.join(NAMED_TABLES)}.{guess}")
    if NAMED_TABLES[name].startswith("*"):
        import sklearn.datasets

        x, y = getattr(sklearn.datasets, f"load_{name}")(return_X_y=True)
        return Dataset(x.astype(np.float64), y.astype(np.int64), name=name)
    root = data_folder(folder)
    file = None if root is None else root / "tables" / f"{name}.npz"
    if file is None or not file.is_file():
        looked = "and the environment variable KNOWNOT_DATA is not set" if file is None else f"and {file} is not there"
        raise ValueError(
            f"The table {name!r} needs a file, {looked}: put tables/{name}.npz, with arrays X (N, F) and y (N,), into "
            "a folder and set KNOWNOT_DATA to it."
        )
    return _read(file, name)


def _read(file: Path, name: str) -> Dataset:
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
            if absent := [part for part in ("X", "y") if part not in content.files]:
                raise ValueError(f"it has no array {absent[0]!r}, only {', '.join(content.files) or 'none'}")
            x, y = content["X"], content["y"]
        if x.ndim != 2 or x.dtype.kind not in "fiub":
            raise ValueError(f"X is {x.dtype} of shape {x.shape}, and a table has two axes of numbers")
        x = x.astype(np.float64)
        check_finite(x, "X")
        return Dataset(x, check_labels(y, len(x)), name=name)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        reason = str(error).rstrip(".")
        raise ValueError(f"{file} cannot be read: {reason}. Fetch it again.") from error
