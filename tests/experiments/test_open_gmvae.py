"""The published settings of the open-set GMVAE paper."""

import numpy as np
import pytest

from knownot import GMVAEClassifier
from knownot.experiments.open_gmvae import PAPER_SETTINGS


@pytest.mark.parametrize("name", sorted(PAPER_SETTINGS))
def test_paper_settings_build_the_networks_of_the_paper(name):
    shape = (3, 32, 32) if "cifar" in name else (1, 28, 28)
    model = GMVAEClassifier(**PAPER_SETTINGS[name])
    model.input_shape_, model.classes_ = shape, np.arange(6 if model.n_subclusters == 1 else 2)
    model.n_subclusters_ = model._requested_subclusters()
    module = model._make_module()
    head = module.encoder.head[-1]
    assert (head.in_features, head.out_features) == (model.hidden[-1], 2 * model.latent_dim)
    components = 6 if model.n_subclusters == 1 else 4
    assert module.prior[-1].out_features == components * 2 * model.latent_dim
    assert module.classifier_weight == 0.0
    assert not module.v_prior
