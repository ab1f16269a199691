"""The interface of every rule: embeddings in, a class and a knownness out."""

from __future__ import annotations

import math
import numbers
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self

import torch
from scipy.optimize import minimize_scalar
from sklearn.base import BaseEstimator, clone
from torch import Tensor

Evidence = Mapping[str, Tensor]
State = dict[str, Tensor]


class Verdict(NamedTuple):
    """What a rule says of N samples.

    Attributes
    ----------
    logits : Tensor, shape (N, C)
        One number a class; the largest names the class, their softmax the probabilities.
    knownness : Tensor, shape (N,)
        Higher means more known.
    """

    logits: Tensor
    knownness: Tensor


class Rule(BaseEstimator, ABC):
    """Turns embeddings into a class and a knownness; higher always means more known.

    It is a scikit-learn estimator, so that ``clone`` makes an unfitted copy and a search may set
    ``rule__tail_size``. Its parameters are checked by :meth:`check`, when it is fitted at the latest.

    Attributes
    ----------
    name : str
        What :func:`make_rule` and the estimators call it.
    uses : tuple of str
        Evidence beyond the embedding that the rule needs, by name; see
        :meth:`knownot.modules.OpenGMVAE.evidence`.
    may_use : tuple of str
        Evidence that it takes in where the module supplies it.
    learns_from : tuple of str
        Evidence on training samples that :meth:`fit` takes in where the module supplies it.
    calibrates_on_held_out : bool
        Whether :meth:`calibrate` learns more than the temperature, so that it needs samples that :meth:`fit` did not
        see. A class with a ``calibrate`` of its own counts as one unless it says False.
    learns_from_embeddings : bool
        Whether :meth:`fit` looks at embeddings, which then have to be computed for all training samples.
    temperature : float
        Divides the logits in :meth:`predict_proba`; set by :meth:`calibrate`.
    """

    name: ClassVar[str] = ""
    uses: tuple[str, ...] = ()
    may_use: tuple[str, ...] = ()
    learns_from: tuple[str, ...] = ()
    calibrates_on_held_out: ClassVar[bool] = False
    learns_from_embeddings: ClassVar[bool] = True
    temperature: float = 1.0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "calibrate" in vars(cls) and "calibrates_on_held_out" not in vars(cls):
            cls.calibrates_on_held_out = True

    def check(self, n_subclusters: Sequence[int]) -> None:
        """Refuse classes, or parameters, that the rule cannot work with, before anything is trained.

        Parameters
        ----------
        n_subclusters : sequence of int
            Subclusters of each class.

        Raises
        ------
        ValueError
            If the rule is not defined for them.
        """
        if min(n_subclusters) < 1:
            raise ValueError(f"n_subclusters={list(n_subclusters)} does not work: every class has at least one.")

    def check_evidence(self, names: Collection[str]) -> None:
        """Refuse a module that does not supply what the rule needs, before anything is trained.

        Parameters
        ----------
        names : collection of str
            Evidence that the module supplies.

        Raises
        ------
        ValueError
            If something of :attr:`uses` is not among them.
        """
        missing = [name for name in self.uses if name not in names]
        if missing:
            raise ValueError(
                f"{type(self).__name__} (rule={self.name!r}) needs the evidence {', '.join(missing)}, which is not "
                f"provided by this model ({', '.join(names) or 'nothing beside the embedding'}): choose another "
                "classifier, or a rule on embeddings alone ('nc-d', 'nc-u', 'neighbours', 'weibull')."
            )

    @abstractmethod
    def fit(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> Rule:
        """Learn from training embeddings.

        Parameters
        ----------
        z : Tensor, shape (N, d)
        y : Tensor, shape (N,), int64
            Class indices 0 … C - 1, each present.
        evidence : mapping of str to Tensor, optional
            What :attr:`learns_from` names, as far as the model provides it.
        """

    def fit_again(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> Rule:
        """A copy fitted to other samples of the same classes, which keeps what this rule has chosen, if anything."""
        return clone(self).fit(z, y, evidence)

    @abstractmethod
    def evaluate(self, z: Tensor, evidence: Evidence | None = None) -> Verdict:
        """Logits and knownness of every sample.

        Parameters
        ----------
        z : Tensor, shape (N, d)
        evidence : mapping of str to Tensor, optional
            What :attr:`uses` names, each of shape (N,) or (N, C).
        """

    @abstractmethod
    def state(self) -> State:
        """All fitted numbers as tensors, for saving."""

    @abstractmethod
    def restore(self, state: State) -> Rule:
        """The inverse of :meth:`state`."""

    def to(self, device: str | torch.device) -> Self:
        """Move all fitted numbers to a device."""
        state = self.state()
        if any(tensor.device != torch.device(device) for tensor in state.values()):
            self.restore({name: tensor.to(device) for name, tensor in state.items()})
        return self

    def score(self, z: Tensor, evidence: Evidence | None = None) -> tuple[Tensor, Tensor]:
        """Class index (N,) and knownness (N,) of every sample."""
        verdict = self.evaluate(z, evidence)
        return verdict.logits.argmax(-1), verdict.knownness

    def predict_proba(self, verdict: Verdict) -> Tensor:
        """Probabilities of the known classes, given that the sample is of one of them, (N, C)."""
        return torch.softmax(verdict.logits.double() / self.temperature, -1)

    def calibrate(self, z: Tensor, y: Tensor, evidence: Evidence | None = None) -> Rule:
        """Fit what needs held-out known samples: here the temperature of the probabilities."""
        return self.fit_temperature(self.evaluate(z, evidence).logits, y)

    def fit_temperature(self, logits: Tensor, y: Tensor) -> Rule:
        """Fit the temperature to the logits of held-out known samples.

        The temperature is the one of least cross-entropy on these samples (Guo et al. 2017,
        "On calibration of modern neural networks"), with label smoothing worth one sample of a
        random label: without it, samples that are all classified correctly would drive it to 0. It changes
        no decision.

        Parameters
        ----------
        logits : Tensor, shape (N, C)
        y : Tensor, shape (N,), int64
        """
        self.temperature = best_temperature(logits, y)
        return self

    def _require_evidence(self, evidence: Evidence | None) -> Evidence:
        evidence = evidence or {}
        self.check_evidence(list(evidence))
        return evidence


def least_counts(**settings: object) -> None:
    """Refuse settings that are not whole numbers of at least 1.

    Raises
    ------
    ValueError
        For the first that is not.

    Examples
    --------
    >>> least_counts(k=0)
    Traceback (most recent call last):
    ValueError: k=0 does not work: give a whole number of at least 1.
    """
    for name, value in settings.items():
        if not isinstance(value, numbers.Integral) or value < 1:
            raise ValueError(f"{name}={value!r} does not work: give a whole number of at least 1.")


def best_temperature(logits: Tensor, y: Tensor) -> float:
    """What to divide logits by for the least cross-entropy, with a smoothing worth one sample of a random label.

    Parameters
    ----------
    logits : Tensor, shape (N, C)
    y : Tensor, shape (N,), int64

    Returns
    -------
    float
        1 where there is nothing to choose by.
    """
    logits = logits.double()
    smoothing = 1.0 / (len(y) + 1)

    def cross_entropy(log_temperature: float) -> float:
        scaled = logits / math.exp(log_temperature)
        return float(torch.nn.functional.cross_entropy(scaled, y, label_smoothing=smoothing))

    if logits.shape[1] < 2 or not len(y):
        return 1.0
    return math.exp(minimize_scalar(cross_entropy, bounds=(-5.0, 7.0), method="bounded").x)
