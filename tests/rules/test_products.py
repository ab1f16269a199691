"""Products whose bits do not depend on the place of a row."""

import pytest
import torch

from knownot.rules.products import row_product


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("d", [1, 4, 13, 64])
def test_equals_the_plain_product_and_knows_no_place(dtype, d):
    order = torch.randperm(512)
    rows = torch.randn(512, d, dtype=dtype)
    for n in (1, 3, 5, 7, 9, 11, 13, 16, 17, 35, 150):
        for matrix in (torch.randn(d, n, dtype=dtype), torch.randn(n, d, dtype=dtype).T):
            found = row_product(rows, matrix)
            torch.testing.assert_close(found, rows @ matrix)
            assert torch.equal(row_product(rows[order], matrix), found[order])
            assert found.is_contiguous()
    assert row_product(rows, torch.empty(d, 0, dtype=dtype)).shape == (512, 0)
