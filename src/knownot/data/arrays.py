"""Arrays of a user: brought into one form, or refused with a sentence before training starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    import pandas as pd

# Rows looked at in one piece, so that a check of a large array needs little memory.
CHUNK = 4096


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples in memory with what is known of them.

    Attributes
    ----------
    x : ndarray or DataFrame
        Images (N, H, W, C), uint8 or float32 in [0, 1], or tables (N, F), float64 or float32, NaN where
        values are missing. A table with text or categories is a DataFrame.
    y : ndarray, shape (N,), optional
        Labels, int64 or str. None: unlabelled.
    name : str
        What was read.
    feature_names : tuple of str, optional
        Columns of a table, in order.
    paths : tuple of str, optional
        File of each image.
    class_names : tuple of str, optional
        Names of the classes 0 … C - 1 where ``y`` holds numbers.
    note : str
        What a reader of results must know of these data, such as a lossy copy; else empty.

    Examples
    --------
    >>> import numpy as np
    >>> data = Dataset(np.zeros((3, 2), np.float32), np.array([0, 1, 1]), name="zeros")
    >>> data.select([2, 0]).y
    array([1, 0])
    >>> data
    Dataset('zeros', 3 samples of shape (2,), 2 classes)
    """

    x: np.ndarray | pd.DataFrame
    y: np.ndarray | None = None
    name: str = ""
    feature_names: tuple[str, ...] | None = None
    paths: tuple[str, ...] | None = field(default=None, repr=False)
    class_names: tuple[str, ...] | None = None
    note: str = ""

    def __post_init__(self) -> None:
        for part, what in ((self.y, "y"), (self.paths, "paths")):
            if part is not None and len(part) != len(self.x):
                raise ValueError(
                    f"{self.name or 'Dataset'}: x has {len(self.x)} samples but {what} has {len(part)} entries: "
                    "give one for each sample."
                )

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        classes = "unlabelled" if self.y is None else f"{len(np.unique(self.y))} classes"
        return f"Dataset({self.name!r}, {len(self)} samples of shape {self.x.shape[1:]}, {classes})"

    @property
    def is_image(self) -> bool:
        """Whether the samples are images."""
        return self.x.ndim == 4

    @property
    def labels(self) -> np.ndarray:
        """The labels, for those who cannot do without: a ValueError where there are none."""
        if self.y is None:
            raise ValueError(
                f"{self.name or 'The data set'} has no labels: give a label for each sample, such as a label column, "
                "folders named after the classes, or an array y."
            )
        return self.y

    def select(self, index: Sequence[int] | np.ndarray) -> Dataset:
        """Take the samples at ``index`` (positions, or a mask of N booleans), in that order."""
        index = np.asarray(index)
        index = np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64)
        return replace(
            self,
            x=self.x[index] if isinstance(self.x, np.ndarray) else self.x.iloc[index].reset_index(drop=True),
            y=None if self.y is None else self.y[index],
            paths=None if self.paths is None else tuple(self.paths[i] for i in index),
        )


def image_tensor(X: Any, name: str = "X") -> Tensor:
    """Images as one tensor, channels first.

    Parameters
    ----------
    X : array-like or Tensor
        Arrays are (N, H, W) or (N, H, W, C), tensors are (N, H, W) or (N, C, H, W);
        uint8 in 0 … 255, or float in [0, 1].
    name : str
        What messages call it.

    Returns
    -------
    Tensor, shape (N, C, H, W)
        uint8 or float32. It shares memory with ``X`` where no conversion is needed.

    Raises
    ------
    ValueError
        If the shape, the kind of number or the range is another.

    Examples
    --------
    >>> import numpy as np
    >>> image_tensor(np.zeros((5, 28, 28), np.uint8)).shape
    torch.Size([5, 1, 28, 28])
    >>> image_tensor(np.zeros((5, 32, 32, 3))).dtype
    torch.float32
    """
    is_tensor = isinstance(X, Tensor)
    tensor = X.detach() if is_tensor else _from_array(np.asarray(X), name)
    _refuse_image_shape(tuple(tensor.shape), is_tensor, name)
    if tensor.is_floating_point():
        check_finite(tensor, name)
        low, high = float(tensor.min()), float(tensor.max())
        if low < 0.0 or high > 1.0:
            raise ValueError(
                f"{name} holds floating-point images with values from {low:.6g} to {high:.6g}: "
                "grey values must lie in [0, 1]; divide by 255, or give uint8."
            )
        tensor = tensor.to(torch.float32)
    elif tensor.dtype != torch.uint8:
        raise ValueError(
            f"{name} holds images of {str(tensor.dtype).removeprefix('torch.')}: give uint8 with values 0 to 255, "
            "or floating-point numbers in [0, 1]."
        )
    if tensor.ndim == 3:
        return tensor.unsqueeze(1)
    return tensor if is_tensor else tensor.permute(0, 3, 1, 2)


