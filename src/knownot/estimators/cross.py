"""Cross-conformal calibration: every sample learns and every sample calibrates, where fitting is cheap."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from knownot.estimators.columns import unjudged
from knownot.estimators.inputs import Samples, hold_out
from knownot.estimators.judging import Part
from knownot.estimators.rejection import RejectingClassifier
from knownot.rules import Rule, make_rule

_CALIBRATIONS = ("auto", "split", "cross")
_N_FOLDS = 10
# Where a split would calibrate on fewer samples, folds are worth eleven fits instead of one.
_ENOUGH_TO_SPLIT = 200


class CrossCalibrated(RejectingClassifier):
    """What a rejecting classifier can do whose fit is cheap: calibrate its threshold by cross-fitting.

    The estimator is fitted to all samples; then each of ten folds is scored by a fit on the other nine, and all of
    these scores calibrate. What a rule chose on all samples, the weights of its evidence, the fits of folds keep.

    Notes
    -----
    There is no guarantee for all cases. Cross-conformal prediction (Vovk 2015) and CV+ (Barber et al. 2021) keep
    the fits of all folds and score a new sample with each of them, which gives at least 1 - 2α in theory, about 1 - α
    in practice, and as many times the cost of a prediction. Here one fit, on all samples, scores a new sample. About
    1 - α then holds where a fit does not change much with a tenth of the samples; on tables of 80 rows and more the
    acceptance was measured to be the target or a little above it (``docs/thresholds.md``).
    """

    calibration: str

    def _refuse_settings(self) -> None:
        super()._refuse_settings()
        if self.calibration not in _CALIBRATIONS:
            raise ValueError(
                f"calibration={self.calibration!r} is not known: use {', '.join(map(repr, _CALIBRATIONS))}."
            )

    def _fit_and_calibrate(
        self,
        samples: Samples,
        codes: NDArray[np.int64],
        validation: tuple[Any, ArrayLike] | None,
        random: np.random.RandomState,
    ) -> None:
        if not self._crosses(codes, validation is not None):
            super()._fit_and_calibrate(samples, codes, validation, random)
            return
        held_out = folds(codes, _N_FOLDS, random)
        seed = int(random.randint(2**31 - 1))
        encoded = self._learn_columns(samples)
        self._fit_to_all((encoded, codes), seed)
        logits, scores = torch.empty(len(codes), len(self.classes_)), np.empty(len(codes))
        for held in held_out:
            rest = np.setdiff1d(np.arange(len(codes)), held)
            fold = copy.copy(self)
            own = fold._learn_columns(samples, rest, quietly=True)
            fold._fit_to_all((own[rest], codes[rest]), seed, like=self.rule_)
            verdicts = [verdict for verdict, _ in fold._judge_in_chunks(own[held])]
            logits[held] = torch.cat([verdict.logits for verdict in verdicts]).float().cpu()
            scores[held] = torch.cat([verdict.knownness.double() for verdict in verdicts]).cpu().numpy()
        judged = ~unjudged(encoded)
        self.rule_.fit_temperature(logits[judged], torch.from_numpy(codes[judged]))
        self._set_threshold(scores, self.accept, codes=(codes, logits.argmax(-1).numpy()))

    def _crosses(self, codes: NDArray[np.int64], has_validation: bool) -> bool:
        if has_validation and self.calibration == "cross":
            raise ValueError(
                "calibration='cross' holds out every sample in turn and has no use for validation samples: add them to "
                "X and y, or use calibration='split'."
            )
        if self.calibration != "auto" or has_validation:
            return self.calibration == "cross"
        # Any order will do, as only the size counts.
        return len(hold_out(codes, self.validation_fraction, check_random_state(0))[2]) < _ENOUGH_TO_SPLIT

    def _fit_to_all(self, part: Part, seed: int, like: Rule | None = None) -> None:
        """Fit scaling and rule to all samples, but for those that the rule itself needs held out."""
        part = self._judged(part, "training")
        self.scaling_ = self._fit_scaling(part[0])
        training, selection = part, None
        if make_rule(self.rule).calibrates_on_held_out:
            training, selection = _split_within(part, self.validation_fraction, seed)
        self._learn(training, training if selection is None else selection, seed)
        self._fit_rule(training, selection, seed, like)


def folds(codes: NDArray[np.int64], n_folds: int, random: np.random.RandomState) -> list[NDArray[np.int64]]:
    """Indices of disjoint folds with the classes in proportion; no fold holds all samples of a class.

    Parameters
    ----------
    codes : ndarray, shape (N,)
        Class indices, each at least twice.
    n_folds : int
        At least 2; no more than N are made.
    random : RandomState

    Returns
    -------
    list of ndarrays of indices

    Examples
    --------
    >>> [fold.tolist() for fold in folds(np.array([0, 0, 1, 1]), 2, np.random.RandomState(0))]
    [[1, 2], [0, 3]]
    """
    shuffled = random.permutation(len(codes))
    # In order of class, samples of one class go to one fold after the other.
    order = shuffled[np.argsort(codes[shuffled], kind="stable")]
    n_folds = min(n_folds, len(codes))
    return [np.sort(order[i::n_folds]) for i in range(n_folds)]


def _split_within(part: Part, fraction: float, seed: int) -> tuple[Part, Part]:
    """Training and selection part; a class stays in the training part with its only sample."""
    samples, codes = part
    training, *held = hold_out(codes, fraction, np.random.RandomState(seed))
    selection = np.concatenate(held)
    lonely = ~np.isin(codes[selection], codes[training])
    training = np.sort(np.concatenate([training, selection[lonely]]))
    selection = np.sort(selection[~lonely])
    # Of very few samples none can be spared.
    chosen = [training, selection if len(selection) else training]
    first, second = ((samples[i], codes[i]) for i in chosen)
    return first, second
