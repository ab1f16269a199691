"""What a user would try instead, from scikit-learn and PyOD: each a function of some ten lines.

A baseline learns from ``x``, ``y`` (codes 0 to C - 1) and gives back a function of new samples that names their
classes and says how known they are, higher is more known. ``one_unit`` says that the columns share a unit. Settings are
those of the libraries, but for those that are written here.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import mode, multivariate_normal
from sklearn.covariance import LedoitWolf
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, OneClassSVM

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Scored = tuple[Codes, Floats]
Fitted = Callable[[Floats], Scored]
Baseline = Callable[[Floats, Codes, bool, int], Fitted]

_NEIGHBOURS = 5
_N_TREES = 200
_LOF_NEIGHBOURS = 20
_OUTLIERS = 0.05
_MIXTURES = tuple(product((1, 2, 4), ("diag", "full")))
_MAX_COLUMNS_OF_FULL = 100
_LEAST_VARIANCE = 1e-6


def scaling(x: Floats, one_unit: bool) -> Callable[[Floats], Floats]:
    """Standardise columns; those of one unit keep their widths and their zero, and only the unit is changed."""
    if not one_unit:
        return StandardScaler().fit(x).transform
    width = float(np.sqrt(x.var(0).mean())) or 1.0
    return lambda new: new / width


# Neighbours


def five_nn(x: Floats, y: Codes, one_unit: bool, seed: int) -> Fitted:
    """The class by vote of the five nearest; minus their mean distance."""
    return _vote(x, y, scaling(x, one_unit))


def five_nn_cosine(x: Floats, y: Codes, one_unit: bool, seed: int) -> Fitted:
    """The same by angle."""
    return _vote(x, y, scaling(x, one_unit), "cosine")


def five_nn_whitened(x: Floats, y: Codes, one_unit: bool, seed: int) -> Fitted:
    """The same in columns in which classes are round: whitened by the covariance within classes, shrunk."""
    return _vote(x, y, _whitening(x, y, scaling(x, one_unit)))


def _vote(x: Floats, y: Codes, to_space: Callable[[Floats], Floats], metric: str = "euclidean") -> Fitted:
    neighbours = NearestNeighbors(n_neighbors=min(_NEIGHBOURS, len(x)), metric=metric, n_jobs=-1).fit(to_space(x))

    def score(new: Floats) -> Scored:
        distances, indices = neighbours.kneighbors(to_space(new))
        return mode(y[indices], axis=1).mode, -distances.mean(1)

    return score


# Densities of the classes


def lda_mahalanobis(x: Floats, y: Codes, one_unit: bool, seed: int) -> Fitted:
    """Linear discriminant analysis with shrinkage; minus the squared Mahalanobis distance to the nearest mean."""
    whitened, log_prior = _whitening(x, y, scaling(x, one_unit)), _log_prior(y)
    means = _means(whitened(x), y)

    def score(new: Floats) -> Scored:
        distances = euclidean_distances(whitened(new), means, squared=True)
        return (log_prior - distances / 2).argmax(1), -distances.min(1)

    return score


def gaussian(x: Floats, y: Codes, one_unit: bool, seed: int) -> Fitted:
    """Quadratic discriminant analysis with shrinkage: a Gaussian a class; log-density of their mixture."""
    scaled = scaling(x, one_unit)
    z, log_prior, classes = scaled(x), _log_prior(y), []
    for code in range(y.max() + 1):
        found = LedoitWolf().fit(z[y == code])
        covariance = found.covariance_ + _LEAST_VARIANCE * np.eye(z.shape[1])
        classes.append(multivariate_normal(found.location_, covariance))

    def score(new: Floats) -> Scored:
        rows = scaled(new)
        joint = log_prior + np.stack([own.logpdf(rows).reshape(-1) for own in classes], 1)
        return joint.argmax(1), logsumexp(joint, axis=1)

    return score


def mixture(x: Floats, y: Codes, one_unit: bool, seed: int) -> Fitted:
    """A Gaussian mixture a class, of the size and shape with the best BIC; log-density of all of them."""
    scaled = scaling(x, one_unit)
    z, log_prior = scaled(x), _log_prior(y)
    classes = [_best_mixture(z[y == code], seed) for code in range(y.max() + 1)]

    def score(new: Floats) -> Scored:
        rows = scaled(new)
        joint = log_prior + np.stack([own.score_samples(rows) for own in classes], 1)
        return joint.argmax(1), logsumexp(joint, axis=1)

    return score


def _best_mixture(z: Floats, seed: int) -> GaussianMixture:
    n, n_columns = z.shape
    found = [
        GaussianMixture(size, covariance_type=shape, reg_covar=1e-3, random_state=seed).fit(z)
        for size, shape in _MIXTURES
        # One Gaussian of each shape is always tried that the samples can tell.
        if (size == 1 or n >= 10 * size) and (shape == "diag" or (n > n_columns and n_columns <= _MAX_COLUMNS_OF_FULL))
    ]
    return min(found, key=lambda one: one.bic(z))


def _whitening(x: Floats, y: Codes, to_space: Callable[[Floats], Floats]) -> Callable[[Floats], Floats]:
    """To a space in which the shrunk covariance within classes is round, and distances are those of Mahalanobis."""
    z = to_space(x)
    within = LedoitWolf(assume_centered=True).fit(z - _means(z, y)[y])
    whiten = np.linalg.cholesky(within.precision_)
    return lambda new: to_space(new) @ whiten


def _means(z: Floats, y: Codes) -> Floats:
    return np.stack([z[y == code].mean(0) for code in range(y.max() + 1)])


def _log_prior(y: Codes) -> Floats:
    return np.log(np.bincount(y) / len(y))


# Detectors of outliers beside a classifier


def lof_logistic(x: Floats, y: Codes, one_unit: bool, seed: int) -> Fitted:
    """Local outlier factor; classes by logistic regression."""
    detector = LocalOutlierFactor(n_neighbors=min(_LOF_NEIGHBOURS, len(x) - 1), novelty=True, n_jobs=-1)
    return _beside(detector, _logistic(), x, y, scaling(x, one_unit))


def isolation_forest(x: Floats, y: Codes, one_unit: bool, seed: int) -> Fitted:
    """Isolation forest; classes by a random forest."""
    detector = IsolationForest(n_estimators=_N_TREES, random_state=seed, n_jobs=-1)
    return _beside(detector, _forest(seed), x, y, lambda new: new)


def one_class_svm(x: Floats, y: Codes, one_unit: bool, seed: int) -> Fitted:
    """One-class support vector machine, Gaussian kernel; classes by a support vector machine."""
    return _beside(OneClassSVM(nu=_OUTLIERS), SVC(), x, y, scaling(x, one_unit))


def _beside(detector: Any, classifier: Any, x: Floats, y: Codes, to_space: Callable[[Floats], Floats]) -> Fitted:
    z = to_space(x)
    detector.fit(z)
    classifier.fit(z, y)

    def score(new: Floats) -> Scored:
        rows = to_space(new)
        return classifier.predict(rows), detector.score_samples(rows)

    return score


# Confidence of a classifier


def forest_probability(x: Floats, y: Codes, one_unit: bool, seed: int) -> Fitted:
    """Largest class probability of a random forest."""
    forest = _forest(seed).fit(x, y)

    def score(new: Floats) -> Scored:
        probabilities = forest.predict_proba(new)
        return probabilities.argmax(1), probabilities.max(1)

    return score


def logistic_max_logit(x: Floats, y: Codes, one_unit: bool, seed: int) -> Fitted:
    """Largest logit of a logistic regression."""
    return _judged(x, y, one_unit, lambda logits: logits.max(1))


def logistic_energy(x: Floats, y: Codes, one_unit: bool, seed: int) -> Fitted:
    """Minus the energy of a logistic regression: the log of the sum of its exponentiated logits."""
    return _judged(x, y, one_unit, lambda logits: logsumexp(logits, axis=1))


def _judged(x: Floats, y: Codes, one_unit: bool, knownness: Callable[[Floats], Floats]) -> Fitted:
    scaled = scaling(x, one_unit)
    model = _logistic().fit(scaled(x), y)

    def score(new: Floats) -> Scored:
        logits = model.decision_function(scaled(new))
        if logits.ndim == 1:
            # Of two classes there is one number: half of it for each, with its sign.
            logits = np.stack([-logits, logits], 1) / 2
        return logits.argmax(1), knownness(logits)

    return score


def _logistic() -> LogisticRegression:
    return LogisticRegression(max_iter=2000)


def _forest(seed: int) -> RandomForestClassifier:
    return RandomForestClassifier(_N_TREES, random_state=seed, n_jobs=-1)


# PyOD


def pyod_knn(x: Floats, y: Codes, one_unit: bool, seed: int) -> Fitted:
    """PyOD's KNN, distance to the fifth neighbour; classes by a random forest."""
    from pyod.models.knn import KNN

    return _pyod(KNN(n_neighbors=min(_NEIGHBOURS, len(x) - 1)), x, y, scaling(x, one_unit), seed)


def pyod_ecod(x: Floats, y: Codes, one_unit: bool, seed: int) -> Fitted:
    """PyOD's ECOD, tails of the columns one by one; classes by a random forest."""
    from pyod.models.ecod import ECOD

    return _pyod(ECOD(), x, y, lambda new: new, seed)


def _pyod(detector: Any, x: Floats, y: Codes, to_space: Callable[[Floats], Floats], seed: int) -> Fitted:
    detector.fit(to_space(x))
    forest = _forest(seed).fit(x, y)
    return lambda new: (forest.predict(new), -detector.decision_function(to_space(new)))


#: By the names of the methods.
BASELINES: dict[str, Baseline] = {
    "5nn": five_nn,
    "5nn-cosine": five_nn_cosine,
    "5nn-whitened": five_nn_whitened,
    "lda-mahalanobis": lda_mahalanobis,
    "gaussian": gaussian,
    "mixture": mixture,
    "lof": lof_logistic,
    "isolation-forest": isolation_forest,
    "forest": forest_probability,
    "max-logit": logistic_max_logit,
    "energy": logistic_energy,
    "one-class-svm": one_class_svm,
    "pyod-knn": pyod_knn,
    "pyod-ecod": pyod_ecod,
}
