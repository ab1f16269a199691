"""The history of a training: one record for each epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NotRequired, TypedDict

Stopped = Literal["finished", "early", "time", "interrupted"]


class Record(TypedDict):
    """One epoch. Terms are means over the samples, in nats.

    Attributes
    ----------
    epoch : int
        Counted from 1.
    seconds : float
        Wall time of the epoch with its validation.
    learning_rate : float
        That of the epoch's last step.
    train : dict of str to float
        Terms by name (unweighted), and "total", what was minimised.
    validation : dict of str to float, or None
        The same on the validation batches, the divergences at weight 1, and "criterion", what decides
        which weights are best, of modules that have one beside the total. None: not validated.
    gradient_norm : float
        Euclidean norm of the gradient before clipping, mean over the steps; absent without clipping.
    """

    epoch: int
    seconds: float
    learning_rate: float
    train: dict[str, float]
    validation: dict[str, float] | None
    gradient_norm: NotRequired[float]


def selection_loss(validation: dict[str, float]) -> float:
    """What decides which weights are best: the module's own criterion, else the total.

    Examples
    --------
    >>> selection_loss({"total": 2.0}), selection_loss({"total": 2.0, "criterion": 3.0})
    (2.0, 3.0)
    """
    return validation.get("criterion", validation["total"])


@dataclass
class History:
    """Records of a training, in order; behaves like a list of them.

    Attributes
    ----------
    records : list of Record
    best_epoch : int or None
        Epoch (from 1) whose weights the module holds: that of the lowest validation loss; without
        validation the last. None: no epoch was completed.
    stopped : {"finished", "early", "time", "interrupted"} or None
        Why the training ended; None while it runs.
    precision, device : str
        Precision and device type of the training.
    seed : int
        What decided its noise.

    Examples
    --------
    >>> history = History()
    >>> len(history), history.best is None
    (0, True)
    """

    records: list[Record] = field(default_factory=list)
    best_epoch: int | None = None
    stopped: Stopped | None = None
    precision: str = "32-true"
    device: str = "cpu"
    seed: int = 0

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Record:
        return self.records[index]

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    @property
    def best(self) -> Record | None:
        """Record of the best epoch."""
        return None if self.best_epoch is None else self.records[self.best_epoch - 1]

    def losses(self, part: Literal["train", "validation"] = "train", term: str = "total") -> list[float | None]:
        """One term, epoch by epoch; None where an epoch was not validated, or had no sample of the term.

        Examples
        --------
        >>> record = {"epoch": 1, "seconds": 1.0, "learning_rate": 0.1, "train": {"total": 2.0}, "validation": None}
        >>> History([record]).losses(), History([record]).losses("validation")
        ([2.0], [None])
        """
        return [None if (values := record[part]) is None else values.get(term) for record in self.records]

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and numbers, for JSON or a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> History:
        """Undo :meth:`to_dict`."""
        return cls(**values)
