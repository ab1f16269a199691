"""Known classes that are hidden for a while, to see how a model meets what it has not learned."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knownot.data.arrays import check_labels

# Up to so many classes each is hidden alone; above, thirds of them, twice.
_MAX_ALONE = 6
_N_PARTITIONS = 2
_PARTS = 3


def hidden_groups(n_classes: int, random: np.random.RandomState) -> list[NDArray[np.int64]]:
    """Groups of classes to hide in turn, each class equally often.

    Parameters
    ----------
    n_classes : int
    random : RandomState

    Returns
    -------
    list of ndarray of int64
        Class indices: of up to six classes each alone, of more two partitions into thirds. Nothing where there
        is one class, since none would be left.

    Examples
    --------
    >>> [group.tolist() for group in hidden_groups(3, np.random.RandomState(0))]
    [[0], [1], [2]]
    >>> [len(group) for group in hidden_groups(10, np.random.RandomState(0))]
    [4, 3, 3, 4, 3, 3]
    """
    if n_classes < 2:
        return []
    if n_classes <= _MAX_ALONE:
        return [np.array([c]) for c in range(n_classes)]
    groups = []
    for _ in range(_N_PARTITIONS):
        order = random.permutation(n_classes)
        groups += [np.sort(order[start::_PARTS]) for start in range(_PARTS)]
    return groups


def hold_back(y: NDArray[np.int64], share: float, random: np.random.RandomState) -> NDArray[np.bool_]:
    """Mask of a share of the samples of each class: at least one, and never a class's last.

    Examples
    --------
    >>> hold_back(np.array([0, 0, 0, 1]), 0.3, np.random.RandomState(0)).sum()
    np.int64(1)
    """
    held = np.zeros(len(y), dtype=bool)
    order = random.permutation(len(y))
    order = order[np.argsort(y[order], kind="stable")]
    counts = np.bincount(y)
    starts = np.cumsum(counts) - counts
    for start, count in zip(starts, counts, strict=True):
        held[order[start : start + min(max(1, round(share * count)), max(count - 1, 0))]] = True
    return held


class LeaveClassesOut:
    """Cross-validation that hides classes: a test part holds all samples of some classes, and some of the others.

    The training part knows nothing of the hidden classes, so a scorer such as
    :func:`knownot.auroc_scorer` measures on the test part how well unknown classes are told from known ones.

    Parameters
    ----------
    groups : sequence of sequences of labels, optional
        Classes to hide together, one group a fold. Default: of up to six classes each alone, of more two random
        partitions into thirds.
    test_size : float
        Share of the samples of each remaining class in the test part, in (0, 1).
    random_state : int, RandomState or None

    Examples
    --------
    >>> y = np.repeat(["a", "b", "c"], 10)
    >>> for train, test in LeaveClassesOut(random_state=0).split(y, y):
    ...     print(np.unique(y[train]), len(train), len(test))
    ['b' 'c'] 14 16
    ['a' 'c'] 14 16
    ['a' 'b'] 14 16
    """

    def __init__(
        self,
        groups: Sequence[Sequence[Any]] | None = None,
        *,
        test_size: float = 0.3,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.groups = groups
        self.test_size = test_size
        self.random_state = random_state

    def split(
        self, X: Any, y: ArrayLike | None = None, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Indices of the training and the test part of each fold.

        Parameters
        ----------
        X : array-like
            Only its length counts.
        y : array-like, shape (N,)
            Class labels.
        groups : object
            Not used; scikit-learn passes it.

        Yields
        ------
        train, test : ndarray of int64

        Raises
        ------
        ValueError
            If there are no labels, fewer than two classes, a group that leaves no class, or a setting out of its
            range.
        """
        from sklearn.utils.validation import _num_samples

        codes, hidden = self._hidden(y)
        if X is not None and _num_samples(X) != len(codes):
            raise ValueError(f"X has {_num_samples(X)} samples but y has {len(codes)} labels: give one label for each.")
        random = _random_state(self.random_state)
        for group in hidden:
            is_hidden = np.isin(codes, group)
            # Held back among what stays; the codes of the others would count as classes of their own.
            held = np.zeros(len(codes), dtype=bool)
            kept = np.flatnonzero(~is_hidden)
            held[kept[hold_back(np.unique(codes[kept], return_inverse=True)[1], self.test_size, random)]] = True
            yield np.flatnonzero(~is_hidden & ~held), np.flatnonzero(is_hidden | held)

    def get_n_splits(self, X: Any = None, y: ArrayLike | None = None, groups: Any = None) -> int:
        """How many folds there are for these labels."""
        return len(self._hidden(y)[1])

    def __repr__(self) -> str:
        return (
            f"LeaveClassesOut(groups={self.groups!r}, test_size={self.test_size!r}, random_state={self.random_state!r})"
        )

    def _hidden(self, y: ArrayLike | None) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
        if y is None:
            raise ValueError("LeaveClassesOut hides classes, so it needs their labels: give y.")
        if not isinstance(self.test_size, numbers.Real) or not 0.0 < self.test_size < 1.0:
            raise ValueError(f"test_size={self.test_size!r} does not work: give a share above 0 and below 1.")
        classes, codes = np.unique(check_labels(y, len(np.asarray(y))), return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"y holds {len(classes)} class, and none would be left if it were hidden: give samples of at least two."
            )
        if self.groups is None:
            return codes, hidden_groups(len(classes), _random_state(self.random_state))
        hidden = []
        for group in self._named_groups():
            found = np.flatnonzero(np.isin(classes, np.asarray(group)))
            if len(found) < len(set(group)) or len(found) == len(classes) or not len(found):
                raise ValueError(
                    f"the group {group} of classes to hide does not work: name classes of y "
                    f"({classes.tolist()[:20]}), and leave at least one."
                )
            hidden.append(found)
        return codes, hidden

    def _named_groups(self) -> list[list[Any]]:
        """The groups to hide as lists; a label by itself is no group, and a text no list of letters."""
        groups = () if isinstance(self.groups, str) or not isinstance(self.groups, Iterable) else tuple(self.groups)
        if not groups or any(isinstance(group, str) or not isinstance(group, Iterable) for group in groups):
            raise ValueError(
                f"groups={self.groups!r} does not work: give lists of classes to hide together, one a fold, as in "
                "[['a'], ['b', 'c']]."
            )
        return [list(group) for group in groups]


def _random_state(seed: int | np.random.RandomState | None) -> np.random.RandomState:
    from sklearn.utils import check_random_state

    return np.random.RandomState() if seed is None else check_random_state(seed)
