"""The rules of extreme value theory against scipy and plain loops."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import weibull_min
from sklearn.metrics import roc_auc_score

from knownot.probability.weibull import fit_weibull
from knownot.rules.base import Rule
from knownot.rules.weibull import OpenMax, Weibull

CENTRES = torch.tensor([[0.0, 0, 0, 0], [7, 0, 0, 0], [0, 9, 0, 0]])


def clusters(n=300, seed=0):
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 3
    return CENTRES[y] + torch.randn(n, 4, generator=generator) * (1.0 + 0.5 * y[:, None]), y


def logits_for(z, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 6.0 - torch.cdist(z, CENTRES) + 0.3 * torch.randn(len(z), 3, generator=generator)


def by_definition(z, y, correct, tail_size):
    """Mean, shape and scale of every class by NumPy and scipy."""
    found = []
    for c in range(int(y.max()) + 1):
        members = z[(y == c) & correct]
        mean = members.mean(0)
        tail = np.sort(np.linalg.norm(members - mean, axis=1))[-tail_size:]
        shape, _, scale = weibull_min.fit(tail, floc=0)
        found.append((mean, shape, scale))
    return found


def nearest_mean(z, y):
    means = np.stack([z[y == c].mean(0) for c in range(int(y.max()) + 1)])
    return np.linalg.norm(z[:, None] - means, axis=2).argmin(1)


@pytest.mark.parametrize("tail_size", [3, 20, 1000])
def test_weibull_inclusion_is_the_tail_of_the_distance_to_the_class_mean(tail_size):
    z, y = clusters()
    rule = Weibull(tail_size).fit(z, y)
    train, labels, queries = z.double().numpy(), y.numpy(), clusters(60, seed=1)[0]
    correct = nearest_mean(train, labels) == labels
    assert 0 < (~correct).sum() < 30
    expected = np.stack(
        [
            weibull_min.sf(np.linalg.norm(queries.double().numpy() - mean, axis=1), shape, scale=scale)
            for mean, shape, scale in by_definition(train, labels, correct, tail_size)
        ],
        1,
    )
    # scipy stops its search for the parameters at a relative 1e-4.
    np.testing.assert_allclose(rule.inclusion(queries).numpy(), expected, atol=2e-3)
    verdict = rule.evaluate(queries)
    winners, knownness = rule.score(queries)
    torch.testing.assert_close(torch.exp(-torch.exp(-verdict.logits)), rule.inclusion(queries))
    torch.testing.assert_close(torch.exp(-torch.exp(-knownness)), rule.inclusion(queries).max(1).values)
    clear = np.sort(expected, 1)[:, -1] > np.sort(expected, 1)[:, -2] + 0.01
    assert clear.sum() > 30
    np.testing.assert_array_equal(winners.numpy()[clear], expected.argmax(1)[clear])


def test_weibull_fits_the_samples_that_the_logits_classify_correctly():
    z, y = clusters()
    logits = logits_for(z, seed=5)
    logits[:60:3, 1] += 100.0
    rule = Weibull().fit(z, y, {"logits": logits})
    correct = (logits.argmax(1) == y).numpy()
    assert correct[y == 0].sum() == pytest.approx(80, abs=3)
    for c, (mean, shape, scale) in enumerate(by_definition(z.double().numpy(), y.numpy(), correct, 20)):
        np.testing.assert_allclose(rule.means_[c], mean, rtol=1e-12)
        assert rule.shapes_[c].item() == pytest.approx(shape, rel=1e-3)
        assert rule.scales_[c].item() == pytest.approx(scale, rel=1e-3)


def test_weibull_knownness_falls_with_the_distance():
    z, y = clusters()
    rule = Weibull().fit(z, y)
    direction = torch.tensor([-1.0, -1.0, 0.5, 0.2])
    radii = torch.logspace(0.5, 37, 200)
    knownness = rule.score(radii[:, None] * direction)[1]
    assert rule.inclusion(radii[50:, None] * direction).max() == 0.0
    assert knownness.isfinite().all()
    assert (knownness.diff() < 0).all()
    far = torch.randn(2000, 4, generator=torch.Generator().manual_seed(3)) * 12
    far = far[torch.cdist(far, CENTRES).min(1).values > 8]
    scores = torch.cat([rule.score(clusters(seed=1)[0])[1], rule.score(far)[1]])
    assert roc_auc_score(np.r_[np.ones(300), np.zeros(len(far))], scores) > 0.99


def test_weibull_is_finite_on_a_mean_and_for_the_largest_numbers():
    z, y = clusters()
    rule = Weibull().fit(z, y)
    queries = torch.cat([rule.means_, torch.tensor([[1e308] * 4, [-1e200] * 4], dtype=torch.float64)])
    verdict = rule.evaluate(queries)
    assert verdict.logits.isfinite().all()
    assert verdict.knownness[:3].min() > verdict.knownness[3:].max()
    assert verdict.logits[:3].argmax(1).tolist() == [0, 1, 2]
    torch.testing.assert_close(rule.predict_proba(verdict).sum(1), torch.ones(5).double())


def test_weibull_probabilities_are_calibrated():
    z, y = clusters(3000)
    held_out, its_y = clusters(900, seed=1)
    test, test_y = clusters(3000, seed=2)
    rule = Weibull().fit(z, y).calibrate(held_out, its_y)
    probabilities = rule.predict_proba(rule.evaluate(test))
    confidence, predicted = probabilities.max(1)
    assert confidence.mean().item() == pytest.approx((predicted == test_y).double().mean().item(), abs=0.02)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weibull_class_without_a_tail_takes_the_mean_tail_of_the_others(dtype):
    generator = torch.Generator().manual_seed(0)
    wide = torch.randn(200, 3, generator=generator, dtype=dtype)
    pair = torch.tensor([[50.0, 0, 0], [50, 0, 30]], dtype=dtype)
    alone = torch.tensor([[0.0, 70, 0]], dtype=dtype)
    equal = torch.full((40, 3), -33.3, dtype=dtype)
    z = torch.cat([wide, 3.0 * wide + 200.0, pair, alone, equal])
    y = torch.tensor([0] * 200 + [1] * 200 + [2] * 2 + [3] + [4] * 40)
    rule = Weibull().fit(z, y)
    shape, scale = (numbers[:2].log().mean().exp() for numbers in (rule.shapes_, rule.scales_))
    torch.testing.assert_close(rule.shapes_[2:], shape.expand(3))
    torch.testing.assert_close(rule.scales_[[3, 4]], scale.expand(2))
    assert rule.scales_[2].item() == pytest.approx(15.0)
    assert rule.score(torch.cat([alone, equal]))[0].tolist() == [3] + [4] * 40
    assert rule.inclusion(z)[torch.arange(len(z)), y].min() > 0.001


def test_weibull_of_equal_embeddings_is_the_nearest_mean():
    z, y = torch.tensor([[0.1, 0.1], [0.7, 0.3]]).repeat(30, 1), torch.arange(60) % 2
    winners, knownness = Weibull().fit(z, y).score(torch.tensor([[0.1, 0.1], [0.2, 0.1], [0.4, 0.1], [0.7, 0.5]]))
    assert winners.tolist() == [0, 0, 0, 1]
    assert knownness.isfinite().all()
    assert knownness.argsort(descending=True).tolist() == [0, 1, 3, 2]


def test_weibull_class_without_a_correct_sample_keeps_all_of_them():
    z, y = clusters()
    rule = Weibull().fit(z, y, {"logits": torch.tensor([1.0, 0.0, 2.0]).expand(300, 3)})
    torch.testing.assert_close(rule.means_[1], z[y == 1].double().mean(0))
    assert rule.shapes_.isfinite().all()


@given(st.integers(1, 30), st.integers(1, 5), st.integers(1, 5), st.integers(0, 10_000))
def test_weibull_and_openmax_of_few_embeddings_are_finite(n, n_classes, d, seed):
    generator = torch.Generator().manual_seed(seed)
    y = torch.cat([torch.arange(n_classes), torch.randint(n_classes, (n,), generator=generator)])
    z = torch.randint(-2, 3, (len(y), d), generator=generator).float()
    for rule in (Weibull(5), OpenMax(5, alpha=2)):
        queries = torch.cat([z, 10 * torch.randn(20, d, generator=generator)])
        verdict = rule.fit(z, y).evaluate(
            queries, {"logits": torch.randn(len(queries), n_classes, generator=generator)}
        )
        assert verdict.logits.isfinite().all()
        assert verdict.knownness.isfinite().all()


def openmax_by_loops(rule, z, logits, alpha):
    """Algorithm 2 of Bendale and Boult as the authors' code runs it: revised logits with the unknown class first."""
    revised = []
    for sample, activation in zip(z, logits, strict=True):
        weight = np.ones(len(activation))
        for rank, c in enumerate(np.argsort(activation)[::-1][:alpha]):
            distance = np.sqrt(((sample - rule.means_[c].numpy()) ** 2).sum())
            cdf = weibull_min.cdf(distance, rule.shapes_[c].item(), scale=rule.scales_[c].item())
            weight[c] = 1 - (alpha - rank) / alpha * cdf
        revised.append(np.r_[(activation * (1 - weight)).sum(), activation * weight])
    return np.array(revised)


