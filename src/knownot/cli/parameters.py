"""An estimator with the parameters that options and `--set name=value` give."""

from __future__ import annotations

import ast
import difflib
import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from knownot import catalogue

#: Options of `fit` and the parameters that they set.
OPTIONS = {
    "--rule": "rule",
    "--accept": "accept",
    "--subclusters": "n_subclusters",
    "--latent-dim": "latent_dim",
    "--epochs": "max_epochs",
    "--seed": "random_state",
    "--accelerator": "accelerator",
    "--precision": "training__precision",
    "--devices": "training__devices",
    "--checkpoint": "training__checkpoint_dir",
    "--resume": "training__resume",
}
# Words that Python writes with a capital letter.
_WORDS = {"true": True, "false": False, "none": None}


def require_name(option: str, name: str | None, names: Collection[str]) -> None:
    """Refuse a name that is not one of ``names``; None, an option not given, is fine.

    Raises
    ------
    ValueError
        With the closest name and all of them.

    Examples
    --------
    >>> require_name("--method", "gmvea", ["gmvae", "softmax"])
    Traceback (most recent call last):
    ...
    ValueError: --method gmvea is not known. Did you mean 'gmvae'? There are: gmvae, softmax.
    """
    if name is not None and name not in names:
        raise ValueError(f"{option} {name} is not known.{_guess(name, names)} There are: {', '.join(names)}.")


def parse_settings(texts: Sequence[str] | None) -> dict[str, Any]:
    """Read `--set name=value`, each once.

    Parameters
    ----------
    texts : sequence of str or None
        Values are Python literals, else text; true, false and none in upper or lower case.

    Raises
    ------
    ValueError
        If there is no name, no value, or a name twice.

    Examples
    --------
    >>> parse_settings(["hidden=(64, 32)", "likelihood=gaussian", "v_prior=true", "training__weight_decay=1e-4"])
    {'hidden': (64, 32), 'likelihood': 'gaussian', 'v_prior': True, 'training__weight_decay': 0.0001}
    """
    settings: dict[str, Any] = {}
    for text in texts or ():
        name, _, value = (part.strip() for part in text.partition("="))
        if not name or not value:
            raise ValueError(f"--set {text!r} has no {'value' if name else 'name'}: write --set name=value.")
        if name in settings:
            raise ValueError(f"--set gives {name} twice: keep one of the values.")
        settings[name] = _value(value)
    return settings


def _value(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def make_estimator(
    method: str, options: Mapping[str, Any], settings: Mapping[str, Any], defaults: Mapping[str, Any]
) -> Any:
    """Make the unfitted estimator of a method.

    Parameters
    ----------
    method : str
        As :data:`knownot.catalogue.METHODS` names it.
    options : mapping of str to value
        Values of :data:`OPTIONS`; None and False: not given.
    settings : mapping of str to value
        From `parse_settings`.
    defaults : mapping of str to value
        Parameters to set where the estimator has them and no other value was given.

    Raises
    ------
    ValueError
        If the method is not known, or has no such parameter, or something is given twice.
    """
    require_name("--method", method, catalogue.METHODS)
    estimator = catalogue.resolve(catalogue.ESTIMATORS[catalogue.METHODS[method]])()
    own = estimator.get_params(deep=False)
    parameters = {name: value for name, value in defaults.items() if name in own}
    taken: dict[str, str] = {}
    for option, value in options.items():
        if value is None or value is False:
            continue
        name = OPTIONS[option]
        if name.partition("__")[0] in own:
            parameters[name], taken[name] = value, option
        elif option != "--seed":  # which also decides the samples held out
            raise ValueError(
                f"{option} does not apply to --method {method}: {type(estimator).__name__} has no parameter "
                f"{name!r}. Leave it out."
            )
    for name in settings:
        if name in taken:
            raise ValueError(f"{taken[name]} and --set {name} were both given: keep one of them.")
    return _with(estimator, {**parameters, **settings})


def _with(estimator: Any, parameters: Mapping[str, Any]) -> Any:
    """Set parameters, nested ones last, since the others decide which exist."""
    own = estimator.get_params(deep=False)
    for name in parameters:
        if name.partition("__")[0] not in own:
            raise _no_parameter(estimator, name)
    estimator.set_params(**{name: value for name, value in parameters.items() if "__" not in name})
    for name, value in parameters.items():
        if "__" not in name:
            continue
        try:
            estimator.set_params(**{name: value})
        except (AttributeError, TypeError, ValueError) as error:
            known = estimator.get_params()
            siblings = [other for other in known if other.startswith(name.partition("__")[0] + "__")]
            if siblings and name not in known:
                raise _no_parameter(estimator, name, siblings) from error
            raise ValueError(f"--set {name}={value} does not work with {type(estimator).__name__}: {error}.") from error
    return estimator


def _no_parameter(estimator: Any, name: str, names: Sequence[str] | None = None) -> ValueError:
    if names is None:
        if "training" in estimator.get_params(deep=False):
            # Where there are no settings yet, setting one makes them, so that all are listed.
            estimator.set_params(training__resume=False)
        names = list(estimator.get_params())
    names = sorted(names)
    return ValueError(
        f"--set {name}: {type(estimator).__name__} has no such parameter.{_guess(name, names)} "
        f"There are: {', '.join(names)}."
    )


def _guess(name: str, names: Collection[str]) -> str:
    nested = [other for other in names if other.endswith(f"__{name}")]
    near = nested or difflib.get_close_matches(name, list(names), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
