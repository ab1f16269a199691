"""Likelihood, samples and codes of a generative model of binary images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from knownot.data import Batch, binarise, load_named
from knownot.metrics import active_dimensions, frechet_distance, knn_error

Images = NDArray[np.uint8]
_MOST_REFERENCES, _MOST_DRAWN = 20_000, 10_000
_COLUMNS = 12
_SHOWN, _COMPONENTS = 2 * _COLUMNS, _COLUMNS
# Of the test images, so that models and seeds see the same binary ones.
_TEST_SEED = 0


@dataclass(frozen=True)
class Binary:
    """Images of one experiment at one seed; those of the test also as they were binarised.

    Attributes
    ----------
    train_x, train_y, test_x, test_y : ndarray
    train_binary, test_binary : ndarray of uint8, 0 or 255
    """

    train_x: Images
    train_y: NDArray[Any]
    test_x: Images
    test_y: NDArray[Any]
    train_binary: Images
    test_binary: Images

    @property
    def counts(self) -> dict[str, int]:
        """Images by part."""
        return {"train": len(self.train_x), "test": len(self.test_x)}


def load_binary(dataset: str, at_most: Mapping[str, int], seed: int) -> Binary:
    """Read a data set of grey images, and draw binary ones.

    Parameters
    ----------
    dataset : str
        Name in :data:`knownot.data.NAMED`.
    at_most : mapping of str to int
        Most images of "train" and "test".
    seed : int
        Decides which are drawn, and nothing where all are taken.
    """
    random = np.random.default_rng([seed, 2])
    parts = []
    for part in ("train", "test"):
        data = load_named(dataset, part)
        data = data.select(np.sort(random.permutation(len(data))[: at_most.get(part)]))
        parts += [data.x, data.labels]
    binary = (binarise(parts[place], seed=_TEST_SEED) for place in (0, 2))
    return Binary(*parts, *binary)


def measure_model(model: Any, features: Any, parts: Binary, at_most: Mapping[str, int], seed: int) -> dict[str, Any]:
    """Numbers of a trained model, and images for its figures.

    Parameters
    ----------
    model : VAE
        Fitted to ``parts.train_x``.
    features : SoftmaxClassifier
        Whose features the Fréchet distance compares.
    parts : Binary
    at_most : mapping of str to int
        "likelihood": test images; "codes": draws for each of them.
    seed : int

    Returns
    -------
    dict
        "numbers" and "sheet".
    """
    random = np.random.default_rng([seed, 6])
    n_drawn = min(_MOST_DRAWN, len(parts.test_x))
    drawn = np.clip(model.sample(n_drawn, random_state=seed) * 255.0, 0, 255).round().astype(np.uint8)
    some = parts.test_binary[: at_most.get("likelihood", 1_000)]
    likelihood = model.log_likelihood(some, at_most.get("codes", 500), random_state=seed)
    best = model.history_.best["validation"]
    numbers = {
        "frechet": frechet_distance(features.transform(drawn), features.transform(parts.test_x[:n_drawn])),
        "log-likelihood": float(likelihood.mean()),
        "bound": float(model.log_density(some).mean()),
        "criterion": float(best.get("criterion", best["total"])),
        **codes_error(model, parts, random),
        **loss_parts(model, parts.test_binary),
    }
    return {"numbers": numbers, "sheet": sheet_of(model, parts, drawn, seed)}


def codes_error(model: Any, parts: Binary, random: np.random.Generator) -> dict[str, float]:
    """Errors of nearest neighbours among codes, drawn and means, and how many dimensions are active."""
    references = np.sort(random.permutation(len(parts.train_x))[:_MOST_REFERENCES])
    (train_mean, train_log), (test_mean, test_log) = (
        model.posterior(x) for x in (parts.train_binary[references], parts.test_binary)
    )
    drawn = [
        m + np.exp(0.5 * v) * random.normal(size=m.shape) for m, v in ((train_mean, train_log), (test_mean, test_log))
    ]
    found: dict[str, float] = {"active": float(active_dimensions(test_mean))}
    for kind, (train, test) in {"sample": drawn, "mean": (train_mean, test_mean)}.items():
        errors = knn_error(train, parts.train_y[references], test, parts.test_y, k=(3, 5, 10))
        found |= {f"knn {kind} k={k}": error for k, error in errors.items()}
    return found


def loss_parts(model: Any, images: Images) -> dict[str, float]:
    """Mean reconstruction loss and divergence, in nats, as in validation."""
    x = torch.from_numpy(images).permute(0, 3, 1, 2)
    sums: dict[str, float] = {"reconstruction": 0.0, "divergence": 0.0}
    with torch.inference_mode(), torch.random.fork_rng():
        torch.manual_seed(0)
        for part in x.split(500):
            batch = Batch(part.float().to(model._device) / 255.0, torch.full((len(part),), -1))
            terms = model.module_.loss(batch).terms
            sums = {name: total + float(terms[name].sum()) for name, total in sums.items()}
    return {name: total / len(images) for name, total in sums.items()}


def sheet_of(model: Any, parts: Binary, drawn: Images, seed: int) -> dict[str, Any]:
    """Small images for figures: drawn ones, reconstructions, and single components of a mixture prior."""
    some = parts.test_binary[:_SHOWN]
    reconstructed = np.clip(model.reconstruct(some) * 255.0, 0, 255).round().astype(np.uint8)
    # A row of images, below it their reconstructions, and so on.
    pairs = np.stack([part.reshape(-1, _COLUMNS, *part.shape[1:3]) for part in (some, reconstructed)], 1)
    sheet = {
        "samples": drawn[:_SHOWN, ..., 0].tolist(),
        "reconstructions": pairs.reshape(-1, *some.shape[1:3]).tolist(),
    }
    _, means, log_variances = (t.detach() for t in model.module_.components())
    if len(means) > 1:
        with torch.inference_mode(), torch.random.fork_rng():
            torch.manual_seed(seed)
            chosen = torch.randperm(len(means))[:_COMPONENTS]
            std = torch.exp(0.5 * log_variances).expand_as(means)[chosen]
            z = means[chosen] + std * torch.randn(4, len(chosen), means.shape[1], dtype=means.dtype)
            images = model.module_.decode(z.flatten(0, 1).to(model.module_.noise)).mean
            sheet["components"] = (images[:, 0] * 255.0).round().byte().cpu().tolist()
    return sheet
