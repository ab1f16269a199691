from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from knownot.data import Dataset, check_finite, check_labels, image_tensor, label_codes


def test_image_tensor_of_arrays_is_channels_first():
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (4, 5, 6, 3), dtype=np.uint8)
    tensor = image_tensor(colour)
    assert tensor.shape == (4, 3, 5, 6)
    assert tensor.dtype == torch.uint8
    for n, c, h, w in [(0, 0, 0, 0), (3, 2, 4, 5), (1, 1, 2, 3)]:
        assert tensor[n, c, h, w] == colour[n, h, w, c]
    grey = rng.random((4, 5, 6))
    assert torch.equal(image_tensor(grey)[:, 0], torch.from_numpy(grey.astype(np.float32)))


def test_image_tensor_keeps_tensors_channels_first():
    images = torch.randint(0, 256, (4, 3, 5, 6), dtype=torch.uint8)
    assert torch.equal(image_tensor(images), images)
    assert image_tensor(images[:, 0]).shape == (4, 1, 5, 6)
    assert image_tensor(torch.rand(2, 1, 3, 3, dtype=torch.float64)).dtype == torch.float32


@pytest.mark.parametrize(
    "odd",
    [
        np.zeros((2, 4, 4, 3), np.uint8)[:, ::-1],
        np.zeros((2, 4, 4), ">f4"),
        np.zeros((2, 4, 4), np.float16),
        np.broadcast_to(np.zeros((4, 4), np.uint8), (2, 4, 4)),
        [[[0.0, 0.5], [1.0, 0.25]]],
    ],
)
def test_image_tensor_takes_odd_memory_layouts(odd):
    expected = np.asarray(odd, dtype=np.float64)
    tensor = image_tensor(odd)
    expected = expected[..., None] if expected.ndim == 3 else expected
    np.testing.assert_allclose(tensor.permute(0, 2, 3, 1).numpy(), expected, atol=1e-7)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((5, 5)), r"shape \(5, 5\).*a single image needs an axis in front"),
        (np.zeros((0, 5, 5)), "holds no pixel"),
        (np.full((2, 4, 4), 255.0), r"values from 255 to 255: grey values must lie in \[0, 1\]; divide by 255"),
        (np.full((2, 4, 4), -0.5), "values from -0.5 to -0.5"),
        (np.zeros((2, 4, 4), np.int64), "images of int64: give uint8"),
        (np.zeros((2, 4, 4), bool), "images of bool"),
        (np.array([[["a"]]]), "array of <U1"),
        (np.zeros((2, 3, 8, 8)), r"looks like channels first.*transpose\(0, 2, 3, 1\)"),
        (torch.zeros(2, 8, 8, 3), r"looks like channels last.*permute\(0, 3, 1, 2\)"),
        (np.full((2, 4, 4), np.nan), "32 NaN and 0 infinite"),
    ],
)
def test_image_tensor_refuses_what_is_no_image(images, message):
    with pytest.raises(ValueError, match=message):
        image_tensor(images, "photos")
    with pytest.raises(ValueError, match="photos"):
        image_tensor(images, "photos")


@given(st.lists(st.sampled_from([0.0, 1.5, np.nan, np.inf, -np.inf]), min_size=1, max_size=30))
def test_check_finite_counts_what_numpy_counts(values):
    array = np.array(values)
    n_nan, n_infinite = int(np.isnan(array).sum()), int(np.isinf(array).sum())
    for form in (array, torch.from_numpy(array)):
        if n_nan + n_infinite == 0:
            check_finite(form)
            continue
        with pytest.raises(ValueError, match=f"X holds {n_nan} NaN and {n_infinite} infinite values") as caught:
            check_finite(form)
        assert f"first at {int(np.flatnonzero(~np.isfinite(array))[0])}" in str(caught.value)


def test_check_finite_finds_positions_beyond_one_piece():
    array = np.zeros((10_000, 2))
    array[5000, 1] = np.nan
    array[9000, 0] = np.inf
    with pytest.raises(ValueError, match=r"1 NaN and 1 infinite values, first at \(5000, 1\), \(9000, 0\)"):
        check_finite(array)
    check_finite(np.array([1, 2]))
    check_finite(torch.tensor([1, 2]))


@pytest.mark.parametrize("labels", [np.array([0, 1, 2]), np.array(["a", "b", "c"]), [0.0, 1.0, -1.0]])
def test_check_labels_keeps_plain_labels(labels):
    checked = check_labels(labels, 3)
    assert checked.tolist() == list(labels)
    assert checked.dtype == np.asarray(labels).dtype


@pytest.mark.parametrize(
    ("objects", "kind"),
    [(["a", "bc", "d"], "U"), ([0, 1, 2], "i"), ([True, False, True], "b"), ([b"a", b"b", b"c"], "U")],
)
def test_check_labels_turns_objects_and_bytes_into_numbers_or_strings(objects, kind):
    checked = check_labels(np.array(objects, None if isinstance(objects[0], bytes) else object), 3)
    assert checked.dtype.kind == kind
    assert checked.tolist() == [item.decode() if isinstance(item, bytes) else item for item in objects]


