"""A product of rows with a matrix whose bits do not depend on where in a batch a row stands."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

# Libraries for matrix products treat the last few columns of a result apart, and these by the place of the row.
_WHOLE = 16


def row_product(rows: Tensor, matrix: Tensor) -> Tensor:
    """Rows (N, d) times a matrix (d, n), each row with the same result wherever it stands among N.

    Parameters
    ----------
    rows : Tensor, shape (N, d)
    matrix : Tensor, shape (d, n)

    Returns
    -------
    Tensor, shape (N, n)

    Examples
    --------
    >>> import torch
    >>> row_product(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [4.0]]))
    tensor([[11.]])
    """
    n = matrix.shape[1]
    return (rows @ F.pad(matrix, (0, -n % _WHOLE)).contiguous())[:, :n].contiguous()
