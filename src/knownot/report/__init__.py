"""One HTML file that shows what a classifier knows, what it does not, and what made it."""

try:
    import jinja2  # noqa: F401
    import matplotlib as mpl  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"A report needs {error.name}, which is not installed: run pip install 'knownot[report]'.", name=error.name
    ) from error

from knownot.report.content import Reconstructions, ReportContent, Samples, gather
from knownot.report.page import render, write_report

__all__ = ["Reconstructions", "ReportContent", "Samples", "gather", "render", "write_report"]
