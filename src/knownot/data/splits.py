"""Which classes are known, how they are grouped, and the validation sets cut from the training set."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from knownot.data.arrays import Dataset, check_labels

Label: TypeAlias = int | str
Known: TypeAlias = Sequence[Label] | np.ndarray | Mapping[str, Label | Collection[Label]]
UNKNOWN = -1


@dataclass(frozen=True, init=False)
class OpenSetSplit:
    """A choice of known classes, alone or in groups, and of unknown ones.

    Parameters
    ----------
    known : sequence of labels, or mapping of name to label or labels
        A sequence makes each label a known class of its own. A mapping makes a known class of
        each name, such as ``{"even": (0, 2), "odd": (1, 3)}``. The order gives the codes 0, 1, ...
    unknown : sequence of labels, optional
        The unknown classes. None: all that are not known.
    unknown_elsewhere : bool
        ``unknown`` are labels of another data set, so that they may equal known labels.

    Attributes
    ----------
    groups : tuple of tuple of labels
        The labels of each known class.
    class_names : tuple of str
        The name of each known class.
    unknown : tuple of labels or None
    unknown_elsewhere : bool

    Raises
    ------
    ValueError
        If there is no known class, one without a label, or a label in two places.

    Examples
    --------
    >>> split = OpenSetSplit({"even": (0, 2), "odd": (1, 3)})
    >>> split.apply([0, 1, 2, 3, 4])
    array([ 0,  1,  0,  1, -1])
    >>> split.class_names
    ('even', 'odd')
    """

    groups: tuple[tuple[Label, ...], ...]
    class_names: tuple[str, ...]
    unknown: tuple[Label, ...] | None = None
    unknown_elsewhere: bool = False
    _code_of: dict[Label, int] = field(repr=False, compare=False, default_factory=dict)

    def __init__(
        self,
        known: Known,
        unknown: Sequence[Label] | None = None,
        *,
        unknown_elsewhere: bool = False,
    ) -> None:
        if isinstance(known, Mapping):
            names = tuple(str(name) for name in known)
            groups = tuple(_as_tuple(labels) for labels in known.values())
        else:
            groups = tuple((_to_python(label),) for label in known)
            names = tuple(str(group[0]) for group in groups)
        if not groups or not all(groups):
            raise ValueError(f"known is {known!r}: give at least one known class, and a label for each.")
        rest = None if unknown is None else tuple(_to_python(label) for label in unknown)
        if unknown_elsewhere and not rest:
            raise ValueError(
                "unknown_elsewhere is set without unknown: list the unknown classes of the other data set."
            )
        inside = [label for group in groups for label in group]
        places = [inside, list(rest or ())] if unknown_elsewhere else [inside + list(rest or ())]
        twice = sorted({label for place in places for label in place if place.count(label) > 1}, key=str)
        if twice:
            raise ValueError(
                f"The labels {', '.join(map(repr, twice))} stand in more than one place: "
                "a label belongs to one known class, or is unknown."
            )
        for name, value in (
            ("groups", groups),
            ("class_names", names),
            ("unknown", rest),
            ("unknown_elsewhere", unknown_elsewhere),
        ):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "_code_of", {label: i for i, group in enumerate(groups) for label in group})

    @property
    def labels(self) -> tuple[Label, ...]:
        """All known labels, group after group."""
        return tuple(label for group in self.groups for label in group)

    @property
    def n_classes(self) -> int:
        """Number of known classes, groups counted once."""
        return len(self.groups)

    def apply(self, y: Any) -> np.ndarray:
        """Turn labels into codes of known classes, -1 for every other label.

        Parameters
        ----------
        y : array-like of labels, shape (N,)

        Returns
        -------
        ndarray, shape (N,), int64
        """
        labels, inverse = np.unique(check_labels(y, len(y)), return_inverse=True)
        codes = np.array([self._code_of.get(_to_python(label), UNKNOWN) for label in labels], dtype=np.int64)
        return codes[inverse]

    def is_known(self, y: Any) -> np.ndarray:
        """Tell which labels belong to a known class: booleans, shape (N,)."""
        return self.apply(y) != UNKNOWN

    def is_unknown(self, y: Any) -> np.ndarray:
        """Tell which labels belong to an unknown class: booleans, shape (N,).

        Where ``unknown`` lists labels, a label can be neither known nor unknown. With
        ``unknown_elsewhere``, ``y`` are labels of that other data set.
        """
        if self.unknown is None:
            return ~self.is_known(y)
        return OpenSetSplit(self.unknown).is_known(y) if self.unknown else np.zeros(len(y), bool)


@dataclass(frozen=True, eq=False)
class OpenSetPartition:
    """What `open_set_partition` cuts; labels are those of the data set, not codes.

    Attributes
    ----------
    split : OpenSetSplit
    train : Dataset
        Known classes only.
    validation_known, validation_unknown : Dataset
        Disjoint parts of the training set.
    test : Dataset
        The whole test set; where the unknowns come from another data set, its known classes.
    test_unknown : Dataset, optional
        The unknowns that come from another data set, labelled as there.
    """

    split: OpenSetSplit
    train: Dataset
    validation_known: Dataset
    validation_unknown: Dataset
    test: Dataset
    test_unknown: Dataset | None = None

    def coded_validation(self) -> tuple[np.ndarray, np.ndarray]:
        """Join both validation sets: samples, and codes with -1 for unknown."""
        return self._with_codes(self.validation_known, self.validation_unknown)

    def coded_test(self) -> tuple[np.ndarray, np.ndarray]:
        """Join the test sets: samples, and codes with -1 for unknown.

        Classes that are neither known nor unknown are left out.
        """
        if self.test_unknown is not None:
            return self._with_codes(self.test, self.test_unknown)
        y = self.test.labels
        kept = self.split.is_known(y) | self.split.is_unknown(y)
        return self.test.x[kept], self.split.apply(y[kept])

    def _with_codes(self, known: Dataset, unknown: Dataset) -> tuple[np.ndarray, np.ndarray]:
        codes = [self.split.apply(known.labels), np.full(len(unknown), UNKNOWN, dtype=np.int64)]
        return np.concatenate([known.x, unknown.x]), np.concatenate(codes)


def open_set_split(
    y: Any,
    *,
    known: Known | None = None,
    n_known: int | None = None,
    unknown: Sequence[Label] | None = None,
    seed: int = 0,
) -> OpenSetSplit:
    """Choose known classes among those that occur, by name or at random.

    Parameters
    ----------
    y : array-like of labels, or Dataset
    known : as in `OpenSetSplit`, optional
        The known classes. Give either this or ``n_known``.
    n_known : int, optional
        Number of known classes, drawn at random; they keep their sorted order.
    unknown : sequence of labels, optional
        The unknown classes. None: the rest.
    seed : int
        Decides the draw.

    Raises
    ------
    ValueError
        If a class does not occur, or not so many.

    Examples
    --------
    >>> open_set_split([0, 0, 1, 2], known=[0, 2]).unknown
    (1,)
    >>> len(open_set_split(["a", "b", "c"], n_known=2).labels)
    2
    """
    labels = y.labels if isinstance(y, Dataset) else check_labels(y, len(y))
    occurring = [_to_python(label) for label in np.unique(labels)]
    if (known is None) == (n_known is None):
        raise ValueError("Give either known, the known classes, or n_known, how many to draw.")
    if known is None:
        assert n_known is not None
        candidates = [label for label in occurring if unknown is None or label not in set(unknown)]
        if not 0 < n_known <= len(candidates):
            raise ValueError(f"n_known is {n_known}, but there are {len(candidates)} classes to draw from.")
        drawn = np.random.default_rng(seed).permutation(len(candidates))[:n_known]
        known = [candidates[i] for i in sorted(drawn)]
    split = OpenSetSplit(known, unknown)
    _require_classes([*split.labels, *(split.unknown or ())], labels)
    if unknown is None:
        rest = [label for label in occurring if label not in set(split.labels)]
        split = OpenSetSplit(dict(zip(split.class_names, split.groups, strict=True)), rest)
    return split


def open_set_partition(
    train: Dataset,
    test: Dataset,
    split: OpenSetSplit,
    n_validation_known: int = 0,
    n_validation_unknown: int = 0,
    seed: int = 0,
    *,
    unknown_test: Dataset | None = None,
) -> OpenSetPartition:
    """Cut validation sets out of a standard training set and drop its other unknown samples.

    The validation sets are drawn at random, uniformly over samples; the rest of the unknown
    training samples is unused and the test set stays whole.

    Parameters
    ----------
    train, test : Dataset
        The standard sets, labelled.
    split : OpenSetSplit
    n_validation_known, n_validation_unknown : int
        Sizes of the validation sets.
    seed : int
        Decides the draw.
    unknown_test : Dataset, optional
        Needed where ``split.unknown_elsewhere`` is set (CIFAR+10): the other data set's test set.

    Returns
    -------
    OpenSetPartition

    Raises
    ------
    ValueError
        If a known class does not occur, or there are fewer samples than asked for.
    """
    if split.unknown_elsewhere != (unknown_test is not None):
        raise ValueError(
            "The split's unknown classes are those of another data set: give its test set as unknown_test."
            if split.unknown_elsewhere
            else "unknown_test is given, but the split's unknown classes are not marked with unknown_elsewhere=True."
        )
    y = train.labels
    _require_classes(split.labels, y)
    known = np.flatnonzero(split.is_known(y))
    unknown = np.flatnonzero(split.is_unknown(y)) if unknown_test is None else np.array([], dtype=np.int64)
    for what, wanted, there in (
        ("n_validation_known", n_validation_known, len(known) - 1),
        ("n_validation_unknown", n_validation_unknown, len(unknown)),
    ):
        if not 0 <= wanted <= there:
            raise ValueError(
                f"{what} is {wanted}, but {train.name or 'the training set'} can give 0 to {there} "
                f"({len(known)} known and {len(unknown)} unknown samples, one known to be left for training)."
            )
    # Two streams, so that the known samples drawn do not hang on how many unknown ones are.
    known_draw = np.random.default_rng([seed, 0]).permutation(known)
    unknown_draw = np.random.default_rng([seed, 1]).permutation(unknown)
    if unknown_test is not None:
        test = test.select(split.is_known(test.labels))
        _require_classes(split.unknown or (), unknown_test.labels)
        unknown_test = unknown_test.select(split.is_unknown(unknown_test.labels))
    return OpenSetPartition(
        split=split,
        train=train.select(np.sort(known_draw[n_validation_known:])),
        validation_known=train.select(np.sort(known_draw[:n_validation_known])),
        validation_unknown=train.select(np.sort(unknown_draw[:n_validation_unknown])),
        test=test,
        test_unknown=unknown_test,
    )


def _require_classes(asked: Sequence[Label], y: np.ndarray) -> None:
    occurring = [_to_python(label) for label in np.unique(y)]
    absent = [label for label in asked if label not in set(occurring)]
    if not absent:
        return
    near = difflib.get_close_matches(str(absent[0]), [str(label) for label in occurring], n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    shown = ", ".join(map(repr, occurring[:30])) + (f" and {len(occurring) - 30} more" if len(occurring) > 30 else "")
    raise ValueError(f"The data have no class {', '.join(map(repr, absent))}; their classes are {shown}.{guess}")


def _to_python(label: Any) -> Label:
    """Turn a numpy scalar into the Python number or string that it equals."""
    label = label.item() if isinstance(label, np.generic) else label
    if isinstance(label, float) and label.is_integer():
        return int(label)
    return label


def _as_tuple(labels: Label | Collection[Label]) -> tuple[Label, ...]:
    if isinstance(labels, Collection) and not isinstance(labels, str):
        return tuple(_to_python(label) for label in labels)
    return (_to_python(labels),)
