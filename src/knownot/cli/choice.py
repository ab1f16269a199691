"""Which method suits some samples, where the user names none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from knownot import catalogue
from knownot.cli.parameters import OPTIONS

if TYPE_CHECKING:
    from knownot.data import Dataset

TABLES, IMAGES, PHOTOS = "embedding", "gmvae", "softmax"


# Smaller images are too small for the network that photographs get.
_SMALLEST_PHOTO = 16
_RULES_OF_DENSITIES = ("evidence", "likelihood")
_ADVICE = (
    "an encoder that has seen millions of photographs tells more of yours: `knownot embed` makes a table with one, and "
    "`knownot fit` learns from it."
)


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
        if foreign := _foreign(TABLES, options, settings):
            return Choice(IMAGES, f"{foreign} was given, which {TABLES} has not")
        return Choice(TABLES, "in a table, how near a row is to known ones tells most")
    _, *size, channels = data.x.shape
    if channels == 1:
        return Choice(IMAGES, "it is made for grey images")
    if min(size) < _SMALLEST_PHOTO:
        return Choice(IMAGES, "it takes images as small as these")
    if foreign := _foreign(PHOTOS, options, settings):
        return Choice(IMAGES, f"{foreign} was given, which {PHOTOS} has not", _ADVICE)
    return Choice(PHOTOS, "its fast network learns photographs best of what trains within minutes", _ADVICE)


def _foreign(method: str, options: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """What was given and a method does not have, as the user wrote it; empty where all of it fits."""
    own = {*catalogue.resolve(catalogue.ESTIMATORS[catalogue.METHODS[method]])().get_params(deep=False)}
    own.add(OPTIONS["--seed"])
    given = {option: OPTIONS[option] for option, value in options.items() if value not in (None, False)}
    given |= {f"--set {name}": name for name in settings}
    foreign = [option for option, name in given.items() if name.partition("__")[0] not in own]
    if not foreign and method == PHOTOS and (rule := options.get("--rule")) in _RULES_OF_DENSITIES:
        return f"--rule {rule}"
    return foreign[0] if foreign else ""
