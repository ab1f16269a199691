"""Accuracy on corrupted images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING, Any

from knownot.experiments.context import Context
from knownot.experiments.declaration import Column, Drawing
from knownot.experiments.kinds.closed_set.experiment import ClosedSetExperiment
from knownot.experiments.records import Record, Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from knownot.experiments.kinds.protocol.measures import Judges
    from knownot.experiments.kinds.protocol.parts import Images, Parts

SEVERITIES = (1, 2, 3, 4, 5)
# Images at a time.
_CHUNK = 1000


@dataclass(frozen=True, kw_only=True)
class CorruptedExperiment(ClosedSetExperiment):
    """How much accuracy the 15 corruptions of Hendrycks and Dietterich cost, at five severities each."""

    def measure_further(
        self,
        context: Context,
        parts: Parts,
        judges: Judges,
        knownness: Mapping[str, Any],
        found: dict[str, dict[str, Any]],
    ) -> dict[str, Any]:
        """Add "corrupted" to each method: accuracies by corruption, one for each severity. A corruption is a step."""
        from knownot.views import CORRUPTIONS

        settings = {"images": len(parts.test_x), **self.settings(context)}
        for name in CORRUPTIONS:
            by_method = context.step(name, settings, partial(self._accuracies, judges, parts, name))
            for method, accuracies in by_method.items():
                found[method].setdefault("corrupted", {})[name] = accuracies
        return {}

    def _accuracies(self, judges: Judges, parts: Parts, name: str) -> dict[str, list[float]]:
        from knownot.metrics import closed_set_accuracy

        found: dict[str, list[float]] = {method.name: [] for method in self.methods}
        for severity in SEVERITIES:
            # The same images for all seeds and models, as in a data set of corrupted images.
            scored = judges.score(corrupted(parts.test_x, name, severity))
            for method, accuracies in found.items():
                accuracies.append(closed_set_accuracy(parts.test_codes, scored[method].classes))
        return found

    def numbers(self, method: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
        """Metrics and numbers of a method: "accuracy", "drop", and of "drop" each severity and each corruption.

        A drop is the accuracy on clean images less that on corrupted ones, a mean over what is not named.
        """
        yield from super().numbers(method)
        if not (by_name := method.get("corrupted")):
            return
        drops = {name: [method["accuracy"] - value for value in values] for name, values in by_name.items()}
        yield "drop", fmean(value for values in drops.values() for value in values)
        for place, severity in enumerate(SEVERITIES):
            yield f"drop severity {severity}", fmean(values[place] for values in drops.values())
        yield from ((f"drop {name}", fmean(values)) for name, values in drops.items())

    def columns(self, records: Sequence[Record]) -> Sequence[Column]:
        """Drops of accuracy by severity."""
        by_severity = (Column(f"drop severity {severity}", f"severity {severity}") for severity in SEVERITIES)
        return (Column("accuracy", "clean"), Column("drop", "mean drop"), *by_severity)

    def legend(self, records: Sequence[Record]) -> str:
        """What the columns of the main table mean."""
        return (
            "Mean ± standard deviation over seeds, the paper's numbers in parentheses. Clean: accuracy on test images "
            "as they are. Drop: how much less it is on corrupted ones, mean over 15 corruptions; lower is more robust. "
            "A drop is small, too, where little was learned."
        )

    def details(self, records: Sequence[Record]) -> Sequence[tuple[str, Sequence[Column]]]:
        """Drops of accuracy by corruption."""
        head, rest = "drop ", "drop severity "
        names = dict.fromkeys(r.metric for r in records if r.metric.startswith(head) and not r.metric.startswith(rest))
        columns = [Column(name, name.removeprefix(head).replace("_", " "), 3) for name in names]
        return [("Drop of accuracy by corruption, mean over severities", columns)] if columns else []

    def figures(self, runs: Sequence[Run], attachments: Mapping[str, Any]) -> Iterator[Drawing]:
        """Drops of accuracy by corruption."""
        figure = drops_figure(
            {
                method.title: [
                    dict(self.numbers(run["methods"][method.name])) for run in runs if method.name in run["methods"]
                ]
                for method in self.methods
            }
        )
        yield Drawing("drops.svg", "Drop of accuracy by corruption, mean over severities and seeds", figure)


def corrupted(x: Images, name: str, severity: int) -> Images:
    """Images (N, H, W, C) as :func:`knownot.views.corrupt` makes them, in whole grey values as in a file.

    Parameters
    ----------
    x : ndarray of uint8
    name : str
    severity : int
    """
    import numpy as np
    import torch

    from knownot.views import corrupt

    found = np.empty_like(x)
    for start in range(0, len(x), _CHUNK):
        part = torch.from_numpy(x[start : start + _CHUNK]).permute(0, 3, 1, 2).float() / 255.0
        worse = corrupt(part, name, severity, first=start)
        found[start : start + _CHUNK] = (worse * 255.0).round().byte().permute(0, 2, 3, 1).numpy()
    return found


def drops_figure(found: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """Bars of the drop of accuracy, one group for each corruption.

    Parameters
    ----------
    found : mapping of str to sequence of mapping
        Methods as readers see them, and their numbers of each seed.

    Returns
    -------
    Figure

    References
    ----------
    GradMix paper, figure 4.
    """
    import matplotlib as mpl

    from knownot.experiments.figures import COLOURS, STYLE, empty_figure

    shown = {title: runs for title, runs in found.items() if runs}
    names = [m for m in next(iter(shown.values()), [{}])[0] if m.startswith("drop ") and "severity" not in m]
    names = ["drop", *names]
    with mpl.rc_context(STYLE):
        figure = empty_figure(9.6, 3.8)
        axes, share = figure.subplots(), 0.8 / max(1, len(shown))
        for place, (title, runs) in enumerate(shown.items()):
            means = [fmean(run.get(name, 0.0) for run in runs) for name in names]
            places = [i + (place - (len(shown) - 1) / 2) * share for i in range(len(names))]
            axes.bar(places, means, share, label=title, color=COLOURS[place % len(COLOURS)])
        titles = ["mean" if name == "drop" else name.removeprefix("drop ").replace("_", " ") for name in names]
        axes.set_xticks(range(len(names)), titles, rotation=38, ha="right", rotation_mode="anchor")
        axes.set_ylabel("drop of accuracy")
        axes.grid(axis="x", visible=False)
        figure.legend(loc="outside upper left", ncols=max(1, len(shown)))
    return figure
