"""Rules against brute force and scikit-learn."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from knownot.catalogue import RULES
from knownot.rules import (
    CombinedEvidence,
    Likelihood,
    NearestCentroid,
    NearestCentroidUncertainty,
    Neighbours,
    Surprise,
    make_rule,
    nearest,
)
from knownot.rules.surprise import Surprises


def clusters(n=300, d=3, seed=0, centres=((0, 0, 0), (6, 0, 0), (0, 6, 0))):
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % len(centres)
    return torch.tensor(centres).float()[y] + torch.randn(n, d, generator=generator), y


def some_evidence(z, seed=0):
    """Evidence as a module would supply it, for three unit Gaussians."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.tensor([[0.0, 0, 0], [6, 0, 0], [0, 6, 0]])
    density = -0.5 * torch.cdist(z, centres).square().double()
    return {
        "class log-density": density,
        "logits": density.float() + 50.0,
        "posterior log-density": torch.zeros(len(z)),
        "deviance": torch.rand(len(z), generator=generator) + 1.0,
        "relative error": torch.rand(len(z), generator=generator) + 0.1,
        "smooth error": torch.rand(len(z), generator=generator) + 0.1,
        "log-density": density.max(1).values,
        "complexity": torch.zeros(len(z)),
    }


def test_nearest_centroid_is_the_distance_to_the_class_means():
    z, y = clusters()
    classes, knownness = NearestCentroid().fit(z, y).score(z)
    means = torch.stack([z[y == c].mean(0) for c in range(3)])
    distances = torch.cdist(z, means)
    torch.testing.assert_close(knownness, -distances.min(1).values)
    assert (classes == distances.argmin(1)).all()


def test_nearest_centroid_uncertainty_is_algorithm_2_by_hand():
    z, y = clusters()
    rule = NearestCentroidUncertainty(n_subclusters=(2, 1, 1)).fit(z, y)
    assert rule.owners_.tolist() == [0, 0, 1, 2]
    _, knownness = rule.score(z)
    for i in (0, 7, 123):
        distances = sorted(float((z[i] - c).norm()) for c in rule.centroids_)
        expected = distances[0] / (sum(distances[1:]) / 3)
        assert float(knownness[i]) == pytest.approx(-expected, rel=1e-5)


def test_nearest_centroid_uncertainty_between_and_on_centroids():
    z, y = torch.tensor([[-1.0], [1.0]]), torch.tensor([0, 1])
    _, knownness = NearestCentroidUncertainty().fit(z, y).score(torch.tensor([[0.0], [1.0]]))
    assert knownness.tolist() == [-1.0, -0.0]


def test_nearest_centroid_uncertainty_refuses_one_centroid():
    with pytest.raises(ValueError, match="one class with one subcluster has a single centroid: use rule='nc-d'"):
        NearestCentroidUncertainty().fit(torch.randn(5, 2), torch.zeros(5, dtype=torch.int64))


def test_nearest_centroid_finds_subclusters_of_a_class():
    z = torch.cat([torch.randn(100, 2) - 20, torch.randn(100, 2) + 20])
    rule = NearestCentroid(n_subclusters=2).fit(z, torch.zeros(200, dtype=torch.int64))
    assert sorted(rule.centroids_.mean(1).round().tolist()) == [-20.0, 20.0]


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_nearest_equals_scikit_learn_also_far_from_the_origin(offset):
    z, _ = clusters(500, seed=1)
    queries, _ = clusters(90, seed=2)
    distances, indices = nearest(queries + offset, z + offset, k=5, chunk=32)
    expected, where = (
        NearestNeighbors(n_neighbors=5, algorithm="brute")
        .fit((z + offset).double())
        .kneighbors((queries + offset).double())
    )
    np.testing.assert_allclose(distances, expected, rtol=1e-3, atol=2e-3)
    if offset == 0.0:
        assert (indices.numpy() == where).all()


