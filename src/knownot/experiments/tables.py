"""Results as rows of short texts, for a terminal and for a page alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from knownot.experiments.declaration import Experiment
from knownot.experiments.results import GAIN, Record

NONE = "–"
#: The rule that users get, which tables and figures emphasise.
DEFAULT_RULE = "knownot"

# Metric and heading, the most telling first: where there is no room, the last ones are left out.
SUMMARY = (
    ("auroc", "AUROC"),
    ("oscr", "OSCR"),
    ("accuracy", "accuracy"),
    ("f1 mean threshold Q>=1", "F1, mean τ"),
    ("f1 Q={last}", "F1, Q = {last}"),
    ("rejection", "rejected"),
    ("acceptance", "accepted"),
)
# Headings of experiments on subclusters, in whose metrics the drops and gains follow.
SUBCLUSTERS = (("n_subclusters", "chosen"), ("true", "true"))
LEGENDS = {
    "open-set": "Mean ± standard deviation over seeds. F1, mean τ: macro-F1 at the mean of the thresholds for each Q, "
    "averaged over Q ≥ 1 unknown classes. F1, Q = {last}: with all unknown classes, at the threshold for that Q. "
    "Rejected, accepted: unknown and known test samples at the threshold that is to accept 95 % of the known.",
    "subclusters": "Mean ± standard deviation over seeds, the paper's numbers in parentheses. Drop: what one more "
    "subcluster takes from the latent covering loss at equal reconstruction, in nats, as the paper measures it. Gain: "
    "what it takes from the full objective, by which the number is chosen.",
}


@dataclass(frozen=True)
class Row:
    """A method and its numbers.

    Attributes
    ----------
    title : str
    cells : tuple of str
    emphasised : bool
        Whether it is the default rule.
    """

    title: str
    cells: tuple[str, ...]
    emphasised: bool = False


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes
    ----------
    columns : tuple of str
        Headings of the cells.
    rows : tuple of Row
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def number(mean: float, sd: float | None, digits: int) -> str:
    """Mean ± standard deviation, to so many decimals.

    Examples
    --------
    >>> number(0.98765, 0.0012, 3), number(0.5, None, 3)
    ('0.988 ± 0.001', '0.500')
    """
    return f"{mean:.{digits}f}" + ("" if sd is None else f" ± {sd:.{digits}f}")


def unknown_classes(records: Iterable[Record]) -> int:
    """How many unknown classes there are: the largest Q of the metrics."""
    return max((int(r.metric.split("Q=")[1]) for r in records if "Q=" in r.metric), default=0)


def summary(experiment: Experiment, records: Sequence[Record], digits: int = 3) -> Grid:
    """The main table of an experiment: of every method the most telling numbers.

    For kinds other than "open-set" every metric is a column.

    Parameters
    ----------
    experiment : Experiment
    records : sequence of Record
        As :meth:`Results.records` returns them.
    digits : int
        Decimals.

    Returns
    -------
    Grid
    """
    if experiment.kind == "open-set":
        last = unknown_classes(records)
        metrics = [(metric.format(last=last), heading.format(last=last)) for metric, heading in SUMMARY]
        return _grid(experiment, records, metrics, digits)
    names = {record.metric for record in records if record.metric != GAIN}
    rest = sorted(names - {name for name, _ in SUBCLUSTERS})
    return _grid(experiment, records, [*SUBCLUSTERS, *((name, name) for name in rest)], 2)


def legend(experiment: Experiment, records: Sequence[Record]) -> str:
    """What the columns of the main table mean."""
    return LEGENDS[experiment.kind].format(last=unknown_classes(records))


def f1_grid(experiment: Experiment, records: Sequence[Record], mean_threshold: bool, digits: int = 3) -> Grid:
    """Macro-F1 of every method for every number Q of unknown classes."""
    of = "f1 mean threshold" if mean_threshold else "f1"
    return _grid(
        experiment, records, [(f"{of} Q={q}", f"Q = {q}") for q in range(unknown_classes(records) + 1)], digits
    )


def _grid(experiment: Experiment, records: Sequence[Record], metrics: Sequence[tuple[str, str]], digits: int) -> Grid:
    found = {(record.method, record.metric): record for record in records}
    there = [(metric, heading) for metric, heading in metrics if any(key[1] == metric for key in found)]
    methods = dict.fromkeys(record.method for record in records if record.metric != GAIN)
    rows = (
        Row(
            title_of(experiment, method),
            tuple(_cell(found.get((method, metric)), digits) for metric, _ in there),
            method == DEFAULT_RULE,
        )
        for method in ordered(experiment, methods)
    )
    return Grid(tuple(heading for _, heading in there), tuple(rows))


def _cell(record: Record | None, digits: int) -> str:
    if record is None:
        return NONE
    counted = record.metric in ("n_subclusters", "true") and not record.sd and record.mean.is_integer()
    text = f"{record.mean:.0f}" if counted else number(record.mean, record.sd, digits)
    return text if record.paper is None else f"{text} ({record.paper:g})"


def ordered(experiment: Experiment, methods: Iterable[str]) -> list[str]:
    """Methods in the order of the experiment; others, which it no longer has, after them."""
    declared = [method.name for method in experiment.methods]
    return sorted(methods, key=lambda name: declared.index(name) if name in declared else len(declared))


def title_of(experiment: Experiment, method: str) -> str:
    """What a method is called in tables."""
    return next((declared.title for declared in experiment.methods if declared.name == method), method)


@dataclass(frozen=True)
class Claim:
    """A headline beside the paper's.

    Attributes
    ----------
    what : str
        "GMVAE + NC-U over CROSR + NC-D".
    ours, paper, difference : str
        Gains in per cent, and how far ours is from the paper's; a dash where the paper has none.
    """

    what: str
    ours: str
    paper: str
    difference: str


def claims(experiment: Experiment, records: Sequence[Record]) -> list[Claim]:
    """Headlines of an experiment, ours beside the paper's.

    Parameters
    ----------
    experiment : Experiment
    records : sequence of Record

    Returns
    -------
    list of Claim
    """
    gains = {record.method: record for record in records if record.metric == GAIN}
    found = []
    for headline in experiment.headlines:
        if (record := gains.get(headline.name)) is None:
            continue
        spread = "" if record.sd is None else f" ± {record.sd:.1f}"
        found.append(
            Claim(
                f"{title_of(experiment, headline.method)} over {title_of(experiment, headline.over)}",
                f"{record.mean:+.1f}{spread} %",
                NONE if record.paper is None else f"{record.paper:+.1f} %",
                NONE if record.paper is None else f"{record.mean - record.paper:+.1f}",
            )
        )
    return found


def listed(numbers: Iterable[int]) -> str:
    """Numbers in words.

    Examples
    --------
    >>> listed([0]), listed([0, 1, 2, 4])
    ('0', '0, 1, 2 and 4')
    """
    words = [str(value) for value in numbers]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
