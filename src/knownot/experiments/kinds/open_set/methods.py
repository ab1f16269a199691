"""Ways to tell known from unknown, declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: Columns of an embedding that is logits and latent codes side by side.
Part = Literal["all", "logits", "latent"]


@dataclass(frozen=True)
class Method:
    """A way to decide: a rule on what a trained model says, or k-NN on raw pixels.

    Attributes
    ----------
    name : str
        What it is called in results: model+rule.
    title : str
        What it is called in tables.
    model : str, optional
        Name of the :class:`~knownot.experiments.Model`; None: raw pixels.
    rule : str
        Name of a rule; on pixels "euclidean" or "cosine".
    part : {"all", "logits", "latent"}
        Columns of the embedding that the rule sees. Only CROSR's has parts.
    """

    name: str
    title: str
    model: str | None
    rule: str
    part: Part = "all"