def test_neighbours_classes_equal_scikit_learn():
    z, y = clusters(300, seed=3, centres=((0, 0, 0), (2, 0, 0), (0, 2, 0)))
    queries, _ = clusters(200, seed=4, centres=((0, 0, 0), (2, 0, 0), (0, 2, 0)))
    classes, _ = Neighbours(k=5).fit(z, y).score(queries)
    peer = KNeighborsClassifier(5).fit(z, y).predict_proba(queries)
    clear = np.sort(peer, 1)[:, -1] > np.sort(peer, 1)[:, -2]  # where the votes do not tie
    assert clear.mean() > 0.8
    assert (classes.numpy()[clear] == peer.argmax(1)[clear]).all()


def test_neighbours_tie_of_votes_goes_to_the_nearer_class():
    z, y = torch.tensor([[0.0], [0.2], [5.0], [5.2]]), torch.tensor([0, 0, 1, 1])
    assert Neighbours(k=4).fit(z, y).score(torch.tensor([[1.0], [4.5]]))[0].tolist() == [0, 1]


def test_neighbours_distance_of_a_training_point_is_zero():
    z, y = clusters(200)
    z = z + 1000.0
    assert nearest(z, z, k=1)[0].abs().max() == 0.0
    assert Neighbours(k=1).fit(z, y).score(z)[1].max() == 0.0


def test_neighbours_with_max_references_keep_the_shares_of_the_classes():
    z, y = clusters(900)
    y = torch.where(y == 2, 1, y)
    rule = Neighbours(max_references=90).fit(z, y)
    assert torch.bincount(rule.labels_).tolist() == [30, 60]
    assert len(torch.unique(rule.references_, dim=0)) == 90


def test_neighbours_keep_references_of_rare_classes():
    y = torch.tensor([0] * 2000 + [1] * 3 + [2] * 2000)
    rule = Neighbours(max_references=100).fit(torch.randn(len(y), 2), y)
    assert torch.bincount(rule.labels_).tolist() == [50, 3, 50]


def test_nearest_centroid_is_exact_far_from_the_origin():
    z, y = clusters(300)
    rule = NearestCentroid().fit(z + 1000.0, y)
    batch = rule.score(z + 1000.0)[1]
    single = torch.cat([rule.score(row[None] + 1000.0)[1] for row in z[:40]])
    torch.testing.assert_close(batch[:40], single)
    assert rule.score(rule.centroids_.repeat(20, 1))[1].abs().max() == 0.0


def test_likelihood_is_the_sum_of_its_parts():
    evidence = {
        "class log-density": torch.tensor([[-1.0, -3.0], [-5.0, -2.0]]),
        "posterior log-density": torch.tensor([0.5, 0.25]),
        "deviance": torch.tensor([10.0, 20.0]),
    }
    rule = Likelihood().fit(torch.zeros(2, 1), torch.tensor([0, 1]))
    classes, knownness = rule.score(torch.zeros(2, 1), evidence)
    assert classes.tolist() == [0, 1]
    assert knownness.tolist() == [-1.0 - 0.5 - 10.0, -2.0 - 0.25 - 20.0]


@given(st.lists(st.floats(-1e3, 1e3), min_size=20, max_size=300), st.lists(st.floats(-1e4, 1e4), min_size=2))
def test_surprise_never_rises_with_the_score(reference, scores):
    surprise = Surprise.fit(torch.tensor(reference))
    ordered = surprise(torch.tensor(sorted(scores)))
    assert (ordered.diff() <= 1e-6 * (1 + ordered[:-1].abs())).all()
    assert (ordered >= -1e-9).all()


