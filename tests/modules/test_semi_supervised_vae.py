"""Semi-supervised autoencoders: the losses by their definitions, labelled and unlabelled, one label or several."""

import math

import pytest
import torch
import torch.nn.functional as F

from knownot.data import Batch
from knownot.modules import EvidenceModule, MultiLabelVAE, ReconstructingModule, SemiSupervisedVAE
from knownot.views import GentleViews

SMALL = {"latent_dim": 2, "likelihood": "gaussian", "hidden": (8, 8), "label_hidden": (6,), "head_hidden": (5,)}
WEIGHTS = {"beta": 0.6, "label_weight": 0.8, "classifier_weight": 3.0}
DIVERGENCES = [
    {"prior": "normal", "divergence": "kl"},
    {"prior": "normal", "divergence": "cauchy-schwarz"},
    {"prior": "mixture", "n_components": 3, "divergence": "cauchy-schwarz"},
    {"prior": "mixture", "n_components": 3, "divergence": "kl"},
]


def make(cls=SemiSupervisedVAE, n=3, seed=0, **settings):
    torch.manual_seed(seed)
    return cls((4,), n, **{**SMALL, **WEIGHTS, **settings}).eval()


def mean_loss(module, batch, weight=1.0, n=500):
    """Mean over draws of the loss of a batch: the loss of the batch repeated, since every row draws its own noise."""
    torch.manual_seed(1)
    y = batch.y.repeat(n, *[1] * (batch.y.ndim - 1))
    with torch.no_grad():
        return float(module.loss(Batch(batch.x.repeat(n, 1), y), weight).total)


def by_label(module, x, label, weight, n=500):
    """Mean over draws of -log p(x|z, y) + beta D for one label of every sample, (N,)."""
    torch.manual_seed(2)
    rows = x.repeat(n, 1)
    with torch.no_grad():
        drawn = module.loss_given_label(rows, module.trunk(rows), label.repeat(n, 1), weight)[2]
    return drawn.double().view(n, len(x)).mean(0)


@pytest.mark.parametrize("settings", DIVERGENCES, ids=lambda s: f"{s['prior']} {s['divergence']}")
@pytest.mark.parametrize("warmup", [1.0, 0.25])
def test_loss_is_that_of_equations_25_to_27(settings, warmup):
    module = make(**settings)
    x = torch.randn(5, 4)
    y = torch.tensor([2, -1, 0, -1, -1])
    found = mean_loss(module, Batch(x, y), warmup)
    with torch.no_grad():
        q = torch.softmax(module.label_logits(x), 1)
    given = torch.stack(
        [by_label(module, x, F.one_hot(torch.full((5,), c), 3).float(), 0.6 * warmup) for c in range(3)], 1
    )
    labelled = y >= 0
    own = given[labelled].gather(1, y[labelled][:, None]).sum()
    others = (q[~labelled] * given[~labelled]).sum()
    to_prior = (q[~labelled] * (q[~labelled].log() + math.log(3))).sum()
    cross_entropy = -q[labelled].gather(1, y[labelled][:, None]).log().mean()
    expected = (own + others + 0.8 * warmup * to_prior) / 5 + 3.0 * cross_entropy
    assert found == pytest.approx(float(expected), rel=0.04, abs=0.1)


def test_batches_without_labels_or_with_all_of_them_have_a_loss():
    module, x = make(), torch.randn(4, 4)
    for y in (torch.full((4,), -1), torch.tensor([0, 1, 2, 0])):
        loss = module.loss(Batch(x, y))
        loss.total.backward()
        assert bool(loss.total.isfinite())
        assert all(bool(p.grad.isfinite().all()) for p in module.parameters() if p.grad is not None)
    assert set(loss.terms) == {"reconstruction", "divergence", "class", "label divergence"}


@pytest.mark.parametrize("settings", DIVERGENCES[:3], ids=lambda s: f"{s['prior']} {s['divergence']}")
def test_several_labels_that_are_there_are_used_as_they_are(settings):
    module = make(MultiLabelVAE, 2, **settings)
    x, y = torch.randn(5, 4), torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    with torch.no_grad():
        cross_entropy = F.binary_cross_entropy_with_logits(module.label_logits(x), y, reduction="none").sum(1).mean()
    expected = by_label(module, x, y, 0.6).mean() + 3.0 * cross_entropy
    assert mean_loss(module, Batch(x, y)) == pytest.approx(float(expected), rel=0.04, abs=0.1)


def test_several_labels_that_are_missing_are_drawn_and_held_to_their_prior():
    module = make(MultiLabelVAE, 2, prevalence=(0.2, 0.7), temperature=0.05)
    x, y = torch.randn(3, 4), torch.full((3, 2), torch.nan)
    found = mean_loss(module, Batch(x, y), n=1500)
    with torch.no_grad():
        q = torch.sigmoid(module.label_logits(x))
        values = [(a, b) for a in (0.0, 1.0) for b in (0.0, 1.0)]
        weights = [(q[:, 0] if a else 1 - q[:, 0]) * (q[:, 1] if b else 1 - q[:, 1]) for a, b in values]
        given = [by_label(module, x, torch.tensor([pair]).expand(3, 2), 0.6) for pair in values]
        p = torch.tensor([0.2, 0.7])
        to_prior = (q * (q / p).log() + (1 - q) * ((1 - q) / (1 - p)).log()).sum()
    expected = sum((w * g).sum() for w, g in zip(weights, given, strict=True)) / 3 + 0.8 * to_prior / 3
    # At a low temperature what is drawn is nearly 0 or 1.
    assert found == pytest.approx(float(expected), rel=0.05, abs=0.2)