def table_dtype(dtype: Any) -> np.dtype:
    """Return the floating-point type that holds a column of a table: float64 where float32 would round.

    Examples
    --------
    >>> table_dtype(np.dtype("f4")), table_dtype(np.dtype("int64"))
    (dtype('float32'), dtype('float64'))
    """
    return np.dtype(np.float32 if dtype.kind == "f" and dtype.itemsize <= 4 else np.float64)


def _from_array(array: np.ndarray, name: str) -> Tensor:
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} is an array of {array.dtype}: give numbers, uint8 or floating-point in [0, 1].")
    # torch knows neither negative strides nor long doubles nor a foreign byte order.
    dtype = np.dtype(np.float32) if array.dtype.kind == "f" else array.dtype.newbyteorder("=")
    array = np.ascontiguousarray(array, dtype=dtype)
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _refuse_image_shape(shape: tuple[int, ...], is_tensor: bool, name: str) -> None:
    expected = "(N, C, H, W)" if is_tensor else "(N, H, W) or (N, H, W, C)"
    if len(shape) not in (3, 4):
        raise ValueError(f"{name} has shape {shape}: images are {expected}; a single image needs an axis in front.")
    if 0 in shape:
        raise ValueError(f"{name} has shape {shape}, which holds no pixel: give one image or more.")
    if len(shape) == 3:
        return
    first, last = shape[1] in (1, 3, 4), shape[3] in (1, 3, 4)
    if is_tensor and last and shape[1] > 4:
        raise ValueError(
            f"{name} is a tensor of shape {shape}, which looks like channels last: "
            "tensors are (N, C, H, W); use .permute(0, 3, 1, 2), or give a numpy array."
        )
    if not is_tensor and first and shape[3] > 4:
        raise ValueError(
            f"{name} is an array of shape {shape}, which looks like channels first: "
            "arrays are (N, H, W, C); use .transpose(0, 2, 3, 1), or give a torch tensor."
        )


def check_finite(X: Any, name: str = "X", *, allow_nan: bool = False) -> None:
    """Refuse values that are infinite, and those that are NaN.

    Parameters
    ----------
    X : ndarray or Tensor
        Whole numbers always pass.
    name : str
        What the message calls it.
    allow_nan : bool
        Refuse infinite values alone.

    Raises
    ------
    ValueError
        Says how many values are NaN and infinite, and where the first few stand.

    Examples
    --------
    >>> check_finite(np.array([[0.0, np.nan]]))
    Traceback (most recent call last):
    ...
    ValueError: X holds 1 NaN and 0 infinite values, first at (0, 1): remove or fill them first.
    """
    if not isinstance(X, Tensor):
        X = np.asarray(X)
        if X.dtype.kind not in "fc":
            return
    elif not X.is_floating_point():
        return
    n_nan = n_infinite = 0
    places: list[tuple[int, ...]] = []
    rows = X.reshape(1) if X.ndim == 0 else X
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        finite = np.asarray(torch.isfinite(part).cpu()) if isinstance(part, Tensor) else np.isfinite(part)
        if finite.all():
            continue
        nan = np.asarray(torch.isnan(part).cpu()) if isinstance(part, Tensor) else np.isnan(part)
        if allow_nan:
            finite, nan = finite | nan, np.zeros_like(nan)
        n_nan += int(nan.sum())
        n_infinite += int((~finite & ~nan).sum())
        if len(places) < 3:
            found = np.argwhere(~finite)[: 3 - len(places)]
            places += [(start + int(row[0]), *(int(i) for i in row[1:])) for row in found]
    if n_nan or n_infinite:
        where = ", ".join(str(place) if len(place) > 1 else str(place[0]) for place in places)
        raise ValueError(
            f"{name} holds {n_nan} NaN and {n_infinite} infinite values, first at {where}: remove or fill them first."
        )


