"""Experiments on where networks look: shares of their attribution maps above thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from knownot.experiments.context import Context, Measured
from knownot.experiments.declaration import Column, Drawing, Experiment
from knownot.experiments.records import Record, Run, rounded

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

#: Thresholds, from the paper's smallest to its largest.
THRESHOLDS = (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3)
_IMAGES = 256
_SHOWN = 6


@dataclass(frozen=True, kw_only=True)
class ActivatedExperiment(Experiment):
    """How much of an image contrastive models look at.

    Its methods are its models, which learn from a protocol's known classes. Maps are of two views of the same test
    images for all models; they grow with the scale of the loss, so temperature and batch must be the same.

    Presets may limit the samples of "train" and "test", and the "pixels" of a side.

    Attributes
    ----------
    protocol : str
        Name in :data:`knownot.data.PROTOCOLS`; a seed runs the split of its number.
    """

    parts: ClassVar[tuple[str, ...]] = ("train", "test", "pixels")

    protocol: str
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)

    def measure(self, context: Context) -> Measured:
        """Train every model, then draw maps of the same views."""
        import torch

        from knownot.data import PROTOCOLS
        from knownot.experiments.kinds.protocol.parts import load_protocol
        from knownot.experiments.trained import trained_facts
        from knownot.metrics import activated_share

        number = context.seed % len(PROTOCOLS[self.protocol].splits) + 1
        parts = load_protocol(self.protocol, number, context.preset.at_most, context.seed)
        models = {m.name: context.trained(m, parts.train_x, parts.train_codes) for m in self.models}
        x = torch.from_numpy(parts.test_x[parts.known][:_IMAGES]).permute(0, 3, 1, 2).float() / 255.0
        pair = views_of(next(iter(models.values())).module_, x, context.seed)
        maps = {name: maps_of(model.module_, *pair) for name, model in models.items()}
        found = {
            name: {
                f"share {t:g}": rounded(float(share))
                for t, share in zip(THRESHOLDS, activated_share(of.numpy(), THRESHOLDS), strict=True)
            }
            for name, of in maps.items()
        }
        facts = {
            "methods": found,
            "models": {m.name: trained_facts(models[m.name], context.settings(m)) for m in self.models},
            **parts.facts,
        }
        if context.seed != self.seeds[0]:
            return Measured(facts)
        sheet = sheet_of(pair[0][:_SHOWN], {name: of[:_SHOWN] for name, of in maps.items()})
        return Measured(facts, {"maps": sheet})

    @property
    def titles(self) -> Mapping[str, str]:
        """What tables call each model."""
        return {model.name: model.title or model.name for model in self.models}

    def columns(self, records: Sequence[Record]) -> Sequence[Column]:
        """A column for each threshold."""
        return [Column(f"share {t:g}", f"τ = {t:g}", 3) for t in THRESHOLDS]

    def legend(self, records: Sequence[Record]) -> str:
        """What the columns of the main table mean."""
        return (
            "Mean ± standard deviation over seeds. Share of the positions of LayerCAM maps above a threshold τ, for "
            f"the first {_IMAGES} known test images in one batch, with the same views for all models."
        )

    def figures(self, runs: Sequence[Run], attachments: Mapping[str, Any]) -> Iterator[Drawing]:
        """Shares against thresholds, and images with maps over them."""
        title = "Share of attribution maps above a threshold"
        yield Drawing("share.svg", title, shares_figure(runs, self.titles, self.emphasised))
        if sheet := attachments.get("maps"):
            title = "Views of test images, and where each model looks: bright is most"
            yield Drawing("maps.png", title, sheet_figure(sheet, self.titles))


def views_of(module: Any, x: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Two views of each image, drawn with a seed; on the CPU, so that they are the same everywhere.

    Parameters
    ----------
    module : knownot.modules.Contrastive
        Whose views they are.
    x : Tensor, shape (N, C, H, W)
    seed : int
    """
    import torch

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(seed)
        return module.views(x), module.views(x)


def maps_of(module: Any, view: Tensor, other: Tensor) -> Tensor:
    """LayerCAM maps of the last stage for the first views, from the SimCLR loss of both.

    A model that was trained without mixing has them as well.

    Parameters
    ----------
    module : knownot.modules.Contrastive
        On images, with a network that has stages.
    view, other : Tensor, shape (N, C, H, W)

    Returns
    -------
    Tensor, shape (N, h, w)
        On the CPU.
    """
    import copy

    device = next(module.parameters()).device
    pair = iter((view.to(device), other.to(device)))
    # A shallow copy: the weights are the module's own.
    asked = copy.copy(module).eval()
    asked.layers, asked.attribution, asked.attribution_of = asked.network.stage_names[-1:], "layercam", "loss"
    asked.attribution_sign = 1
    asked.views = lambda _: next(pair)
    maps: Tensor = asked.attribution_maps(view)
    return maps.detach().float().cpu()


