"""F1 of several labels, against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from knownot.metrics import f1_by_label


def test_f1_by_label_is_scikit_learns_where_labels_are_there():
    random = np.random.default_rng(0)
    y, told = random.integers(0, 2, (50, 4)).astype(float), random.integers(-1, 2, (50, 4))
    np.testing.assert_allclose(f1_by_label(y, told), f1_score(y, told == 1, average=None))
    y[random.random((50, 4)) < 0.4] = np.nan
    y[:, 3] = np.nan
    found = f1_by_label(y, told)
    there = np.isfinite(y[:, 2])
    assert found[2] == pytest.approx(f1_score(y[there, 2], told[there, 2] == 1))
    assert found[3] == 0.0
    assert f1_by_label(np.zeros((3, 1)), np.zeros((3, 1))).tolist() == [0.0]


def test_f1_by_label_refuses_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"y has shape \(3, 2\) and predicted \(3,\): give both as \(N, L\)"):
        f1_by_label(np.zeros((3, 2)), np.zeros(3))
