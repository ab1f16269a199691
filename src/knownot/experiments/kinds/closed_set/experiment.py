"""The closed-set experiment: all classes are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from knownot.experiments.context import Context, Measured
from knownot.experiments.declaration import Column, Experiment
from knownot.experiments.kinds.protocol.declared import Method
from knownot.experiments.records import Record

if TYPE_CHECKING:
    from knownot.experiments.kinds.protocol.measures import Judges
    from knownot.experiments.kinds.protocol.parts import Parts


@dataclass(frozen=True, kw_only=True)
class ClosedSetExperiment(Experiment):
    """Classification of a data set of which all classes are known.

    Presets may limit the samples of "train" and "test", and the "pixels" of a side.

    Attributes
    ----------
    dataset : str
        Name in :data:`knownot.data.NAMED`.
    methods : tuple of Method
    first_classes : int, optional
        How many classes are used, by their labels.
    known_in : str
        Instead of this, a protocol: the classes that are known in one of its splits are used.
    """

    parts: ClassVar[tuple[str, ...]] = ("train", "test", "pixels")

    dataset: str
    methods: tuple[Method, ...]
    first_classes: int | None = None
    known_in: str = ""

    def classes(self) -> list[Any] | None:
        """Labels of the classes that are used; None for all."""
        if self.known_in:
            from knownot.data import PROTOCOLS

            return sorted({label for split in PROTOCOLS[self.known_in].splits for label in split.labels})
        return None if self.first_classes is None else list(range(self.first_classes))

    def measure(self, context: Context) -> Measured:
        """Train every model, then let every method classify the same samples."""
        from knownot.experiments.kinds.protocol.measures import Judges, dimension
        from knownot.experiments.kinds.protocol.parts import load_closed
        from knownot.experiments.trained import trained_facts
        from knownot.metrics import closed_set_accuracy

        parts = load_closed(self.dataset, self.classes(), context.preset.at_most, context.seed)
        models = {m.name: context.trained(m, parts.train_x, parts.train_codes) for m in self.models}
        context.say("scoring")
        judges = Judges(self.methods, models, parts, context.seed)
        clean = judges.score(parts.test_x)
        found: dict[str, dict[str, Any]] = {
            name: {"accuracy": closed_set_accuracy(parts.test_codes, scored.classes)} for name, scored in clean.items()
        }
        for method in self.methods:
            if method.model is not None:
                found[method.name] |= dimension(models[method.model], parts.test_x, parts.test_codes)
        knownness = {name: scored.knownness for name, scored in clean.items()}
        further = self.measure_further(context, parts, judges, knownness, found)
        return Measured(
            {
                "methods": found,
                "models": {m.name: trained_facts(models[m.name], context.settings(m)) for m in self.models},
                **parts.facts,
                **further,
            }
        )

    def measure_further(
        self,
        context: Context,
        parts: Parts,
        judges: Judges,
        knownness: Mapping[str, Any],
        found: dict[str, dict[str, Any]],
    ) -> dict[str, Any]:
        """Add to the numbers of the methods what a subclass measures beside accuracy.

        Parameters
        ----------
        context : Context
        parts : Parts
        judges : Judges
            They score any images.
        knownness : mapping of str to ndarray
            Of the test samples, by method.
        found : dict
            Numbers by method, which are added to.

        Returns
        -------
        dict
            Further facts for the JSON.
        """
        return {}

    def settings(self, context: Context) -> dict[str, Any]:
        """Settings of the models and the methods on them, on which steps depend."""
        methods = {method.name: [method.model, method.rule] for method in self.methods}
        return {"models": {m.name: context.settings(m) for m in self.models}, "methods": methods}

    @property
    def titles(self) -> Mapping[str, str]:
        """What tables call each method."""
        return {method.name: method.title for method in self.methods}

    def columns(self, records: Sequence[Record]) -> Sequence[Column]:
        """Columns of the main table."""
        return (Column("accuracy", "accuracy", short="accuracy"), Column("dimension", "ID", 2))

    def legend(self, records: Sequence[Record]) -> str:
        """What the columns of the main table mean."""
        return (
            "Mean ± standard deviation over seeds, the paper's numbers in parentheses. Accuracy: of test samples, "
            "without rejection. ID: intrinsic dimension of their embeddings within the classes."
        )
