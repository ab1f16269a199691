"""Sets and methods, declared."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True)
class NamedSet:
    """A table, or an embedding of something else.

    Attributes
    ----------
    name : str
        In :data:`knownot.data.NAMED_TABLES`.
    group : str
        What it is counted with in the summary; "" where it is measured but not counted.
    one_unit : bool
        Whether its columns share one unit, as those of an embedding do. Methods that go by distances then leave the
        columns as wide as they are, and standardise them elsewhere.
    """

    name: str
    group: str
    one_unit: bool = False


@dataclass(frozen=True)
class Method:
    """A way to tell known from unknown.

    Attributes
    ----------
    name : str
        What it is called in results. Of a baseline, that of its function in
        :mod:`knownot.experiments.kinds.many_sets.baselines`.
    title : str
        What it is called in tables.
    model : str, optional
        Name of the :class:`~knownot.experiments.Model`; None: a baseline.
    needs : str
        Package that it is left out without.
    """

    name: str
    title: str
    model: str | None = None
    needs: str = ""

    @property
    def can_run(self) -> bool:
        """Whether the package that it needs is there."""
        return not self.needs or find_spec(self.needs) is not None
