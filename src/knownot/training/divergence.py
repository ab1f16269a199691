"""Sums of the loss terms on the device, and the guard against a training that diverges."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


class DivergenceError(RuntimeError):
    """A training diverged to infinity or NaN; the module holds the weights of the last good epoch.

    Attributes
    ----------
    epoch : int
        Epoch (from 1) in which it happened.
    terms : tuple of str
        Terms of the loss that became infinite or NaN first; ``("gradient",)`` when all terms were
        finite to the end of the epoch and the weights were not.
    """

    def __init__(self, message: str, epoch: int, terms: Sequence[str]) -> None:
        super().__init__(message)
        self.epoch, self.terms = epoch, tuple(terms)


@dataclass(frozen=True)
class EpochTerms:
    """Means of the loss terms over an epoch, and what of it was not finite.

    Attributes
    ----------
    means : dict of str to float
        Per sample; the last one is "total". Terms of no sample are left out.
    culprits : tuple of str
        What became infinite or NaN first; empty after a good epoch.
    step : int
        The step (from 1) in which it did.
    """

    means: dict[str, float]
    culprits: tuple[str, ...] = ()
    step: int = 0


class TermSums:
    """Loss terms added up on the device; one transfer to the host at the end of an epoch.

    Infinity and NaN survive every addition, so a running sum is finite as long as all that went into
    it was. Counting the steps in which it was finite tells which term failed first, and the host need
    not wait for the device in between.

    Parameters
    ----------
    device : torch.device
    """

    def __init__(self, device: torch.device) -> None:
        self._dtype = torch.float32 if device.type == "mps" else torch.float64
        self._device = device
        self._names: tuple[str, ...] = ()
        self._sums = self._finite_steps = torch.empty(0)
        self._counts: list[int] = []

    @torch.no_grad()
    def add(self, total: Tensor, terms: dict[str, Tensor], n_samples: int) -> None:
        """Add one batch.

        Parameters
        ----------
        total : Tensor, scalar
            Mean over the batch; whatever else is a mean is a scalar too.
        terms : dict of str to Tensor
            Each of shape (n,), where n is the number of samples that the term is of, or a scalar.
        n_samples : int
            Samples of the batch.
        """
        names = (*terms, "total")
        if self._names != names:
            self._reset(names)
        values = [*(term if term.ndim else term.expand(n_samples) for term in terms.values()), total.expand(n_samples)]
        counts = [len(value) for value in values]
        # One kernel where all terms are of the same samples, as they mostly are.
        same = len(set(counts)) == 1
        sums = (
            torch.stack(values).sum(1, dtype=self._dtype)
            if same
            else torch.stack([value.sum(dtype=self._dtype) for value in values])
        )
        self._sums += sums
        self._finite_steps += torch.isfinite(self._sums)
        self._counts = [a + b for a, b in zip(self._counts, counts, strict=True)]

    def _reset(self, names: tuple[str, ...]) -> None:
        if self._names:
            raise ValueError(
                f"The loss has the terms {names}, in the batches before it had {self._names}: a module must give "
                "the same terms, in the same order, for every batch."
            )
        self._names = names
        self._sums = torch.zeros(len(names), dtype=self._dtype, device=self._device)
        self._finite_steps = torch.zeros_like(self._sums)
        self._counts = [0] * len(names)

    def read(self, weights: Sequence[Tensor] = (), gather: Callable[[Tensor], Tensor] | None = None) -> EpochTerms:
        """Fetch the means; the one place where the host waits for the device.

        Parameters
        ----------
        weights : sequence of Tensor
            Whether they are finite is fetched along with the sums: a gradient that is not finite in
            the last step shows in no term.
        gather : callable, optional
            Brings a tensor from all processes together, shape (processes, ...).
        """
        norm = torch.nn.utils.get_total_norm([w.detach() for w in weights]) if weights else torch.zeros(())
        values = torch.cat(
            [self._sums, self._finite_steps, self._sums.new_tensor(self._counts), norm.to(self._sums)[None]]
        )
        rows = (values if gather is None else gather(values)).reshape(-1, len(values)).tolist()

        n = len(self._names)
        counts = [sum(row[2 * n + i] for row in rows) for i in range(n)]
        # A term without a sample in the whole epoch has no mean.
        means = {name: sum(row[i] for row in rows) / counts[i] for i, name in enumerate(self._names) if counts[i] > 0}
        first = {
            name: int(min(row[n + i] for row in rows))
            for i, name in enumerate(self._names)
            if name in means and not math.isfinite(means[name])
        }
        if first:
            step = min(first.values())
            culprits = [name for name, count in first.items() if count == step]
            # The total follows its parts; it is at fault only where they are all finite.
            return EpochTerms(means, tuple(culprits[:-1] if len(culprits) > 1 else culprits), step + 1)
        if not all(math.isfinite(row[-1]) for row in rows):
            return EpochTerms(means, ("gradient",), int(rows[0][n]))
        return EpochTerms(means)