@pytest.mark.parametrize("alpha", [1, 2, 3])
def test_openmax_is_the_published_algorithm(alpha):
    z, y = clusters()
    rule = OpenMax(alpha=alpha).fit(z, y)
    queries = torch.cat([clusters(60, seed=1)[0], 4 * torch.randn(60, 4, generator=torch.Generator().manual_seed(2))])
    logits = logits_for(queries, seed=1)
    assert (logits < 0).any()
    verdict = rule.evaluate(queries, {"logits": logits})
    expected = openmax_by_loops(rule, queries.double().numpy(), logits.double().numpy(), alpha)
    np.testing.assert_allclose(verdict.logits.numpy(), expected[:, 1:], rtol=1e-9, atol=1e-12)
    probabilities = np.exp(expected) / np.exp(expected).sum(1, keepdims=True)
    assert probabilities[:, 0].min() < 0.1
    assert 0.7 < probabilities[:, 0].max() < 1.0
    np.testing.assert_allclose(torch.sigmoid(verdict.knownness).numpy(), 1 - probabilities[:, 0], rtol=1e-9)
    np.testing.assert_array_equal(verdict.logits.argmax(1), probabilities[:, 1:].argmax(1))


def test_openmax_keeps_the_order_of_certain_unknowns():
    z, y = clusters()
    rule = OpenMax(alpha=1).fit(z, y)
    sizes = torch.tensor([50.0, 100.0, 1000.0, 1e6])
    far = -sizes[:, None] * torch.ones(4)
    logits = sizes[:, None] * torch.tensor([1.0, -1.0, -1.0])
    knownness = rule.evaluate(far, {"logits": logits}).knownness
    assert (knownness.diff() < 0).all()
    assert knownness.isfinite().all()


