"""The sections of the page, one file and one template each."""

from knownot.report.sections.clusters import Clusters
from knownot.report.sections.confusion import Confusion
from knownot.report.sections.coverage import Coverage
from knownot.report.sections.curves import Curves
from knownot.report.sections.forecast import Forecast
from knownot.report.sections.generated import Generated
from knownot.report.sections.headline import Headline
from knownot.report.sections.map import Map
from knownot.report.sections.members import Members
from knownot.report.sections.metrics import Metrics
from knownot.report.sections.rejected import Rejected
from knownot.report.sections.scores import Scores
from knownot.report.sections.section import Section
from knownot.report.sections.settings import Settings
from knownot.report.sections.training import Training

#: In the order of the page.
SECTIONS: tuple[Section, ...] = (
    Headline(),
    Scores(),
    Curves(),
    Metrics(),
    Forecast(),
    Coverage(),
    Confusion(),
    Clusters(),
    Map(),
    Members(),
    Rejected(),
    Generated(),
    Training(),
    Settings(),
)

__all__ = ["SECTIONS", "Section"]
