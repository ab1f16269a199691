"""The contrastive modules: their loss term by term, and maps from the graph of the loss itself."""

import copy

import pytest
import torch

from knownot.data import Batch, InMemoryBatches
from knownot.modules import Contrastive, MomentumContrast
from knownot.modules.contrastive_losses import moco_loss, simclr_loss, supcon_loss, unit_vectors
from knownot.networks import FastConvNet, ResNet, RowNet
from knownot.training import TrainingPlan, train
from knownot.views import CutMix, FlipsAndShifts, GradMix, Mixup, SimCLRViews, TabularViews, gradcam, layercam


class Script:
    """Views that are given: the first, then the second, and again."""

    def __init__(self, *views):
        self.views, self.n = views, 0

    def __call__(self, x):
        self.n += 1
        return self.views[(self.n - 1) % len(self.views)]


def images(n=8, side=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, 3, side, side, generator=generator)


@pytest.fixture
def batch():
    return Batch(images(), torch.tensor([0, 0, 1, 1, 2, 2, 2, -1]))


def network(kind="resnet"):
    torch.manual_seed(0)
    return ResNet((3, 16, 16), width=4) if kind == "resnet" else FastConvNet((3, 16, 16), (4, 8, 8))


def test_loss_is_equation_8_term_by_term(batch):
    one, two = images(seed=1), images(seed=2)
    seen = []

    class Recording(GradMix):
        def __call__(self, x, attribution=None):
            mixed = super().__call__(x, attribution)
            seen.append(mixed)
            return mixed

    module = Contrastive(
        network(), Script(one, two), 6, (5,), 0.2, supervised_weight=0.7, self_supervised_weight=1.3, mixing=Recording()
    )
    # Without running means, the passes by hand are the same.
    loss = module.loss(batch)
    z = unit_vectors(module.projection(module.network(torch.cat([one, two]))))
    zm = unit_vectors(module.projection(module.network(seen[0].x)))
    y = torch.cat([batch.y, batch.y])
    supcon = supcon_loss(z, y, 0.2)
    simclr, mixed = simclr_loss(z[:8], z[8:], 0.2), simclr_loss(zm, z[8:], 0.2)
    expected = 0.7 * supcon.mean() + 1.3 * (simclr.mean() + seen[0].weight * mixed.mean())
    assert torch.allclose(loss.total, expected, rtol=1e-5)
    assert torch.allclose(loss.terms["simclr"], simclr, rtol=1e-4)
    assert torch.allclose(loss.terms["mixed"], mixed, rtol=1e-4)
    # Unlabelled samples have no positive.
    assert len(loss.terms["supcon"]) == 14
    assert not any(term.requires_grad for term in loss.terms.values())


@pytest.mark.parametrize("kind", ["resnet", "fast"])
@pytest.mark.parametrize(("method", "sign"), [("layercam", 1), ("layercam", -1), ("gradcam", 1)])
def test_maps_of_the_shared_pass_are_those_of_a_separate_one(batch, kind, method, sign):
    one, two = images(seed=1), images(seed=2)
    seen = []

    class Recording(GradMix):
        def __call__(self, x, attribution=None):
            seen.append(attribution)
            return super().__call__(x, attribution)

    module = Contrastive(
        network(kind), Script(one, two), 6, mixing=Recording(), attribution=method, attribution_sign=sign
    )
    last = module.network.stage_names[-1]
    module.loss(batch)
    # The same network once more, with a full backward pass and a hook on the last block.
    separate, kept = copy.deepcopy(module.network), {}
    stage = getattr(separate, last) if kind == "resnet" else separate.inner[-1]

    def keep(_, __, out):
        out.retain_grad()
        kept["A"] = out

    stage.register_forward_hook(keep)
    z1, z2 = unit_vectors(module.projection(separate(torch.cat([one, two])))).chunk(2)
    simclr_loss(z1, z2, 0.1).mean().backward()
    activations, gradients = kept["A"][:8], kept["A"].grad[:8]
    expected = (layercam if method == "layercam" else gradcam)(activations, gradients, sign)
    assert expected.max() > 0
    assert torch.allclose(seen[0], expected, rtol=1e-4, atol=1e-5 * float(expected.max()))