def test_openmax_revises_all_logits_where_there_are_fewer_than_alpha():
    z, y = clusters()
    evidence = {"logits": logits_for(z)}
    many, all_three = (
        OpenMax(alpha=50).fit(z, y).evaluate(z, evidence),
        OpenMax(alpha=3).fit(z, y).evaluate(z, evidence),
    )
    assert torch.equal(many.logits, all_three.logits)
    assert torch.equal(many.knownness, all_three.knownness)


@pytest.mark.parametrize("rule", [Weibull(tail_size=7), OpenMax(tail_size=9, alpha=2)])
def test_weibull_and_openmax_are_restored_from_settings_and_state(rule):
    z, y = clusters()
    rule.fit(z, y)
    again = type(rule)(**rule.get_params())
    assert not hasattr(again, "means_")
    assert again.get_params() == rule.get_params()
    again = again.restore(rule.state())
    evidence = {"logits": logits_for(z)}
    for ours, theirs in zip(rule.evaluate(z, evidence), again.evaluate(z, evidence), strict=True):
        assert torch.equal(ours, theirs)
    assert isinstance(again, Rule)
    assert all(isinstance(number, torch.Tensor) for number in rule.state().values())


def test_openmax_tails_are_those_of_fit_weibull():
    z, y = clusters()
    rule = OpenMax().fit(z, y)
    keep = torch.tensor(nearest_mean(z.numpy(), y.numpy())) == y
    for c in range(3):
        tail = (z[keep & (y == c)].double() - rule.means_[c]).norm(dim=1).sort().values[-20:]
        shape, scale = fit_weibull(tail)
        torch.testing.assert_close(rule.shapes_[c], shape)
        torch.testing.assert_close(rule.scales_[c], scale)


def test_weibull_and_openmax_explain_mistakes():
    with pytest.raises(ValueError, match="tail_size=2 does not work: a Weibull distribution needs the largest 3"):
        Weibull(tail_size=2).fit(*clusters())
    with pytest.raises(ValueError, match="alpha=0 does not work: OpenMax revises the largest logit at least"):
        OpenMax(alpha=0).check([1, 1])
    z, y = clusters()
    rule = OpenMax().fit(z, y)
    with pytest.raises(ValueError, match="needs the evidence logits"):
        rule.evaluate(z)
    with pytest.raises(
        ValueError, match=r"'logits' has shape \(300, 5\), but 300 samples of 3 classes need \(300, 3\)"
    ):
        rule.evaluate(z, {"logits": torch.zeros(300, 5)})
