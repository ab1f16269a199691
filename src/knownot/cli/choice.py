"""Which method suits some samples, where the user names none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from knownot import catalogue
from knownot.cli.parameters import OPTIONS

if TYPE_CHECKING:
    from knownot.data import Dataset

TABLES, IMAGES = "embedding", "gmvae"


class Choice(NamedTuple):
    """A method, why it, and what a user should know of it.

    Attributes
    ----------
    method : str
        As :data:`knownot.catalogue.METHODS` names it.
    reason : str
    advice : str
        Empty where there is none.
    """

    method: str
    reason: str
    advice: str = ""


def choose_method(data: Dataset, options: Mapping[str, Any], settings: Mapping[str, Any]) -> Choice:
    """Choose a method by the kind of samples.

    Parameters
    ----------
    data : Dataset
    options : mapping of str to value
        Options of `fit` by name; None and False: not given.
    settings : mapping of str to value
        Of ``--set``.

    Examples
    --------
    >>> import numpy as np
    >>> from knownot.data import Dataset
    >>> choose_method(Dataset(np.zeros((2, 3))), {}, {}).method
    'embedding'
    >>> choose_method(Dataset(np.zeros((2, 3))), {"--epochs": 5}, {})
    Choice(method='gmvae', reason='--epochs was given, which embedding has not', advice='')
    """
    if not data.is_image:
        estimator = catalogue.resolve(catalogue.ESTIMATORS[catalogue.METHODS[TABLES]])()
        own = {*estimator.get_params(deep=False), OPTIONS["--seed"]}
        given = {option: OPTIONS[option] for option, value in options.items() if value not in (None, False)}
        given |= {f"--set {name}": name for name in settings}
        foreign = [option for option, name in given.items() if name.partition("__")[0] not in own]
        if foreign:
            return Choice(IMAGES, f"{foreign[0]} was given, which {TABLES} has not")
        return Choice(TABLES, "in a table, how near a row is to known ones tells most")
    if data.x.shape[3] == 1:
        return Choice(IMAGES, "it is made for grey images")
    return Choice(
        IMAGES,
        "it takes images",
        "small networks trained from scratch do not understand photographs. Embed them with a pretrained encoder "
        "first, and fit a table of these embeddings.",
    )