def test_gradients_are_those_of_the_loss_alone(batch):
    """What attribution takes from the graph leaves no gradient behind."""
    one, two = images(seed=1), images(seed=2)
    module = Contrastive(network(), Script(one, two), 6, mixing=GradMix())
    twin = copy.deepcopy(module)
    twin.layers = ()
    twin.mixing = None
    torch.manual_seed(0)
    loss = module.loss(batch)
    assert all(p.grad is None for p in module.parameters())
    loss.total.backward()
    twin.loss(batch).total.backward()
    ours, plain = (m.projection[-1].weight.grad for m in (module, twin))
    assert not torch.allclose(ours, plain)


def test_several_layers_are_added_up_and_similarity_may_be_attributed(batch):
    module = Contrastive(network(), SimCLRViews(), 6, mixing=GradMix(), layers=("layer2", "layer3", "layer4"))
    maps = module.attribution_maps(batch.x)
    assert maps.shape == (8, 8, 8)
    assert maps.amax((1, 2)).max() <= 3
    similar = Contrastive(
        network(), SimCLRViews(), 6, mixing=GradMix(), attribution_of="similarity", attribution_sign=-1
    )
    assert similar.loss(batch).total.isfinite()


@pytest.mark.parametrize("mixing", [None, Mixup(), CutMix(), GradMix()])
@pytest.mark.parametrize(
    "y", [torch.zeros(8, dtype=torch.int64), torch.arange(8), torch.full((8,), -1), torch.tensor([0] * 7 + [1])]
)
def test_loss_and_gradients_are_finite_for_any_labels(mixing, y):
    module = Contrastive(network(), SimCLRViews(), 6, temperature=0.05, mixing=mixing)
    with torch.autocast("cpu", torch.bfloat16):
        loss = module.loss(Batch(images(), y))
    loss.total.backward()
    assert loss.total.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in module.parameters())


def test_area_weight_off_counts_the_mixed_term_whole(batch):
    one, two = images(seed=1), images(seed=2)
    totals = {}
    for area in (True, False):
        module = Contrastive(network(), Script(one, two), 6, mixing=CutMix(), area_weight=area)
        torch.manual_seed(3)
        loss = module.loss(batch)
        totals[area] = float(loss.total.detach()), loss.terms
    difference = totals[False][0] - totals[True][0]
    assert 0 < difference < float(totals[True][1]["mixed"].mean())


def test_validation_has_no_mixed_term_and_needs_no_gradients(batch):
    module = Contrastive(network(), SimCLRViews(), 6, mixing=GradMix()).eval()
    with torch.no_grad():
        assert sorted(module.loss(batch).terms) == ["simclr", "supcon"]


def test_evidence_is_embedding_features_and_norm():
    module = Contrastive(network(), SimCLRViews(), 6).eval()
    with torch.no_grad():
        found = module.evidence(images())
        assert torch.allclose(found["embedding"] * found["norm"][:, None], module.projection(found["features"]))
        assert torch.equal(found["embedding"], module.embed(images()))
        assert set(module.evidence(images(), ())) == {"embedding"}


