"""Samples and what a model gives back, as images (N, H, W, C) or as tables (N, F)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knownot.report.wording import printable


def as_numbers(table: NDArray[Any]) -> NDArray[np.float64]:
    """A number for each cell that tells how unusual it is: its own, or, of text, the share of other values.

    Examples
    --------
    >>> as_numbers(np.array([[2.0, "a"], [3.0, "a"], [None, "b"]], dtype=object)).round(2)
    array([[2.  , 0.33],
           [3.  , 0.33],
           [ nan, 0.67]])
    """
    if table.dtype.kind == "f":
        return table
    numbers = np.empty(table.shape)
    for j, column in enumerate(table.T):
        try:
            numbers[:, j] = column.astype(np.float64)
        except (TypeError, ValueError):
            texts = np.array([str(value) for value in column])
            _, codes, counts = np.unique(texts, return_inverse=True, return_counts=True)
            numbers[:, j] = 1.0 - counts[codes] / len(column)
    return numbers


def some_rows(X: Any, index: NDArray[np.int64]) -> Any:
    """Some samples of an array, a tensor or a data frame."""
    return X.iloc[index] if hasattr(X, "iloc") else X[index]


def as_images(X: Any) -> NDArray[Any] | None:
    """Images with the channels last, None where the samples are rows of a table."""
    if len(X.shape) < 3:
        return None
    array = outputs(X)
    # Tensors have their channels in front, arrays behind.
    return np.moveaxis(array, 1, -1) if hasattr(X, "detach") and len(X.shape) == 4 else array


def outputs(values: Any) -> NDArray[Any]:
    """What a model gives back: images get a channel axis where they have none, a table stays as it is."""
    array = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    return array[..., None] if array.ndim == 3 else array


def as_table(X: Any, estimator: Any, feature_names: Sequence[str] | None) -> tuple[NDArray[Any] | None, list[str]]:
    """A table and the names of its columns, (None, []) where the samples are images.

    Where all columns are of numbers the table is float64, otherwise of objects, as they are.
    """
    if len(X.shape) > 2:
        return None, []
    table = np.asarray(X.cpu() if hasattr(X, "cpu") else X)
    try:
        table = table.astype(np.float64)
    except (TypeError, ValueError):
        table = np.asarray(X, dtype=object)
    found = feature_names if feature_names is not None else getattr(X, "columns", None)
    if found is None:
        found = getattr(estimator, "feature_names_in_", None)
    names = [f"feature {i}" for i in range(table.shape[1])] if found is None else [printable(name) for name in found]
    if len(names) != table.shape[1]:
        raise ValueError(f"{len(names)} feature_names for {table.shape[1]} columns of X: give one for each column.")
    return table, names
