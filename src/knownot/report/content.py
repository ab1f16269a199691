"""What a report shows, as plain arrays, and how it is asked from a fitted classifier."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from knownot.metrics import UNKNOWN, UNKNOWN_NAME, open_set_report, unknown_mask
from knownot.report.projection import project

PACKAGES = ("knownot", "torch", "numpy", "scikit-learn", "scipy", "lightning")


@dataclass(frozen=True, eq=False)
class Reconstructions:
    """Some inputs and what the model makes of them.

    Attributes
    ----------
    index : ndarray of int, shape (R,)
        Which samples of the report.
    values : ndarray, shape (R, H, W, C) or (R, F)
    """

    index: NDArray[np.int64]
    values: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Samples:
    """Generated samples with the code of the class they were drawn for.

    Attributes
    ----------
    values : ndarray, shape (S, H, W, C) or (S, F)
    codes : ndarray of int, shape (S,)
    """

    values: NDArray[Any]
    codes: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ReportContent:
    """All that a report shows. Classes are codes, positions in ``class_names``; -1 is the unknown.

    Attributes
    ----------
    title : str
    class_names : list of str
        The known classes.
    y_pred, nearest : ndarray of int, shape (N,)
        Class with and without rejection.
    knownness : ndarray of float, shape (N,)
        Higher means more known.
    threshold : float
        Lowest accepted knownness.
    accept : float, optional
        Share of known samples that was asked to be accepted.
    y_true : ndarray of int, shape (N,), optional
        True classes; None without labels.
    true_names : ndarray of str, shape (N,), optional
        Names of the true classes, those of unknown classes included.
    p_values : ndarray of float, shape (N,), optional
        Conformal p-values of "this sample is known".
    images : ndarray, shape (N, H, W, C), optional
        uint8, or float in [0, 1].
    features : ndarray, shape (N, F), optional
        Tables, where there are no images.
    feature_names : list of str
    projections : dict of str to ndarray of shape (M, 2)
        Maps of the embedding by the name of the method.
    projected : ndarray of int, shape (M,)
        Which samples are on the maps.
    reconstructions : Reconstructions, optional
    samples : Samples, optional
    history : list of dict
        One record an epoch: ``epoch``, ``train`` and ``validation`` with the mean of each loss term.
    best_epoch : int, optional
    metrics : dict of str to float
        As of :func:`knownot.metrics.open_set_report`.
    settings : dict of str to dict of str to str
        Everything that made the report, in groups.
    """

    title: str
    class_names: list[str]
    y_pred: NDArray[np.int64]
    nearest: NDArray[np.int64]
    knownness: NDArray[np.float64]
    threshold: float
    accept: float | None = None
    y_true: NDArray[np.int64] | None = None
    true_names: NDArray[np.str_] | None = None
    p_values: NDArray[np.float64] | None = None
    images: NDArray[Any] | None = None
    features: NDArray[np.float64] | None = None
    feature_names: list[str] = field(default_factory=list)
    projections: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    projected: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    reconstructions: Reconstructions | None = None
    samples: Samples | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    settings: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def accepted(self) -> NDArray[np.bool_]:
        """True where a class was given, shape (N,)."""
        return self.y_pred != UNKNOWN

    @property
    def known(self) -> NDArray[np.bool_] | None:
        """True where the true class is a known one, shape (N,); None without labels."""
        return None if self.y_true is None else self.y_true != UNKNOWN

    @property
    def has_both(self) -> bool:
        """Whether there are both known and unknown samples, and labels to tell."""
        return self.known is not None and bool(self.known.any()) and not bool(self.known.all())


def gather(
    classifier: Any,
    X: Any,
    y: Any = None,
    *,
    title: str | None = None,
    names: Mapping[Any, str] | None = None,
    feature_names: Sequence[str] | None = None,
    max_points: int = 2000,
    projections: Sequence[str] = ("t-SNE", "PCA"),
    seed: int = 0,
) -> ReportContent:
    """Ask a fitted classifier all that a report shows.

    Parameters
    ----------
    classifier : estimator
        A fitted classifier of this package, or one with the same methods. ``p_values``,
        ``reconstruct`` and ``sample`` may be missing.
    X : array, tensor or data frame
        Test samples, as the classifier takes them.
    y : array of shape (N,), optional
        True labels. Labels that the classifier was not trained on are unknown.
    title : str, optional
    names : mapping from label to str, optional
        What to call classes whose labels do not speak for themselves.
    feature_names : sequence of str, optional
        Columns of a table; taken from a data frame where it has them.
    max_points : int
        The map shows so many samples at most, drawn at random.
    projections : sequence of {"t-SNE", "PCA"}
        Maps of the embedding, the first one shown first.
    seed : int
        Seed of all that is drawn at random.

    Returns
    -------
    ReportContent

    Raises
    ------
    ValueError
        If the classifier is not fitted, X is empty, or y does not fit.
    """
    check_is_fitted(classifier, "classes_")
    if not hasattr(X, "shape"):
        X = np.asarray(X)
    n = len(X)
    if n == 0:
        raise ValueError("X holds no samples: a report needs at least one.")
    rng = np.random.default_rng(seed)
    classes = _plain(classifier.classes_)
    class_names = [_name(label, names) for label in classes.tolist()]
    knownness = np.asarray(classifier.score_samples(X), dtype=np.float64)
    nearest = _codes(_plain(classifier.nearest_class(X)), classes)
    y_pred = _codes(_plain(classifier.predict(X)), classes)
    y_true, true_names = _truth(y, n, classes, names)

    projected = np.sort(rng.permutation(n)[:max_points])
    embedding = np.asarray(classifier.transform(_rows(X, projected)), dtype=np.float64)
    images, features, columns = _inputs(classifier, X, feature_names)
    history = getattr(classifier, "history_", None)
    p_values = getattr(classifier, "p_values", None)
    groups = y_pred if y_true is None else y_true
    return ReportContent(
        title=f"{type(classifier).__name__} on {n:,} samples" if title is None else title,
        class_names=class_names,
        y_pred=y_pred,
        nearest=nearest,
        knownness=knownness,
        threshold=float(classifier.offset_),
        accept=_asked(classifier),
        y_true=y_true,
        true_names=true_names,
        p_values=np.asarray(p_values(X), dtype=np.float64) if callable(p_values) else None,
        images=images,
        features=features,
        feature_names=columns,
        projections={name: project(embedding, name, knownness[projected], seed) for name in projections},
        projected=projected,
        reconstructions=_reconstructions(classifier, X, groups, rng),
        samples=_samples(classifier, classes, seed),
        history=[dict(record) for record in history] if history is not None else [],
        best_epoch=getattr(history, "best_epoch", None),
        metrics=_metrics(y_true, nearest, knownness, float(classifier.offset_), classes, true_names),
        settings=_settings(classifier, n, y_true, seed),
    )


def _plain(labels: Any) -> NDArray[Any]:
    """Labels as numbers or strings, not as objects."""
    array = np.asarray(labels)
    return np.asarray(array.tolist()) if array.dtype == object else array


def _name(label: Any, names: Mapping[Any, str] | None) -> str:
    """Name of a label, without characters that no page can show."""
    text = str(label) if names is None else str(names.get(label, label))
    return "".join(character for character in text if character.isprintable()) or "(no name)"


def _codes(labels: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.int64]:
    """Positions of labels in the sorted ``classes``, -1 for all others."""
    place = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
    return np.where(classes[place] == labels, place, UNKNOWN).astype(np.int64)


def _truth(
    y: Any, n: int, classes: NDArray[Any], names: Mapping[Any, str] | None
) -> tuple[NDArray[np.int64] | None, NDArray[np.str_] | None]:
    """Codes and names of the true classes."""
    if y is None:
        return None, None
    labels = _plain(y)
    if labels.shape != (n,):
        raise ValueError(f"y has shape {labels.shape} for {n} samples: give one label for each sample, or none at all.")
    if (labels.dtype.kind == "U") != (classes.dtype.kind == "U"):
        kinds = ["strings" if array.dtype.kind == "U" else "numbers" for array in (labels, classes)]
        raise ValueError(f"y holds {kinds[0]}, the classifier was trained on {kinds[1]}: give labels of the same kind.")
    codes = _codes(labels, classes)
    nameless = unknown_mask(labels)
    distinct, inverse = np.unique(labels, return_inverse=True)
    spelled = np.array([_name(label, names) for label in distinct.tolist()])[inverse]
    return np.where(nameless, UNKNOWN, codes), np.where(nameless, UNKNOWN_NAME, spelled)


def _rows(X: Any, index: NDArray[np.int64]) -> Any:
    """Some samples of an array, a tensor or a data frame."""
    return X.iloc[index] if hasattr(X, "iloc") else X[index]


def _inputs(
    classifier: Any, X: Any, feature_names: Sequence[str] | None
) -> tuple[NDArray[Any] | None, NDArray[np.float64] | None, list[str]]:
    """Images (N, H, W, C), or a table with the names of its columns."""
    if len(X.shape) > 2:
        array = np.asarray(X.cpu() if hasattr(X, "cpu") else X)
        # Tensors have their channels in front, arrays behind.
        return _pictures(np.moveaxis(array, 1, -1) if hasattr(X, "cpu") and array.ndim == 4 else array), None, []
    table = np.asarray(X.cpu() if hasattr(X, "cpu") else X, dtype=np.float64)
    found = feature_names if feature_names is not None else getattr(X, "columns", None)
    if found is None:
        found = getattr(classifier, "feature_names_in_", None)
    columns = [f"feature {i}" for i in range(table.shape[1])] if found is None else [_name(c, None) for c in found]
    if len(columns) != table.shape[1]:
        raise ValueError(f"{len(columns)} feature_names for {table.shape[1]} columns of X: give one for each column.")
    return None, table, columns


def _pictures(array: NDArray[Any]) -> NDArray[Any]:
    """Images with a channel axis."""
    return array[..., None] if array.ndim == 3 else array


def _outputs(values: Any) -> NDArray[Any]:
    """What a model gives back: images (N, H, W, C), or a table."""
    array = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    return _pictures(array) if array.ndim > 2 else array


def _reconstructions(
    classifier: Any, X: Any, groups: NDArray[np.int64], rng: np.random.Generator, per_group: int = 8
) -> Reconstructions | None:
    """A few samples of the known (or accepted) and of the unknown (or rejected)."""
    reconstruct = getattr(classifier, "reconstruct", None)
    if not callable(reconstruct):
        return None
    order = rng.permutation(len(groups))
    known = groups[order] != UNKNOWN
    index = np.concatenate([order[known][:per_group], order[~known][:per_group]])
    return Reconstructions(index, _outputs(reconstruct(_rows(X, index))))


def _samples(classifier: Any, classes: NDArray[Any], seed: int, per_class: int = 8) -> Samples | None:
    """Generated samples, up to ``per_class`` of each class."""
    sample = getattr(classifier, "sample", None)
    if not callable(sample):
        return None
    # Some classifiers draw the class as well: with three times as many, each class has its share.
    seeded = {"random_state": seed} if "random_state" in signature(sample).parameters else {}
    values, labels = sample(3 * per_class * len(classes), **seeded)
    values, codes = _outputs(values), _codes(_plain(labels), classes)
    keep = np.concatenate([np.flatnonzero(codes == c)[:per_class] for c in range(len(classes))])
    return Samples(values[keep], codes[keep])


def _asked(classifier: Any) -> float | None:
    """Acceptance rate the threshold was made for."""
    asked = getattr(classifier, "accept_", getattr(classifier, "accept", None))
    return float(asked) if isinstance(asked, (int, float, np.floating)) else None


def _metrics(
    y_true: NDArray[np.int64] | None,
    nearest: NDArray[np.int64],
    knownness: NDArray[np.float64],
    threshold: float,
    classes: NDArray[Any],
    true_names: NDArray[np.str_] | None,
) -> dict[str, float]:
    """Open-set metrics as far as labels allow."""
    if y_true is None or true_names is None:
        return {}
    if not np.any(y_true != UNKNOWN):
        return {"threshold": threshold, "unknown_rejection": float(np.mean(knownness < threshold))}
    # Unknown classes keep codes of their own beyond the known ones, since openness counts them.
    named = (y_true == UNKNOWN) & (true_names != UNKNOWN_NAME)
    labels = y_true.copy()
    labels[named] = len(classes) + np.unique(true_names[named], return_inverse=True)[1]
    return open_set_report(labels, nearest, knownness, threshold, classes=range(len(classes)))


def _settings(classifier: Any, n: int, y_true: NDArray[np.int64] | None, seed: int) -> dict[str, dict[str, str]]:
    """Parameters, data, versions and date."""
    parameters = classifier.get_params(deep=False) if hasattr(classifier, "get_params") else {}
    found: dict[str, str] = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    if "knownot" not in found:
        found = {"knownot": str(getattr(sys.modules["knownot"], "__version__", "not installed")), **found}
    data = {"samples": f"{n:,}", "input shape": str(tuple(getattr(classifier, "input_shape_", ()))) or "unknown"}
    if y_true is not None:
        data |= {"of known classes": f"{np.sum(y_true >= 0):,}", "of unknown classes": f"{np.sum(y_true < 0):,}"}
    return {
        type(classifier).__name__: {name: _short(value) for name, value in parameters.items()},
        "Data of this report": data,
        "Made with": {
            "date": datetime.now().astimezone().strftime("%d %B %Y, %H:%M %Z"),
            **found,
            "Python": platform.python_version(),
            "system": platform.platform(terse=True),
            "seed of the report": str(seed),
        },
    }


def _short(value: Any, limit: int = 300) -> str:
    """Text of a parameter, cut where it is very long."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]} … ({len(text):,} characters)"
