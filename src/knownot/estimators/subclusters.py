"""How many subclusters a class has: covering against reconstruction, for one number after another.

Section 4 of the open-set GMVAE paper. One class alone is learned with K = 1, 2, 3, ... subclusters;
where one more covers the latent space no better at equal reconstruction, it is one too many.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from torch import Tensor, nn

from knownot.data import InMemoryBatches, check_finite, image_tensor
from knownot.estimators.inputs import Scaling, is_image_input
from knownot.estimators.subcluster_study import SubclusterCurve, SubclusterStudy
from knownot.estimators.valleys import valley
from knownot.modules import OpenGMVAE
from knownot.training import History, TrainingPlan, choose_accelerator, train

_TARGET_STEPS = 1_000
_FIRST_STEPS = 250
_MIN_SAMPLES = 20
_TERMS = ("reconstruction", "latent covering", "w-prior", "v-prior")


def subcluster_curves(
    X: Any,
    *,
    max_subclusters: int = 4,
    curves: bool = True,
    stop_early: bool = True,
    n_init: int = 1,
    cut: float = 0.5,
    max_samples: int = 5_000,
    max_epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    module: Mapping[str, Any] | None = None,
    accelerator: str = "auto",
    precision: str = "auto",
    random_state: int = 0,
) -> SubclusterStudy:
    """Learn one class with 1, 2, 3, ... subclusters and compare how well they cover the latent space.

    All trainings of an initialisation start from the same weights, those of a short training
    in which the divergences hardly count, so that clusters are still apart; k-means on its embedding
    places the components. They see the same batches and are measured after every epoch on the
    same held-out samples with the same noise: what is compared differs in K alone.

    Trained is the objective of section 3.2 without a classifier term. It gains up to
    log((K + 1) / K) nats from tearing a cluster apart; the gains of the *full* objective, for which
    such a tear is no gain (Propositions 1 and 2), stand beside the paper's drops. On images both are
    smaller than the noise from one training to the next, so the number is chosen by whether there
    are valleys between the groups of the first embedding.

    Parameters
    ----------
    X : array-like
        Samples of one class: tables (N, F), images (N, H, W), (N, H, W, C) or tensors (N, C, H, W).
    max_subclusters : int
        The largest number tried.
    curves : bool
        Train with each number. False: only choose, which takes a fraction of the time.
    stop_early : bool
        Train with no more than one subcluster beyond the number chosen.
    n_init : int
        Trainings of each number, from different random numbers; their drops are averaged.
    cut : float
        Share of the epochs, from the first, left out of the comparisons.
    max_samples : int
        Of more samples, a random part is used.
    max_epochs, batch_size : int, optional
        Default: 1,000 steps of each training, of 128 samples or, of small sets, fewer.
    learning_rate : float, optional
        Default: 0.002 for images, 0.005 for tables.
    module : mapping, optional
        Arguments of :class:`~knownot.modules.OpenGMVAE` but for shape, classes and subclusters.
    accelerator, precision : str
        As in :class:`~knownot.training.TrainingPlan`.
    random_state : int

    Returns
    -------
    SubclusterStudy

    Raises
    ------
    ValueError
        If there are too few samples, or a parameter is out of its range.

    References
    ----------
    Open-set Gaussian-mixture VAE paper, sections 3.2 and 4, figures 5 and 7.

    Examples
    --------
    >>> from knownot.data.synthetic import blobs
    >>> study = subcluster_curves(blobs(300, 2, separation=12.0).x, max_epochs=10, max_subclusters=2)
    >>> len(study.curves), len(study.drops)
    (2, 1)
    """
    samples: Tensor | NDArray[Any] = image_tensor(X) if is_image_input(X) else _check_table(X)
    image = isinstance(samples, Tensor)
    _check_settings(len(samples), max_subclusters, n_init, cut)
    part = np.random.default_rng(random_state).permutation(len(samples))[:max_samples]
    x = Scaling.fit(samples[part]).apply(samples[part])
    size = int(np.clip(len(x) // 16, 16, 128)) if batch_size is None else batch_size
    plan = TrainingPlan(
        max_epochs=int(np.clip(round(_TARGET_STEPS * size / len(x)), 10, 100)) if max_epochs is None else max_epochs,
        learning_rate=(2e-3 if image else 5e-3) if learning_rate is None else learning_rate,
        seed=random_state,
        accelerator=cast(Any, accelerator),
        precision=cast(Any, precision if image or precision != "auto" else "32-true"),
    )
    arguments = {**_default_networks(tuple(x.shape[1:])), **(module or {})}
    wanted = (max_subclusters if curves else 0, stop_early)
    return _run_study(x, arguments, plan, size, max_subclusters, wanted, n_init, cut)


def choose_subclusters(
    samples: Tensor | NDArray[Any], codes: NDArray[np.int64], max_subclusters: int = 4, **settings: Any
) -> list[int]:
    """Number of subclusters of each class, from its samples alone.

    Parameters
    ----------
    samples : Tensor or ndarray, shape (N, C, H, W) or (N, F)
    codes : ndarray, shape (N,)
        Class indices 0 … C - 1.
    max_subclusters : int
        The largest number tried.
    **settings
        As of :func:`subcluster_curves`.

    Returns
    -------
    list of int
        1 for classes of less than 20 samples, which cannot tell.

    Examples
    --------
    >>> from knownot.data.synthetic import blobs
    >>> x = blobs(200, 2, separation=12.0).x
    >>> choose_subclusters(x, np.arange(200) // 190, max_subclusters=2, max_epochs=20)
    [2, 1]
    """
    counts = []
    for code in range(int(codes.max()) + 1):
        own = samples[codes == code]
        if len(own) < _MIN_SAMPLES:
            counts.append(1)
        else:
            study = subcluster_curves(own, max_subclusters=max_subclusters, curves=False, **settings)
            counts.append(study.n_subclusters)
    return counts


def _check_settings(n_samples: int, max_subclusters: int, n_init: int, cut: float) -> None:
    if n_samples < _MIN_SAMPLES:
        raise ValueError(
            f"X holds {n_samples} samples of the class: give at least {_MIN_SAMPLES} to find subclusters in."
        )
    for name, value in (("max_subclusters", max_subclusters), ("n_init", n_init)):
        if value < 1:
            raise ValueError(f"{name}={value!r} does not work: give a whole number, 1 or more.")
    if not 0.0 <= cut < 1.0:
        raise ValueError(f"cut={cut!r} does not work: give a share of the epochs, 0 or more and below 1.")


def _check_table(X: Any) -> NDArray[Any]:
    table = np.asarray(X.detach().cpu() if isinstance(X, Tensor) else X)
    if table.ndim != 2:
        raise ValueError(
            f"X has shape {table.shape}: give the samples of one class as a table (N, F) or as images (N, H, W) "
            "or (N, H, W, C)."
        )
    check_finite(table, "X")
    return table


def _default_networks(shape: tuple[int, ...]) -> dict[str, Any]:
    """Networks of table 3 of the paper for grey images; as much as a small table needs."""
    if len(shape) == 1:
        return {"latent_dim": min(2, *shape), "likelihood": "gaussian", "hidden": (64, 64), "prior_hidden": (20, 20)}
    likelihood = "bernoulli" if shape[0] == 1 else "truncated-gaussian"
    blocks = ((1, 20), (1, 50))
    return {"latent_dim": 5, "likelihood": likelihood, "blocks": blocks, "prior_hidden": (20, 20)}


def _run_study(
    x: Tensor,
    arguments: Mapping[str, Any],
    plan: TrainingPlan,
    batch_size: int,
    max_subclusters: int,
    wanted: tuple[int, bool],
    n_init: int,
    cut: float,
) -> SubclusterStudy:
    """Train K = 1, 2, ... on the samples of one class, a fifth of them held out.

    ``wanted`` says for how many K curves are wanted, and whether those beyond the number chosen
    and one more may be left out.
    """
    seed, device = plan.seed or 0, choose_accelerator(plan.accelerator)
    held = min(max(len(x) // 5, 8), 1_000)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(x)))
    y = torch.zeros(len(x), dtype=torch.int64)
    learned, other = x[order[held:]], x[order[:held]]
    batches = InMemoryBatches(learned, y[held:], batch_size, shuffle=True, seed=seed, device=device)
    measured = InMemoryBatches(other, y[:held], 512, device=device)
    shape = tuple(x.shape[1:])

    starts = []
    for init in range(n_init):
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed + init)
            base = OpenGMVAE(shape, 1, 1, **arguments)
        # The weight of the divergences ends at a quarter, where clusters have not merged yet.
        epochs = max(round(_FIRST_STEPS * batch_size / len(learned)), 2)
        first = replace(plan, max_epochs=epochs, warmup_epochs=4 * epochs, seed=seed + init)
        train(base, batches, None, first)
        starts.append((base, replace(plan, seed=seed + init)))

    # No more subclusters than there are different samples to put them on.
    seen = learned[:2_000]
    most = min(max_subclusters, len(torch.unique(seen.flatten(1), dim=0)))
    codes = [_embed(base, seen)[0] for base, _ in starts]
    valleys = [
        float(np.mean([valley(z, _kmeans(z, k, own.seed or 0)) for z, (_, own) in zip(codes, starts, strict=True)]))
        for k in range(2, most + 1)
    ]
    n_curves, stop_early = wanted
    if stop_early:
        n_curves = min(n_curves, SubclusterStudy([], cut, valleys).n_subclusters + 1)
    curves = [
        [
            _to_curve(k, train(_with_subclusters(base, k, arguments, seen, own.seed or 0), batches, measured, own))
            for base, own in starts
        ]
        for k in range(1, min(n_curves, most) + 1)
    ]
    return SubclusterStudy(curves, cut, valleys)


def _embed(base: OpenGMVAE, x: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Latent codes of samples, and the variances of their posteriors."""
    with torch.inference_mode():
        x = x.to(next(base.parameters()).device)
        mean, log_variance = base.posterior(x.float() / 255.0 if x.dtype == torch.uint8 else x)
    return mean.cpu().double().numpy(), log_variance.cpu().double().exp().numpy()


def _kmeans(z: NDArray[np.float64], k: int, seed: int) -> NDArray[np.int64]:
    """Numbers of k groups of codes."""
    return np.asarray(KMeans(k, n_init=10, random_state=seed).fit(z).labels_, dtype=np.int64)


def _with_subclusters(base: OpenGMVAE, k: int, arguments: Mapping[str, Any], x: Tensor, seed: int) -> OpenGMVAE:
    """A module of k subclusters with the networks of ``base``, its components where k-means finds groups."""
    device = next(base.parameters()).device
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        branch = OpenGMVAE(base.input_shape, 1, k, **arguments).to(device)
    weights = branch.state_dict()
    weights.update({name: value for name, value in base.state_dict().items() if value.shape == weights[name].shape})
    branch.load_state_dict(weights)
    z, variance = _embed(base, x)
    group, noise = _kmeans(z, k, seed), variance.mean(0)
    found = [np.stack([z[group == j].mean(0), np.log(z[group == j].var(0) + noise)]) for j in range(k)]
    head = cast(nn.Linear, branch.prior[-1])
    with torch.no_grad():
        head.bias.copy_(torch.from_numpy(np.stack(found)).flatten())
    return branch


def _to_curve(k: int, history: History) -> SubclusterCurve:
    records = [cast(dict[str, float], record["validation"]) for record in history]
    return SubclusterCurve(k, *(np.array([record[name] for record in records]) for name in _TERMS))
