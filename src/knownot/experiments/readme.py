"""The README's tables: a choice of experiments and methods, and where the default rule is not ahead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from knownot.experiments.catalogue import EXPERIMENTS
from knownot.experiments.results import Results
from knownot.experiments.tables import cell, ordinal, standing, title_of
from knownot.files import whole_file

MARKS = ("<!-- results, written by knownot bench -->", "<!-- end of results -->")
DIGITS = 4
# Those of a result that is there, the largest first, and what readers are told of them.
_SIZES = {"paper": "the paper's size", "cpu": "small preset"}


@dataclass(frozen=True)
class Table:
    """A table of the README, of an experiment at the paper's size.

    Attributes
    ----------
    experiment, title : str
    rows : mapping of str to str
        Methods, and what they are called there.
    """

    experiment: str
    title: str
    rows: Mapping[str, str]


_ROWS = {
    "pixels+5nn": "5-NN on raw pixels, Euclidean",
    "pixels+5nn-cosine": "5-NN on raw pixels, cosine",
    "softmax+max-logit": "softmax network, largest logit",
    "softmax+neighbours": "softmax network, neighbours of its features",
    "crosr+evt": "CROSR + EVT",
    "crosr+nc-d": "CROSR + NC-D",
    "gmvae+nc-u": "GMVAE + NC-U, as published",
    "knownot": "**knownot, default rule**",
}
TABLES = (
    Table("open-gmvae/fashion-mnist", "Fashion-MNIST, 6 known / 4 unknown", _ROWS),
    Table("open-gmvae/mnist-even-odd", "MNIST, {0, 2} and {1, 3} / 4-9", _ROWS),
)
# Experiments of which a sentence says where the default rule stands.
STANDINGS = {
    "open-gmvae/cifar10": "CIFAR-10 (6 known / 4 unknown",
    "open-gmvae/cifar10-animals-vehicles": "CIFAR-10 (animals and vehicles / 6 unknown",
}


def short_table(results: Results) -> str:
    """The README's tables, and sentences on where the default rule is not ahead; "" without results.

    Parameters
    ----------
    results : Results
    """
    parts = [_table(results, table) for table in TABLES]
    parts += [_sentence(results, name, title) for name, title in STANDINGS.items()]
    return "\n".join(f"{part}\n" for part in parts if part)


def _table(results: Results, table: Table) -> str:
    experiment = EXPERIMENTS[table.experiment]
    records = results.records(experiment, "paper")
    if not records:
        return ""
    found = {(record.method, record.metric): record for record in records}
    columns = [column for column in experiment.columns(records) if column.short]
    lines = [f"| {' | '.join([table.title, *(column.short for column in columns)])} |"]
    lines.append(f"| --- |{' ---: |' * len(columns)}")
    for method, called in table.rows.items():
        cells = [cell(found.get((method, column.metric)), column, DIGITS) for column in columns]
        lines.append(f"| {called} | {' | '.join(cells)} |")
    n_seeds = max(len(record.seeds) for record in records)
    spread = f"Mean ± standard deviation over {n_seeds} seeds." if n_seeds > 1 else "One seed."
    return "\n".join([*lines, "", f"{spread} {experiment.short_legend}".rstrip()])


def _sentence(results: Results, name: str, title: str) -> str:
    """Where the default rule stands, by the first column of the table."""
    experiment = EXPERIMENTS[name]
    for preset, size in _SIZES.items():
        if not (records := results.records(experiment, preset)):
            continue
        first = experiment.columns(records)[0]
        found = standing(records, experiment.emphasised, first.metric)
        if found is None:
            return ""
        ours = f"{first.heading} {found.method.mean:.3f}"
        where = f"On {title}, {size}) the default rule"
        if found.rank == 1:
            return f"{where} is ahead: {ours}, the best of {found.of} methods."
        return (
            f"{where} loses: {ours}, {ordinal(found.rank)} of {found.of} methods; the best is "
            f'"{title_of(experiment, found.best.method)}" with {found.best.mean:.3f}.'
        )
    return ""


def renew_readme(readme: Path, results: Results) -> bool:
    """Write the short tables between their marks; whether there was something to write and a place for it.

    Parameters
    ----------
    readme : path
    results : Results
    """
    table = short_table(results)
    if not table or not readme.exists():
        return False
    before, first, rest = readme.read_text(encoding="utf-8").partition(MARKS[0])
    _, second, after = rest.partition(MARKS[1])
    if not first or not second:
        return False
    with whole_file(readme, "w", encoding="utf-8") as file:
        file.write(f"{before}{first}\n\n{table}\n{second}{after}")
    return True
