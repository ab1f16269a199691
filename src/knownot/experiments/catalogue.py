"""All experiments by name."""

from __future__ import annotations

import difflib

from knownot.experiments import cauchy_schwarz, gradmix, open_gmvae, open_set_tables, when_vaes_know
from knownot.experiments.declaration import Experiment, Paper

#: The papers, in their order; what is from no paper comes last.
PAPERS: tuple[Paper, ...] = (
    open_gmvae.PAPER,
    gradmix.PAPER,
    when_vaes_know.PAPER,
    cauchy_schwarz.PAPER,
    open_set_tables.PAPER,
)
#: Experiments by name, in the order of the papers.
EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment for paper in PAPERS for experiment in paper.experiments
}


def find_experiments(name: str | None = None) -> list[Experiment]:
    """One experiment by its name, all of a paper by the first part of it, or all.

    Raises
    ------
    ValueError
        If there is none of this name.

    Examples
    --------
    >>> [experiment.name for experiment in find_experiments("open-gmvae/cifar10")]
    ['open-gmvae/cifar10']
    """
    if name is None:
        return list(EXPERIMENTS.values())
    if name in EXPERIMENTS:
        return [EXPERIMENTS[name]]
    of_paper = [experiment for key, experiment in EXPERIMENTS.items() if key.startswith(f"{name.rstrip('/')}/")]
    if of_paper:
        return of_paper
    near = difflib.get_close_matches(name, EXPERIMENTS, n=1, cutoff=0.4)
    raise ValueError(
        f"there is no experiment {name!r}{f'; did you mean {near[0]}?' if near else '.'} "
        "`knownot bench list` names them all."
    )