def test_check_labels_takes_a_tensor_and_a_column():
    assert check_labels(torch.tensor([1, 2]), 2).tolist() == [1, 2]
    with pytest.warns(UserWarning, match="column-vector"):
        assert check_labels(np.array([[1], [2]]), 2).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "the target y is None"),
        ([1, 2], "X has 3 samples but y has 2 labels"),
        (np.zeros((3, 2)), r"y has shape \(3, 2\): labels are one-dimensional"),
        ([0.0, 0.37, 1.0], "Unknown label type: continuous. y holds 0.37"),
        ([0.0, np.nan, 1.0], "y holds 1 NaN"),
        (np.array(["a", None, "b"], object), r"1 missing labels \(None or NaN\), first at 1"),
        (np.array(["a", 1, "b"], object), "y mixes strings with other labels"),
        (np.array([1, 2, 3], "M8[D]"), "Unknown label type: y is datetime64"),
    ],
)
def test_check_labels_refuses_what_are_no_labels(labels, message):
    with pytest.raises(ValueError, match=message):
        check_labels(labels, 3)


def test_dataset_select_keeps_what_belongs_together():
    data = Dataset(np.arange(6).reshape(3, 2), np.array(["a", "b", "c"]), "letters", ("u", "v"), ("0", "1", "2"))
    for part in (data.select([2, 0]), data.select(np.array([2, 0]))):
        assert part.x.tolist() == [[4, 5], [0, 1]]
        assert part.y.tolist() == ["c", "a"]
        assert part.paths == ("2", "0")
        assert part.feature_names == ("u", "v")
    assert data.select(np.array([True, False, True])).y.tolist() == ["a", "c"]
    assert len(data.select([])) == 0
    assert not data.is_image
    assert repr(Dataset(np.zeros((1, 2, 2, 1)))) == "Dataset('', 1 samples of shape (2, 2, 1), unlabelled)"


def test_dataset_refuses_parts_that_do_not_fit():
    with pytest.raises(ValueError, match="letters: x has 3 samples but y has 2 entries"):
        Dataset(np.zeros((3, 2)), np.zeros(2), "letters")
    with pytest.raises(ValueError, match="paths has 1 entries"):
        Dataset(np.zeros((3, 2)), paths=("a",))


def test_dataset_labels_are_demanded_with_a_sentence():
    assert Dataset(np.zeros((2, 1)), np.array([1, 2])).labels.tolist() == [1, 2]
    with pytest.raises(ValueError, match=r"photos has no labels: give a label for each sample"):
        _ = Dataset(np.zeros((2, 1)), name="photos").labels


labels_of_a_kind = st.one_of(
    st.lists(st.sampled_from(["a", "b", "bc", "", "3", "unknown"]), max_size=20),
    st.lists(st.integers(-3, 3), max_size=20),
    st.lists(st.booleans(), max_size=20),
    st.lists(st.sampled_from([0, 1, 2**63, 2**63 - 1, 2**53 + 1]), max_size=20).map(lambda u: np.array(u, np.uint64)),
    st.lists(st.sampled_from([-1, 1, 2**63 - 1, 2**53, 2**53 + 1]), max_size=20).map(lambda i: np.array(i, np.int64)),
    st.lists(st.sampled_from([0.0, 1.0, -2.0, float("nan")]), max_size=20),
    st.lists(st.sampled_from(["a", 1, None, 2.0]), max_size=20).map(lambda o: np.array(o, object)),
)


@pytest.mark.filterwarnings("error")
@given(labels=labels_of_a_kind, classes=labels_of_a_kind)
def test_label_codes_are_positions_among_the_classes(labels, classes):
    """Compared one by one as Python compares; numpy would round or warn."""
    listed = list(dict.fromkeys(np.asarray(classes).tolist()))
    wanted = np.asarray(labels).tolist()
    expected = [listed.index(label) if label == label and label in listed else -1 for label in wanted]
    codes = label_codes(labels, np.array(listed, np.asarray(classes).dtype))
    assert codes.dtype == np.int64
    assert codes.tolist() == expected


def test_label_codes_take_the_order_of_the_classes_as_it_is():
    assert label_codes(["b", "c", "a", "z"], ["c", "a", "b"]).tolist() == [2, 0, 1, -1]
    assert label_codes([10, 9, -1], np.array([9, 10])).tolist() == [1, 0, -1]
    assert label_codes(["3", "x"], [3, 4]).tolist() == [-1, -1]
    assert label_codes([True, False], [0, 1]).tolist() == [1, 0]
    assert label_codes([], ["a"]).tolist() == []
    assert label_codes(["a"], []).tolist() == [-1]
    assert label_codes([[1, 2], [3, 1]], [1, 2]).tolist() == [[0, 1], [-1, 0]]
