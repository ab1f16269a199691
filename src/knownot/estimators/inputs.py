"""From a user's samples to what a module takes, and the split that keeps calibration unbiased."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from torch import Tensor

from knownot.data import image_tensor
from knownot.estimators.cells import Cells, read_cells
from knownot.estimators.columns import unjudged

# Rows of a table that pass through the network together. Short chunks are filled up to it, so
# that a row's result does not depend, not even in its last bit, on the rows beside it.
TABLE_CHUNK = 512
IMAGE_CHUNK = 512
Samples = Tensor | NDArray[Any]
_MIN_HELD_OUT = 80
_MAX_STANDARDISED = 1e6
# What varies less than this share of its mean is rounding, not data. (Milliseconds within seconds since 1970: 6e-13.)
_CONSTANT_TOLERANCE = 1e-13


def is_image_input(X: Any) -> bool:
    """Whether X has the shape of images: three or four axes."""
    return (X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim) in (3, 4)


def read_samples(estimator: BaseEstimator, X: Any, *, reset: bool) -> Samples:
    """Check a user's samples: images as (N, C, H, W), tables as an array (N, F) of any number type.

    Parameters
    ----------
    estimator : BaseEstimator
        Gets ``n_features_in_`` and ``feature_names_in_`` from tables when ``reset``.
    X : array-like
    reset : bool
        True in ``fit``; False compares with what was fitted.

    Returns
    -------
    Samples
        Of a table that has gaps or categories: in ``fit`` numbers and places of levels, which are still to be
        encoded; otherwise encoded, with NaN in the rows that cannot be judged.

    Raises
    ------
    ValueError
        If values are infinite, columns cannot be read, or the shape is not the one of the fit.
    """
    fitted = None if reset else tuple(estimator.input_shape_)
    if is_image_input(X):
        if fitted is not None and len(fitted) == 1:
            raise ValueError(
                f"X has shape {np.shape(X)}, but this model was fitted on tables of {estimator.n_features_in_} "
                f"features: give an array of shape (N, {estimator.n_features_in_})."
            )
        images = image_tensor(X)
        if fitted is not None and tuple(images.shape[1:]) != fitted:
            raise ValueError(
                f"X holds images of {_describe_size(tuple(images.shape[1:]))}, but this model was fitted on images of "
                f"{_describe_size(fitted)}: bring them to that size first."
            )
        return images
    if fitted is not None and len(fitted) == 3:
        raise ValueError(
            f"X has shape {np.shape(X)}, but this model was fitted on images of {_describe_size(fitted)}: "
            "give an array of shape (N, H, W) or (N, H, W, C)."
        )
    cells = read_cells(estimator, X, reset=reset)
    if reset:
        estimator.columns_ = cells.encoding
        return cells.rows
    encoded = cells.rows if cells.encoding is None else cells.encoding.encode(cells.rows)
    if (cannot := unjudged(encoded)).any():
        warnings.warn(_reasons(cells, int(cannot.sum())), stacklevel=4)
    return encoded


def _reasons(cells: Cells, n: int) -> str:
    """Which rows cannot be judged, and why."""
    gap: NDArray[np.bool_] = np.isnan(cells.rows)
    empty = np.asarray(gap.all(1))
    reasons = []
    for name, new in cells.foreign.items():
        shown = ", ".join(map(repr, new[:3])) + (f" and {len(new) - 3} more values" if len(new) > 3 else "")
        reasons.append(f"column {name!r} holds {shown}, which it did not in the fit")
    gaps = np.zeros(gap.shape[1], bool)
    if cells.encoding is not None:
        gaps = np.array([column.gaps for column in cells.encoding.columns])
    unprepared = gap & ~empty[:, None] & ~gaps
    if unprepared.any():
        missing = [repr(cells.names[j]) for j in np.flatnonzero(unprepared.any(0)).tolist()]
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        reasons.append(f"values are missing in {shown}, where none was in the fit ({unprepared.any(1).sum()} rows)")
    if empty.any():
        reasons.append(f"all values are missing in {empty.sum()} of them")
    return f"{n} of {len(gap)} rows cannot be judged and count as unknown: {'; '.join(reasons)}."


def _describe_size(shape: tuple[int, ...]) -> str:
    channels, height, width = shape
    return f"{height}x{width} pixels and {channels} channel{'s' if channels > 1 else ''} (height x width)"


@dataclass
class Scaling:
    """Standardises the columns of a table; leaves images alone.

    Attributes
    ----------
    mean, std : ndarray, shape (F,), float64, or None for images
    """

    mean: NDArray[np.float64] | None = None
    std: NDArray[np.float64] | None = None

    @classmethod
    def fit(cls, X: Samples, groups: Sequence[slice] = ()) -> Scaling:
        """Mean and standard deviation of each column; constant columns keep their unit.

        Columns of one group, those of a category, are scaled together, so that it weighs as much as a column of
        numbers: scaled one by one, k levels would weigh k times as much, and rare ones most of all.
        """
        if isinstance(X, Tensor):
            return cls()
        # Columns are brought near 1 by powers of two, which is exact, so that no square overflows or vanishes.
        _, exponent = np.frexp(np.abs(X).max(0).astype(np.float64))
        near_one = np.ldexp(X.astype(np.float64, copy=False), -exponent)
        mean, std = np.ldexp(near_one.mean(0), exponent), np.ldexp(near_one.std(0), exponent)
        for group in groups:
            std[group] = np.sqrt(np.square(std[group]).sum())
        return cls(mean, np.where(std > _CONSTANT_TOLERANCE * (np.abs(mean) + 1e-300), std, 1.0))

    def apply(self, X: Samples) -> Tensor:
        """Samples as the module takes them: images unchanged, tables standardised, float32."""
        if isinstance(X, Tensor):
            return X
        if self.mean is None or self.std is None:
            raise TypeError("a scaling fitted on images has no columns to standardise")
        # A million standard deviations are as absurd as any more, and squares of them stay finite.
        standard = X - self.mean
        standard /= self.std
        np.clip(standard, -_MAX_STANDARDISED, _MAX_STANDARDISED, out=standard)
        # The mean stands in for a cell of which nothing is known: the rest of the row still tells the nearest class.
        standard[np.isnan(standard)] = 0.0
        return torch.from_numpy(standard.astype(np.float32))

    @property
    def log_determinant(self) -> float:
        """Log of the factor by which the scaling changes volumes: what a log-density of scaled rows gains.

        log p(X) = log p(scaled X) + ``log_determinant``, in the user's units; 0 for images.

        Examples
        --------
        >>> round(Scaling(np.zeros(2), np.array([2.0, 5.0])).log_determinant, 4)
        -2.3026
        """
        return 0.0 if self.std is None else -float(np.log(self.std).sum())

    def relative_widths(self) -> Tensor:
        """Standard deviations of the columns in one common unit, (F,) float32; their mean square is 1.

        Standardised rows times these are the rows as they were, but for that unit and their centre.

        Examples
        --------
        >>> Scaling(np.zeros(2), np.array([1.0, 7.0])).relative_widths()
        tensor([0.2000, 1.4000])
        """
        if self.std is None:
            raise TypeError("a scaling fitted on images has no columns")
        shares = self.std / self.std.max()
        return torch.from_numpy((shares / np.sqrt(np.square(shares).mean())).astype(np.float32))

    def invert(self, x: Tensor) -> NDArray[np.float64] | NDArray[np.float32]:
        """Back to the user's units: tables (N, F), images (N, H, W, C) in [0, 1]."""
        if self.mean is None or self.std is None:
            return x.permute(0, 2, 3, 1).contiguous().cpu().numpy()
        return np.asarray(x.double().cpu().numpy() * self.std + self.mean)


