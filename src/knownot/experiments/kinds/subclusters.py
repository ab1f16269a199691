"""Experiments on the number of subclusters: one class after the other, K = 1, 2, 3, ..."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from knownot.experiments.context import Context, Measured
from knownot.experiments.declaration import Column, Drawing, Experiment
from knownot.experiments.presets import Settings
from knownot.experiments.records import Record, Run, rounded

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from knownot.estimators import SubclusterStudy


@dataclass(frozen=True)
class Group:
    """Samples of one class, whose number of subclusters is known.

    Attributes
    ----------
    name : str
    true : int
        The number that is right.
    dataset : str, optional
        A named data set, of whose training part the samples with ``labels`` are taken.
    labels : tuple of int
    shape : str, optional
        Instead of a data set a function of :mod:`knownot.data.synthetic`, called with
        ``arguments`` and the seed.
    arguments : mapping
    """

    name: str
    true: int
    dataset: str | None = None
    labels: tuple[int, ...] = ()
    shape: str | None = None
    arguments: Settings = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SubclusterExperiment(Experiment):
    """The number of subclusters chosen for classes of which it is known.

    Settings of its presets are arguments of :func:`~knownot.estimators.subcluster_curves`, under "".

    Attributes
    ----------
    groups : tuple of Group
    """

    groups: tuple[Group, ...]

    def measure(self, context: Context) -> Measured:
        """Choose the number of each group. A group takes minutes, so that each is a step."""
        settings = dict(context.preset.settings.get("", {}))
        found = {
            group.name: context.step(
                group.name, settings, partial(choose, group, settings, context.seed, context.device)
            )
            for group in self.groups
        }
        return Measured({key: {name: of[key] for name, of in found.items()} for key in ("methods", "curves")})

    @property
    def titles(self) -> Mapping[str, str]:
        """Groups in their order."""
        return {group.name: group.name for group in self.groups}

    def columns(self, records: Sequence[Record]) -> Sequence[Column]:
        """The number chosen and the right one, then drops, gains and valleys by name."""
        first = (Column("n_subclusters", "chosen", 2, count=True), Column("true", "true", 2, count=True))
        rest = {record.metric for record in records} - {column.metric for column in first}
        return (*first, *(Column(metric, metric, 2) for metric in sorted(rest)))

    def legend(self, records: Sequence[Record]) -> str:
        """What the columns of the main table mean."""
        return (
            "Mean ± standard deviation over seeds, the paper's numbers in parentheses. Drop: what one more "
            "subcluster takes from the latent covering loss at equal reconstruction, in nats, as the paper measures "
            "it. Gain: what it takes from the full objective, by which the number is chosen."
        )

    def figures(self, runs: Sequence[Run], attachments: Mapping[str, Any]) -> Iterator[Drawing]:
        """The curves by which the paper chooses."""
        title = "Latent covering loss against reconstruction loss, for each number of subclusters"
        yield Drawing("curves.svg", title, curves_figure(runs))


def samples(group: Group, seed: int) -> NDArray[Any]:
    """Samples of a group: training samples of a named data set, or a synthetic shape drawn by the seed."""
    import numpy as np

    from knownot.data import load_named, synthetic

    if group.shape is not None:
        return getattr(synthetic, group.shape)(**group.arguments, seed=seed).x
    assert group.dataset is not None
    data = load_named(group.dataset, "train")
    return data.x[np.isin(data.labels, group.labels)]


def choose(group: Group, settings: Settings, seed: int, device: str) -> dict[str, Any]:
    """Choose the number of subclusters of a group.

    Parameters
    ----------
    group : Group
    settings : mapping
        Further arguments of :func:`~knownot.estimators.subcluster_curves`.
    seed : int
    device : {"auto", "cpu", "cuda", "mps"}

    Returns
    -------
    dict
        "methods": "n_subclusters", the number chosen, "true", "valley K=2", and "drop 1→2" and "gain
        1→2" (and so on), of the covering loss and of the full objective in nats; "curves": its curves, one for
        each K.
    """
    from knownot.estimators import subcluster_curves

    study = subcluster_curves(samples(group, seed), accelerator=device, random_state=seed, **settings)
    curves = [
        {
            "n_subclusters": curve.n_subclusters,
            "reconstruction": [rounded(value) for value in curve.reconstruction],
            "covering": [rounded(value) for value in curve.covering],
            "bound": [rounded(value) for value in curve.bound],
        }
        for same in study.curves
        for curve in same
    ]
    return {"methods": numbers(group, study), "curves": curves}


def numbers(group: Group, study: SubclusterStudy) -> dict[str, float]:
    """What a table shows of one group."""
    steps = [f"{k}→{k + 1}" for k in range(1, len(study.curves))]
    return {
        "n_subclusters": study.n_subclusters,
        "true": group.true,
        **{f"valley K={k}": rounded(depth) for k, depth in enumerate(study.valleys, 2)},
        **{f"drop {step}": rounded(drop) for step, drop in zip(steps, study.drops, strict=True)},
        **{f"gain {step}": rounded(gain) for step, gain in zip(steps, study.gains, strict=True)},
    }


def curves_figure(runs: Sequence[Run]) -> Figure:
    """Latent covering against reconstruction over the second half of the epochs, for each number of subclusters.

    Parameters
    ----------
    runs : sequence of dict
        Results of all seeds; the first is drawn strongest.

    Returns
    -------
    Figure
        One panel for each class, with the mean drops of the covering loss over the seeds.

    References
    ----------
    Open-set Gaussian-mixture VAE paper, figures 5 and 7.
    """
    import matplotlib as mpl
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    from knownot.experiments.figures import MUTED, STYLE, empty_figure, panels

    names = list(runs[0]["curves"])
    columns = 2 if len(names) == 4 else min(3, len(names))
    rows = -(-len(names) // columns)
    with mpl.rc_context(STYLE):
        figure = empty_figure(3.4 * columns, 3.1 * rows + 0.5, w_pad=0.08, h_pad=0.08)
        for axes, name in zip(panels(figure, len(names), columns), names, strict=True):
            for run in reversed(runs):
                _draw_counts(axes, run["curves"].get(name, []), strong=run is runs[0])
            axes.set_title(f"{name}\n")
            axes.text(0, 1.025, _drops(runs, name), transform=axes.transAxes, color=MUTED, fontsize=8.0)
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.yaxis.set_major_locator(MaxNLocator(5))
        figure.supxlabel("reconstruction loss, nats", color=MUTED, fontsize=9.0)
        figure.supylabel("latent covering loss, nats", color=MUTED, fontsize=9.0)
        most = max(curve["n_subclusters"] for run in runs for curves in run["curves"].values() for curve in curves)
        marks = [Line2D([], [], label=f"K = {k}", **_of_count(k)) for k in range(1, most + 1)]
        figure.legend(handles=marks, loc="outside upper left", ncols=len(marks))
    return figure


def _of_count(k: int) -> dict[str, Any]:
    from knownot.experiments.figures import look

    return {**look(k - 1), "markersize": 3.5, "linewidth": 1.4}


def _draw_counts(axes: Axes, curves: Sequence[dict[str, Any]], strong: bool) -> None:
    import numpy as np

    for curve in curves:
        # Early epochs are left out of the comparison, and would squeeze the rest.
        kept = slice(len(curve["covering"]) // 2, None)
        x, y = (np.array(curve[term])[kept] for term in ("reconstruction", "covering"))
        order = np.argsort(x)
        style = _of_count(curve["n_subclusters"]) | ({} if strong else {"marker": "", "linewidth": 0.8, "alpha": 0.35})
        axes.plot(x[order], y[order], markevery=max(1, len(x) // 12), label=f"K = {curve['n_subclusters']}", **style)


def _drops(runs: Sequence[Run], name: str) -> str:
    """What one panel says of the drops, and of the number chosen by each seed."""
    found = [run["methods"][name] for run in runs if name in run["methods"]]
    steps = sorted({step for method in found for step in method if step.startswith("drop ")})
    texts = []
    for step in steps:
        values = [method[step] for method in found if step in method]
        texts.append(f"{step.removeprefix('drop ')}: {sum(values) / len(values):.2f}")
    chosen = ", ".join(str(method["n_subclusters"]) for method in found)
    return f"drops {', '.join(texts)}; chosen {chosen}"
