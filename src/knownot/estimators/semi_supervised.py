"""The semi-supervised autoencoder: classes from a few labelled samples and many others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from torch import Tensor

from knownot import modules
from knownot.data import BalancedBatches, InMemoryBatches, check_labels
from knownot.estimators.base import all_or_nothing
from knownot.estimators.inputs import Samples, hold_out
from knownot.estimators.judging import Part
from knownot.estimators.neural import NeuralEstimator
from knownot.estimators.photographs import choose_views
from knownot.estimators.rejection import RejectingClassifier
from knownot.rules import Rule
from knownot.training import TrainingSettings
from knownot.views import TabularViews

#: What stands for no label: -1 among numbers, this among strings.
UNLABELLED = "unlabelled"
_LIKELIHOODS: dict[str, dict[str, Any]] = {
    "bernoulli": {},
    "binarised": {"likelihood": "bernoulli", "binarise": True},
    "gaussian": {},
    "truncated-gaussian": {},
}


class SemiSupervisedVAE(RejectingClassifier, NeuralEstimator):
    """Open-set classifier that learns from a few labelled samples and many without a label.

    An autoencoder explains all samples by a class and a latent code; the class of samples without a label is a latent
    variable too. Every batch holds a share of labelled samples, however few there are.

    Parameters
    ----------
    latent_dim : int
        Dimension of the latent code.
    likelihood : {"auto", "bernoulli", "binarised", "truncated-gaussian", "gaussian"}
        p(x|z, y): grey images; grey images of which binary pixels are drawn anew in each batch; colour images; tables.
    prior : {"normal", "mixture"}
        p(z).
    n_components : int
        Of "mixture".
    divergence : {"kl", "cauchy-schwarz"}
        What holds the latent code to its prior.
    beta : float
        Weight of that divergence.
    classifier_weight : float
        Weight of the cross-entropy of labelled samples.
    hidden : sequence of int
        Layers that see the sample, mirrored in the decoder.
    views : {"auto", "photos", "shifts", "digits", "simclr", "none"}
        Random views of a sample that are to be taken for the same class as the sample itself; the paper has none.
        "auto": "digits" for grey images, "photos" for others; of tables, cells that are replaced or blurred.
    labelled_share : float, optional
        Share of each batch that is labelled. Default: as it is in the data, but a quarter at least.
    rule : {"max-logit", "energy", "max-softmax", "nc-d", "neighbours"} or Rule
        How logits, or embeddings, become class and knownness.
    accept, max_epochs, batch_size, learning_rate, validation_fraction, training, accelerator, random_state, verbose
        As in :class:`GMVAEClassifier`. What is held out is held out of the labelled samples.

    Attributes
    ----------
    classes_ : ndarray, shape (C,)
    module_ : knownot.modules.SemiSupervisedVAE
    rule_, offset_, threshold_, history_, n_features_in_, feature_names_in_
        As in :class:`GMVAEClassifier`.

    References
    ----------
    Tran, Pantic and Deisenroth, "Cauchy-Schwarz regularized autoencoder", section 3.3. Kingma et al., "Semi-supervised
    learning with deep generative models", 2014.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> X, y = make_blobs(600, centers=3, n_features=8, random_state=0)
    >>> some = np.where(np.arange(600) % 6 == 0, y, -1)
    >>> model = SemiSupervisedVAE(latent_dim=2, hidden=(32, 32), max_epochs=15, random_state=0).fit(X, some)
    >>> bool((model.nearest_class(X) == y).mean() > 0.9)
    True
    """

    module_: modules.SemiSupervisedVAE

    def __init__(
        self,
        *,
        latent_dim: int = 40,
        likelihood: str = "auto",
        prior: str = "mixture",
        n_components: int = 100,
        divergence: str = "cauchy-schwarz",
        beta: float = 1.0,
        classifier_weight: float = 50.0,
        hidden: Sequence[int] = (300, 300),
        views: str = "auto",
        labelled_share: float | None = None,
        rule: str | Rule = "max-logit",
        accept: float | None = 0.95,
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
        self.likelihood = likelihood
        self.prior = prior
        self.n_components = n_components
        self.divergence = divergence
        self.beta = beta
        self.classifier_weight = classifier_weight
        self.hidden = hidden
        self.views = views
        self.labelled_share = labelled_share
        self.rule = rule
        self.accept = accept
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
        """Learn from samples of which some are labelled, then calibrate on labelled ones that were held out.

        Parameters
        ----------
        X : array-like
            As of :meth:`GMVAEClassifier.fit`.
        y : array-like, shape (N,)
            Class labels; -1, or "unlabelled" where labels are strings, for samples without one.
        validation : (X, y), optional
            Held-out labelled samples of the same classes. Default: ``validation_fraction`` of those in X.

        Returns
        -------
        self
        """
        samples = self._read(X, reset=True)
        if len(shape := np.asarray(y).shape) == 2 and shape[1] > 1:
            raise ValueError(
                f"y has shape {shape}: SemiSupervisedVAE learns one label of several classes for each sample; "
                "MultiLabelVAE learns several yes-or-no labels at once."
            )
        labels = check_labels(y, len(samples))
        has = labels != (UNLABELLED if labels.dtype.kind == "U" else -1)
        if not has.any():
            raise ValueError(
                f"y holds no label: all {len(labels)} samples are unlabelled. Label some of each class, or use VAE, "
                "which needs no labels."
            )
        codes = np.full(len(labels), -1, np.int64)
        codes[has] = self._learn_labels(labels[has])
        self._refuse_settings()
        self._fit_and_calibrate(samples, codes, validation, check_random_state(self.random_state))

    def _split_for_fit(
        self,
        samples: Samples,
        codes: NDArray[np.int64],
        validation: tuple[Any, ArrayLike] | None,
        random: np.random.RandomState,
    ) -> list[Part]:
        if validation is not None:
            return super()._split_for_fit(samples, codes, validation, random)
        labelled = np.flatnonzero(codes >= 0)
        training, *held = (labelled[part] for part in hold_out(codes[labelled], self.validation_fraction, random))
        training = np.sort(np.concatenate([training, np.flatnonzero(codes < 0)]))
        samples = self._learn_columns(samples, training)
        return [(samples[part], codes[part]) for part in (training, *held)]

    def _fit_rule(self, training: Part, selection: Part | None, seed: int, like: Rule | None = None) -> None:
        labelled = training[1] >= 0
        super()._fit_rule((training[0][labelled], training[1][labelled]), selection, seed, like)

    def _training_batches(self, x: Tensor, y: Tensor, batch_size: int, **settings: Any) -> InMemoryBatches:
        n_labelled = int((y >= 0).sum())
        if n_labelled == len(y):
            return super()._training_batches(x, y, batch_size, **settings)
        share = max(n_labelled / len(y), 0.25) if self.labelled_share is None else self.labelled_share
        del settings["shuffle"]
        return BalancedBatches(x, y, batch_size, labelled_share=share, **settings)

    def _make_module(self) -> modules.SemiSupervisedVAE:
        views = self._make_views()
        return modules.SemiSupervisedVAE(
            self.input_shape_,
            len(self.classes_),
            self.latent_dim,
            prior=self.prior,
            n_components=self.n_components,
            divergence=self.divergence,
            beta=self.beta,
            classifier_weight=self.classifier_weight,
            hidden=self.hidden,
            views=views,
            # As heavy as the labelled samples: what is told of a view is as good as a label.
            consistency_weight=0.0 if views is None else self.classifier_weight,
            **choose_likelihood(self.likelihood, self.input_shape_),
        )

    def _make_views(self) -> Callable[[Tensor], Tensor] | None:
        if len(self.input_shape_) == 1:
            if self.views not in ("auto", "none"):
                raise ValueError(f"views={self.views!r} are of images, and X is a table: use 'auto' or 'none'.")
            return TabularViews() if self.views == "auto" else None
        grey = self.input_shape_[0] == 1
        return choose_views("digits" if self.views == "auto" and grey else self.views, self.input_shape_)[0]


def choose_likelihood(name: str, shape: tuple[int, ...]) -> dict[str, Any]:
    """Settings of a semi-supervised autoencoder by the name of a likelihood.

    Parameters
    ----------
    name : {"auto", "bernoulli", "binarised", "truncated-gaussian", "gaussian"}
    shape : tuple of int
        Of one sample, (F,) or (C, H, W).

    Raises
    ------
    ValueError
        If there is no such likelihood, or it is not of such samples.

    Examples
    --------
    >>> choose_likelihood("auto", (1, 28, 28)), choose_likelihood("auto", (3, 32, 32))
    ({'likelihood': 'bernoulli'}, {'likelihood': 'truncated-gaussian'})
    """
    if name == "auto":
        name = "gaussian" if len(shape) == 1 else "bernoulli" if shape[0] == 1 else "truncated-gaussian"
    if name not in _LIKELIHOODS:
        listed = ", ".join(map(repr, ("auto", *_LIKELIHOODS)))
        raise ValueError(f"likelihood={name!r} is not known: use one of {listed}.")
    if (name == "gaussian") != (len(shape) == 1):
        raise ValueError(f"likelihood={name!r} does not fit: use 'gaussian' for tables, and another for images.")
    return {"likelihood": name, **_LIKELIHOODS[name]}