def test_surprises_in_one_pass_are_those_of_each_alone_to_the_bit():
    generator = torch.Generator().manual_seed(0)
    references = torch.randn(3, 2, 500, generator=generator).double()
    references[1, 0] = 4.0  # all the same
    alone = [[Surprise.fit(column) for column in row] for row in references]
    scores = 2.0 * torch.randn(999, 2, generator=generator).double()
    # Knots themselves, and what is no number.
    scores[:256, 1] = alone[2][1].knots
    scores[256:260, 0] = torch.tensor([torch.nan, torch.inf, -torch.inf, 4.0])
    row = torch.arange(999) % 3
    row[:256] = 2
    found = Surprises(alone)(scores, row)
    for r, own in enumerate(alone):
        for j, surprise in enumerate(own):
            np.testing.assert_array_equal(found[row == r, j], surprise(scores[row == r, j]))


def test_surprise_is_minus_the_log_of_the_share_below():
    reference = torch.randn(5000, generator=torch.Generator().manual_seed(0)).double()
    for share in (0.02, 0.1, 0.3, 0.9):
        score = torch.quantile(reference, share)
        assert float(Surprise.fit(reference)(score[None])) == pytest.approx(-np.log(share), abs=0.12)


def test_combined_evidence_uses_every_part():
    """Samples that are odd in one part only are refused, whichever part it is."""
    z, y = clusters(3000)
    rule = CombinedEvidence().fit(z, y)
    held, held_y = clusters(1500, seed=5)
    rule.calibrate(held, held_y, some_evidence(held, 5))
    test, _ = clusters(600, seed=6)
    usual = rule.evaluate(test, some_evidence(test, 6)).knownness
    odd_pixels = some_evidence(test, 6) | {"deviance": torch.full((600,), 4.0)}
    odd_error = some_evidence(test, 6) | {"relative error": torch.full((600,), 4.0)}
    odd_strokes = some_evidence(test, 6) | {"smooth error": torch.full((600,), 4.0)}
    far = test + torch.tensor([0.0, 0.0, 7.0])
    for odd in (
        rule.evaluate(test, odd_strokes).knownness,
        rule.evaluate(test, odd_pixels).knownness,
        rule.evaluate(test, odd_error).knownness,
        rule.evaluate(far, some_evidence(far, 6)).knownness,
    ):
        assert roc_auc_score(np.repeat([1, 0], 600), torch.cat([usual, odd])) > 0.97


def test_combined_evidence_needs_its_evidence_and_its_scale():
    z, y = clusters()
    rule = CombinedEvidence().fit(z, y)
    with pytest.raises(ValueError, match=r"needs the evidence class log-density, deviance"):
        rule.calibrate(z, y)
    with pytest.raises(ValueError, match="no scale yet: call calibrate with held-out known samples"):
        rule.score(z, some_evidence(z))


@pytest.mark.parametrize("name", RULES)
def test_rule_is_restored_from_its_state(name):
    z, y = clusters()
    rule = make_rule(name, 2).fit(z, y).calibrate(z, y, some_evidence(z))
    # A file knows no strides, and those decide the last bit of a product.
    copy = make_rule(name, 2).restore(
        {key: tensor.clone(memory_format=torch.contiguous_format) for key, tensor in rule.state().items()}
    )
    assert all(tensor.is_contiguous() for tensor in rule.state().values())
    for ours, theirs in zip(rule.evaluate(z, some_evidence(z)), copy.evaluate(z, some_evidence(z)), strict=True):
        assert torch.equal(ours, theirs)


# What OpenMax makes of a sample hangs on the scale of the logits, which these clusters do not have; directions from
# the origin do not tell a cluster that lies on it, and a classifier's confidence has no bound far out.
_NOT_BY_PLACE = (
    *("openmax", "cosine", "class-similarity", "linear", "forest", "relative-mahalanobis", "residual"),
    # Of densities, which know no classes.
    *("log-density", "complexity", "typicality"),
)


