"""Samples for a command: read, reduced to the known classes, a part of them held out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knownot.cli.selection import Chosen, select_known

if TYPE_CHECKING:
    import numpy as np

    from knownot.data import Dataset


def divide(
    source: str, label: str | None, chosen: Chosen | None, held_out: float, seed: int, unreadable: str
) -> tuple[Dataset, Dataset | None]:
    """Read a source for training. Named data sets bring their own test set, others give a part of themselves.

    Parameters
    ----------
    source : str
    label : str or None
        Column of the class, in tables.
    chosen : dict or None
        The known classes, from `parse_selection`.
    held_out : float
        Share of each known class that is held out for the verdict.
    seed : int
        Decides which samples are held out.
    unreadable : {"refuse", "skip"}

    Returns
    -------
    train : Dataset
        Known classes only, with the labels that the model shall learn.
    test : Dataset or None
        To judge by, with unknown classes where there are any. None: nothing was held out.
    """
    from knownot.data import load_named, read_source
    from knownot.data.named import known_name

    if known_name(source) is not None:
        train, test = load_named(source, "train"), load_named(source, "test")
        y, known = select_known(train.labels, chosen, train.class_names)
        y_test, _ = select_known(test.labels, chosen, test.class_names)
        return relabelled(train, y, known), relabelled(test, y_test)
    require_label(source, label)
    data = read_source(source, label, unreadable=unreadable)
    y, known = select_known(data.labels, chosen, data.class_names)
    kept = hold_out(y, known, held_out, seed)
    return relabelled(data, y, kept), None if kept.all() else relabelled(data, y, ~kept)


def read_for(model: Any, source: str, label: str | None, unreadable: str) -> Dataset:
    """Read a source in the form a model was trained on: its image size, colours and columns.

    Of named data sets the test part is read.
    """
    from knownot.data import read_source

    columns = getattr(model, "feature_names_in_", None)
    size, channels = None, None
    if len(model.input_shape_) == 3:
        channels, *size = model.input_shape_
    return read_source(
        source,
        label,
        split="test",
        columns=None if columns is None else [str(name) for name in columns],
        image_size=None if size is None else (size[0], size[1]),
        channels=channels,
        unreadable=unreadable,
    )


def spelled_like(y: np.ndarray, classes: np.ndarray, class_names: tuple[str, ...] | None = None) -> np.ndarray:
    """Write labels as a model writes its classes: a folder "3" is class 3, class 3 of CIFAR-10 is "cat".

    Examples
    --------
    >>> import numpy as np
    >>> spelled_like(np.array(["3", "10"]), np.array([3, 4]))
    array([ 3, 10])
    >>> spelled_like(np.array([0, 1]), np.array(["cat", "dog"]), ("cat", "dog")).tolist()
    ['cat', 'dog']
    """
    import numpy as np

    if classes.dtype.kind == "U" and y.dtype.kind in "iu":
        if class_names is None:
            return y.astype(str)
        return np.array([class_names[i] if 0 <= i < len(class_names) else str(i) for i in y.tolist()])
    if classes.dtype.kind in "iu" and y.dtype.kind == "U":
        try:
            return y.astype(np.int64)
        except ValueError:
            return y
    return y


def require_label(source: str, label: str | None) -> None:
    """Ask for the column of the class where a table is to be learned from or judged by.

    Raises
    ------
    ValueError
        If ``source`` is a table and ``label`` is None.
    """
    from knownot.data.tables import ENDINGS

    if label is None and source.lower().endswith(ENDINGS) and Path(source).is_file():
        raise ValueError(f"{source} is a table: say which of its columns holds the class, with --label COL.")


def hold_out(y: np.ndarray, known: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Choose the samples to train on: of each known class all but ``share``, and at least one.

    Returns
    -------
    ndarray of shape (N,), bool

    Examples
    --------
    >>> import numpy as np
    >>> y = np.repeat([0, 1, 2], 10)
    >>> kept = hold_out(y, y < 2, 0.2, seed=0)
    >>> np.bincount(y[kept], minlength=3).tolist()
    [8, 8, 0]
    """
    import numpy as np

    if not 0 <= share < 1:
        raise ValueError(f"--held-out {share} is not a share: give a number from 0 to below 1, such as 0.2.")
    rng = np.random.default_rng(seed)
    kept = np.zeros(len(y), bool)
    for value in np.unique(y[known]):
        members = rng.permutation(np.flatnonzero(y == value))
        kept[members[: max(1, len(members) - round(share * len(members)))]] = True
    return kept


def relabelled(data: Dataset, y: np.ndarray, rows: Any = None) -> Dataset:
    """Give a data set other labels, and take some of its rows."""
    data = replace(data, y=y)
    return data if rows is None else data.select(rows)


def as_input(data: Dataset) -> Any:
    """Samples as an estimator takes them: a table with named columns as a data frame, so that it knows the names."""
    if data.feature_names is None:
        return data.x
    import pandas as pd

    return pd.DataFrame(data.x, columns=list(data.feature_names))
