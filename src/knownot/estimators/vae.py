"""The variational autoencoder as a density that knows what is unusual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from knownot import modules
from knownot.data import binarise
from knownot.estimators.inputs import Samples
from knownot.estimators.judged_density import JudgedDensity
from knownot.metrics import bits_per_dim
from knownot.networks.sizes import SMALL_IMAGE
from knownot.rules import Rule
from knownot.training import TrainingSettings

# Of a likelihood's names here, what the module is built with.
_LIKELIHOODS: dict[str, dict[str, Any]] = {
    "isotropic-gaussian": {},
    "closed-form-gaussian": {"likelihood": "isotropic-gaussian", "decoder_variance": "batch"},
    "gaussian": {},
    "bernoulli": {},
    "binarised": {"likelihood": "bernoulli", "binarise": True},
    "truncated-gaussian": {},
    "discretised-logistic": {},
}
_BINARY = ("bernoulli", "binarised")
_N_COMPONENTS = 100


class VAE(JudgedDensity):
    """Variational autoencoder: a density of images or rows, which says of a sample whether it is usual.

    It is scikit-learn's :class:`~sklearn.mixture.GaussianMixture` and :class:`~sklearn.neighbors.LocalOutlierFactor` at
    once: ``log_density`` in nats, ``predict`` +1 or -1 by a threshold that accepts a given share of samples like those
    of the fit, ``sample``, ``transform``, ``reconstruct``.

    Parameters
    ----------
    latent_dim : int, optional
        Dimension of the latent code. Default: 32 for images, 8 for tables. More than needed does no harm: what is not
        needed is not used.
    likelihood : {"auto", "isotropic-gaussian", "closed-form-gaussian", "gaussian", "bernoulli", "binarised", \
"truncated-gaussian", "discretised-logistic"} or float
        p(x|z). "isotropic-gaussian": one variance for all pixels or columns, which is learned; "closed-form-gaussian":
        the mean squared error of each batch; a number: that variance, fixed. "gaussian": a variance for each column.
        "bernoulli": grey images by their cross-entropy; "binarised": binary pixels are drawn anew in each batch.
        "truncated-gaussian": colour images, within [0, 1]. "discretised-logistic": 8-bit images. "auto":
        "isotropic-gaussian" for images, "gaussian" for tables.
    prior : {"normal", "mixture", "vamp"}
        p(z): normal; a learned mixture of Gaussians; the mixture of the encoder's posteriors of learned pseudo-inputs.
    n_components : int, optional
        Components of "mixture" and "vamp". Default: 100.
    divergence : {"kl", "cauchy-schwarz"}
        What holds the encoder's posterior to the prior: Kullback-Leibler, or Cauchy-Schwarz, in closed form for
        mixtures.
    beta : float
        Weight of the divergence. The best weights are chosen at 1 whatever it is.
    n_importance_samples : int
        Above 1 the importance-weighted autoencoder; with "kl" only.
    network : {"auto", "mlp", "strided"}
        Linear layers, or convolutions of stride 2. "auto": "strided" for images of at least 16 pixels.
    hidden : sequence of int, optional
        Linear layers of "mlp", mirrored in the decoder. Default: (300, 300) for images, (128, 128) for tables.
    width : float
        Factor of all hidden layers and channels: the capacity.
    rule : {"log-density", "complexity", "typicality", "evidence", "neighbours"} or Rule
        How knownness comes about, which ``predict`` decides by: the log-density; of images the log-density less what is
        owed to their simplicity; how near it is to that of known samples; or several kinds of evidence together.
    accept, max_epochs, batch_size, learning_rate, validation_fraction, training, accelerator, random_state, verbose
        As in :class:`GMVAEClassifier`.

    Attributes
    ----------
    module_ : knownot.modules.VAE
    rule_, offset_, threshold_, history_, n_features_in_, feature_names_in_
        As in :class:`GMVAEClassifier`. The loss of a density may be below 0.

    References
    ----------
    "When do variational autoencoders know what they don't know?", 2019: the learned variance. Tran, Pantic and
    Deisenroth, "Cauchy-Schwarz regularized autoencoder". Serrà et al., "Input complexity and out-of-distribution
    detection with likelihood-based generative models", ICLR 2020.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> X, y = make_blobs(400, centers=3, n_features=6, random_state=0)
    >>> model = VAE(latent_dim=2, max_epochs=30, random_state=0).fit(X[y < 2])
    >>> bool((model.predict(X[y == 2]) == -1).mean() > 0.9)
    True
    >>> model.log_density(X[:2]).shape, model.sample(3).shape
    ((2,), (3, 6))
    """

    module_: modules.VAE

    def __init__(
        self,
        *,
        latent_dim: int | None = None,
        likelihood: str | float = "auto",
        prior: str = "normal",
        n_components: int | None = None,
        divergence: str = "kl",
        beta: float = 1.0,
        n_importance_samples: int = 1,
        network: str = "auto",
        hidden: Sequence[int] | None = None,
        width: float = 1.0,
        rule: str | Rule = "log-density",
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
        self.n_importance_samples = n_importance_samples
        self.network = network
        self.hidden = hidden
        self.width = width
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

    def _make_module(self) -> modules.VAE:
        is_image = len(self.input_shape_) == 3
        large = is_image and min(self.input_shape_[1:]) >= SMALL_IMAGE
        network = ("strided" if large else "mlp") if self.network == "auto" else self.network
        hidden = ((300, 300) if is_image else (128, 128)) if self.hidden is None else self.hidden
        return modules.VAE(
            self.input_shape_,
            latent_dim=(32 if is_image else 8) if self.latent_dim is None else self.latent_dim,
            prior=self.prior,  # type: ignore[arg-type]
            n_components=_N_COMPONENTS if self.n_components is None else self.n_components,
            divergence=self.divergence,  # type: ignore[arg-type]
            n_importance_samples=self.n_importance_samples,
            beta=self.beta,
            network=network,  # type: ignore[arg-type]
            hidden=hidden,
            width=self.width,
            **self._likelihood_settings(),
        )

    def _likelihood_settings(self) -> dict[str, Any]:
        name = self.likelihood
        if isinstance(name, int | float) and not isinstance(name, bool):
            return {"likelihood": "isotropic-gaussian", "decoder_variance": float(name)}
        if name == "auto":
            name = "isotropic-gaussian" if len(self.input_shape_) == 3 else "gaussian"
        if name not in _LIKELIHOODS:
            listed = ", ".join(map(repr, ("auto", *_LIKELIHOODS)))
            raise ValueError(f"likelihood={name!r} is not known: use one of {listed}, or a variance.")
        if name in (*_BINARY, "truncated-gaussian", "discretised-logistic") and len(self.input_shape_) != 3:
            raise ValueError(f"likelihood={name!r} is of images in [0, 1], and X is a table: use 'gaussian'.")
        return {"likelihood": name, **_LIKELIHOODS[name]}

    @property
    def decoder_variance_(self) -> float | None:
        """gamma, the variance of an isotropic Gaussian likelihood, in squared units of what the module sees."""
        variance = getattr(self.module_.likelihood, "decoder_variance", None)
        return None if variance is None else variance.item()

    def posterior(self, X: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and log-variance of q(z|x) of each sample, each (N, latent_dim)."""
        found = list(self._apply_in_chunks(self._read(X), lambda x: torch.cat(self.module_.posterior(x), 1)))
        mean, log_variance = torch.cat(found).double().numpy().reshape(-1, 2, self.module_.latent_dim).swapaxes(0, 1)
        return mean, log_variance

    def log_likelihood(self, X: Any, n_samples: int = 500, random_state: int = 0) -> NDArray[np.float64]:
        """Log-density by importance sampling: as ``log_density``, slower and closer to the truth, (N,).

        Parameters
        ----------
        X : array-like
        n_samples : int
            Codes drawn for each sample.
        random_state : int
        """
        samples = self._read(X)

        def ask(x: Tensor) -> Tensor:
            return self.module_.log_likelihood(x, n_samples)

        with torch.random.fork_rng():
            torch.manual_seed(random_state)
            found = torch.cat(list(self._apply_in_chunks(samples, ask))).double().numpy()
        return self._in_users_units(found, samples)

    def bits_per_dim(self, X: Any, offset: str | float | None = None) -> NDArray[np.float64]:
        """Bits for each pixel value, (N,), from ``log_density``: of images only.

        Parameters
        ----------
        X : array-like
            Images.
        offset : {"density", "mass", "when-vaes-know"} or float, optional
            What is added; see :func:`knownot.metrics.bits_per_dim`. Default: what the likelihood calls for.
        """
        if len(self.input_shape_) != 3:
            raise ValueError("bits per dimension are of images, and this model was fitted on a table.")
        if offset is None:
            offset = "density" if self.module_.likelihood.is_density else "mass"
        return bits_per_dim(self.log_density(X), int(np.prod(self.input_shape_)), offset)

    def _learn_unlabelled(self, training: Samples, selection: Samples, random: np.random.RandomState) -> None:
        self._refuse_settings()
        if self.likelihood == "binarised":
            # Drawn once, so that epochs are compared on the same images.
            selection = binarise(selection, seed=0)
        super()._learn_unlabelled(training, selection, random)
