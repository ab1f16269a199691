"""A clusterer on a module with components: several starts, the best by the objective alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import ClusterMixin
from sklearn.utils import check_random_state
from torch import Tensor

from knownot.estimators.base import all_or_nothing
from knownot.estimators.columns import unjudged
from knownot.estimators.inputs import Samples, refuse_share, refuse_too_few
from knownot.estimators.neural import NeuralEstimator, Part
from knownot.estimators.persistence import Saved
from knownot.training import TrainingPlan
from knownot.training.history import selection_loss


class Clusterer(ClusterMixin, NeuralEstimator):
    """What a clusterer can do, on a module with ``responsibilities``.

    Labels play no part: of ``n_init`` trainings the one with the smallest loss on held-out samples is kept.

    Attributes
    ----------
    labels_ : ndarray, shape (N,)
        Cluster of each training sample.
    objectives_ : list of float
        Loss on held-out samples of every training, in nats.
    """

    n_init: int
    labels_: NDArray[np.int64]
    objectives_: list[float]

    @all_or_nothing
    def fit(self, X: Any, y: Any = None) -> None:
        """Find clusters.

        Parameters
        ----------
        X : array-like
            Tables (N, F); images (N, H, W), (N, H, W, C) or tensors (N, C, H, W), uint8 or
            float in [0, 1].
        y : ignored

        Returns
        -------
        self
        """
        if self.n_init < 1:
            raise ValueError(f"n_init={self.n_init!r} does not work: give a whole number, 1 or more.")
        samples = self._read(X, reset=True)
        refuse_too_few(samples)
        random = check_random_state(self.random_state)
        training, selection = self._split_for_fit(len(samples), random)
        samples = self._learn_columns(samples, training)
        self._learn_unlabelled(samples[training], samples[selection], random)
        self.labels_ = self._clusters(samples, self._responsibilities(samples))

    def _split_for_fit(self, n: int, random: np.random.RandomState) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Places of the samples to train on, and of some that are held out."""
        refuse_share(self.validation_fraction)
        order = random.permutation(n)
        n_held = max(round(self.validation_fraction * n), 2)
        return np.sort(order[n_held:]), np.sort(order[:n_held])

    def _train(self, training: Part, selection: Part, plan: TrainingPlan) -> None:
        """Train ``n_init`` times from different random numbers, and keep the best."""
        found = []
        for start in range(self.n_init):
            own = replace(plan, seed=(plan.seed or 0) + start)
            if start:
                self._init_module(own.seed or 0)
            history = self._train_module(self.module_, training, selection, own, f"start-{start}")
            best = history.best
            loss = np.inf if best is None or best["validation"] is None else selection_loss(best["validation"])
            found.append((loss, self.module_, history))
        self.objectives_ = [loss for loss, _, _ in found]
        _, self.module_, self.history_ = found[int(np.argmin(self.objectives_))]

    def _responsibilities(self, samples: Samples) -> NDArray[np.float64]:
        return torch.cat(list(self._apply_in_chunks(samples, self.module_.responsibilities))).double().numpy()

    @staticmethod
    def _clusters(samples: Samples, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
        """The most probable cluster of each sample; -1, as of noise, for a row that cannot be judged."""
        return np.where(unjudged(samples), -1, probabilities.argmax(1))

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probability of each cluster given the sample, shape (N, n_components)."""
        return self._responsibilities(self._read(X))

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Cluster of each sample, shape (N,); -1 for a row that cannot be judged, such as one of gaps alone."""
        samples = self._read(X)
        return self._clusters(samples, self._responsibilities(samples))

    def assess(self, X: Any) -> dict[str, NDArray[Any]]:
        """All that the model says of each sample, from one pass: one column for each kind of answer.

        Returns
        -------
        dict of str to ndarray
            "cluster" and "probability" (of that cluster), each of shape (N,), and "embedding"
            (N, latent_dim).
        """

        def both(x: Tensor) -> Tensor:
            return torch.cat([self.module_.responsibilities(x).double(), self.module_.embed(x).double()], 1)

        samples = self._read(X)
        found = torch.cat(list(self._apply_in_chunks(samples, both))).numpy()
        probabilities, embedding = np.split(found, [found.shape[1] - self.module_.latent_dim], axis=1)
        return {
            "cluster": self._clusters(samples, probabilities),
            "probability": probabilities.max(1),
            "embedding": embedding.astype(np.float32),
        }

    def _pack(self, saved: Saved) -> None:
        super()._pack(saved)
        saved.add("clusters", {"labels": torch.from_numpy(self.labels_)})
        saved.facts["objectives"] = self.objectives_

    def _restore(self, saved: Saved) -> None:
        super()._restore(saved)
        self.labels_ = saved.tensors["clusters.labels"].numpy()
        self.objectives_ = saved.facts["objectives"]
