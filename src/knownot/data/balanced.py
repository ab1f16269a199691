"""Batches with a fixed share of labelled samples, however few there are of them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from knownot.data.batches import InMemoryBatches


class BalancedBatches(InMemoryBatches):
    """Batches of which a share is labelled: unlabelled samples come once an epoch, labelled ones as often as needed.

    Parameters
    ----------
    x, y, batch_size, seed, device
        As of :class:`InMemoryBatches`; batches are always shuffled, and the last one is as large as the others.
    labelled_share : float
        Share of each batch that is labelled, in (0, 1). A sample is labelled where ``y`` is not -1, or, of several
        kinds of labels, where one of them is not NaN.
    by_label : bool
        Of several yes-or-no labels: the labelled samples of a batch are half positive and half negative in one label,
        those of the next batch in the next one. A label without positive or negative samples is passed over.

    Raises
    ------
    ValueError
        If the share is out of range, or no sample is labelled or none is not.

    References
    ----------
    ``by_label``: the label-balanced batches of the Cauchy-Schwarz autoencoder paper, appendix B.2.

    Examples
    --------
    >>> y = torch.full((100,), -1)
    >>> y[:3] = torch.tensor([0, 1, 1])
    >>> batches = BalancedBatches(torch.zeros(100, 2), y, batch_size=10, labelled_share=0.2)
    >>> len(batches), {int((batch.y >= 0).sum()) for batch in batches}
    (12, {2})
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        batch_size: int,
        *,
        labelled_share: float = 0.5,
        by_label: bool = False,
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        if not 0.0 < labelled_share < 1.0:
            raise ValueError(f"labelled_share={labelled_share!r} does not work: give a share above 0 and below 1.")
        super().__init__(x, y, batch_size, shuffle=True, seed=seed, device=device)
        self.labelled_share, self.by_label = labelled_share, by_label
        labels = self._y.cpu()
        has = labels.isfinite().any(1) if labels.is_floating_point() else (labels >= 0).view(len(labels), -1).any(1)
        self._labelled, self._others = (np.flatnonzero(part.numpy()) for part in (has, ~has))
        if by_label and labels.ndim != 2:
            raise ValueError("by_label=True balances several kinds of labels: give y as a matrix, a column for each.")
        if not len(self._labelled):
            raise ValueError("no sample is labelled: label some, or use batches without a share of labelled samples.")
        self._pairs = _pairs(labels) if by_label else []
        # Where all are labelled, all of them come once an epoch.
        self._others = self._others if len(self._others) else self._labelled

    @property
    def n_labelled(self) -> int:
        """Labelled samples of a batch."""
        return int(np.clip(round(self.labelled_share * self.batch_size), 1, max(self.batch_size - 1, 1)))

    @property
    def n_samples(self) -> int:
        """Samples this process sees in an epoch."""
        return len(self) * self.batch_size

    def __len__(self) -> int:
        """Batches in an epoch, the same on every process."""
        if not hasattr(self, "_others"):
            return super().__len__()
        return max(1, len(self._others) // (max(self.batch_size - self.n_labelled, 1) * self.world_size))

    def order(self) -> Tensor:
        """Positions of this process's samples in the current epoch, int64, shape (n_samples,)."""
        random = np.random.default_rng([self.seed, self.epoch])
        n_steps, m = len(self), self.n_labelled * self.world_size
        rest = self.batch_size * self.world_size - m
        others = _cycled(self._others, n_steps * rest, random).reshape(n_steps, rest)
        if self._pairs:
            labelled = np.stack([self._balanced(self._pairs[t % len(self._pairs)], m, random) for t in range(n_steps)])
        else:
            labelled = _cycled(self._labelled, n_steps * m, random).reshape(n_steps, m)
        # Shuffled within each step, so that the parts of all processes are alike.
        positions = random.permuted(np.concatenate([labelled, others], 1), axis=1).ravel()
        return torch.from_numpy(positions[self.rank :: self.world_size].astype(np.int64))

    @staticmethod
    def _balanced(pair: tuple[np.ndarray, np.ndarray], n: int, random: np.random.Generator) -> np.ndarray:
        positive, negative = pair
        return np.concatenate([random.choice(positive, n // 2), random.choice(negative, n - n // 2)])

    def fingerprint(self) -> str:
        """As of :class:`InMemoryBatches`, and of the share."""
        return f"{super().fingerprint()} {self.labelled_share!r} {self.by_label}"


def _pairs(labels: Tensor) -> list[tuple[np.ndarray, np.ndarray]]:
    """Positive and negative samples of each label that has both."""
    found = []
    for column in labels.T:
        positive, negative = (np.flatnonzero((column == value).numpy()) for value in (1, 0))
        if len(positive) and len(negative):
            found.append((positive, negative))
    return found


def _cycled(values: np.ndarray, n: int, random: np.random.Generator) -> np.ndarray:
    """So many values: whole permutations, one after the other."""
    return np.concatenate([random.permutation(values) for _ in range(-(-n // len(values)))])[:n]
