"""Samples for a command: read, reduced to the known classes, a part of them held out."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from knownot.cli.kinds import Kind
from knownot.cli.selection import Chosen, select_known
from knownot.cli.terminal import Terminal

if TYPE_CHECKING:
    import numpy as np

    from knownot.data import Dataset

HELD_OUT = 0.2
ImageSize = tuple[int, int]


class Parts(NamedTuple):
    """Samples to learn from and to judge by.

    Attributes
    ----------
    train : Dataset
        Known classes only, with the labels to learn; or samples without labels.
    test : Dataset or None
        To judge by, unknown classes included. None: nothing was held out.
    known : ndarray of bool, or None
        Which samples of ``test`` are of known classes.
    """

    train: Dataset
    test: Dataset | None = None
    known: np.ndarray | None = None


def read_parts(
    terminal: Terminal, source: str, label: str | None, unreadable: str, image_size: ImageSize | None = None
) -> tuple[Dataset, Dataset | None]:
    """Read a source for training: all of it, and the test set of a named data set.

    Raises
    ------
    ValueError
        If it cannot be read, or ``image_size`` is given and the samples are not image files.
    """
    from knownot.data.named import known_name

    named = known_name(source) is not None
    if not named:
        data = read(terminal, source, label, image_size=image_size, unreadable=unreadable)
    if image_size is not None and (named or data.paths is None or not data.is_image):
        raise ValueError(f"--image-size applies to image files, and {source} is something else: leave it out.")
    if not named:
        return data, None
    return read(terminal, source, split="train"), read(terminal, source, split="test")


def read(terminal: Terminal, source: str, label: str | None = None, **settings: Any) -> Dataset:
    """Read a source with a progress bar, and print the notes of its reader.

    Parameters
    ----------
    terminal : Terminal
    source : str
    label : str or None
        Column of the class, in tables.
    **settings
        As of :func:`knownot.data.read_source`.
    """
    from knownot.data import read_source

    split = settings.get("split")
    with (
        terminal.counting(f"Reading {source}" + (f" ({split})" if split else "")) as count,
        warnings.catch_warnings(record=True) as caught,
    ):
        data = read_source(source, label, progress=count, **settings)
    note = f"{data.name}: {data.note.rstrip('.')}."
    if data.note:
        terminal.note(note)
    for warning in caught:
        # What is noted is often warned of as well.
        if str(warning.message).rstrip(".") not in note:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return data


def divide(
    data: Dataset,
    test: Dataset | None = None,
    chosen: Chosen | None = None,
    held_out: float | None = None,
    seed: int = 0,
    kind: Kind = Kind.classifier,
) -> Parts:
    """Choose the samples to learn from and those to judge by.

    Parameters
    ----------
    data : Dataset
        Labelled for a classifier; otherwise labels may be missing.
    test : Dataset, optional
        The test set of a named data set.
    chosen : dict, optional
        The known classes, from `parse_selection`.
    held_out : float, optional
        Share of each known class that is held out, where there is no test set. None: 0.2; for a clusterer 0.
    seed : int
        Decides which samples are held out.
    kind : Kind
        A clusterer is not judged by unknown classes.
    """
    import numpy as np

    if held_out is None:
        held_out = 0.0 if kind is Kind.clusterer else HELD_OUT
    if data.y is None and kind is not Kind.classifier and chosen is None:
        kept = hold_out(np.zeros(len(data)), np.ones(len(data), bool), held_out, seed)
        return Parts(data) if kept.all() else Parts(data.select(kept), data.select(~kept), np.ones((~kept).sum(), bool))
    y, known = select_known(data.labels, chosen, data.class_names)
    if test is None:
        kept = hold_out(y, known, held_out, seed)
        rest, known = relabelled(data, y, ~kept), known[~kept]
    else:
        kept = known
        y_test, known = select_known(test.labels, chosen, test.class_names)
        rest = relabelled(test, y_test)
    if kind is Kind.clusterer:
        rest, known = rest.select(known), known[known]
    train = relabelled(data, y, kept)
    return Parts(train, rest, known) if len(rest) else Parts(train)


def read_for(terminal: Terminal, model: Any, source: str, label: str | None, unreadable: str) -> Dataset:
    """Read a source in the form a model was trained on: its image size, colours and columns.

    Of named data sets the test part is read.
    """
    from knownot.data.named import known_name

    settings: dict[str, Any] = {"unreadable": unreadable}
    if known_name(source) is not None:
        settings["split"] = "test"
    names = getattr(model, "feature_names_in_", None)
    if names is not None:
        settings["columns"] = [str(name) for name in names]
    shape = tuple(getattr(model, "input_shape_", ()))
    if len(shape) == 3:
        settings |= {"channels": shape[0], "image_size": shape[1:]}
    return read(terminal, source, label, **settings)


def parse_image_size(text: str | None) -> ImageSize | None:
    """Read `--image-size 96` or `--image-size 64x48`, height before width.

    Raises
    ------
    ValueError
        If it is none of these.

    Examples
    --------
    >>> parse_image_size("96"), parse_image_size("64x48")
    ((96, 96), (64, 48))
    """
    if text is None:
        return None
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) > 2 or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise ValueError(
            f"--image-size {text} is not a size in pixels: write 96, or height x width without spaces, 64x48."
        )
    return int(parts[0]), int(parts[-1])


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


def without(data: Dataset, columns: str | None) -> Dataset:
    """Leave out columns of a table, as `--drop id,note` names them.

    Raises
    ------
    ValueError
        If there is no such column, or none is left.
    """
    if columns is None:
        return data
    names = [name.strip() for name in columns.split(",")]
    if data.feature_names is None:
        raise ValueError(f"--drop applies to tables with named columns, and {data.name} is none: leave it out.")
    kept = [place for place, name in enumerate(data.feature_names) if name not in names]
    absent = [name for name in names if name not in data.feature_names]
    if absent or not kept:
        raise ValueError(
            f"--drop {columns}: "
            + (f"there is no feature column {absent[0]!r}" if absent else "no column is left")
            + f"; the columns are {', '.join(data.feature_names[:30])}."
        )
    table: Any = data.x
    x = table.iloc[:, kept] if hasattr(table, "iloc") else table[:, kept]
    return replace(data, x=x, feature_names=tuple(data.feature_names[place] for place in kept))


def as_input(data: Dataset) -> Any:
    """Samples as an estimator takes them: a table with named columns as a data frame, so that it knows the names."""
    if data.feature_names is None or not hasattr(data.x, "dtype"):
        return data.x
    import pandas as pd

    return pd.DataFrame(data.x, columns=list(data.feature_names))
