"""The import graphs of docs/architecture.md are those of the code, and a circle would be found."""

import re
from pathlib import Path

import grimp
import pytest

PAGE = Path(__file__).parents[1] / "docs" / "architecture.md"


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("knownot", cache_dir=None)


def drawn():
    """Arrows of each graph on the page."""
    blocks = re.findall(r"```mermaid\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    return [set(re.findall(r"(\w+) --> (\w+)", block)) for block in blocks]


def between(graph, parent):
    """Imports between the children of a package."""

    def child(module):
        return module.removeprefix(f"{parent}.").split(".")[0]

    modules = [module for module in graph.modules if module.startswith(f"{parent}.")]
    return {
        (child(one), child(other))
        for one in modules
        for other in graph.find_modules_directly_imported_by(one)
        if other.startswith(f"{parent}.") and child(one) != child(other)
    }


def test_import_graph_of_subpackages_is_the_one_in_the_docs(graph):
    found = {arrow for arrow in between(graph, "knownot") if arrow[0] != "__main__"}
    assert drawn()[0] == found


def test_import_graph_of_estimators_is_the_one_in_the_docs(graph):
    assert drawn()[1] == between(graph, "knownot.estimators")


def test_import_graph_has_no_circle(graph):
    for parent in ["knownot", *sorted(m for m in graph.modules if graph.find_children(m))]:
        arrows = between(graph, parent)
        left = {node for arrow in arrows for node in arrow}
        while free := {node for node in left if not any(a == node and b in left for a, b in arrows)}:
            left -= free
        assert not left, f"a circle among {sorted(left)} of {parent}"


def test_files_of_estimators_stay_short():
    for path in Path(__file__).parents[1].glob("src/knownot/estimators/*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, path.name
