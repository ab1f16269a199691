"""What an experiment is: data, and a kind of measurement that knows what to do with it.

A table or figure of a paper is one object of a kind, declared in the paper's file. A kind is one subclass of
:class:`Experiment` in ``kinds/``: its further fields, how one seed is measured, the columns of its table, its
figures. The runner, the results, the tables and the pages know no kind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from knownot.experiments.context import Context, Measured
from knownot.experiments.grids import Grid
from knownot.experiments.presets import Model, Preset
from knownot.experiments.records import Record, Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Headline:
    """Gain of one method over another, as the kind of the experiment measures it.

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
class Column:
    """A column of numbers.

    Attributes
    ----------
    metric : str
        Of the records that it shows.
    heading : str
    digits : int, optional
        Decimals. Default: as many as the terminal or the page shows.
    count : bool
        Whether it counts something: without decimals where all seeds say the same.
    short : str
        Heading in the README; "" where it is not shown there.
    """

    metric: str
    heading: str
    digits: int | None = None
    count: bool = False
    short: str = ""


@dataclass(frozen=True)
class Drawing:
    """A figure for the pages.

    Attributes
    ----------
    name : str
        Last part of its file's name, "f1.svg"; a PNG where there are thousands of points.
    title : str
        What it shows.
    figure : matplotlib Figure
    """

    name: str
    title: str
    figure: Figure


@dataclass(frozen=True, kw_only=True)
class Experiment(ABC):
    """One table or figure of a paper; its kind is a subclass.

    Attributes
    ----------
    name : str
        paper/experiment, which is also its folder in ``results/``.
    title, reference : str
        What it is, and where in the paper.
    presets : mapping of str to Preset
        By their names.
    models : tuple of Model
        What is trained.
    headlines : tuple of Headline
        Of kinds with a :meth:`gain`.
    published : mapping of str to mapping
        Other numbers of the paper: method to metric to number.
    emphasised : str
        The method that users get, which tables and figures emphasise.
    seeds : tuple of int
    value : int
        Worth of a run on a GPU beside the others; the largest comes first in the queue.
    models_of : str
        Another experiment, of whose models of the same names, settings and data kept ones are taken. Default: its own.
    """

    #: Parts of the data that presets may limit.
    parts: ClassVar[tuple[str, ...]] = ()
    #: What :meth:`gain` measures, as the heading of a table.
    gain_heading: ClassVar[str] = "gain"
    #: What readers of the README must know of the columns shown there.
    short_legend: ClassVar[str] = ""

    name: str
    title: str
    reference: str
    presets: Mapping[str, Preset]
    models: tuple[Model, ...] = ()
    headlines: tuple[Headline, ...] = ()
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    emphasised: str = "knownot"
    seeds: tuple[int, ...] = (0, 1, 2)
    value: int = 0
    models_of: str = ""

    def __post_init__(self) -> None:
        """Refuse presets that speak of something else.

        Raises
        ------
        ValueError
            If a preset has settings of a model, or limits a part of the data, that there is not.
        """
        for preset in self.presets.values():
            models = ("", *(model.name for model in self.models))
            for what, given, known in (
                ("settings of", preset.settings, models),
                ("seeds of", preset.only, models),
                ("limits of", preset.at_most, self.parts),
            ):
                if foreign := [name for name in given if name not in known]:
                    names = ", ".join(map(repr, known)) or "none"
                    raise ValueError(f"the preset {preset.name!r} of {self.name} has {what} {foreign}: use {names}.")

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

    # What every kind must say.

    @abstractmethod
    def measure(self, context: Context) -> Measured:
        """Measure one seed."""

    @abstractmethod
    def columns(self, records: Sequence[Record]) -> Sequence[Column]:
        """Columns of the main table, the most telling first: where a terminal is narrow, the last are left out."""

    @abstractmethod
    def legend(self, records: Sequence[Record]) -> str:
        """What the columns of the main table mean."""

    # What a kind may say.

    @property
    def titles(self) -> Mapping[str, str]:
        """What tables call each method, in their order; others, found in results alone, come last."""
        return {}

    def lacking(self) -> str:
        """Why it cannot be measured here, such as licensed data that are not at hand; else empty.

        It is then left out where more than itself is asked for.
        """
        return ""

    def numbers(self, method: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
        """Metrics and numbers of what :meth:`measure` found for one method."""
        for metric, value in method.items():
            if isinstance(value, int | float):
                yield metric, float(value)

    def over_all_seeds(self, runs: Sequence[Run]) -> Iterator[tuple[str, str, float, float | None]]:
        """Numbers that need all methods and seeds at once, such as ranks.

        Parameters
        ----------
        runs : sequence of dict
            Results of all seeds.

        Yields
        ------
        method, metric : str
        mean : float
        sd : float or None
            Standard deviation over the seeds, where that means something.
        """
        yield from ()

    def gain(self, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> float:
        """Gain of one method over another at one seed, in per cent."""
        raise NotImplementedError(f"{type(self).__name__} has headlines, but does not say what a gain is.")

    def details(self, records: Sequence[Record]) -> Sequence[tuple[str, Sequence[Column]]]:
        """Further tables for the pages: title and columns."""
        return ()

    def grids(self, records: Sequence[Record], digits: int) -> Sequence[Grid]:
        """Further tables, below the main one, whose rows are something else than methods."""
        return ()

    def figures(self, runs: Sequence[Run], attachments: Mapping[str, Any]) -> Iterator[Drawing]:
        """Figures for the pages.

        Parameters
        ----------
        runs : sequence of dict
            Results of all seeds.
        attachments : mapping of str to Any
            Those of :class:`~knownot.experiments.context.Measured`, each of the first seed that has it.
        """
        yield from ()


@dataclass(frozen=True)
class Paper:
    """The experiments of a paper, and what a reader of their numbers must know.

    Attributes
    ----------
    experiments : tuple of Experiment
    text : str
        Markdown.
    """

    experiments: tuple[Experiment, ...]
    text: str
