"""The covariance within classes, shrunk, and the space in which it is the unit matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.covariance import ledoit_wolf
from torch import Tensor

from knownot.rules.products import row_product

# Directions with less than this share of the largest variance are not stretched further.
_FLOOR = 1e-9


@dataclass
class Whitening:
    """An affine map after which the covariance within classes, pooled over them, is the unit matrix.

    Attributes
    ----------
    centre : Tensor, shape (d,)
    matrix : Tensor, shape (d, d)
    means : Tensor, shape (C, d)
        Mean of each class, mapped.

    Examples
    --------
    >>> import torch
    >>> z = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([3.0, 1.0])
    >>> whitening = Whitening.fit(z, torch.zeros(2000, dtype=torch.int64))
    >>> whitening(z).std(0).round(decimals=1)
    tensor([1., 1.])
    """

    centre: Tensor
    matrix: Tensor
    means: Tensor

    @classmethod
    def fit(cls, z: Tensor, y: Tensor) -> Whitening:
        """From embeddings (N, d) and class indices (N,)."""
        rows, classes = z.detach().cpu().double().numpy(), y.cpu().numpy()
        means = class_means(rows, classes)
        deviations = rows - means[classes]
        # One row deviates from nothing, which scikit-learn would warn of.
        covariance = (
            ledoit_wolf(deviations, assume_centered=True)[0] if len(rows) > 1 else np.zeros((rows.shape[1],) * 2)
        )
        matrix, centre = inverse_root(covariance), means.mean(0)
        # In one order of memory, or a loaded model would round otherwise.
        tensors = (torch.from_numpy(np.ascontiguousarray(a)) for a in (centre, matrix, (means - centre) @ matrix))
        return cls(*(tensor.to(z) for tensor in tensors))

    def __call__(self, z: Tensor) -> Tensor:
        """Map embeddings, (N, d)."""
        return row_product(z - self.centre, self.matrix)

    def state(self) -> dict[str, Tensor]:
        """All numbers, for saving."""
        return {"centre": self.centre, "matrix": self.matrix, "means": self.means}

    @classmethod
    def restore(cls, state: Mapping[str, Tensor]) -> Whitening:
        """The inverse of :meth:`state`."""
        return cls(state["centre"], state["matrix"], state["means"])


def class_means(rows: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Mean of each class, (C, d)."""
    counts = np.bincount(classes)
    sums = np.zeros((len(counts), rows.shape[1]))
    np.add.at(sums, classes, rows)
    return sums / counts[:, None]


def inverse_root(covariance: np.ndarray) -> np.ndarray:
    """A matrix W with W W^T the inverse of a covariance: rows times W are white."""
    variances, directions = np.linalg.eigh(covariance)
    if not variances[-1] > np.finfo(np.float32).tiny:
        # All members of a class are equal: there is nothing to bring to one.
        return np.eye(len(covariance))
    floor = float(variances[-1]) * _FLOOR
    return directions / np.sqrt(np.maximum(variances, floor))
