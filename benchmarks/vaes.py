"""Training of variational autoencoders beside pythae, in turns: the same layers, batches and images.

    pip install pythae==0.1.2
    python benchmarks/vaes.py [--images 20000] [--rounds 3] [--threads 2] [--likelihood] [--json]

An epoch of each in every round; printed are samples per second and ratios, medians over the rounds. pythae is measured
twice: by its own trainer, and by a bare loop over one tensor, which owes nothing to its data loader. With --likelihood
both train a plain VAE for 20 epochs with three seeds, and each tells the log-likelihood of 500 test digits by its own
importance sampling.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import platform
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

import knownot
from knownot.data import binarise, load_named

LATENT_DIM, HIDDEN, BATCH_SIZE, RATE, COMPONENTS = 40, (300, 300), 100, 5e-4, 400
MODELS: dict[str, dict[str, Any]] = {
    "VAE": {},
    "IWAE, 5 samples": {"n_importance_samples": 5},
    f"VampPrior-VAE, K = {COMPONENTS}": {"prior": "vamp", "n_components": COMPONENTS},
}
# Of ours alone.
OTHERS: dict[str, dict[str, Any]] = {
    "CSRAE": {"divergence": "cauchy-schwarz"},
    f"MixtureCSRAE, K = {COMPONENTS}": {
        "prior": "mixture",
        "n_components": COMPONENTS,
        "divergence": "cauchy-schwarz",
    },
}


def ours(x: np.ndarray, precision: str, epochs: int = 1, seed: int = 0, **settings: Any) -> knownot.VAE:
    """The public estimator, fitted."""
    return knownot.VAE(
        latent_dim=LATENT_DIM,
        likelihood="bernoulli",
        network="mlp",
        hidden=HIDDEN,
        accept=None,
        max_epochs=epochs,
        batch_size=BATCH_SIZE,
        learning_rate=RATE,
        validation_fraction=0.01,
        training=knownot.TrainingSettings(precision=precision, schedule="constant", keep="last", optimizer="adam"),
        random_state=seed,
        **settings,
    ).fit(x)


def theirs(name: str) -> Any:
    """pythae's model of a name, with encoder and decoder of the same layers."""
    from pythae.models import IWAE, VAE, VAMP, IWAEConfig, VAEConfig, VAMPConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.trunk = nn.Sequential(
                nn.Flatten(), nn.Linear(784, HIDDEN[0]), nn.ReLU(), nn.Linear(*HIDDEN), nn.ReLU()
            )
            self.mean, self.log_variance = (nn.Linear(HIDDEN[-1], LATENT_DIM) for _ in range(2))

        def forward(self, x: torch.Tensor) -> ModelOutput:
            found = self.trunk(x)
            return ModelOutput(embedding=self.mean(found), log_covariance=self.log_variance(found))

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(
                nn.Linear(LATENT_DIM, HIDDEN[-1]),
                nn.ReLU(),
                nn.Linear(*HIDDEN[::-1]),
                nn.ReLU(),
                nn.Linear(HIDDEN[0], 784),
                nn.Sigmoid(),
            )

        def forward(self, z: torch.Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=self.layers(z).reshape(-1, 1, 28, 28))

    common = {"input_dim": (1, 28, 28), "latent_dim": LATENT_DIM, "reconstruction_loss": "bce"}
    if name == "VAE":
        return VAE(VAEConfig(**common), Encoder(), Decoder())
    if name.startswith("IWAE"):
        return IWAE(IWAEConfig(**common, number_samples=5), Encoder(), Decoder())
    return VAMP(VAMPConfig(**common, number_components=COMPONENTS), Encoder(), Decoder())


def train_theirs(model: nn.Module, x: np.ndarray, epochs: int, folder: str) -> float:
    """Train by pythae's trainer; seconds of the fastest epoch."""
    from pythae.data.datasets import BaseDataset
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    seconds = []

    class Timed(BaseTrainer):
        def train_step(self, epoch: int) -> Any:
            start = time.perf_counter()
            loss = super().train_step(epoch)
            seconds.append(time.perf_counter() - start)
            return loss

    config = BaseTrainerConfig(
        output_dir=folder,
        per_device_train_batch_size=BATCH_SIZE,
        num_epochs=epochs,
        learning_rate=RATE,
        no_cuda=True,
        keep_best_on_train=True,
    )
    data = torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255.0
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        Timed(model, BaseDataset(data, torch.zeros(len(data))), training_config=config).train()
    return min(seconds)


