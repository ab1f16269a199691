"""Codes of a shape in the plane under a prior that stays as it is, for several weights of the divergence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from knownot.experiments.context import Context, Measured
from knownot.experiments.declaration import Column, Drawing, Experiment
from knownot.experiments.records import Record, Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from knownot.probability import Prior

_VARIANCE = 0.05
_SHOWN = 1_000


@dataclass(frozen=True, kw_only=True)
class LatentShapeExperiment(Experiment):
    """Cauchy-Schwarz autoencoders of four spirals whose prior is four Gaussians at the corners of a square.

    Its methods are weights of the divergence. Presets have the "samples" and the "epochs".

    Attributes
    ----------
    weights : tuple of float
    """

    parts: ClassVar[tuple[str, ...]] = ("samples", "epochs")

    weights: tuple[float, ...]

    def measure(self, context: Context) -> Measured:
        """Train with each weight."""
        found, shown = {}, {}
        n, epochs = (context.preset.at_most[part] for part in self.parts)
        for weight in self.weights:
            settings = {"samples": n, "epochs": epochs, "weight": weight}
            said = context.step(f"weight {weight:g}", settings, partial(fit_shape, weight, n, epochs, context.seed))
            found[f"{weight:g}"], shown[f"{weight:g}"] = said["numbers"], said["shown"]
        return Measured({"methods": found}, {"shown": shown} if context.seed == self.seeds[0] else {})

    @property
    def titles(self) -> Mapping[str, str]:
        """What tables call each weight."""
        return {f"{weight:g}": f"λ = {weight:g}" for weight in self.weights}

    def columns(self, records: Sequence[Record]) -> Sequence[Column]:
        """Columns of the main table."""
        return (
            Column("error", "squared error", 5),
            Column("divergence", "divergence", 3),
            Column("mmd", "MMD to the prior", 4),
            Column("agreement", "arms told", 3),
        )

    def legend(self, records: Sequence[Record]) -> str:
        """What the columns of the main table mean."""
        return (
            "Mean ± standard deviation over seeds. Squared error: of a reconstructed point. Divergence: of a point's "
            "q(z|x) from the prior, mean, in nats. MMD: of drawn codes from draws of the prior. Arms told: share of "
            "points whose nearest corner stands for their arm, by the best matching of corners and arms."
        )

    def figures(self, runs: Sequence[Run], attachments: Mapping[str, Any]) -> Iterator[Drawing]:
        """Codes and reconstructions for each weight."""
        if shown := attachments.get("shown"):
            named = {title: shown[name] for name, title in self.titles.items()}
            title = "Codes (above) and reconstructions (below) of a pinwheel, colours by arm"
            yield Drawing("codes.png", title, codes_figure(named))


def corners_prior() -> Prior:
    """Four Gaussians of variance 0.05 around the corners of the unit square, equation (32), which are not learned."""
    import math

    import torch

    from knownot.probability import Components, Prior

    class Corners(Prior):
        """The mixture as a prior."""

        means: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.n_components = 4
            self.register_buffer("means", torch.cartesian_prod(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 1.0])))

        def components(self, posterior: object = None) -> Components:
            """The four."""
            return Components(
                self.means.new_full((4,), -math.log(4.0)), self.means, self.means.new_full((1, 2), math.log(_VARIANCE))
            )

    return Corners()


def fit_shape(weight: float, n_samples: int, epochs: int, seed: int) -> dict[str, Any]:
    """Train an autoencoder of the pinwheel.

    Parameters
    ----------
    weight : float
        Of the divergence.
    n_samples, epochs : int
    seed : int

    Returns
    -------
    dict
        "numbers"; "shown": "codes", "reconstructions" and "arms" of some points.
    """
    import numpy as np
    import torch

    from knownot.data import InMemoryBatches, synthetic
    from knownot.metrics import clustering_accuracy, mmd
    from knownot.modules import VAE
    from knownot.probability import cauchy_schwarz, sample_components
    from knownot.training import TrainingPlan, train

    data = synthetic.pinwheel(n_samples, 4, seed=seed)
    x, arms = torch.from_numpy(data.x), data.labels
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = VAE(
            (2,),
            2,
            "isotropic-gaussian",
            prior="mixture",
            n_components=4,
            divergence="cauchy-schwarz",
            beta=weight,
            hidden=(64, 64),
        )
        module.prior = corners_prior()
        plan = TrainingPlan(epochs, 2e-3, schedule="cosine", keep="last", seed=seed, accelerator="cpu")
        train(module, InMemoryBatches(x, torch.from_numpy(arms), 100, shuffle=True, seed=seed), plan=plan)
        with torch.no_grad():
            mean, log_variance = module.posterior(x)
            codes = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
            back = module.decode(codes).mean
            drawn, _ = sample_components(module.components(), len(codes))
            divergence = cauchy_schwarz(mean, log_variance, module.components())
            nearest = torch.cdist(codes, module.components().means.float()).argmin(1).numpy()
    numbers = {
        "error": float((back - x).square().sum(1).mean()),
        "divergence": float(divergence.mean()),
        "mmd": mmd(codes.numpy(), drawn.numpy()),
        "agreement": clustering_accuracy(arms, nearest),
    }
    some = slice(_SHOWN)
    shown = {
        "codes": np.round(codes[some].double().numpy(), 3).tolist(),
        "reconstructions": np.round(back[some].double().numpy(), 3).tolist(),
        "arms": arms[some].tolist(),
    }
    return {"numbers": numbers, "shown": shown}


def codes_figure(shown: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Codes above reconstructions, one column for each weight.

    References
    ----------
    Cauchy-Schwarz autoencoder paper, figure 2.
    """
    import matplotlib as mpl
    import numpy as np

    from knownot.experiments.figures import COLOURS, STYLE, empty_figure

    with mpl.rc_context(STYLE):
        figure = empty_figure(1.55 * len(shown), 3.4)
        grid = figure.subplots(2, len(shown), squeeze=False, sharex="row", sharey="row")
        for column, (title, found) in enumerate(shown.items()):
            colours = [COLOURS[arm % len(COLOURS)] for arm in found["arms"]]
            for row, part in enumerate(("codes", "reconstructions")):
                axes = grid[row, column]
                axes.scatter(*np.array(found[part]).T, s=1.5, c=colours, linewidths=0)
                axes.set_aspect("equal")
                axes.set_xticks([])
                axes.set_yticks([])
            grid[0, column].scatter([0, 0, 1, 1], [0, 1, 0, 1], marker="+", color="#1f2328", s=30, linewidths=0.9)
            grid[0, column].set_title(title)
    return figure
