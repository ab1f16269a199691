"""What estimators that learn by contrast share: network, views, mixing, and how long they are trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from knownot.estimators.neural import NeuralEstimator
from knownot.estimators.photographs import VIEWS, choose_views, make_network
from knownot.networks import RowNet
from knownot.views import CutMix, GradMix, Mixup, TabularViews

MIXINGS = {"mixup": Mixup, "cutmix": CutMix, "gradmix": GradMix}
# Arguments of the module, not of the mixing itself.
_OF_ATTRIBUTION = ("layers", "attribution", "attribution_of", "attribution_sign", "area_weight")
_NETWORKS = ("auto", "fast", "resnet18", "resnet34", "resnet50")
_ROW_WIDTHS = (256, 128)
# Views of images that a training sees where nobody says how long.
_TARGET_IMAGES = 200_000


class ContrastiveEstimator(NeuralEstimator):
    """What an estimator that learns by contrast can do: make networks, views and mixing from names.

    A subclass has at least the parameters below.
    """

    network: str
    width: float
    views: str
    mixing: str
    mixing_settings: Mapping[str, Any] | None

    @property
    def _of_images(self) -> bool:
        return len(self.input_shape_) == 3

    def _make_network(self) -> Any:
        if self.network not in _NETWORKS:
            raise ValueError(f"network={self.network!r} is not known: use one of {', '.join(map(repr, _NETWORKS))}.")
        if not self._of_images:
            if self.network != "auto":
                raise ValueError(f"network={self.network!r} takes images, and X is a table: use network='auto'.")
            return RowNet(self.input_shape_[0], [max(2, round(self.width * width)) for width in _ROW_WIDTHS])
        return make_network("fast" if self.network == "auto" else self.network, self.input_shape_, self.width)

    def _make_views(self) -> Any:
        if self._of_images:
            views, _ = choose_views(self.views, self.input_shape_, auto="simclr")
            if views is None:
                raise ValueError(
                    f"views={self.views!r} leaves both views of a sample the same, so that nothing is learned from "
                    f"them: use one of {', '.join(map(repr, VIEWS[:-1]))}."
                )
            return views
        if self.views != "auto":
            raise ValueError(f"views={self.views!r} are of images, and X is a table: use views='auto'.")
        return TabularViews()

    def _make_mixing(self) -> tuple[Any, dict[str, Any]]:
        """What mixes images, and the module's settings of it."""
        if self.mixing not in ("auto", "none", *MIXINGS):
            names = ", ".join(map(repr, ("auto", *MIXINGS, "none")))
            raise ValueError(f"mixing={self.mixing!r} is not known: use one of {names}.")
        if not self._of_images and self.mixing not in ("auto", "none"):
            raise ValueError(f"mixing={self.mixing!r} is of images, and X is a table: use mixing='none' or 'auto'.")
        name = self.mixing
        if name == "auto":
            # Digits are all shape: part of one on another is a third.
            name = "gradmix" if self._of_images and self.input_shape_[0] == 3 else "none"
        settings = dict(self.mixing_settings or {})
        of_module = {key: settings.pop(key) for key in _OF_ATTRIBUTION if key in settings}
        if name == "none":
            return None, {}
        try:
            return MIXINGS[name](**settings), of_module
        except TypeError as error:
            raise ValueError(
                f"mixing_settings={self.mixing_settings!r} does not work for mixing={name!r} ({error}): see "
                "knownot.views and knownot.modules.Contrastive for what there is."
            ) from error

    def _batch_size(self, n_samples: int) -> int:
        # Every other sample of the batch is a negative, so that more of them teach more.
        return int(np.clip(n_samples // 8, 16, 256)) if self.batch_size is None else self.batch_size

    def epochs_for(self, n_samples: int) -> int:
        """Epochs that a training on so many samples takes at most: ``max_epochs``, or what stands for None."""
        if self.max_epochs is None and self._of_images:
            return int(np.clip(round(_TARGET_IMAGES / n_samples), 5, 60))
        return super().epochs_for(n_samples)