def bare_epoch(model: nn.Module, x: torch.Tensor) -> float:
    """Seconds of one epoch of pythae's model in a loop of five lines."""
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    model.train()
    start = time.perf_counter()
    for rows in torch.randperm(len(x)).split(BATCH_SIZE):
        optimizer.zero_grad()
        model({"data": x[rows]}, epoch=100).loss.backward()
        optimizer.step()
    return time.perf_counter() - start


def race(x: np.ndarray, rounds: int, say: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """Samples per second of all, by model and by what trains it."""
    floats = torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255.0
    found: dict[str, dict[str, list[float]]] = {name: {} for name in (*MODELS, *OTHERS)}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            for name, settings in {**MODELS, **OTHERS}.items():
                say(f"round {number + 1}, {name}")
                rates = found[name]
                for precision in ("32-true", "bf16-mixed"):
                    history = ours(x, precision, epochs=2, **settings).history_
                    n = len(x) - int(max(0.01 * len(x), 80))
                    seconds = min(record["seconds"] for record in history)
                    rates.setdefault(f"knownot, {precision}", []).append(n / seconds)
                if name in MODELS:
                    seconds = train_theirs(theirs(name), x, 2, folder)
                    rates.setdefault("pythae, its trainer", []).append(len(x) / seconds)
                    model = theirs(name)
                    seconds = min(bare_epoch(model, floats) for _ in range(2))
                    rates.setdefault("pythae, bare loop", []).append(len(x) / seconds)
    return {
        name: {who: {"median": statistics.median(values), "rounds": values} for who, values in rates.items()}
        for name, rates in found.items()
    }


def compare_likelihoods(x: np.ndarray, test: np.ndarray, say: Callable[[str], None]) -> dict[str, list[float]]:
    """Log-likelihoods in nats, each by its own estimate, of plain VAEs that saw the same binary digits."""
    floats = torch.from_numpy(test).permute(0, 3, 1, 2).float() / 255.0
    found: dict[str, list[float]] = {"knownot": [], "pythae": []}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(3):
            say(f"likelihood, seed {seed}")
            model = ours(x, "32-true", epochs=20, seed=seed)
            found["knownot"].append(float(model.log_likelihood(test, 200, random_state=seed).mean()))
            torch.manual_seed(seed)
            other = theirs("VAE")
            train_theirs(other, x, 20, folder)
            other.eval()
            with torch.no_grad(), contextlib.redirect_stderr(io.StringIO()):
                # What get_nll returns is the mean log-likelihood.
                found["pythae"].append(float(other.get_nll(floats, n_samples=200, batch_size=100)))
    return found


def main() -> None:
    """Run the race and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--likelihood", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)

    def say(what: str) -> None:
        if not arguments.json:
            print(f"# {what}", flush=True)

    train, test = (load_named("mnist", part).x for part in ("train", "test"))
    x = binarise(train[: arguments.images], seed=0)
    found: dict[str, Any] = {"machine": platform.processor() or platform.machine(), "threads": arguments.threads}
    found["samples per second"] = race(x, arguments.rounds, say)
    if arguments.likelihood:
        found["log-likelihood"] = compare_likelihoods(x, binarise(test[:500], seed=0), say)
    if arguments.json:
        print(json.dumps(found))
        return
    plain = found["samples per second"]["VAE"]["knownot, 32-true"]["median"]
    for name, rates in found["samples per second"].items():
        peer = rates.get("pythae, its trainer", {}).get("median")
        print(name)
        for who, values in rates.items():
            ratio = "" if peer is None else f"  {values['median'] / peer:5.2f} x pythae's trainer"
            step = f"  {plain / values['median']:5.2f} x the step of our plain VAE" if who.endswith("32-true") else ""
            print(f"  {who:22} {values['median']:9,.0f} /s{ratio}{step}")
    for name, values in found.get("log-likelihood", {}).items():
        print(f"log-likelihood, {name:10} {np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}")


if __name__ == "__main__":
    main()
