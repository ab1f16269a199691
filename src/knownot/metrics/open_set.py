"""Open-set metrics: decisions by a threshold on the knownness, alone and over unknown classes.

**Higher knownness means more known**, and a sample is accepted where ``knownness >= threshold``.
The label of the unknown is -1, or ``"unknown"`` among strings. The metrics of the ranking alone
(AUROC, OSCR, ...) are in :mod:`knownot.metrics.ranking`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knownot.metrics.checks import as_flags, as_scores, label_array, unknown_mask
from knownot.metrics.ranking import aupr_known, aupr_unknown, auroc, dtacc, oscr, tnr_at_tpr

Floats = NDArray[np.float64]


def closed_set_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Share of known samples whose nearest class is the right one.

    Parameters
    ----------
    y_true : array of shape (N,)
        Labels; samples of the unknown (-1 or "unknown") are left out.
    y_pred : array of shape (N,)
        Nearest class, without rejection.

    Examples
    --------
    >>> closed_set_accuracy([0, 1, 1, -1], [0, 1, 0, 0])
    0.6666666666666666
    """
    truth = label_array(y_true)
    predicted = label_array(y_pred, "y_pred", len(truth), like=truth)
    known = ~unknown_mask(truth)
    if not known.any():
        raise ValueError(
            f"None of the {len(truth)} samples has a known class: accuracy is measured on known samples. "
            "Add samples of the classes that the model was trained on."
        )
    return float(np.mean(truth[known] == predicted[known]))


def acceptance(known: ArrayLike, accepted: ArrayLike) -> float:
    """Achieved share of known samples that were accepted.

    Parameters
    ----------
    known : array of bool, shape (N,)
    accepted : array of bool, shape (N,)

    Examples
    --------
    >>> acceptance([True, True, False], [True, False, True])
    0.5
    """
    is_known = as_flags(known, np.size(known))
    is_accepted = as_flags(accepted, len(is_known), "accepted")
    if not is_known.any():
        raise ValueError(
            f"None of the {len(is_known)} samples is known: acceptance is the accepted share of known samples. "
            "Add samples of the classes that the model was trained on."
        )
    return float(is_accepted[is_known].mean())


