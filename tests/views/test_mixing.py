import numpy as np
import pytest
import torch
import torch.nn.functional as F

from knownot.views import CutMix, GradMix, Mixed, Mixup
from knownot.views.attribution import scaled_up
from knownot.views.mixing import partners

MIXES = [Mixup(), CutMix(), GradMix()]


def mix(how, x):
    return how(x, torch.rand(len(x), 4, 4))


@pytest.mark.parametrize("n", [2, 3, 17])
def test_no_sample_is_its_own_partner(n):
    for _ in range(50):
        found = partners(torch.zeros(n))
        assert sorted(found.tolist()) == list(range(n))
        assert (found != torch.arange(n)).all()


def test_every_other_sample_is_the_partner_equally_often():
    counts = np.zeros((4, 4))
    for _ in range(3000):
        counts[np.arange(4), partners(torch.zeros(4)).numpy()] += 1
    assert np.allclose(counts + 1000 * np.eye(4), 1000, atol=120)


@pytest.mark.parametrize("how", MIXES)
def test_batch_of_one_is_mixed_with_itself(how):
    x = torch.full((1, 3, 8, 8), 0.25)
    mixed = mix(how, x)
    assert mixed.partner.tolist() == [0]
    torch.testing.assert_close(mixed.x, x)


@pytest.mark.parametrize("how", MIXES)
def test_empty_batch_stays_empty(how):
    mixed = mix(how, torch.rand(0, 3, 8, 8))
    assert mixed.x.shape == (0, 3, 8, 8)
    assert mixed.partner.shape == (0,)


@pytest.mark.parametrize("how", MIXES)
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("shape", [(6, 3, 32, 32), (5, 1, 28, 20), (4, 3, 1, 7)])
def test_shape_range_format_and_input_are_kept(how, last, shape):
    x = torch.rand(shape)
    if last:
        x = x.contiguous(memory_format=torch.channels_last)
    before = x.clone()
    mixed = mix(how, x)
    assert isinstance(mixed, Mixed)
    assert mixed.x.shape == x.shape
    assert mixed.x.stride() == x.stride()
    assert mixed.x.min() >= 0
    assert mixed.x.max() <= 1
    assert mixed.weight.shape == ()
    assert 0 < mixed.weight <= 0.5 or shape[2] == 1
    assert torch.equal(x, before)


@pytest.mark.parametrize("how", MIXES)
def test_memory_format_does_not_change_the_mix(how):
    x, attribution = torch.rand(5, 3, 12, 9), torch.rand(5, 3, 3)
    found = []
    for one in (x, x.contiguous(memory_format=torch.channels_last), x.transpose(2, 3).contiguous().transpose(2, 3)):
        torch.manual_seed(3)
        found.append(how(one, attribution).x)
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[0], found[2])


@pytest.mark.parametrize("how", MIXES)
def test_seed_repeats_the_mix(how):
    x, attribution = torch.rand(5, 3, 12, 9), torch.rand(5, 3, 3)
    torch.manual_seed(3)
    one = how(x, attribution)
    torch.manual_seed(3)
    two = how(x, attribution)
    assert torch.equal(one.x, two.x)
    assert not torch.equal(one.x, how(x, attribution).x)


@pytest.mark.parametrize("how", MIXES)
def test_autocast_changes_nothing(how):
    x, attribution = torch.rand(5, 3, 12, 9), torch.rand(5, 3, 3)
    torch.manual_seed(3)
    expected = how(x, attribution).x
    torch.manual_seed(3)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(how(x, attribution.bfloat16().float()).x, expected) or isinstance(how, GradMix)
        assert how(x, attribution.bfloat16()).x.dtype == torch.float32


def test_mixup_is_the_weighted_mean():
    x = torch.rand(7, 3, 8, 8)
    mixed = Mixup(alpha=0.7)(x)
    s = float(mixed.weight)
    for n in range(7):
        torch.testing.assert_close(mixed.x[n], (1 - s) * x[n] + s * x[mixed.partner[n]])


def test_shares_of_mixup_follow_the_folded_beta():
    shares = [float(Mixup()(torch.zeros(1, 1, 1, 1)).weight) for _ in range(2000)]
    assert np.quantile(shares, [0.1, 0.5, 0.9]) == pytest.approx([0.05, 0.25, 0.45], abs=0.03)
    near_half = [float(Mixup(alpha=50)(torch.zeros(1, 1, 1, 1)).weight) for _ in range(300)]
    assert np.mean(near_half) > 0.43


@pytest.mark.parametrize("alpha", [1e-30, 1e-6, 1e6])
def test_extreme_alphas_give_numbers(alpha):
    for how in (Mixup(alpha), CutMix(alpha)):
        mixed = how(torch.rand(3, 1, 6, 6))
        assert mixed.x.isfinite().all()
        assert 0 <= mixed.weight <= 0.5


