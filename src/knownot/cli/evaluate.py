"""`knownot evaluate`: judge a saved model by labelled samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.text import Text

from knownot.cli import options
from knownot.cli.judging import judge, shown
from knownot.cli.kinds import Kind, kind_of
from knownot.cli.learning import write_report_of
from knownot.cli.outputs import require_writable
from knownot.cli.samples import read_for, relabelled, require_label, spelled_like
from knownot.cli.scores import indented, titled
from knownot.cli.selection import parse_selection, select_known
from knownot.cli.terminal import Terminal, answers

if TYPE_CHECKING:
    import numpy as np

    from knownot.data import Dataset

NAME = "evaluate"
EXAMPLES = """[bold]Examples[/]

  knownot evaluate birds.safetensors photos/test/
  knownot evaluate wine.safetensors cellar.csv --label cultivar --report r.html
  knownot evaluate parity.safetensors mnist --groups even=0+2,odd=1+3
  knownot evaluate density.safetensors mnist --known 0,1,2,3,4,5
"""


@answers
def command(
    model: options.ModelFile,
    source: options.Source,
    label: options.Label = None,
    known: options.Known = None,
    groups: options.Groups = None,
    unreadable: options.UnreadableFiles = options.Unreadable.refuse,
    report: options.ReportFile = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Judge a saved model by labelled samples.

    Labels that a classifier does not know count as unknown; a density is told the known ones with --known.

    Of named data sets the test part is used.
    """
    terminal = Terminal(as_json, quiet)
    chosen = parse_selection(known, groups)
    require_writable(report, "--report", (".html",), [source, model])
    require_label(source, label)
    with terminal.doing("Loading the model"):
        import knownot

        fitted = knownot.load(model)
    kind = kind_of(fitted)
    if kind is Kind.other:
        raise ValueError(
            f"{model} holds a {type(fitted).__name__}, which is neither a classifier of one label nor a density nor a "
            "clustering: a column of labels cannot judge it. Use predict."
        )
    if kind is Kind.classifier and known is not None:
        raise ValueError(f"{model} is a classifier, which knows its classes: leave --known out.")
    if kind is Kind.density and chosen is None:
        raise ValueError(f"{model} has learned no labels: say which of them are known, with --known A,B,C.")
    data = read_for(terminal, fitted, source, label, unreadable.value)
    y, is_known = select_known(data.labels, chosen, data.class_names)
    data = relabelled(data, y)
    if kind is Kind.classifier:
        data = relabelled(data, spelled_like(y, fitted.classes_, data.class_names))
        require_known_classes(data, fitted.classes_)
    elif kind is Kind.clusterer:
        data, is_known = data.select(is_known), is_known[is_known]
    with terminal.doing(f"Judging {len(data):,} samples"):
        found = judge(fitted, data, is_known)
    if report is not None:
        with terminal.doing("Writing the report"):
            write_report_of(fitted, data, report, is_known)
    facts: dict[str, Any] = {
        "model": str(model),
        "source": source,
        "report": None if report is None else str(report),
        "samples": len(data),
    }
    if hasattr(fitted, "accept_"):
        facts["accept"] = fitted.accept_
    facts |= found
    parts: list[RenderableType] = [
        titled("Evaluated", f"{model.name} on {source}, {len(data):,} samples"),
        *shown(facts, data.class_names),
    ]
    if report is not None:
        parts.append(indented(Text.assemble(("Report  ", "aside"), (str(report), "path"))))
    terminal.result(facts, *parts)


def require_known_classes(data: Dataset, classes: np.ndarray) -> None:
    """Refuse samples none of which has a class that the model knows.

    Raises
    ------
    ValueError
        Names the classes of both, since they are often spelled differently.
    """
    import numpy as np

    found = np.unique(data.labels)
    if np.isin(found, classes).any():
        return
    raise ValueError(
        f"{data.name} has none of the classes that the model knows, {listed(classes.tolist())}: its classes are "
        f"{listed(found.tolist())}. If they have other names, or were merged for training, say so with "
        "--groups NAME=A+B,..."
    )


def listed(labels: list[Any], most: int = 12) -> str:
    """Name some labels.

    Examples
    --------
    >>> listed([0, 1, 2, 3], most=2)
    '0, 1 and 2 more'
    """
    more = f" and {len(labels) - most} more" if len(labels) > most else ""
    return ", ".join(map(str, labels[:most])) + more
