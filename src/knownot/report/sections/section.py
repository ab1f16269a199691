"""What a section of the page is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from knownot.report.subject import Subject


class Section(ABC):
    """A part of the page: it says where it applies, collects what it shows, and has a template.

    The template ``templates/sections/<name>.html.j2`` sees ``section``, ``subject`` and, as ``data``, what
    ``collect`` returned. A new section is such a class, its template and a line in
    :data:`knownot.report.sections.SECTIONS`.

    Attributes
    ----------
    name : str
        Name of the template and the anchor on the page.
    link : str
        What the list of contents calls it; empty: it is not listed there.
    script : str
        A file in ``templates/`` that the page runs where this section is shown; empty: none.
    """

    name: ClassVar[str]
    link: ClassVar[str] = ""
    script: ClassVar[str] = ""

    @abstractmethod
    def applies(self, subject: Subject) -> bool:
        """Whether this estimator and these samples have anything to show here."""

    @abstractmethod
    def collect(self, subject: Subject) -> Any:
        """What the template prints. Called only where the section applies."""