def rectangles(mixed, x):
    """Where each image was changed; images differ in every pixel."""
    for n in range(len(x)):
        where = (mixed.x[n] != x[n]).any(0)
        rows, columns = where.any(1).nonzero()[:, 0], where.any(0).nonzero()[:, 0]
        assert where[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        yield where, int(rows[0]), int(columns[0]), len(rows), len(columns)


def test_cutmix_moves_a_rectangle_of_the_partner():
    x = torch.rand(9, 3, 24, 16)
    places, areas = set(), set()
    for _ in range(20):
        mixed = CutMix()(x)
        for n, (where, top, left, h, w) in enumerate(rectangles(mixed, x)):
            assert torch.equal(mixed.x[n][:, where], x[mixed.partner[n]][:, where])
            assert where.float().mean() == mixed.weight
            places.add((top / max(1, 24 - h), left / max(1, 16 - w)))
            areas.add(h * w)
    assert len(places) > 100
    assert len(areas) > 10
    assert {0.0, 1.0} <= {top for top, _ in places}  # borders are reached


def test_cutmix_sides_are_the_root_of_the_share(monkeypatch):
    monkeypatch.setattr("knownot.views.mixing._folded_beta", lambda alpha, x: x.new_tensor(0.25))
    x = torch.rand(2, 1, 20, 12)
    assert [(h, w) for *_, h, w in rectangles(CutMix()(x), x)] == [(10, 6)] * 2


@pytest.mark.parametrize("size", [(32, 32), (21, 34)])
def test_gradmix_is_its_definition(size):
    """Against a loop: scale the partner down, centre it on the most activated pixel, shift it inside."""
    x, attribution = torch.rand(12, 3, *size), torch.rand(12, 4, 5)
    for _ in range(5):
        mixed = GradMix()(x, attribution)
        for n, (where, top, left, h, w) in enumerate(rectangles(mixed, x)):
            large = scaled_up(attribution, size)[n]
            row, column = divmod(int(large.argmax()), size[1])
            assert top == min(max(row - (h - 1) // 2, 0), size[0] - h)
            assert left == min(max(column - (w - 1) // 2, 0), size[1] - w)
            partner = x[mixed.partner[n]]
            small = F.interpolate(partner[None], (h, w), mode="bilinear", antialias=True)[0]
            torch.testing.assert_close(mixed.x[n][:, where], small.flatten(1))
            assert where.float().mean() == pytest.approx(float(mixed.weight))
            assert abs(h / size[0] - w / size[1]) < 0.05


def test_gradmix_ratios_are_uniform():
    x, attribution = torch.rand(1, 1, 100, 100), torch.rand(1, 4, 4)
    ratios = [float(GradMix()(x, attribution).weight) ** 0.5 for _ in range(1000)]
    assert min(ratios) >= 0.1 - 1e-6
    assert max(ratios) <= 0.5 + 1e-6
    assert np.quantile(ratios, [0.25, 0.5, 0.75]) == pytest.approx([0.2, 0.3, 0.4], abs=0.02)


def test_gradmix_covers_the_whole_image_with_ratio_one():
    x = torch.rand(3, 3, 8, 8)
    mixed = GradMix(ratio=(1, 1))(x, torch.rand(3, 2, 2))
    torch.testing.assert_close(mixed.x, x[mixed.partner])
    assert mixed.weight == 1


@pytest.mark.parametrize("value", [0.0, 0.3, float("nan"), float("inf")])
def test_map_that_says_nothing_gives_random_places(value):
    x = torch.rand(200, 1, 16, 16)
    mixed = GradMix(ratio=(0.1, 0.1))(x, torch.full((200, 2, 2), value))
    places = {(top, left) for _, top, left, _, _ in rectangles(mixed, x)}
    assert len(places) > 50


def test_one_map_that_says_nothing_leaves_the_others_alone():
    attribution = torch.zeros(2, 4, 4)
    attribution[1, 3, 3] = 1e-8
    x = torch.rand(2, 1, 16, 16)
    for _ in range(5):
        (_, top, left, _, _) = list(rectangles(GradMix(ratio=(0.1, 0.1))(x, attribution), x))[1]
        assert min(top, left) >= 12


def test_gradients_of_the_attribution_are_not_followed():
    attribution = torch.rand(3, 4, 4, requires_grad=True)
    assert not GradMix()(torch.rand(3, 1, 8, 8), attribution).x.requires_grad


@pytest.mark.parametrize("alpha", [0, -1, float("nan"), float("inf"), "1", None])
def test_alpha_must_be_positive(alpha):
    for how in (Mixup, CutMix):
        with pytest.raises(ValueError, match="alpha="):
            how(alpha)


@pytest.mark.parametrize("ratio", [(0, 0.5), (0.5, 0.1), (0.1, 1.1), 0.3, (0.1,), (0.1, float("nan"))])
def test_ratio_must_be_in_order(ratio):
    with pytest.raises(ValueError, match="ratio="):
        GradMix(ratio=ratio)


@pytest.mark.parametrize("how", MIXES)
@pytest.mark.parametrize(
    ("x", "said"),
    [
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), r"x.float\(\) / 255"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.float64), r"x.float\(\)"),
        (torch.zeros(3, 4, 4), "found torch.float32 of shape"),
        (np.zeros((2, 3, 4, 4)), "found ndarray"),
        (torch.zeros(2, 3, 0, 4), "no pixels"),
    ],
)
def test_what_is_no_batch_of_images_is_refused(how, x, said):
    with pytest.raises(ValueError, match=said):
        how(x, torch.rand(2, 4, 4))


@pytest.mark.parametrize("attribution", [None, torch.rand(3, 4, 4), torch.rand(2, 1, 4, 4), torch.ones(2, 4, 0)])
def test_attribution_must_go_with_the_images(attribution):
    with pytest.raises(ValueError, match="ttribution"):
        GradMix()(torch.rand(2, 1, 8, 8), attribution)


def test_who_needs_attribution():
    assert [how.needs_attribution for how in MIXES] == [False, False, True]
