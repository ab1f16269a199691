"""A density that knows what is unusual: log-densities in the user's units, and a threshold on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import OutlierMixin
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from knownot.estimators.base import all_or_nothing
from knownot.estimators.columns import unjudged
from knownot.estimators.inputs import Samples, hold_out, refuse_too_few
from knownot.estimators.neural import NeuralEstimator
from knownot.estimators.thresholding import Thresholded
from knownot.modules import GenerativeModule


def _generates(estimator: DensityEstimator) -> bool:
    """Whether the module draws samples; nothing is said before the fit."""
    return not hasattr(estimator, "module_") or isinstance(estimator.module_, GenerativeModule)


class DensityEstimator(OutlierMixin, Thresholded, NeuralEstimator):
    """What an estimator of a density can do, on a module with ``log_prob``.

    It is scikit-learn's :class:`~sklearn.mixture.GaussianMixture` and
    :class:`~sklearn.neighbors.LocalOutlierFactor` at once: ``score_samples`` in nats, ``predict`` +1 or -1,
    with a threshold that accepts a given share of samples like those of the fit.
    """

    @all_or_nothing
    def fit(self, X: Any, y: Any = None) -> None:
        """Learn the density of samples, then calibrate on some that were held out.

        Parameters
        ----------
        X : array-like
            Tables (N, F); images (N, H, W), (N, H, W, C) or tensors (N, C, H, W), uint8 or
            float in [0, 1]. All of them count as known.
        y : ignored

        Returns
        -------
        self
        """
        samples = self._read(X, reset=True)
        refuse_too_few(samples)
        random = check_random_state(self.random_state)
        places = hold_out(np.zeros(len(samples), np.int64), self.validation_fraction, random)
        samples = self._learn_columns(samples, places[0])
        training, selection, calibration = (samples[i] for i in places)
        self._learn_unlabelled(training, selection, random)
        self._fit_score(training, selection)
        self._set_threshold(self._scores(calibration), self.accept)

    def _fit_score(self, training: Samples, selection: Samples) -> None:
        """Learn what the score needs beside the module, from samples that the threshold does not see."""

    def _scores(self, samples: Samples) -> NDArray[np.float64]:
        """Knownness of checked samples: here their log-density."""
        return self._log_densities(samples)

    def _log_densities(self, samples: Samples) -> NDArray[np.float64]:
        found = torch.cat(list(self._apply_in_chunks(samples, self.module_.log_prob))).double().numpy()
        return self._in_users_units(found, samples)

    def _in_users_units(self, found: NDArray[np.float64], samples: Samples) -> NDArray[np.float64]:
        """Log-densities of the module as those of the user's columns; -inf where a row cannot be judged."""
        found = np.nan_to_num(found, nan=-np.inf, posinf=np.inf, neginf=-np.inf) + self.scaling_.log_determinant
        return np.where(unjudged(samples), -np.inf, found)

    def log_density(self, X: Any) -> NDArray[np.float64]:
        """Log-density of each sample in nats, shape (N,), in the units of X; of images, of values in [0, 1].

        A log-density may be above 0, and is of another scale for every kind of data. Of a table with categories
        it is that of the encoded columns; of a row that cannot be judged it is -inf.
        """
        return self._log_densities(self._read(X))

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Knownness of each sample, shape (N,), which the threshold is on: :meth:`log_density`."""
        return self._scores(self._read(X))

    def score(self, X: Any, y: Any = None) -> float:
        """Mean log-density in nats, which a search over parameters can compare."""
        return float(self.log_density(X).mean())

    def predict(self, X: Any) -> NDArray[np.int64]:
        """+1 for samples like those of the fit, -1 for those below the threshold."""
        return np.where(self._accepts(self.score_samples(X)), 1, -1)

    def assess(self, X: Any) -> dict[str, NDArray[Any]]:
        """All that the model says of each sample: one column for each kind of answer.

        Returns
        -------
        dict of str to ndarray
            "known" (whether it is accepted), "knownness" (its log-density) and "p_value", each of shape
            (N,), and "embedding" (N, latent_dim).
        """
        samples = self._read(X)

        def both(x: Tensor) -> Tensor:
            return torch.cat([self.module_.log_prob(x).double()[:, None], self.module_.embed(x).double()], 1)

        found = torch.cat(list(self._apply_in_chunks(samples, both))).numpy()
        scores = self._in_users_units(found[:, 0], samples)
        return {
            "known": self._accepts(scores),
            "knownness": scores,
            "p_value": self.threshold_.p_values(scores),
            "embedding": found[:, 1:].astype(np.float32),
        }

    @available_if(_generates)  # type: ignore[untyped-decorator]
    def sample(self, n_samples: int = 1, random_state: Any = None) -> NDArray[Any]:
        """Draw from the density: images (N, H, W, C) in [0, 1], or rows (N, F).

        Parameters
        ----------
        n_samples : int
        random_state : int, RandomState or None
        """
        check_is_fitted(self)
        seed = int(check_random_state(random_state).randint(2**31 - 1))
        return self._sample_with_seed(lambda _: self.module_.sample(n_samples), seed)
