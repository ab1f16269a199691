"""CROSR: one network learns to classify its input and to reconstruct it.

Yoshihashi et al., "Classification-Reconstruction Learning for Open-Set Recognition", CVPR 2019,
section 3; the method that the open-set GMVAE paper compares itself with (its section 1.1). The
embedding is [y, z]: the logits, and what every stage keeps for the reconstruction.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from knownot.data import Batch
from knownot.modules.base import Loss, Module
from knownot.networks.conv import Blocks
from knownot.networks.reconstruction import HierarchicalReconstructionNet
from knownot.probability import at_least_float32


class CROSR(Module):
    """Classification-reconstruction learning on a deep hierarchical reconstruction net.

    loss = cross-entropy + weight · squared error of the reconstruction. The paper adds the two
    and says neither a weight nor whether the squares are summed; here they are averaged over the
    input's values, so that the cross-entropy leads whatever the size of the images.

    Parameters
    ----------
    input_shape : tuple of int
        (F,) for tables, (C, H, W) for images.
    n_classes : int
        Number of known classes, C.
    blocks, hidden, bottleneck_dim, top
        The network, as in :class:`knownot.networks.reconstruction.HierarchicalReconstructionNet`.
    reconstruction_weight : float
        Weight of the reconstruction beside the cross-entropy. 0 leaves a plain classifier, whose
        bottlenecks stay as they began.

    Attributes
    ----------
    n_classes : int
        The first ``n_classes`` columns of the embedding are the logits y, the others are z.

    Examples
    --------
    >>> module = CROSR((4,), n_classes=2, blocks=((1, 16), (1, 16)), hidden=(), bottleneck_dim=3)
    >>> batch = Batch(torch.zeros(3, 4), torch.tensor([0, 1, 1]))
    >>> sorted(module.loss(batch).terms)
    ['class', 'reconstruction']
    >>> module.embed(batch.x).shape
    torch.Size([3, 8])
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        n_classes: int,
        blocks: Blocks = ((2, 100), (2, 100)),
        hidden: Sequence[int] = (500,),
        bottleneck_dim: int = 32,
        top: Blocks = (),
        reconstruction_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if not 0.0 <= reconstruction_weight < math.inf:
            raise ValueError(
                f"reconstruction_weight={reconstruction_weight!r} does not work: give a finite number of at least 0."
            )
        self.input_shape, self.n_classes = tuple(input_shape), n_classes
        self.latent_dim = n_classes + len(blocks) * bottleneck_dim
        self.reconstruction_weight = reconstruction_weight
        self.network = HierarchicalReconstructionNet(self.input_shape, n_classes, blocks, hidden, bottleneck_dim, top)

    def loss(self, batch: Batch) -> Loss:
        """Cross-entropy and weighted squared error.

        Parameters
        ----------
        batch : Batch

        Returns
        -------
        Loss
            Terms "class", in nats, and "reconstruction", the squared error averaged over the
            input's values.
        """
        logits, _, reconstruction = self.network(batch.x)
        terms = {
            "class": F.cross_entropy(at_least_float32(logits), batch.y, reduction="none"),
            "reconstruction": (at_least_float32(reconstruction) - batch.x).square().flatten(1).mean(1),
        }
        per_sample = terms["class"] + self.reconstruction_weight * terms["reconstruction"]
        return Loss(per_sample.mean(), {name: term.detach() for name, term in terms.items()})

    def embed(self, x: Tensor) -> Tensor:
        """Logits, then z of every stage from the input upwards, (N, d)."""
        return self._embedding(*self.network.encode(x))

    def _embedding(self, logits: Tensor, codes: Sequence[Tensor]) -> Tensor:
        # The paper needs vectors, and its z are feature maps: the mean over all places is assumed.
        parts = [logits, *(z.flatten(2).mean(-1) if z.ndim == 4 else z for z in codes)]
        return torch.cat([at_least_float32(part) for part in parts], 1)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Reconstruction of each sample, shape as x; images within [0, 1]."""
        return self._reconstruction(self.network.encode(x)[1])

    def _reconstruction(self, codes: Sequence[Tensor]) -> Tensor:
        made = at_least_float32(self.network.decode(codes))
        return made.clamp(0.0, 1.0) if len(self.input_shape) == 3 else made

    @property
    def evidence_names(self) -> tuple[str, ...]:
        """Names that :meth:`evidence` can supply beside the embedding."""
        return ("logits", "relative error") if len(self.input_shape) == 3 else ("logits",)

    def evidence(self, x: Tensor, names: Collection[str] | None = None) -> dict[str, Tensor]:
        """What the model knows of samples, by name; only what is asked for is computed.

        Parameters
        ----------
        x : Tensor, shape (N, ...)
        names : collection of str, optional
            Some of :attr:`evidence_names`; all by default.

        Returns
        -------
        dict of str to Tensor
            "embedding" (N, d), always; "logits" (N, C), its first columns; for images "relative
            error" (N,), the squared error of the reconstruction over the energy of x.
        """
        wanted = set(self.evidence_names).intersection(self.evidence_names if names is None else names)
        logits, codes = self.network.encode(x)
        found = {"embedding": self._embedding(logits, codes)}
        if "logits" in wanted:
            found["logits"] = at_least_float32(logits)
        if "relative error" in wanted:
            # One grey level a pixel as the least energy, so that a blank image stays finite.
            energy = x.square().flatten(1).sum(1).clamp_min(x[0].numel() / 255.0**2)
            found["relative error"] = (self._reconstruction(codes) - x).square().flatten(1).sum(1) / energy
        return found