@pytest.mark.parametrize("name", [name for name in RULES if name not in _NOT_BY_PLACE])
def test_rule_finds_the_classes_and_tells_far_samples(name):
    z, y = clusters()
    rule = make_rule(name, 1).fit(z, y).calibrate(z, y, some_evidence(z))
    classes, known = rule.score(z, some_evidence(z))
    assert (classes == y).float().mean() > 0.97
    far = torch.tensor([[3.0, 3.0, 9.0]]).repeat(50, 1)
    _, unknown = rule.score(far, some_evidence(far))
    assert roc_auc_score([1] * 300 + [0] * 50, torch.cat([known, unknown])) > 0.9


def test_likelihood_temperature_calibrates_probabilities():
    """Logits three times too large are divided by about three."""
    generator = torch.Generator().manual_seed(0)
    true_logits = torch.randn(4000, 3, generator=generator)
    y = torch.distributions.Categorical(logits=true_logits).sample()
    evidence = some_evidence(torch.zeros(4000, 3)) | {"class log-density": 3.0 * true_logits.double()}
    rule = Likelihood().fit(true_logits, y).calibrate(true_logits, y, evidence)
    assert rule.temperature == pytest.approx(3.0, rel=0.15)
    probabilities = rule.predict_proba(rule.evaluate(true_logits, evidence))
    torch.testing.assert_close(probabilities.sum(1), torch.ones(4000).double())


def test_make_rule_refuses_an_unknown_name():
    with pytest.raises(ValueError, match="rule='evt' is not known: use one of 'auto', 'evidence', 'nc-d'"):
        make_rule("evt")


def test_make_rule_copies_a_rule_unfitted():
    z, y = clusters()
    given = Neighbours(k=3, max_references=7, random_state=2).fit(z, y)
    made = make_rule(given)
    assert made is not given
    assert made.get_params() == {"k": 3, "max_references": 7, "random_state": 2}
    assert not hasattr(made, "references_")


@pytest.mark.parametrize("name", RULES)
def test_make_rule_takes_settings(name):
    rule = make_rule(name, [2, 1], 5)
    again = make_rule(name, settings=rule.get_params())
    assert type(again) is type(rule)
    assert again.get_params() == rule.get_params()


def test_check_evidence_refuses_what_is_not_supplied():
    make_rule("nc-d").check_evidence(())
    make_rule("likelihood").check_evidence(("deviance", "posterior log-density", "class log-density"))
    with pytest.raises(ValueError, match=r"Likelihood \(rule='likelihood'\) needs the evidence class log-density"):
        make_rule("likelihood").check_evidence(("deviance", "posterior log-density"))


def test_nearest_centroid_temperature_without_wrong_samples_is_moderate():
    z, y = clusters(centres=((0, 0, 0), (60, 0, 0)))
    rule = make_rule("nc-d").fit(z, y).calibrate(z, y)
    assert (rule.score(z)[0] == y).all()
    between = torch.tensor([[29.5, 0.0, 0.0]])
    assert rule.predict_proba(rule.evaluate(between)).max() < 0.999


def test_combined_evidence_counts_the_lead_of_the_best_class_half():
    z, y = clusters()
    evidence = some_evidence(z)
    rule = make_rule("evidence").fit(z, y).calibrate(z, y, evidence)
    one = {name: value[:1].repeat(2, *[1] * (value.ndim - 1)) for name, value in evidence.items()}
    density = one["class log-density"].clone()
    best = int(density[0].argmax())
    others = [c for c in range(3) if c != best]
    density[1, others] += 0.9 * (density[0, best] - density[0, others].max())
    one["class log-density"] = density
    clear, doubtful = rule.evaluate(z[:1].repeat(2, 1), one).knownness
    leads = evidence["class log-density"].topk(2).values
    leads = leads[:, 0] - leads[:, 1]
    found = density.topk(2).values
    surprises = [Surprise.fit(leads), Surprise.fit(leads[evidence["class log-density"].argmax(1) == best])]
    expected = sum(0.5 * (s(found[:, 0] - found[:, 1])) for s in surprises)
    assert doubtful < clear
    assert clear - doubtful == pytest.approx(0.5 * float(expected[1] - expected[0]))