def sheet_of(views: Tensor, maps: Mapping[str, Tensor]) -> dict[str, Any]:
    """What :func:`sheet_figure` draws, as JSON.

    Parameters
    ----------
    views : Tensor, shape (N, C, H, W)
    maps : mapping of str to Tensor, shape (N, h, w)
        By model; each map is divided by its maximum.
    """
    shown = {name: found / found.amax((1, 2), keepdim=True).clamp_min(1e-30) for name, found in maps.items()}
    return {
        "images": (views * 255.0).round().byte().permute(0, 2, 3, 1).tolist(),
        "maps": {name: found.double().numpy().round(3).tolist() for name, found in shown.items()},
    }


def shares_figure(runs: Sequence[Run], titles: Mapping[str, str], emphasised: str) -> Figure:
    """Shares against thresholds, mean and standard deviation over the seeds.

    Parameters
    ----------
    runs : sequence of dict
    titles : mapping of str to str
    emphasised : str

    Returns
    -------
    Figure

    References
    ----------
    GradMix paper, figure 6, right.
    """
    import matplotlib as mpl
    import numpy as np

    from knownot.experiments.figures import STYLE, empty_figure, label_ends, look

    with mpl.rc_context(STYLE):
        figure = empty_figure(6.4, 3.4)
        axes, ends = figure.subplots(), []
        for i, (name, title) in enumerate(titles.items()):
            rows = [
                [run["methods"][name][f"share {t:g}"] for t in THRESHOLDS] for run in runs if name in run["methods"]
            ]
            if not rows:
                continue
            style: dict[str, Any] = {**look(i)}
            values = np.array(rows)
            mean = values.mean(0)
            if len(values) > 1:
                sd = values.std(0, ddof=1)
                axes.fill_between(THRESHOLDS, mean - sd, mean + sd, color=style["color"], alpha=0.13, linewidth=0)
            axes.plot(THRESHOLDS, mean, **style)
            ends.append((title, THRESHOLDS[-1], float(mean[-1]), style["color"], name == emphasised))
        axes.set_xscale("log")
        axes.set_xticks(THRESHOLDS, [f"{t:g}" for t in THRESHOLDS])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("threshold τ")
        axes.set_ylabel("share of positions above τ")
        label_ends(axes, ends)
    return figure


def sheet_figure(sheet: Mapping[str, Any], titles: Mapping[str, str]) -> Figure:
    """A row of views, and below it one for each model with its maps over them.

    Parameters
    ----------
    sheet : mapping
        "images" (N, H, W, C), grey values up to 255; "maps" by model, (N, h, w) up to 1.
    titles : mapping of str to str

    Returns
    -------
    Figure

    References
    ----------
    GradMix paper, figure 6, left.
    """
    import matplotlib as mpl
    import numpy as np

    from knownot.experiments.figures import INK, STYLE, empty_figure

    images, rows = np.array(sheet["images"], np.uint8), [name for name in titles if name in sheet["maps"]]
    if images.shape[-1] == 1:
        images = images.repeat(3, -1)
    height, width = images.shape[1:3]
    with mpl.rc_context(STYLE):
        figure = empty_figure(1.35 * len(images), 1.35 * (len(rows) + 1) + 0.2, w_pad=0.02, h_pad=0.02)
        grid = figure.subplots(len(rows) + 1, len(images), squeeze=False)
        for axes in grid.ravel():
            axes.set(xticks=[], yticks=[])
            axes.grid(visible=False)
            axes.spines[:].set_visible(False)
        for column, image in enumerate(images):
            grid[0, column].imshow(image)
            for row, name in enumerate(rows, 1):
                grid[row, column].imshow(image.mean(-1), cmap="gray", vmin=0, vmax=255)
                extent = (-0.5, width - 0.5, height - 0.5, -0.5)
                found = np.array(sheet["maps"][name][column])
                grid[row, column].imshow(
                    found, cmap="inferno", alpha=0.55, vmin=0, vmax=1, extent=extent, interpolation="bilinear"
                )
        for row, title in enumerate(["views", *(titles[name] for name in rows)]):
            grid[row, 0].set_ylabel(title, color=INK)
    return figure