def open_macro_f1(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Mean F1 over the C known classes and the unknown as one class more.

    Parameters
    ----------
    y_true, y_pred : array of shape (N,)
        Labels, -1 or "unknown" for the unknown. All unknown classes have the one label.

    Returns
    -------
    float
        Classes without true samples do not count: where nothing is unknown, this is the
        mean over the known classes, and a rejection is a miss.

    Examples
    --------
    >>> open_macro_f1([0, 1, 1, -1], [0, 1, -1, -1])
    0.7777777777777777
    """
    truth = label_array(y_true)
    predicted = label_array(y_pred, "y_pred", len(truth), like=truth)
    classes, codes = np.unique(truth, return_inverse=True)
    hits = np.bincount(codes[truth == predicted], minlength=len(classes))
    place = np.minimum(np.searchsorted(classes, predicted), len(classes) - 1)
    predictions = np.bincount(place[classes[place] == predicted], minlength=len(classes))
    return float(np.mean(2.0 * hits / (np.bincount(codes) + predictions)))


def best_f1_threshold(y_true: ArrayLike, nearest: ArrayLike, knownness: ArrayLike) -> float:
    """Threshold on knownness with the best macro-F1, among all that make a difference.

    All distinct thresholds are compared by sorted cumulative counts, O(n log n + n C), not on a grid.

    Parameters
    ----------
    y_true : array of shape (N,)
        Labels of validation samples, -1 or "unknown" for the unknown.
    nearest : array of shape (N,)
        Nearest class, without rejection.
    knownness : array of shape (N,)

    Returns
    -------
    float
        Accept where ``knownness >= threshold``. It lies half-way between two scores (at the
        lowest score where all are to be accepted, just above the highest where none is).
        Among equally good ones it is the one that accepts most.

    Examples
    --------
    >>> best_f1_threshold([0, 1, -1], [0, 1, 1], [0.9, 0.8, 0.2])
    0.5
    """
    truth = label_array(y_true)
    chosen = label_array(nearest, "nearest", len(truth), like=truth)
    scores = as_scores(knownness, len(truth))
    order = np.argsort(-scores, kind="stable")
    truth, chosen, scores = truth[order], chosen[order], scores[order]
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    unknown = unknown_mask(truth)

    def accepted(flags: NDArray[np.bool_]) -> Floats:
        return np.append(0.0, np.cumsum(flags)[ends].astype(np.float64))

    total = np.zeros(len(ends) + 1)
    for label in np.unique(truth[~unknown]):
        is_chosen, is_true = chosen == label, truth == label
        total += 2.0 * accepted(is_chosen & is_true) / (is_true.sum() + accepted(is_chosen))
    if unknown.any():
        rejected_unknown = unknown.sum() - accepted(unknown)
        total += 2.0 * rejected_unknown / (unknown.sum() + len(truth) - np.append(0.0, ends + 1.0))
    # Nothing lies above an infinite score, so accepting none is no option there.
    if scores[0] == np.inf:
        total[0] = -np.inf
    best = int(np.flatnonzero(total >= total.max() - 1e-12)[-1])
    return _between(scores[ends], best)


def _between(distinct: Floats, n_accepted: int) -> float:
    """A threshold that accepts the ``n_accepted`` highest of falling distinct scores."""
    if n_accepted == 0:
        return float(np.nextafter(distinct[0], np.inf))
    lowest = float(distinct[n_accepted - 1])
    if n_accepted == len(distinct):
        return lowest
    below = float(distinct[n_accepted])
    middle = 0.5 * lowest + 0.5 * below
    return middle if below < middle <= lowest else lowest


def f1_against_unknown_classes(
    labels: ArrayLike,
    nearest: ArrayLike,
    knownness: ArrayLike,
    threshold: float | Sequence[float] | Floats,
    unknown_classes: Sequence[Any] | NDArray[Any],
) -> Floats:
    """Macro-F1 while unknown classes join the test data one after the other.

    Parameters
    ----------
    labels : array of shape (N,)
        Original labels, those of the unknown classes included.
    nearest : array of shape (N,)
        Nearest class, without rejection.
    knownness : array of shape (N,)
    threshold : float, or one for each of Q = 0, 1, ...
        Accept where ``knownness >= threshold``.
    unknown_classes : sequence of labels
        The unknown classes in the order in which they join. All other labels are known.

    Returns
    -------
    ndarray of shape (len(unknown_classes) + 1,)
        Macro-F1 over the known classes at Q = 0, and over these and the unknown from Q = 1 on.

    Examples
    --------
    >>> f1_against_unknown_classes([0, 1, 7, 8], [0, 1, 1, 0], [0.9, 0.8, 0.1, 0.7], 0.5, [7, 8])
    array([1.        , 1.        , 0.77777778])
    """
    truth = label_array(labels, "labels")
    chosen = label_array(nearest, "nearest", len(truth), like=truth)
    scores = as_scores(knownness, len(truth))
    joining = list(np.asarray(unknown_classes).tolist())
    thresholds = np.asarray(threshold, dtype=np.float64)
    if thresholds.ndim and len(thresholds) != len(joining) + 1:
        raise ValueError(
            f"{len(thresholds)} thresholds for {len(joining)} unknown classes: give one number, "
            f"or {len(joining) + 1}, one for each of Q = 0 to {len(joining)}."
        )
    missing = [label for label in joining if not np.any(truth == label)]
    if missing:
        raise ValueError(f"No sample has the label {missing[0]!r}: unknown_classes must be labels that occur.")
    if np.isin(truth, joining).all():
        raise ValueError(f"All {len(truth)} labels are in unknown_classes: leave the known classes out of it.")

    _, codes = np.unique(np.concatenate([truth, chosen]), return_inverse=True)
    true_codes, chosen_codes = codes[: len(truth)], codes[len(truth) :]
    turn = np.zeros(len(truth), dtype=np.int64)
    for q, label in enumerate(joining, start=1):
        turn[truth == label] = q
    y_true = np.where(turn > 0, -1, true_codes)
    values = []
    for q, at in enumerate(np.broadcast_to(thresholds, (len(joining) + 1,))):
        present = turn <= q
        y_pred = np.where(scores >= at, chosen_codes, -1)
        values.append(open_macro_f1(y_true[present], y_pred[present]))
    return np.array(values)


def openness(n_training: int, n_testing: int, n_target: int | None = None, *, form: str = "classical") -> float:
    """How open a protocol is: 0 where every class of the test is known.

    Parameters
    ----------
    n_training : int
        Number of classes trained on.
    n_testing : int
        Number of classes in the test, known and unknown.
    n_target : int, optional
        Number of classes to be recognised; the classes trained on by default.
    form : {"classical", "ratio"}
        "classical" is 1 - sqrt(2 n_training / (n_testing + n_target)) of Scheirer et al. (2013);
        "ratio" is 1 - sqrt(n_training / n_testing), which is larger. Name the form with the number.

    Examples
    --------
    >>> round(openness(6, 10), 4), round(openness(6, 10, form="ratio"), 4)
    (0.134, 0.2254)
    """
    n_target = n_training if n_target is None else n_target
    if form not in ("classical", "ratio"):
        raise ValueError(f"form={form!r} is not a form of openness: choose 'classical' or 'ratio'.")
    if not 1 <= n_training <= n_testing or n_target < 1:
        raise ValueError(
            f"n_training={n_training}, n_testing={n_testing}, n_target={n_target}: the classes trained on are "
            "at least one, and are counted in n_testing, too."
        )
    share = n_training / n_testing if form == "ratio" else 2.0 * n_training / (n_testing + n_target)
    return max(0.0, 1.0 - math.sqrt(share))


def open_set_report(
    y_true: ArrayLike,
    nearest: ArrayLike,
    knownness: ArrayLike,
    threshold: float | ArrayLike | None = None,
    *,
    classes: Sequence[Any] | NDArray[Any] | None = None,
) -> dict[str, float]:
    """All open-set metrics by name.

    Parameters
    ----------
    y_true : array of shape (N,)
        Labels. Those that are not in ``classes``, -1 and "unknown" are unknown.
    nearest : array of shape (N,)
        Nearest class, without rejection.
    knownness : array of shape (N,)
    threshold : float or array of shape (N,), optional
        Accept where ``knownness >= threshold``. Without it, what needs one is left out; where each sample has its
        own, ``threshold`` is.
    classes : sequence of labels, optional
        The known classes; by default all of ``y_true`` that are not -1 or "unknown".

    Returns
    -------
    dict of str to float
        ``closed_set_accuracy``; with unknown samples ``auroc``, ``aupr_known``, ``aupr_unknown``,
        ``tnr_at_tpr95``, ``dtacc``, ``oscr``; with a threshold ``threshold``, ``acceptance``,
        ``macro_f1`` and, with unknown samples, ``unknown_rejection``; where the unknown classes have
        names of their own, ``openness_classical`` and ``openness_ratio``.

    Examples
    --------
    >>> report = open_set_report([0, 1, 7], [0, 1, 1], [0.9, 0.8, 0.1], 0.5, classes=[0, 1])
    >>> report["auroc"], report["macro_f1"], report["unknown_rejection"]
    (1.0, 1.0, 1.0)
    """
    truth = label_array(y_true)
    chosen = label_array(nearest, "nearest", len(truth), like=truth)
    scores = as_scores(knownness, len(truth))
    known = ~unknown_mask(truth)
    if classes is not None:
        known &= np.isin(truth, np.asarray(classes))
    correct = known & (truth == chosen)
    if not known.any():
        raise ValueError(
            f"None of the {len(truth)} samples has a known class. Add samples of the classes that the model "
            "was trained on."
        )
    report = {"closed_set_accuracy": float(correct[known].mean())}
    if not known.all():
        report |= {
            "auroc": auroc(known, scores),
            "aupr_known": aupr_known(known, scores),
            "aupr_unknown": aupr_unknown(known, scores),
            "tnr_at_tpr95": tnr_at_tpr(known, scores),
            "dtacc": dtacc(known, scores),
            "oscr": oscr(known, correct, scores),
        }
    if threshold is not None:
        report |= _at_threshold(truth, chosen, known, scores >= np.asarray(threshold))
        if np.ndim(threshold) == 0:
            report["threshold"] = float(threshold)  # type: ignore[arg-type]
    named = np.unique(truth[~known & ~unknown_mask(truth)])
    if len(named):
        n_training = len(np.unique(truth[known])) if classes is None else len(np.unique(np.asarray(classes)))
        for form in ("classical", "ratio"):
            report[f"openness_{form}"] = openness(n_training, n_training + len(named), form=form)
    return report


def _at_threshold(
    truth: NDArray[Any], chosen: NDArray[Any], known: NDArray[np.bool_], accepted: NDArray[np.bool_]
) -> dict[str, float]:
    """Metrics at one threshold."""
    _, codes = np.unique(np.concatenate([truth, chosen]), return_inverse=True)
    y_true = np.where(known, codes[: len(truth)], -1)
    y_pred = np.where(accepted, codes[len(truth) :], -1)
    report = {"acceptance": acceptance(known, accepted), "macro_f1": open_macro_f1(y_true, y_pred)}
    if not known.all():
        report["unknown_rejection"] = 1.0 - float(accepted[~known].mean())
    return report
