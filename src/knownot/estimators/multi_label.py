"""Several yes-or-no labels of each sample at once, some of them missing: the semi-supervised autoencoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import check_random_state
from torch import Tensor

from knownot import modules
from knownot.data import BalancedBatches, InMemoryBatches, check_label_matrix
from knownot.estimators.base import all_or_nothing
from knownot.estimators.columns import unjudged
from knownot.estimators.inputs import Samples, hold_out, refuse_too_few
from knownot.estimators.neural import NeuralEstimator, Part
from knownot.estimators.persistence import Saved
from knownot.estimators.semi_supervised import choose_likelihood
from knownot.metrics import f1_by_label
from knownot.networks.sizes import SMALL_IMAGE
from knownot.training import TrainingPlan, TrainingSettings

Labels = NDArray[np.float32]


class MultiLabelVAE(ClassifierMixin, NeuralEstimator):
    """Classifier of several yes-or-no labels at once, which learns from a few labels and many samples without.

    An autoencoder explains all samples by their labels and a latent code; a label that is missing is drawn from what
    the network tells of it. A sample may have all labels, some of them or none.

    Parameters
    ----------
    latent_dim : int
        Dimension of the latent code.
    network : {"auto", "mlp", "strided"}
        Linear layers, or convolutions of stride 2. "auto": "strided" for images of at least 16 pixels.
    likelihood, prior, n_components, divergence, beta, classifier_weight
        As of :class:`SemiSupervisedVAE`.
    hidden : sequence of int
        Linear layers of "mlp", mirrored in the decoder; of "strided" the last one alone.
    labelled_share : float, optional
        Share of each batch that is labelled. Default: as it is in the data, but a quarter at least, and a half where
        all samples are labelled and batches are balanced.
    balanced : bool
        Balance the labelled part of batches: half of it has a label and half has not, in each batch another label.
        Probabilities are then those of samples of which half have it.
    pretrain_epochs : int
        Epochs in which the autoencoder learns from the samples alone, before the labels are learned as well.
    max_epochs, batch_size, learning_rate, validation_fraction, training, accelerator, random_state, verbose
        As in :class:`GMVAEClassifier`. What is held out is labelled; half of it is learned from after all, since
        nothing is calibrated. A warm-up belongs to the first of the two phases, if there are two.

    Attributes
    ----------
    labels_ : ndarray, shape (L,)
        Names of the labels: the columns of a data frame, or their positions.
    classes_ : list of ndarray
        0 and 1 for each label, as scikit-learn has it.
    prevalence_ : ndarray, shape (L,)
        Share of the samples that have each label, among those of which that is known: the prior p(y).
    module_ : knownot.modules.MultiLabelVAE
    history_, n_features_in_, feature_names_in_
        As in :class:`GMVAEClassifier`.

    References
    ----------
    Tran, Pantic and Deisenroth, "Cauchy-Schwarz regularized autoencoder", section 3.3, "Multi-output labels", and
    appendix B.2.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> X, y = make_blobs(400, centers=4, n_features=8, random_state=0)
    >>> Y = np.stack([y % 2, y // 2], 1).astype(float)
    >>> Y[60:] = np.nan
    >>> model = MultiLabelVAE(latent_dim=2, n_components=4, hidden=(32, 32), max_epochs=12, random_state=0).fit(X, Y)
    >>> bool(model.score(X, np.stack([y % 2, y // 2], 1)) > 0.9)
    True
    """

    labels_: NDArray[Any]
    classes_: list[NDArray[np.int64]]
    prevalence_: NDArray[np.float64]
    module_: modules.MultiLabelVAE

    def __init__(
        self,
        *,
        latent_dim: int = 40,
        network: str = "auto",
        likelihood: str = "auto",
        prior: str = "mixture",
        n_components: int = 100,
        divergence: str = "cauchy-schwarz",
        beta: float = 1.0,
        classifier_weight: float = 50.0,
        hidden: Sequence[int] = (300, 300),
        labelled_share: float | None = None,
        balanced: bool = False,
        pretrain_epochs: int = 0,
        max_epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        validation_fraction: float = 0.2,
        training: TrainingSettings | None = None,
        accelerator: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.latent_dim = latent_dim
        self.network = network
        self.likelihood = likelihood
        self.prior = prior
        self.n_components = n_components
        self.divergence = divergence
        self.beta = beta
        self.classifier_weight = classifier_weight
        self.hidden = hidden
        self.labelled_share = labelled_share
        self.balanced = balanced
        self.pretrain_epochs = pretrain_epochs
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.training = training
        self.accelerator = accelerator
        self.random_state = random_state
        self.verbose = verbose

    @all_or_nothing
    def fit(self, X: Any, y: ArrayLike, *, validation: tuple[Any, ArrayLike] | None = None) -> None:
        """Learn from samples with all, some or none of their labels.

        Parameters
        ----------
        X : array-like
            As of :meth:`GMVAEClassifier.fit`.
        y : array-like or DataFrame, shape (N, L)
            0 or 1, NaN where a label is missing.
        validation : (X, y), optional
            Held-out samples, which choose the weights. Default: some of the labelled ones.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the input cannot be learned from: no matrix of 0, 1 and NaN, or a label that is always or never there.
        knownot.training.DivergenceError
            If a term of the loss becomes infinite.
        """
        samples = self._read(X, reset=True)
        labels, self.labels_ = check_label_matrix(y, len(samples))
        refuse_too_few(samples)
        self._learn_prevalence(labels)
        random = check_random_state(self.random_state)
        training, selection = self._split(samples, labels, validation, random)
        self.scaling_ = self._fit_scaling(training[0])
        self._learn(training, selection, int(random.randint(2**31 - 1)))

    def _learn_prevalence(self, labels: Labels) -> None:
        counts = np.stack([(labels == value).sum(0) for value in (0, 1)])
        if not counts.any():
            raise ValueError(
                f"y holds no label: all {labels.size} values are missing. Label some samples, or use VAE, which needs "
                "no labels."
            )
        if not counts.all():
            value, column = np.argwhere(counts == 0)[0]
            raise ValueError(
                f"label {self.labels_.tolist()[column]!r} is never {value} in y, and a classifier learns from both "
                "values: label samples of both, or leave the column out."
            )
        self.classes_ = [np.arange(2)] * labels.shape[1]
        self.prevalence_ = counts[1] / counts.sum(0)

    def _split(
        self, samples: Samples, labels: Labels, validation: tuple[Any, ArrayLike] | None, random: np.random.RandomState
    ) -> list[Part]:
        """What is learned from, and what chooses the weights; rows that cannot be judged are in neither."""
        if validation is not None:
            samples = self._learn_columns(samples)
            held = self._read(validation[0])
            parts = [(samples, labels), (held, self._known_labels(validation[1], len(held)))]
        else:
            labelled = np.flatnonzero(np.isfinite(labels).any(1))
            _, codes = np.unique(np.nan_to_num(labels[labelled], nan=-1.0), axis=0, return_inverse=True)
            chosen = labelled[hold_out(codes.ravel(), self.validation_fraction, random)[1]]
            training = np.setdiff1d(np.arange(len(labels)), chosen)
            samples = self._learn_columns(samples, training)
            parts = [(samples[rows], labels[rows]) for rows in (training, chosen)]
        judged = [~unjudged(part[0]) for part in parts]
        return [(x[rows], y[rows]) for (x, y), rows in zip(parts, judged, strict=True)]

    def _known_labels(self, y: ArrayLike, n: int) -> Labels:
        labels, _ = check_label_matrix(y, n)
        if labels.shape[1] != len(self.labels_):
            raise ValueError(
                f"y has {labels.shape[1]} columns, but {len(self.labels_)} labels were learned: give these."
            )
        return labels

    def _train(self, training: Part, selection: Part, plan: TrainingPlan) -> None:
        if not self.pretrain_epochs:
            super()._train(training, selection, plan)
            return
        unlabelled, others = ((x, np.full_like(y, np.nan)) for x, y in (training, selection))
        first, second = replace(plan, max_epochs=self.pretrain_epochs), replace(plan, warmup_epochs=0)
        train = partial(self._train_module, self.module_, unlabelled, others, first, "pretraining")
        self._train_after(train, training, selection, second)

    def _training_batches(self, x: Tensor, y: Tensor, batch_size: int, **settings: Any) -> InMemoryBatches:
        share = float(y.isfinite().any(1).float().mean())
        if share == 0.0 or (share == 1.0 and not self.balanced):
            return super()._training_batches(x, y, batch_size, **settings)
        usual = 0.5 if share == 1.0 else max(share, 0.25)
        wanted = usual if self.labelled_share is None else self.labelled_share
        del settings["shuffle"]
        return BalancedBatches(x, y, batch_size, labelled_share=wanted, by_label=self.balanced, **settings)

    def _make_module(self) -> modules.MultiLabelVAE:
        large = len(self.input_shape_) == 3 and min(self.input_shape_[1:]) >= SMALL_IMAGE
        return modules.MultiLabelVAE(
            self.input_shape_,
            len(self.labels_),
            self.latent_dim,
            prior=self.prior,
            n_components=self.n_components,
            divergence=self.divergence,
            beta=self.beta,
            classifier_weight=self.classifier_weight,
            network=("strided" if large else "mlp") if self.network == "auto" else self.network,
            hidden=self.hidden,
            prevalence=self.prevalence_.tolist(),
            **choose_likelihood(self.likelihood, self.input_shape_),
        )

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probability of each label, (N, L); NaN for rows that cannot be judged."""
        samples = self._read(X)
        logits = torch.cat(list(self._apply_in_chunks(samples, self.module_.label_logits)))
        probabilities = torch.sigmoid(logits.double()).numpy()
        probabilities[unjudged(samples)] = np.nan
        return probabilities

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Labels of each sample, (N, L): 1 where the probability is above one half, else 0; -1 where it is NaN."""
        return _decide(self.predict_proba(X))

    def score(self, X: Any, y: ArrayLike) -> float:
        """Mean over the labels of their F1 scores, each over the samples of which ``y`` (N, L) is not missing."""
        predicted = self.predict(X)
        return float(f1_by_label(self._known_labels(y, len(predicted)), predicted).mean())

    def assess(self, X: Any) -> dict[str, NDArray[Any]]:
        """What :meth:`predict` gives by the name of each label, and probabilities as "NAME probability", each (N,)."""
        probabilities = self.predict_proba(X)
        found: dict[str, NDArray[Any]] = {}
        for name, column, said in zip(self.labels_.tolist(), probabilities.T, _decide(probabilities).T, strict=True):
            found |= {str(name): said, f"{name} probability": column}
        return found

    def _pack(self, saved: Saved) -> None:
        super()._pack(saved)
        saved.facts["labels"] = self.labels_.tolist()
        saved.facts["prevalence"] = self.prevalence_.tolist()

    def _restore(self, saved: Saved) -> None:
        # Before all else: a module for so many labels is built from them.
        self.labels_ = np.array(saved.facts["labels"])
        self.prevalence_ = np.array(saved.facts["prevalence"])
        self.classes_ = [np.arange(2)] * len(self.labels_)
        super()._restore(saved)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class, tags.classifier_tags.multi_label = False, True
        tags.target_tags.single_output, tags.target_tags.multi_output = False, True
        return tags


def _decide(probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.where(np.isnan(probabilities), -1, probabilities > 0.5).astype(np.int64)
