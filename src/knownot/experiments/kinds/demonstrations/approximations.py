"""What approximates a mixture of two Gaussians, by the divergence and by the family."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from knownot.experiments.context import Context, Measured
from knownot.experiments.declaration import Column, Drawing, Experiment
from knownot.experiments.records import Record, Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from knownot.probability import Components

_FAMILIES = {"single": ("one Gaussian", 1), "mixture": ("two Gaussians", 2)}
_DIVERGENCES = {"kl": "Kullback-Leibler", "cs": "Cauchy-Schwarz"}
# Of the quadrature; the density is below 1e-20 beyond.
_EDGE, _POINTS = 14.0, 1_001


@dataclass(frozen=True, kw_only=True)
class ApproximationExperiment(Experiment):
    """q that minimises D(q || p), p = 1/2 N(-3, 1) + 1/2 N(3, 1), by gradient descent from a start that the seed draws.

    Its methods are a divergence with a family of q: "kl-single", "kl-mixture", "cs-single", "cs-mixture". Presets have
    the "steps" of descent.
    """

    parts: ClassVar[tuple[str, ...]] = ("steps",)

    def measure(self, context: Context) -> Measured:
        """Descend with either divergence and family."""
        found, curves = {}, {}
        steps = context.preset.at_most.get("steps", 3_000)
        for method in self.titles:
            divergence, family = method.split("-")
            said = fit_approximation(divergence, family, steps, context.seed)
            found[method], curves[method] = said["numbers"], said["density"]
        return Measured({"methods": found}, {"densities": curves} if context.seed == self.seeds[0] else {})

    @property
    def titles(self) -> Mapping[str, str]:
        """What tables call each divergence with each family."""
        return {
            f"{divergence}-{family}": f"{title}, {of}"
            for divergence, title in _DIVERGENCES.items()
            for family, (of, _) in _FAMILIES.items()
        }

    def columns(self, records: Sequence[Record]) -> Sequence[Column]:
        """Columns of the main table."""
        return (Column("divergence", "divergence", 4), Column("variation", "total variation", 4))

    def legend(self, records: Sequence[Record]) -> str:
        """What the columns of the main table mean."""
        return (
            "Mean ± standard deviation over starts. Divergence: what was minimised, in nats. Total variation: half the "
            "area between q and p, 0 where they are the same."
        )

    def figures(self, runs: Sequence[Run], attachments: Mapping[str, Any]) -> Iterator[Drawing]:
        """Each q over p, of the first start."""
        if densities := attachments.get("densities"):
            named = {title: densities[name] for name, title in self.titles.items()}
            yield Drawing("densities.svg", "Approximations (lines) of a mixture (area)", densities_figure(named))


def target() -> Components:
    """The mixture p of equation (30)."""
    import torch

    from knownot.probability import Components

    return Components(torch.tensor([0.5, 0.5]).log(), torch.tensor([[-3.0], [3.0]]), torch.zeros(2, 1))


def fit_approximation(divergence: str, family: str, steps: int, seed: int) -> dict[str, Any]:
    """Minimise a divergence from the mixture.

    Parameters
    ----------
    divergence : {"kl", "cs"}
    family : {"single", "mixture"}
    steps : int
    seed : int
        Draws the start: means near 0, variances of 1, equal weights.

    Returns
    -------
    dict
        "numbers", and the "density" of q at :func:`points`.
    """
    import torch

    from knownot.probability import Components, cauchy_schwarz_mixtures, mixture_log_prob

    p, places = target(), torch.from_numpy(points())[:, None]
    n = _FAMILIES[family][1]
    generator = torch.Generator().manual_seed(seed)
    means = torch.randn((n, 1), generator=generator).double().requires_grad_()
    log_variances, logits = torch.zeros(n, 1).double().requires_grad_(), torch.zeros(n).double().requires_grad_()
    optimizer = torch.optim.Adam([means, log_variances, logits], 0.01)
    log_p = mixture_log_prob(places, p).double()

    def of_q() -> Components:
        return Components(torch.log_softmax(logits, 0), means, log_variances)

    def lost() -> torch.Tensor:
        if divergence == "cs":
            return cauchy_schwarz_mixtures(of_q(), p)
        log_q = mixture_log_prob(places, of_q()).double()
        return torch.trapezoid(log_q.exp() * (log_q - log_p), places[:, 0])

    for _ in range(steps):
        optimizer.zero_grad()
        lost().backward()
        optimizer.step()
    with torch.no_grad():
        density = mixture_log_prob(places, of_q()).double().exp()
        variation = 0.5 * torch.trapezoid((density - log_p.exp()).abs(), places[:, 0])
        # Rounding may leave it just below 0.
        numbers = {"divergence": max(0.0, lost().item()), "variation": variation.item()}
    return {"numbers": numbers, "density": [round(v, 6) for v in density.tolist()]}


def points() -> Any:
    """Where densities are computed, (1001,) float64."""
    import numpy as np

    return np.linspace(-_EDGE, _EDGE, _POINTS)


def densities_figure(densities: Mapping[str, Sequence[float]]) -> Figure:
    """Each approximation over the mixture.

    References
    ----------
    Cauchy-Schwarz autoencoder paper, figure 1.
    """
    import matplotlib as mpl
    import torch

    from knownot.experiments.figures import COLOURS, STYLE, empty_figure, panels
    from knownot.probability import mixture_log_prob

    x = points()
    p = mixture_log_prob(torch.from_numpy(x)[:, None], target()).exp().numpy()
    with mpl.rc_context(STYLE):
        figure = empty_figure(7.4, 4.2)
        for axes, (title, q) in zip(panels(figure, len(densities), 2), densities.items(), strict=True):
            axes.fill_between(x, p, color="#d1d9e0", linewidth=0)
            axes.plot(x, q, color=COLOURS[0], linewidth=1.6)
            axes.set_title(title)
            axes.set_xlim(-8, 8)
            axes.set_yticks([])
    return figure