def refuse_share(fraction: float) -> None:
    """Refuse a share to hold out that leaves nothing to learn from, or nothing to hold out."""
    if not 0.0 < fraction <= 0.5:
        raise ValueError(f"validation_fraction={fraction!r} does not work: give a share above 0 and at most 0.5.")


def refuse_too_few(samples: Samples) -> None:
    """Refuse so few samples that nothing could be held out."""
    if len(samples) < 4:
        raise ValueError(
            f"X holds {len(samples)} samples (n_samples={len(samples)}): give at least 4, two to learn from and two to "
            "hold out."
        )


def chunks(X: Samples, scaling: Scaling, device: torch.device) -> Iterator[tuple[Tensor, int]]:
    """Samples on the device, piece by piece, each with the number of true rows in it."""
    if isinstance(X, Tensor):
        for images in X.split(IMAGE_CHUNK):
            images = images.to(device)
            x = images.float() / 255.0 if images.dtype == torch.uint8 else images
            yield x.contiguous(memory_format=torch.channels_last), len(images)
        return
    for start in range(0, len(X), TABLE_CHUNK):
        rows = scaling.apply(X[start : start + TABLE_CHUNK])
        padded = torch.nn.functional.pad(rows, (0, 0, 0, TABLE_CHUNK - len(rows)))
        yield padded.to(device), len(rows)


def hold_out(y: NDArray[np.int64], fraction: float, random: np.random.RandomState) -> list[NDArray[np.int64]]:
    """Three disjoint parts, each with the classes in proportion: training, selection, calibration.

    Weights and the scales of a rule are chosen on the selection part; the threshold sees the
    calibration part alone, which nothing else has seen: that is what its guarantee needs.

    Parameters
    ----------
    y : ndarray, shape (N,)
        Class indices.
    fraction : float
        Share of the samples for selection and calibration together, at most 0.5, so that
        every class of two samples or more keeps one for training. Of small sets more is
        taken: 80 samples, but no more than two fifths.
    random : RandomState

    Returns
    -------
    list of three ndarrays of indices

    Raises
    ------
    ValueError
        If ``fraction`` is out of its range.

    Examples
    --------
    >>> parts = hold_out(np.array([0] * 500 + [1] * 500), 0.2, np.random.RandomState(0))
    >>> [len(part) for part in parts]
    [800, 100, 100]
    """
    refuse_share(fraction)
    shuffled = random.permutation(len(y))
    # Every n-th of the samples in order of class is a sample with the classes in proportion.
    order = shuffled[np.argsort(y[shuffled], kind="stable")]
    # A few dozen at least, or the threshold of a small set could reject nothing.
    n_held = max(round(fraction * len(y)), min(_MIN_HELD_OUT, 2 * len(y) // 5), min(2, len(y) // 2))
    places = ((np.arange(n_held) + 0.5) * len(y) / max(n_held, 1)).astype(int)
    held = order[places]
    return [np.sort(np.delete(order, places)), *(np.sort(held[half]) for half in halves(y[held]))]


def halves(y: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Indices of two halves with the classes in proportion: every other sample in order of class.

    Examples
    --------
    >>> [half.tolist() for half in halves(np.array([0, 1, 0, 1]))]
    [[0, 1], [2, 3]]
    """
    order = np.argsort(y, kind="stable")
    return [np.sort(order[0::2]), np.sort(order[1::2])]
