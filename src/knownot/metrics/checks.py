"""What metrics ask of their arguments, and the sentences that say so."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

UNKNOWN = -1
"""Label of the unknown among numbers."""

UNKNOWN_NAME = "unknown"
"""Label of the unknown among strings."""


def label_array(
    values: ArrayLike, name: str = "y_true", n: int | None = None, like: NDArray[Any] | None = None
) -> NDArray[Any]:
    """A one-dimensional array of labels, all numbers or all strings.

    Parameters
    ----------
    values : array-like of shape (N,)
    name : str
        What the message calls it.
    n : int, optional
        The number of labels there must be.
    like : ndarray, optional
        Labels these are compared with: both must be numbers, or both strings.
    """
    array = np.asarray(_on_host(values))
    if array.dtype == object:
        found = {"strings" if isinstance(value, str) else "numbers" for value in array.ravel()}
        if len(found) > 1:
            raise ValueError(f"{name} mixes numbers and strings: write all labels as the one or as the other.")
        array = np.asarray(array.tolist())
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}: give one label for each sample, and at least one sample.")
    if n is not None and len(array) != n:
        raise ValueError(f"{name} has {len(array)} entries for {n} samples: give one for each sample.")
    if like is not None and (array.dtype.kind == "U") != (like.dtype.kind == "U"):
        raise ValueError(
            f"{name} holds {'strings' if array.dtype.kind == 'U' else 'numbers'}, the labels it is compared with are "
            f"{'strings' if like.dtype.kind == 'U' else 'numbers'}: write all labels as the one or as the other."
        )
    return array


def unknown_mask(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """True where a label says unknown: -1 among numbers, "unknown" among strings.

    Examples
    --------
    >>> unknown_mask(np.array([0, -1])), unknown_mask(np.array(["cat", "unknown"]))
    (array([False,  True]), array([False,  True]))
    """
    return np.asarray(labels == (UNKNOWN_NAME if labels.dtype.kind == "U" else UNKNOWN))


def as_rows(values: ArrayLike, name: str, *, at_least: int = 1, like: tuple[str, Floats] | None = None) -> Floats:
    """A table of finite numbers as float64, one row a sample.

    Parameters
    ----------
    values : array-like of shape (N, D)
        Of any floating-point type, bfloat16 and tensors on a device included.
    name : str
        What the message calls it.
    at_least : int
        The fewest rows that will do.
    like : (str, ndarray of shape (M, D)), optional
        Name and rows of a table with as many columns.

    Examples
    --------
    >>> as_rows([[1, 2], [3, 4]], "z").dtype
    dtype('float64')
    """
    rows = np.asarray(_on_host(values), dtype=np.float64)
    if rows.ndim != 2 or rows.size == 0:
        raise ValueError(f"{name} has shape {rows.shape}: give one row for each sample, (N, D).")
    if len(rows) < at_least:
        raise ValueError(f"{name} has {len(rows)} row{'s'[: len(rows) != 1]}: give at least {at_least}.")
    if like is not None and rows.shape[1] != like[1].shape[1]:
        raise ValueError(
            f"{name} has {rows.shape[1]} columns, {like[0]} has {like[1].shape[1]}: give the same columns in both."
        )
    n_bad = int((~np.isfinite(rows)).any(1).sum())
    if n_bad:
        raise ValueError(
            f"{n_bad} of {len(rows)} rows of {name} have NaN or infinite entries: leave these rows out, or find out "
            "where they come from."
        )
    return rows


def as_floats(values: ArrayLike, name: str) -> Floats:
    """Numbers of any shape as float64; infinities are allowed, NaN is not.

    Examples
    --------
    >>> as_floats([1, 2], "log_prob")
    array([1., 2.])
    """
    array = np.asarray(_on_host(values), dtype=np.float64)
    if array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}: give at least one number.")
    n_bad = int(np.isnan(array).sum())
    if n_bad:
        raise ValueError(f"{n_bad} of {array.size} entries of {name} are NaN: find out where they come from.")
    return array


def is_number(value: Any) -> bool:
    """Whether a setting is one finite number, and no truth value."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)


def check_count(value: Any, name: str, what: str) -> None:
    """Refuse what is no whole number of at least one.

    Parameters
    ----------
    value : object
    name : str
        What the message calls it.
    what : str
        What is counted.
    """
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name}={value!r} does not work: give the number of {what}, 1 or more.")


def _on_host(values: Any) -> Any:
    """A tensor as numpy can read it, wherever it lies and of whatever type; anything else as it is.

    It is told by what it can do, so that metrics need no torch.
    """
    if not hasattr(values, "detach"):
        return values
    tensor = values.detach().cpu()
    return tensor.double() if tensor.is_floating_point() else tensor


def as_scores(knownness: ArrayLike, n: int | None = None) -> NDArray[np.float64]:
    """Knownness as float64, one number a sample; infinities are allowed, NaN is not."""
    scores = np.asarray(knownness, dtype=np.float64)
    if scores.ndim != 1 or scores.size == 0:
        raise ValueError(
            f"knownness has shape {scores.shape}: give one number for each sample, and at least one sample."
        )
    if n is not None and len(scores) != n:
        raise ValueError(f"knownness has {len(scores)} entries for {n} samples: give one for each sample.")
    bad = np.flatnonzero(np.isnan(scores))
    if len(bad):
        raise ValueError(
            f"{len(bad)} of {len(scores)} knownness scores are NaN, the first at {bad[:3].tolist()}: "
            "a NaN cannot be ranked; find out where it comes from before measuring."
        )
    return scores


def as_flags(flags: ArrayLike, n: int, name: str = "known") -> NDArray[np.bool_]:
    """One bool a sample; 0 and 1 count as such."""
    array = np.asarray(flags)
    if array.shape != (n,):
        raise ValueError(f"{name} has shape {array.shape} for {n} samples: give one bool for each sample.")
    if array.dtype != np.bool_:
        if not np.isin(array, [0, 1]).all():
            raise ValueError(f"{name} holds other values than True and False: give one bool for each sample.")
        array = array.astype(np.bool_)
    return array
