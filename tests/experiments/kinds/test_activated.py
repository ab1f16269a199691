"""Where contrastive models look."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from knownot.experiments import Model, Preset, Results, Runner
from knownot.experiments.kinds.activated import (
    THRESHOLDS,
    ActivatedExperiment,
    maps_of,
    sheet_figure,
    sheet_of,
    views_of,
)
from knownot.modules.contrastive import Contrastive
from knownot.modules.contrastive_losses import simclr_loss
from knownot.networks import ResNet
from knownot.views import GradMix, SimCLRViews, layercam

SMALL = {
    "network": "resnet18", "width": 0.0625, "max_epochs": 1, "batch_size": 32, "training__precision": "32-true",
    "temperature": 0.05,
}  # fmt: skip
PRESET = Preset("smoke")
EXPERIMENT = ActivatedExperiment(
    name="test/activated",
    title="Generated images",
    reference="nowhere",
    protocol="cifar10",
    presets={"smoke": PRESET},
    models=(
        Model("plain", "ContrastiveClassifier", {**SMALL, "mixing": "none"}, "without"),
        Model("gradmix", "ContrastiveClassifier", {**SMALL, "mixing": "gradmix"}, "with"),
    ),
    emphasised="gradmix",
    seeds=(0, 1),
)


@pytest.fixture
def module():
    torch.manual_seed(0)
    return Contrastive(ResNet((3, 16, 16), width=4), SimCLRViews(), projection_dim=8).eval()


def test_activated_experiment_measures_shares_of_maps(images, tmp_path):
    runner = Runner(Results(tmp_path / "results"), device="cpu", tell=lambda _: None)
    run = json.loads(runner.run(EXPERIMENT, PRESET, 0).read_text())
    for numbers in run["methods"].values():
        shares = [numbers[f"share {t:g}"] for t in THRESHOLDS]
        assert shares == sorted(shares, reverse=True)
        assert 0.0 <= shares[-1] <= shares[0] <= 1.0
    assert run["split"] == 1
    attached = runner.results.attachments(EXPERIMENT.name, "smoke")
    assert np.array(attached["maps"]["images"]).shape == (6, 16, 16, 3)
    assert {np.array(found).shape for found in attached["maps"]["maps"].values()} == {(6, 2, 2)}
    pytest.importorskip("matplotlib")
    share, sheet = EXPERIMENT.figures([run], attached)
    assert len(share.figure.axes[0].lines) == 2
    assert len(sheet.figure.axes) == 18


def test_maps_are_layercam_of_the_loss_of_both_views(module):
    view, other = views_of(module, torch.rand(5, 3, 16, 16), 0)
    found = maps_of(module, view, other)
    features, kept = module.network.stages(torch.cat([view, other]), ("layer4",))
    z1, z2 = module._project(features).chunk(2)
    loss = simclr_loss(z1, z2, module.temperature).mean()
    [gradient] = torch.autograd.grad(loss, [kept["layer4"]])
    torch.testing.assert_close(found, layercam(kept["layer4"][:5], gradient[:5]).detach())
    assert found.shape == (5, 2, 2)


def test_maps_are_the_same_with_and_without_mixing_and_leave_the_module_alone(module):
    mixing = Contrastive(
        ResNet((3, 16, 16), width=4), SimCLRViews(), 8, mixing=GradMix(), layers=("layer2",), attribution_sign=-1
    ).eval()
    mixing.load_state_dict(module.state_dict())
    pair = views_of(module, torch.rand(4, 3, 16, 16), 3)
    torch.testing.assert_close(maps_of(mixing, *pair), maps_of(module, *pair))
    assert (module.layers, mixing.layers, mixing.attribution_sign) == ((), ("layer2",), -1)
    assert isinstance(module.views, SimCLRViews)
    assert all(parameter.grad is None for parameter in module.parameters())


def test_views_depend_on_the_seed_alone(module):
    x = torch.rand(4, 3, 16, 16)
    state = torch.random.get_rng_state()
    one, other = views_of(module, x, 5), views_of(module, x, 5)
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(one[0], other[0])
    assert torch.equal(one[1], other[1])
    assert not torch.equal(one[0], one[1])
    assert not torch.equal(one[0], views_of(module, x, 6)[0])


def test_sheet_of_dark_maps_is_dark():
    pytest.importorskip("matplotlib")
    sheet = sheet_of(torch.zeros(2, 1, 8, 8), {"a": torch.zeros(2, 2, 2), "b": torch.full((2, 2, 2), 7.0)})
    assert np.array(sheet["maps"]["a"]).max() == 0.0
    assert np.array(sheet["maps"]["b"]).min() == 1.0
    assert json.loads(json.dumps(sheet)) == sheet
    assert len(sheet_figure(sheet, {"a": "A", "b": "B"}).axes) == 6
