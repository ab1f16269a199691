"""Test images of other data sets, to be told from those of the known classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from knownot.experiments.context import Context
from knownot.experiments.declaration import Column
from knownot.experiments.kinds.closed_set.experiment import ClosedSetExperiment
from knownot.experiments.records import Record

if TYPE_CHECKING:
    from knownot.experiments.kinds.protocol.measures import Judges
    from knownot.experiments.kinds.protocol.parts import Parts

_FURTHER = {
    "aupr_in": "AUPR, known positive",
    "aupr_out": "AUPR, unknown positive",
    "tnr95": "Rejected at 95 % accepted",
    "dtacc": "Detection accuracy",
    "rejection": "Rejected at the threshold of the model itself",
}


@dataclass(frozen=True, kw_only=True)
class OutsideExperiment(ClosedSetExperiment):
    """Whole data sets are unknown. One that is not at hand is left out.

    Presets may also limit the samples of each set, "outside".

    Attributes
    ----------
    outside : tuple of str
        Names in :data:`knownot.data.NAMED`; their test images are brought to the size and the colours of the known.
    """

    parts: ClassVar[tuple[str, ...]] = (*ClosedSetExperiment.parts, "outside")

    outside: tuple[str, ...]

    def measure_further(
        self,
        context: Context,
        parts: Parts,
        judges: Judges,
        knownness: Mapping[str, Any],
        found: dict[str, dict[str, Any]],
    ) -> dict[str, Any]:
        """Add "auroc" and further metrics of each set, such as "auroc svhn". A set is a step."""
        from knownot.experiments.kinds.protocol.parts import load_outside

        most, left_out, counts = context.preset.at_most.get("outside"), {}, {}
        for name in self.outside:
            try:
                images = load_outside(name, parts.test_x.shape[1:], most, context.seed)
            except ValueError as error:
                context.say(f"{name} is left out: {error}")
                left_out[name] = str(error).partition(":")[0]
                continue
            counts[name] = len(images)
            settings = {"images": len(images), **self.settings(context)}
            numbers = context.step(name, settings, partial(self._against, judges, images, knownness))
            for method, of_set in numbers.items():
                found[method] |= {f"{metric} {name}": value for metric, value in of_set.items()}
        return {"outside": counts, "left_out": left_out}

    def _against(self, judges: Judges, images: Any, knownness: Mapping[str, Any]) -> dict[str, dict[str, float]]:
        import numpy as np

        from knownot.experiments.kinds.protocol.measures import detection

        scored, found = judges.score(images), {}
        for method in self.methods:
            inside, outside = knownness[method.name], scored[method.name].knownness
            known = np.arange(len(inside) + len(outside)) < len(inside)
            found[method.name] = detection(known, np.concatenate([inside, outside]))
            if method.model is not None and method.rule is None:
                threshold = judges.models[method.model].offset_
                found[method.name]["rejection"] = float((outside < threshold).mean())
        return found

    def columns(self, records: Sequence[Record]) -> Sequence[Column]:
        """AUROC of each set."""
        return (*(Column(f"auroc {name}", name) for name in self.outside), Column("accuracy", "accuracy"))

    def legend(self, records: Sequence[Record]) -> str:
        """What the columns of the main table mean."""
        return (
            "Mean ± standard deviation over seeds, the paper's numbers in parentheses. AUROC of known test images "
            "against the test images of each other data set; accuracy on the known ones, without rejection."
        )

    def details(self, records: Sequence[Record]) -> Sequence[tuple[str, Sequence[Column]]]:
        """Further metrics by set."""
        return [
            (title, [Column(f"{metric} {name}", name) for name in self.outside]) for metric, title in _FURTHER.items()
        ]
