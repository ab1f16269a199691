"""One HTML file that shows what a model knows, what it does not, and what made it."""

try:
    import jinja2  # noqa: F401
    import matplotlib as mpl  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"A report needs {error.name}, which is not installed: run pip install 'knownot[report]'.", name=error.name
    ) from error

from knownot.report.gathering import gather
from knownot.report.page import render, write_report
from knownot.report.sections import SECTIONS, Section
from knownot.report.subject import Subject

__all__ = ["SECTIONS", "Section", "Subject", "gather", "render", "write_report"]