def check_labels(y: Any, n: int) -> np.ndarray:
    """One label for each of n samples.

    Parameters
    ----------
    y : array-like, shape (n,)
        Whole numbers, booleans or strings. A column (n, 1) is taken with scikit-learn's
        ``DataConversionWarning``.
    n : int
        Number of samples.

    Returns
    -------
    ndarray, shape (n,)
        Numbers, booleans or strings; lists of Python objects and bytes are brought into one of
        these.

    Raises
    ------
    ValueError
        If ``y`` is None, of another length or shape, continuous, mixed, or has missing labels.

    Examples
    --------
    >>> check_labels(["cat", "dog"], 2)
    array(['cat', 'dog'], dtype='<U3')
    """
    if y is None:
        raise ValueError("This requires y to be passed, but the target y is None: give one label for each sample.")
    labels = np.asarray(y.detach().cpu() if isinstance(y, Tensor) else y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        from sklearn.utils import column_or_1d

        labels = column_or_1d(labels, warn=True)
    if labels.ndim != 1:
        raise ValueError(f"y has shape {labels.shape}: labels are one-dimensional, one for each of the {n} samples.")
    if len(labels) != n:
        raise ValueError(f"X has {n} samples but y has {len(labels)} labels: give one label for each sample.")
    if labels.dtype.kind == "f":
        check_finite(labels, "y")
        broken = labels[labels != np.round(labels)]
        if len(broken):
            raise ValueError(
                f"Unknown label type: continuous. y holds {broken[0]!s}: classes are whole numbers or strings."
            )
    elif labels.dtype.kind == "O":
        _refuse_mixed_labels(labels)
        labels = np.array(labels.tolist())
        if labels.dtype.kind not in "iubfU":
            raise ValueError("Unknown label type: y holds objects: classes are whole numbers or strings.")
        return check_labels(labels, n)
    elif labels.dtype.kind == "S":
        labels = labels.astype(str)
    elif labels.dtype.kind not in "iubU":
        raise ValueError(f"Unknown label type: y is {labels.dtype}: classes are whole numbers or strings.")
    return labels


def check_label_matrix(y: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Several yes-or-no labels for each of n samples.

    Parameters
    ----------
    y : array-like or DataFrame, shape (n, L)
        0 or 1, or truth values; NaN where a label is missing.
    n : int
        Number of samples.

    Returns
    -------
    labels : ndarray, shape (n, L), float32
        0, 1 or NaN.
    names : ndarray, shape (L,)
        Columns of a data frame as text, else positions.

    Raises
    ------
    ValueError
        If ``y`` is None, of another length or shape, or holds anything else.

    Examples
    --------
    >>> check_label_matrix([[0, 1], [1, None]], 2)
    (array([[ 0.,  1.],
           [ 1., nan]], dtype=float32), array([0, 1]))
    """
    if y is None:
        raise ValueError("This requires y to be passed, but the target y is None: give a column of 0 and 1 a label.")
    columns = getattr(y, "columns", None)
    if columns is not None:
        y = y.to_numpy(dtype=object, na_value=np.nan)
    try:
        labels = np.asarray(y.detach().cpu() if isinstance(y, Tensor) else y, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Unknown label type: y holds something else than numbers ({error}): give 0, 1, or NaN where a label is "
            "missing."
        ) from error
    if labels.ndim != 2 or labels.shape[1] == 0:
        raise ValueError(
            f"y has shape {labels.shape}: give a column for each label, (N, L). For one label of several classes there "
            "is SemiSupervisedVAE; one column is y.reshape(-1, 1)."
        )
    if len(labels) != n:
        raise ValueError(f"X has {n} samples but y has {len(labels)} rows of labels: give one for each sample.")
    foreign = labels[~np.isin(labels, (0.0, 1.0)) & ~np.isnan(labels)]
    if len(foreign):
        raise ValueError(
            f"Unknown label type: y holds {foreign[0]:g}: yes-or-no labels are 0 or 1, or NaN where one is missing."
        )
    names = np.arange(labels.shape[1]) if columns is None else np.array([str(name) for name in columns])
    return labels.astype(np.float32), names


def _refuse_mixed_labels(labels: np.ndarray) -> None:
    missing = [i for i, label in enumerate(labels) if label is None or label != label]
    if missing:
        raise ValueError(
            f"y has {len(missing)} missing labels (None or NaN), first at {missing[0]}: "
            "leave these samples out, or label them."
        )
    is_text = [isinstance(label, str) for label in labels]
    if any(is_text) and not all(is_text):
        raise ValueError(
            "y mixes strings with other labels: make all of them strings, as in [str(label) for label in y]."
        )


def label_codes(labels: Any, classes: Any) -> np.ndarray:
    """Position of each label in ``classes``, looked up by value.

    Parameters
    ----------
    labels : array-like
        Numbers, booleans or strings. A number is never a string: 3 is not "3".
    classes : array-like, shape (C,)
        Distinct, in any order.

    Returns
    -------
    ndarray of the shape of ``labels``, int64
        0 … C - 1; -1 where a label is not among the classes.

    Examples
    --------
    >>> label_codes(["dog", "cat", "eel"], ["cat", "dog"])
    array([ 1,  0, -1])
    """
    place = {value: i for i, value in enumerate(np.asarray(classes).tolist())}
    labels = np.asarray(labels)
    if labels.dtype.kind == "O":  # which numpy may not be able to sort
        codes = np.array([place.get(value, -1) for value in labels.ravel().tolist()], dtype=np.int64)
        return codes.reshape(labels.shape)
    # Python compares numbers of different types exactly, and each distinct label once is not many.
    values, index = np.unique(labels, return_inverse=True)
    codes = np.array([place.get(value, -1) for value in values.tolist()], dtype=np.int64)
    return codes[index].reshape(labels.shape)
