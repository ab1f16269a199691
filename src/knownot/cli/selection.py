"""Which classes are known: `--known a,b` and `--groups even=0+2,odd=1+3`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

Chosen = dict[str, list[str]]


def parse_selection(known: str | None, groups: str | None) -> Chosen | None:
    """Read the two options: the known classes as written, by their new names. None: all are known.

    Raises
    ------
    ValueError
        If both are given, or a name is empty, without an = sign or there twice.

    Examples
    --------
    >>> parse_selection("cat, dog", None)
    {'cat': ['cat'], 'dog': ['dog']}
    >>> parse_selection(None, "even=0+2,odd=1+3")
    {'even': ['0', '2'], 'odd': ['1', '3']}
    """
    if known is not None and groups is not None:
        raise ValueError("--known and --groups were both given: use one; --groups names the known classes as well.")
    if known is not None:
        option, form = "--known", "--known a,b,c"
        pairs = [(name.strip(), [name.strip()]) for name in known.split(",")]
    elif groups is not None:
        option, form = "--groups", "--groups even=0+2,odd=1+3"
        pairs = []
        for part in groups.split(","):
            name, sign, members = part.partition("=")
            if not sign:
                raise ValueError(f"--groups has {part.strip()!r} without an = sign: write it as {form}.")
            pairs.append((name.strip(), [member.strip() for member in members.split("+")]))
    else:
        return None
    if not all(name and all(members) for name, members in pairs):
        raise ValueError(f"{option} has an empty name: write it as {form}.")
    if len(dict(pairs)) < len(pairs):
        raise ValueError(f"{option} has the same name twice: write it as {form}, each name once.")
    return dict(pairs)


def select_known(
    y: np.ndarray, chosen: Chosen | None, class_names: tuple[str, ...] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Apply a selection to labels.

    Parameters
    ----------
    y : ndarray of shape (N,)
        Labels, numbers or strings.
    chosen : dict or None
        From `parse_selection`.
    class_names : tuple of str, optional
        Names of the classes 0 … C - 1, which may be chosen by them as well.

    Returns
    -------
    y : ndarray of shape (N,)
        The labels; where classes are taken together, the names of the groups, and a class outside
        all groups keeps its own.
    known : ndarray of shape (N,), bool

    Raises
    ------
    ValueError
        If a chosen class is not there or in two groups, or a group has the name of a class outside it.

    Examples
    --------
    >>> import numpy as np
    >>> y, known = select_known(np.array([0, 1, 2]), {"even": ["0", "2"]})
    >>> y.tolist(), known.tolist()
    (['even', '1', 'even'], [True, False, True])
    """
    import numpy as np

    from knownot.data import open_set_split

    if chosen is None:
        return y, np.ones(len(y), bool)
    spelling = {str(label): label for label in np.unique(y).tolist()}
    if class_names is not None and y.dtype.kind in "iu":
        spelling = {class_names[i]: i for i in spelling.values() if 0 <= i < len(class_names)} | spelling
    split = open_set_split(
        y, known={name: [spelling.get(member, member) for member in members] for name, members in chosen.items()}
    )
    codes = split.apply(y)
    if all(members == [name] for name, members in chosen.items()):
        return y, codes >= 0
    clash = sorted({str(label) for label in np.unique(y[codes < 0])} & set(chosen))
    if clash:
        raise ValueError(
            f"--groups calls a group {clash[0]!r}, but a class outside of it has that name: choose another name."
        )
    return np.where(codes >= 0, np.array(split.class_names)[codes], y.astype(str)), codes >= 0
