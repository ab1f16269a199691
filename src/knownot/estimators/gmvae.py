"""The open-set Gaussian-mixture VAE as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from knownot.data import check_labels
from knownot.estimators.judging import Part
from knownot.estimators.neural import NeuralEstimator
from knownot.estimators.persistence import Saved
from knownot.estimators.rejection import RejectingClassifier
from knownot.estimators.subclusters import choose_subclusters
from knownot.modules import OpenGMVAE, SoftmaxNet
from knownot.networks.conv import Blocks
from knownot.networks.sizes import default_sizes
from knownot.rules import Rule
from knownot.training import History, TrainingPlan, TrainingSettings

_MAX_SUBCLUSTERS = 4


class GMVAEClassifier(RejectingClassifier, NeuralEstimator):
    """Open-set classifier on a Gaussian-mixture variational autoencoder.

    Each class is a mixture of Gaussian subclusters in a latent space that also has to
    reconstruct the input; a sample that fits no class is answered with -1 (or "unknown").

    Parameters
    ----------
    n_subclusters : int, sequence of int, mapping of label to int, or "auto"
        Subclusters of each class: one number for all, one for each class in sorted order, or
        by label (1 where a label is not named). "auto": found for each class by itself, with
        trainings of one to four subclusters, as in section 4 of the paper;
        :func:`knownot.estimators.subcluster_curves` shows how. It comes before the training and
        ignores ``max_time`` and checkpoints.
    latent_dim : int
        Dimension of the latent code.
    rule : {"evidence", "nc-d", "nc-u", "neighbours", "likelihood", "weibull"} or Rule
        How latent codes become class and knownness. "evidence", the default, combines density,
        neighbours and reconstruction; "nc-d" and "nc-u" are Algorithms 1 and 2 of the paper.
    accept : float or None
        Share of known samples to accept. The threshold is split-conformal: on new known
        samples the rate is at least this, on average over calibrations. None never rejects.
    likelihood : {"auto", "bernoulli", "truncated-gaussian", "gaussian"}
        p(x|z). "auto": Bernoulli on grey images, truncated Gaussian on colour images, Gaussian
        with a learned variance for each column on tables.
    blocks : sequence of (int, int), optional
        Convolution blocks (layers, channels) for images; the decoder mirrors them. Default: the
        paper's ((2, 20), (2, 50)); ((1, 32), (1, 64)) for images of less than 16 pixels.
    hidden : sequence of int, optional
        Linear layers. Default: the paper's (500, 100) for images, (256,) for images of less
        than 16 pixels, (256, 128) for tables.
    prior_hidden : sequence of int
        Hidden layers of the prior network.
    v_prior : bool
        Keep the subcluster prior in the objective (section 3.1) or leave it out (section 3.2).
    classifier_weight : float or "auto"
        Weight of the cross-entropy of the class mixtures; 0 is the paper's objective. "auto":
        a quarter of the number of input values, at least 10, so that it keeps its share beside
        the reconstruction.
    prior_spread : float
        Standard deviation of the subclusters' means at the start of training.
    pretrain_epochs : int
        Passes in which the encoder learns as a classifier first. All of its layers but the last
        are then frozen, as in the paper's experiments on CIFAR-10.
    max_epochs : int, optional
        Passes over the data. Default: as many as make 3,000 steps, within 10 … 100.
    batch_size : int, optional
        Default: 128; for small sets a twentieth of the training samples, at least 16.
    learning_rate : float
        The largest learning rate of Adam.
    validation_fraction : float
        Share of the samples held out in ``fit``, half to choose weights and scales, half for
        the threshold. Of sets below 400 samples more is taken: 80, but at most two fifths.
    training : TrainingSettings, optional
        Schedule, early stopping, precision, checkpoints and the like.
    accelerator : {"auto", "cpu", "cuda", "mps"}
    random_state : int, RandomState or None
    verbose : int
        1 shows a progress bar.

    Attributes
    ----------
    classes_ : ndarray, shape (C,)
    input_shape_ : tuple of int
        (F,) or (channels, height, width).
    n_subclusters_ : list of int
        Subclusters of each class.
    offset_ : float
        Threshold on the knownness, by ``threshold_``; ``class_offsets_``: those of each class, if any.
    module_, rule_, history_, n_features_in_, feature_names_in_

    References
    ----------
    Open-set Gaussian-mixture VAE paper; the settings of its four experiments (tables 1 to 4) are
    :data:`knownot.experiments.open_gmvae.PAPER_SETTINGS`.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> X, y = make_blobs(300, centers=3, n_features=8, random_state=0)
    >>> known = y < 2
    >>> model = GMVAEClassifier(max_epochs=20, random_state=0).fit(X[known], y[known])
    >>> bool((model.predict(X[y == 2]) == -1).mean() > 0.9)
    True
    """

    module_: OpenGMVAE
    n_subclusters_: list[int]

    def __init__(
        self,
        n_subclusters: int | Sequence[int] | Mapping[Any, int] | str = 1,
        *,
        latent_dim: int = 20,
        rule: str | Rule = "evidence",
        accept: float | None = 0.95,
        likelihood: str = "auto",
        blocks: Blocks | None = None,
        hidden: Sequence[int] | None = None,
        prior_hidden: Sequence[int] = (50, 50),
        v_prior: bool = False,
        classifier_weight: float | str = "auto",
        prior_spread: float = 1.0,
        pretrain_epochs: int = 0,
        max_epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float = 1e-3,
        validation_fraction: float = 0.2,
        training: TrainingSettings | None = None,
        accelerator: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_subclusters = n_subclusters
        self.latent_dim = latent_dim
        self.rule = rule
        self.accept = accept
        self.likelihood = likelihood
        self.blocks = blocks
        self.hidden = hidden
        self.prior_hidden = prior_hidden
        self.v_prior = v_prior
        self.classifier_weight = classifier_weight
        self.prior_spread = prior_spread
        self.pretrain_epochs = pretrain_epochs
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.training = training
        self.accelerator = accelerator
        self.random_state = random_state
        self.verbose = verbose

    def _requested_subclusters(self) -> list[int]:
        """Subclusters of each class, from one number, a list, or a mapping of labels."""
        classes = self.classes_.tolist()
        if isinstance(self.n_subclusters, str):
            if self.n_subclusters != "auto":
                raise ValueError(
                    f"n_subclusters={self.n_subclusters!r} does not work: give 'auto', a number, one for each class, "
                    "or a mapping of labels."
                )
            return [_MAX_SUBCLUSTERS] * len(classes)
        if isinstance(self.n_subclusters, Mapping):
            foreign = [label for label in self.n_subclusters if label not in classes]
            if foreign:
                raise ValueError(f"n_subclusters names {foreign[:5]}, but the classes are {classes[:20]}.")
            return [int(self.n_subclusters.get(label, 1)) for label in classes]
        if isinstance(self.n_subclusters, int | np.integer):
            return [int(self.n_subclusters)] * len(classes)
        return [int(k) for k in self.n_subclusters]

    def _refuse_settings(self) -> None:
        super()._refuse_settings()
        if self.pretrain_epochs < 0 or (self.pretrain_epochs and len(self.classes_) < 2):
            raise ValueError(
                f"pretrain_epochs={self.pretrain_epochs!r} does not work with {len(self.classes_)} classes: give a "
                "whole number, and 0 for a single class, from which no classifier can learn."
            )

    def _subclusters_per_class(self) -> list[int]:
        return getattr(self, "n_subclusters_", None) or self._requested_subclusters()

    def _learn(self, training: Part, selection: Part, seed: int) -> None:
        self.n_subclusters_ = self._requested_subclusters()
        if isinstance(self.n_subclusters, str):
            # Whatever would be refused is refused before the search.
            self._make_plan(len(training[0]), seed)
            self._init_module(seed)
            self.n_subclusters_ = choose_subclusters(
                *training,
                max_subclusters=_MAX_SUBCLUSTERS,
                accelerator=self.accelerator,
                precision=self._training_settings().precision,
                random_state=seed,
            )
        super()._learn(training, selection, seed)

    def _network_sizes(self) -> tuple[Blocks, Sequence[int]]:
        """Convolution blocks and linear layers of phi_z."""
        blocks, hidden = default_sizes(self.input_shape_)
        return blocks if self.blocks is None else self.blocks, hidden if self.hidden is None else self.hidden

    def _train(self, training: Part, selection: Part, plan: TrainingPlan) -> None:
        if self.pretrain_epochs:
            self._train_after(lambda: self._pretrain(training, selection, plan), training, selection, plan)
        else:
            super()._train(training, selection, plan)

    def _pretrain(self, training: Part, selection: Part, plan: TrainingPlan) -> History:
        """Let phi_z learn as a classifier first."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(plan.seed or 0)
            classifier = SoftmaxNet(self.input_shape_, len(self.classes_), *self._network_sizes())
        shorter = replace(plan, max_epochs=self.pretrain_epochs, warmup_epochs=0)
        history = self._train_module(classifier, training, selection, shorter, "pretraining")
        self.module_.adopt_encoder(classifier.encoder)
        return history

    def _make_module(self) -> OpenGMVAE:
        return OpenGMVAE(self.input_shape_, len(self.classes_), self._subclusters_per_class(), **self._module_kwargs())

    def _module_kwargs(self) -> dict[str, Any]:
        """What the module needs to know beside shape, classes and subclusters."""
        blocks, hidden = self._network_sizes()
        likelihood, weight = self.likelihood, self.classifier_weight
        if likelihood == "auto":
            image = "bernoulli" if self.input_shape_[0] == 1 else "truncated-gaussian"
            likelihood = image if len(self.input_shape_) == 3 else "gaussian"
        return {
            "latent_dim": self.latent_dim,
            "likelihood": likelihood,
            "blocks": blocks,
            "hidden": hidden,
            "prior_hidden": self.prior_hidden,
            "v_prior": self.v_prior,
            "classifier_weight": max(10.0, prod(self.input_shape_) / 4) if weight == "auto" else float(weight),
            "prior_spread": self.prior_spread,
        }

    def sample(
        self, n_samples: int = 1, y: ArrayLike | None = None, random_state: Any = None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Draw samples of known classes from the model.

        Parameters
        ----------
        n_samples : int
            How many, the classes in turn; not used where ``y`` is given.
        y : array-like, optional
            A class label for each sample.
        random_state : int, RandomState or None

        Returns
        -------
        X : ndarray
            Images (N, H, W, C) in [0, 1], or rows (N, F).
        y : ndarray, shape (N,)
        """
        check_is_fitted(self)
        if y is None:
            codes = np.arange(n_samples, dtype=np.int64) % len(self.classes_)
        else:
            codes = self._encode_labels(check_labels(y, len(np.asarray(y))), "y")
        seed = int(check_random_state(random_state).randint(2**31 - 1))
        X = self._sample_with_seed(lambda device: self.module_.sample(torch.from_numpy(codes).to(device)), seed)
        return X, self.classes_[codes]

    def _pack(self, saved: Saved) -> None:
        super()._pack(saved)
        saved.facts["n_subclusters"] = list(self.n_subclusters_)

    def _restore(self, saved: Saved) -> None:
        # Files of the first versions hold no numbers found in the data.
        if counts := saved.facts.get("n_subclusters"):
            self.n_subclusters_ = counts
        super()._restore(saved)
        self.n_subclusters_ = self._subclusters_per_class()