def test_rows_are_contrasted_too():
    module = Contrastive(RowNet(5, (16, 8)), TabularViews(), 4)
    assert module.loss(Batch(torch.randn(6, 5), torch.tensor([0, 0, 0, 1, 1, 1]))).total.isfinite()
    with pytest.raises(ValueError, match="GradMix needs to know where the network looks, which RowNet cannot say"):
        Contrastive(RowNet(5, (16, 8)), TabularViews(), 4, mixing=GradMix())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"supervised_weight": 0.0, "self_supervised_weight": 0.0}, "one of them above 0"),
        ({"supervised_weight": -1.0}, "two numbers of at least 0"),
        ({"self_supervised_weight": 0.0, "mixing": Mixup()}, "mixing is a part of the self-supervised loss"),
        ({"mixing": GradMix(), "layers": ("layer9",)}, "give some of layer1, layer2, layer3, layer4"),
        ({"projection_hidden": (0,)}, "widths of at least 1"),
        ({"attribution": "saliency"}, "attribution='saliency' of 'loss' is not known"),
    ],
)
def test_contrastive_refuses_what_does_not_work(given, said):
    with pytest.raises(ValueError, match=said):
        Contrastive(network(), SimCLRViews(), 6, **given)


def test_moco_contrasts_queries_with_keys_and_a_queue(batch):
    one, two = images(seed=1), images(seed=2)
    module = MomentumContrast(network(), Script(one, two), 6, queue_size=10, momentum=0.5)
    before = copy.deepcopy(module.key_network)
    with torch.no_grad():
        for parameter in module.network.parameters():
            parameter.add_(0.01)
    module.loss(batch)
    keys = unit_vectors(module.key_projection(copy.deepcopy(before)(two)))
    assert int(module.queue.filled) == 0
    module.after_step()
    assert torch.allclose(module.queue.vectors[:8], keys, atol=1e-5)
    assert int(module.queue.filled) == 8
    for moved, old, new in zip(
        module.key_network.parameters(), before.parameters(), module.network.parameters(), strict=True
    ):
        assert torch.allclose(moved, (old + new) / 2, atol=1e-6)
        assert not moved.requires_grad
    # The next step contrasts with what is in the queue.
    queue = module.queue.vectors[:8].clone()
    loss = module.loss(batch)
    query = unit_vectors(module.projection(module.network(one)))
    keys = unit_vectors(module.key_projection(module.key_network(two)))
    assert torch.allclose(loss.total, moco_loss(query, keys, queue, 0.1).mean(), rtol=1e-4)


def test_moco_goes_on_from_a_checkpoint_to_the_same_end(tmp_path):
    def run(epochs, **more):
        torch.manual_seed(0)
        module = MomentumContrast(RowNet(4, (8,)), TabularViews(), 4, queue_size=16, momentum=0.9)
        data = InMemoryBatches(torch.randn(24, 4, generator=torch.Generator().manual_seed(1)), None, 8, shuffle=True)
        train(module, data, plan=TrainingPlan(epochs, schedule="constant", seed=0, accelerator="cpu"), **more)
        return module

    whole = run(4)
    run(2, checkpoint_dir=tmp_path)
    resumed = run(4, checkpoint_dir=tmp_path, resume=True)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def gap(module, x, same):
    """How much more alike embeddings of one class are than those of two."""
    with torch.no_grad():
        similarity = module.embed(x) @ module.embed(x).T
    return float(similarity[same].mean() - similarity[~same].mean())


def test_contrastive_learns_what_a_flip_leaves(batch):
    """Images of two patterns: their embeddings fall into two groups, in a few steps."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(64) % 2
    pattern = torch.zeros(2, 3, 16, 16)
    pattern[0, 0], pattern[1, 2, ::2] = 0.7, 0.7
    x = (pattern[y] + 0.3 * torch.rand(64, 3, 16, 16, generator=generator)).clamp(0, 1)
    module = Contrastive(network("fast"), FlipsAndShifts(), 8, mixing=GradMix())
    module.start_from(x, 0)
    before = gap(module.eval(), x, y[:, None] == y)
    plan = TrainingPlan(6, 3e-3, seed=0, accelerator="cpu", precision="32-true")
    train(module, InMemoryBatches(x, y, 16, shuffle=True), plan=plan)
    same = y[:, None] == y
    assert gap(module, x, same) > 0.3 > 2 * before
