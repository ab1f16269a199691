import numpy as np
import pytest
import torch

from knownot.views import FlipsAndShifts


def all_views(image, most, flip):
    """Every shifted and perhaps mirrored image, from NumPy's padding."""
    padded = np.pad(image, ((0, 0), (most, most), (most, most)), mode="reflect")
    h, w = image.shape[1:]
    for dy in range(2 * most + 1):
        for dx in range(2 * most + 1):
            part = padded[:, dy : dy + h, dx : dx + w]
            yield part
            if flip:
                yield part[:, :, ::-1]


@pytest.mark.parametrize(("shape", "most"), [((3, 7, 9), 2), ((1, 5, 4), 3), ((2, 6, 6), 0), ((1, 1, 1), 0)])
@pytest.mark.parametrize("flip", [True, False])
def test_views_are_those_of_a_loop_equally_often(shape, most, flip):
    image = torch.rand(shape)
    expected = {part.tobytes() for part in (np.ascontiguousarray(v) for v in all_views(image.numpy(), most, flip))}
    seen = FlipsAndShifts(pixels=most, flip=flip)(image.expand(4000, *shape).contiguous())
    counts = {}
    for one in seen.numpy():
        counts[one.tobytes()] = counts.get(one.tobytes(), 0) + 1
    assert set(counts) == expected
    assert min(counts.values()) > 0.4 * 4000 / len(expected)


def test_samples_are_shifted_alone():
    x = torch.rand(6, 1, 8, 8)
    found = FlipsAndShifts()(x)
    for n in range(6):
        assert any(np.array_equal(found[n].numpy(), view) for view in all_views(x[n].numpy(), 2, True))


def test_cutout_is_a_square_of_the_mean_inside_the_image():
    x = torch.rand(300, 3, 9, 12)
    torch.manual_seed(5)
    before = FlipsAndShifts()(x)
    torch.manual_seed(5)
    found = FlipsAndShifts(cutout=4)(x)
    places = set()
    for one, other in zip(found, before, strict=True):
        where = (one != other).any(0)
        rows, columns = where.any(1).nonzero()[:, 0], where.any(0).nonzero()[:, 0]
        assert len(rows) == len(columns) == 4
        assert where.sum() == 16
        torch.testing.assert_close(one[:, where], other.mean((1, 2))[:, None].expand(3, 16))
        places.add((int(rows[0]), int(columns[0])))
    assert {place[0] for place in places} == set(range(6))
    assert {place[1] for place in places} == set(range(9))


def test_cutout_larger_than_the_image_covers_it():
    x = torch.rand(2, 1, 6, 8)
    found = FlipsAndShifts(pixels=0, flip=False, cutout=7)(x)
    assert ((found == x).sum((1, 2, 3)) == 6).all()


@pytest.mark.parametrize("shape", [(5, 3, 8, 6), (0, 3, 8, 6), (1, 1, 3, 3)])
@pytest.mark.parametrize("last", [False, True])
def test_format_and_input_are_kept(shape, last):
    x = torch.rand(shape)
    if last:
        x = x.contiguous(memory_format=torch.channels_last)
    before = x.clone()
    torch.manual_seed(2)
    found = FlipsAndShifts(cutout=2)(x)
    assert not len(x) or found.stride() == x.stride()
    torch.manual_seed(2)
    assert torch.equal(FlipsAndShifts(cutout=2)(x.contiguous()), found)
    assert torch.equal(x, before)


def test_shift_as_large_as_the_image_is_refused():
    with pytest.raises(ValueError, match="give at most 2"):
        FlipsAndShifts(pixels=3)(torch.rand(1, 1, 3, 8))


@pytest.mark.parametrize("setting", [{"pixels": -1}, {"pixels": 1.5}, {"cutout": -2}])
def test_setting_must_be_a_whole_number(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        FlipsAndShifts(**setting)
