"""What an experiment is: data, not a script."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Settings = Mapping[str, Any]
Kind = Literal["open-set", "subclusters"]


@dataclass(frozen=True)
class Model:
    """Something to be trained, once a seed.

    Attributes
    ----------
    name : str
    estimator : str
        Name of a class in :mod:`knownot.estimators`.
    settings : mapping
        Arguments of its constructor.
    """

    name: str
    estimator: str
    settings: Settings = field(default_factory=dict)


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
        Name of the :class:`Model`; None: raw pixels.
    rule : str
        Name of a rule; on pixels "euclidean" or "cosine".
    part : {"all", "logits", "latent"}
        Columns of the embedding that the rule sees. Only CROSR's has parts.
    """

    name: str
    title: str
    model: str | None
    rule: str
    part: Literal["all", "logits", "latent"] = "all"


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


@dataclass(frozen=True)
class Headline:
    """Mean gain of one method over another in macro-F1 at the mean threshold, Q >= 1.

    Attributes
    ----------
    method, over : str
        Names of methods; the gain is that of the first over the second, in per cent of it.
    paper : float, optional
        What the paper states.
    """

    method: str
    over: str
    paper: float | None = None

    @property
    def name(self) -> str:
        """How results call it."""
        return f"{self.method} over {self.over}"


@dataclass(frozen=True)
class Preset:
    """How large a run is.

    Attributes
    ----------
    name : {"smoke", "cpu", "paper"}
        Seconds; within an hour on two cores; what the paper describes.
    settings : mapping of str to mapping
        Further settings of a model by its name; those under "" are for all.
    n_train, n_test : int, optional
        At most so many samples of the training and test part, drawn by the seed.
    n_validation : (int, int), optional
        Validation samples of known and unknown classes, where fewer than the protocol's.
    gpu_minutes : float
        What one seed is expected to take on a GPU.
    note : str
        What differs from the paper, and why.
    """

    name: str
    settings: Mapping[str, Settings] = field(default_factory=dict)
    n_train: int | None = None
    n_test: int | None = None
    n_validation: tuple[int, int] | None = None
    gpu_minutes: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class Experiment:
    """One table or figure of a paper.

    Attributes
    ----------
    name : str
        paper/experiment, which is also its folder in ``results/``.
    title, reference : str
        What it is, and where in the paper.
    kind : {"open-set", "subclusters"}
        What is measured, and so how it is run.
    protocol : str
        Name in :data:`knownot.data.PROTOCOLS`; of open-set experiments only, as are the next three.
    models, methods, headlines, presets
        See there; presets by their names.
    groups : tuple of Group
        Of experiments on subclusters.
    n_subclusters : int
        Centroids of each class for the rules on centroids.
    mapped : tuple of str
        Names of the models of whose embeddings maps are drawn, at the first seed.
    published : mapping of str to mapping
        Other numbers of the paper: method to metric to number.
    seeds : tuple of int
    value : int
        Worth of a run on a GPU beside the others; the largest comes first in the queue.
    """

    name: str
    title: str
    reference: str
    kind: Kind
    presets: Mapping[str, Preset]
    protocol: str = ""
    models: tuple[Model, ...] = ()
    methods: tuple[Method, ...] = ()
    headlines: tuple[Headline, ...] = ()
    groups: tuple[Group, ...] = ()
    n_subclusters: int = 1
    mapped: tuple[str, ...] = ()
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0, 1, 2)
    value: int = 0

    def preset(self, name: str) -> Preset:
        """A preset by its name.

        Raises
        ------
        ValueError
            If the experiment has none of this name.
        """
        if name not in self.presets:
            raise ValueError(f"{self.name} has no preset {name!r}: use one of {', '.join(self.presets)}.")
        return self.presets[name]

    def settings(self, model: Model, preset: Preset) -> dict[str, Any]:
        """Settings of a model at a preset."""
        return {**model.settings, **preset.settings.get("", {}), **preset.settings.get(model.name, {})}