def test_gradients_reach_the_classifier_through_missing_labels():
    module = make(MultiLabelVAE, 2, label_weight=0.0).train()
    module.loss(Batch(torch.randn(6, 4), torch.full((6, 2), torch.nan))).total.backward()
    assert float(module.classifier[-1].weight.grad.abs().sum()) > 0
    known = make(MultiLabelVAE, 2, label_weight=0.0, classifier_weight=0.0).train()
    known.loss(Batch(torch.randn(6, 4), torch.ones(6, 2))).total.backward()
    assert float(known.classifier[-1].weight.grad.abs().sum()) == 0


def test_consistency_is_a_term_of_training_alone_and_the_image_is_its_target():
    torch.manual_seed(0)
    settings = {**SMALL, "likelihood": "bernoulli"}
    images = Batch(torch.rand(6, 1, 12, 12), torch.tensor([0, 1, -1, -1, -1, -1]))
    module = SemiSupervisedVAE((1, 12, 12), 2, **settings, views=GentleViews(), consistency_weight=2.0)
    assert "consistency" in module.train().loss(images).terms
    assert "consistency" not in module.eval().loss(images).terms
    target, logits = torch.randn(5, 2, requires_grad=True), torch.randn(5, 2)
    expected = -(torch.softmax(target, 1) * torch.log_softmax(logits, 1)).sum(1)
    torch.testing.assert_close(module.disagreement(target, logits), expected)


@pytest.mark.slow
def test_few_labels_and_many_samples_are_better_than_few_labels():
    """Two rings of clusters: two labels a class do not tell them apart, the density of the others does."""
    torch.manual_seed(0)
    centres = torch.randn(3, 10) * 3
    y = torch.arange(900) % 3
    x = centres[y] + torch.randn(900, 10)
    some = torch.where(torch.arange(900) < 6, y, -1)
    module = SemiSupervisedVAE((10,), 3, 2, "gaussian", hidden=(64, 64)).train()
    optimizer = torch.optim.Adam(module.parameters(), 3e-3)
    for step in range(300):
        rows = torch.randperm(900)[:60]
        rows[:6] = torch.arange(6)
        optimizer.zero_grad()
        module.loss(Batch(x[rows], some[rows]), min(1.0, step / 100)).total.backward()
        optimizer.step()
    module.eval()
    assert float((module.label_logits(x).argmax(1) == y).float().mean()) > 0.95


def test_modules_are_what_the_protocols_ask_for():
    for cls in (SemiSupervisedVAE, MultiLabelVAE):
        module, x = make(cls), torch.randn(3, 4)
        assert isinstance(module, EvidenceModule)
        assert isinstance(module, ReconstructingModule)
        assert set(module.evidence(x)) == {"embedding", "logits"}
        assert list(module.evidence(x, ())) == ["embedding"]
        torch.testing.assert_close(module.embed(x), module.evidence(x)["embedding"])
        torch.testing.assert_close(module.classifier[-1](module.embed(x)), module.label_logits(x))
        assert (module.embed(x).shape, module.code(x).shape) == ((3, module.latent_dim), (3, 2))
        assert module.reconstruct(x).shape == x.shape


@pytest.mark.parametrize("cls", [SemiSupervisedVAE, MultiLabelVAE])
def test_images_may_be_seen_by_strided_convolutions(cls):
    settings = {**SMALL, "likelihood": "bernoulli", "network": "strided", "channels": (4, 8)}
    module, x = cls((3, 10, 12), 3, **settings), torch.rand(4, 3, 10, 12)
    y = torch.tensor([0, -1, 2, 1]) if cls is SemiSupervisedVAE else torch.full((4, 3), torch.nan)
    module.loss(Batch(x, y)).total.backward()
    assert all(p.grad is not None for p in module.trunk.parameters())
    assert module.reconstruct(x).shape == x.shape
    assert module.label_logits(x).shape == (4, 3)


@pytest.mark.parametrize(
    ("cls", "settings", "message"),
    [
        (SemiSupervisedVAE, {"n": 1}, "give at least two classes"),
        (SemiSupervisedVAE, {"hidden": ()}, r"hidden=\(\) does not work"),
        (MultiLabelVAE, {"label_hidden": (0,)}, r"label_hidden=\(0,\) does not work"),
        (SemiSupervisedVAE, {"prior": "vamp"}, "prior='vamp' is not known"),
        (SemiSupervisedVAE, {"network": "conv"}, "network='conv' is not known: use 'mlp' or 'strided'"),
        (MultiLabelVAE, {"network": "strided"}, "network='strided' is of images, and these are tables"),
        (MultiLabelVAE, {"channels": ()}, r"channels=\(\) does not work"),
        (SemiSupervisedVAE, {"divergence": "js"}, "divergence='js' is not known"),
        (SemiSupervisedVAE, {"classifier_weight": -1.0}, r"classifier_weight=-1\.0 does not work"),
        (MultiLabelVAE, {"n": 0}, "give at least one label"),
        (MultiLabelVAE, {"temperature": 0.0}, r"temperature=0\.0 does not work"),
        (MultiLabelVAE, {"prevalence": (0.5, 1.0, 0.5)}, "give 3 shares above 0 and below 1"),
        (MultiLabelVAE, {"prevalence": (0.5,)}, "give 3 shares"),
    ],
)
def test_settings_that_do_not_work_are_refused(cls, settings, message):
    with pytest.raises(ValueError, match=message):
        make(cls, **settings)
