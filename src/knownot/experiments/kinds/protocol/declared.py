"""Ways to tell known from unknown, declared."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """A trained model with a rule, or k-NN on raw pixels.

    Attributes
    ----------
    name : str
        What it is called in results: model, or model+rule.
    title : str
        What it is called in tables.
    model : str, optional
        Name of the :class:`~knownot.experiments.Model`; None: raw pixels.
    rule : str, optional
        Name of a rule, fitted to the samples that the model learned from; on pixels "euclidean" or "cosine". None:
        the model as it is, with its own rule and threshold.
    """

    name: str
    title: str
    model: str | None
    rule: str | None = None

    def __post_init__(self) -> None:
        """Refuse pixels without a metric.

        Raises
        ------
        ValueError
            If the method has no model, and its rule is no metric.
        """
        if self.model is None and self.rule not in ("euclidean", "cosine"):
            raise ValueError(f"{self.name} has no model, and rule={self.rule!r}: give 'euclidean' or 'cosine'.")
