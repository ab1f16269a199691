import numpy as np
import pytest
import torch

from knownot.views import TabularViews


def test_replaced_values_come_from_other_rows_of_the_column():
    x = torch.arange(4000.0).view(1000, 4)  # every value once
    found = TabularViews(mask=0.3, noise=0)(x)
    changed = found != x
    assert changed.float().mean() == pytest.approx(0.3, abs=0.03)
    assert ((found - x) % 4 == 0).all()  # the column stays
    sources = (found // 4)[changed.any(1)]
    assert sum(len(set(row.tolist())) > 2 for row in sources) > 50  # each value from its own row


def test_every_other_row_is_taken_equally_often():
    x = torch.arange(4.0)[:, None].expand(4, 3000).contiguous()
    found = TabularViews(mask=1, noise=0)(x).int()
    counts = np.stack([np.bincount(row, minlength=4) for row in found.numpy()])
    assert (np.diag(counts) == 0).all()
    assert np.allclose(counts + 1000 * np.eye(4), 1000, atol=120)


def test_noise_has_the_standard_deviation():
    found = TabularViews(mask=0, noise=0.2)(torch.zeros(500, 20))
    assert found.mean() == pytest.approx(0, abs=0.01)
    assert found.std() == pytest.approx(0.2, abs=0.01)


def test_one_row_gets_noise_alone():
    x = torch.tensor([[1.0, 2.0, 3.0]])
    assert torch.equal(TabularViews(mask=1, noise=0)(x), x)
    assert not torch.equal(TabularViews()(x), x)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 1)])
def test_small_batches_keep_their_shape(shape):
    x = torch.ones(shape)
    found = TabularViews()(x)
    assert found.shape == shape
    assert found.data_ptr() != x.data_ptr() or not x.numel()
    assert torch.equal(x, torch.ones(shape))


@pytest.mark.parametrize("setting", [{"mask": -0.1}, {"mask": 1.1}, {"noise": -1}, {"noise": float("nan")}])
def test_setting_outside_its_bounds_is_named(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        TabularViews(**setting)


@pytest.mark.parametrize("x", [torch.zeros(2, 3, 4), torch.zeros(2, 3, dtype=torch.float64), np.zeros((2, 3))])
def test_what_are_no_rows_is_refused(x):
    with pytest.raises(ValueError, match="Rows are needed"):
        TabularViews()(x)
