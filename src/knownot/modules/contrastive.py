"""Supervised and self-supervised contrastive learning, with mixed views: the GradMix paper.

"Informed Mixing - Improving Open Set Recognition with Deep Dynamic Data Augmentation". Letters as in the paper: theta
and lambda weigh the supervised and the self-supervised part of the loss, gamma squared is the area of the patch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from knownot.data import Batch
from knownot.modules.base import Loss, Module
from knownot.modules.contrastive_losses import (
    gather_with_gradients,
    mixed_loss,
    moco_loss,
    simclr_loss,
    supcon_loss,
    unit_vectors,
)
from knownot.modules.momentum import MomentumQueue, momentum_update
from knownot.networks import mlp
from knownot.probability import at_least_float32
from knownot.views import Mixed, aggregate, gradcam, layercam

Views = Callable[[Tensor], Tensor]


class Mixing(Protocol):
    """What mixes the images of a batch, such as :class:`knownot.views.GradMix`."""

    @property
    def needs_attribution(self) -> bool:
        """Whether it needs maps of where the network looks."""

    def __call__(self, x: Tensor, attribution: Tensor | None = None) -> Mixed:
        """Mix a batch (N, C, H, W), with maps (N, h, w) where it needs them."""


class Contrastive(Module):
    """Encoder and projection to the unit sphere, trained by contrast.

    L = theta L_supcon + lambda (L_simclr + gamma^2 L_mixed), equation 8. SupCon and SimCLR see two clean views of each
    sample; in the mixed term the first of them is mixed with another sample's, and gamma^2 is the other's share.

    Parameters
    ----------
    network : nn.Module
        From samples to features (N, ``network.n_features``): :class:`~knownot.networks.ResNet`,
        :class:`~knownot.networks.FastConvNet`, or of rows. Attribution needs its ``stages``.
    views : callable
        From a batch to one random view of each sample; see :mod:`knownot.views`.
    projection_dim : int
        Width of the unit vectors, d.
    projection_hidden : sequence of int
        Hidden layers of the projection; none, as in the paper: it is linear.
    temperature : float
        Of all contrastive losses, above 0.
    supervised_weight : float
        theta.
    self_supervised_weight : float
        lambda.
    mixing : callable, optional
        :class:`~knownot.views.Mixup`, :class:`~knownot.views.CutMix` or :class:`~knownot.views.GradMix`.
    layers : sequence of str, optional
        Stages whose attribution maps are added up. Default: the last one.
    attribution : {"layercam", "gradcam"}
        Equations 6 and 7, or 4 and 5.
    attribution_of : {"loss", "similarity"}
        Whose gradient it is: of the SimCLR loss, as in the paper, or of the similarity of the two views.
    attribution_sign : {1, -1}
        What gradients are multiplied by; 1 in the paper.
    area_weight : bool
        Whether the mixed term is weighed by the other's share; else by 1.

    Attributes
    ----------
    latent_dim : int
        ``projection_dim``.

    Raises
    ------
    ValueError
        If both weights are 0, one is negative, a width is below 1, or the network has no such stages.

    Examples
    --------
    >>> from knownot.networks import ResNet
    >>> from knownot.views import GradMix, SimCLRViews
    >>> module = Contrastive(ResNet((3, 16, 16), width=4), SimCLRViews(), projection_dim=8, mixing=GradMix())
    >>> batch = Batch(torch.rand(6, 3, 16, 16), torch.tensor([0, 0, 1, 1, 2, 2]))
    >>> sorted(module.loss(batch).terms)
    ['mixed', 'simclr', 'supcon']
    >>> module.embed(batch.x).norm(dim=1).round(decimals=4)
    tensor([1., 1., 1., 1., 1., 1.], grad_fn=<RoundBackward1>)
    """

    def __init__(
        self,
        network: nn.Module,
        views: Views,
        projection_dim: int = 128,
        projection_hidden: Sequence[int] = (),
        temperature: float = 0.1,
        supervised_weight: float = 1.0,
        self_supervised_weight: float = 1.0,
        mixing: Mixing | None = None,
        layers: Sequence[str] | None = None,
        attribution: Literal["layercam", "gradcam"] = "layercam",
        attribution_of: Literal["loss", "similarity"] = "loss",
        attribution_sign: int = 1,
        area_weight: bool = True,
    ) -> None:
        super().__init__()
        weights = (supervised_weight, self_supervised_weight)
        if min(weights) < 0 or max(weights) <= 0:
            raise ValueError(
                f"supervised_weight={supervised_weight!r} and self_supervised_weight={self_supervised_weight!r} do not "
                "work: give two numbers of at least 0, one of them above 0."
            )
        if projection_dim < 1 or any(width < 1 for width in projection_hidden):
            raise ValueError(
                f"projection_dim={projection_dim!r} and projection_hidden={tuple(projection_hidden)!r} do not work: "
                "give widths of at least 1."
            )
        if mixing is not None and self_supervised_weight == 0:
            raise ValueError(
                "mixing is a part of the self-supervised loss, whose weight is 0: give self_supervised_weight a number "
                "above 0, or no mixing."
            )
        self.network, self.views, self.mixing = network, views, mixing
        self.temperature, self.area_weight = temperature, area_weight
        self.supervised_weight, self.self_supervised_weight = weights
        self.layers = self._check_layers(layers)
        if attribution not in ("layercam", "gradcam") or attribution_of not in ("loss", "similarity"):
            raise ValueError(
                f"attribution={attribution!r} of {attribution_of!r} is not known: use 'layercam' or 'gradcam' of "
                "'loss' or 'similarity'."
            )
        self.attribution, self.attribution_of, self.attribution_sign = attribution, attribution_of, attribution_sign
        self.projection = mlp(int(network.n_features), projection_hidden, projection_dim)  # type: ignore[arg-type]
        self.latent_dim = projection_dim

    def _check_layers(self, layers: Sequence[str] | None) -> tuple[str, ...]:
        if self.mixing is None or not self.mixing.needs_attribution:
            return ()
        names = getattr(self.network, "stage_names", ())
        if not names:
            raise ValueError(
                f"{type(self.mixing).__name__} needs to know where the network looks, which "
                f"{type(self.network).__name__} cannot say: use a ResNet or a FastConvNet on images, or another mixing."
            )
        chosen = names[-1:] if layers is None else tuple(layers)
        if not chosen or any(name not in names for name in chosen):
            raise ValueError(f"layers={layers!r} does not work: give some of {', '.join(names)}.")
        return tuple(chosen)

    def start_from(self, x: Tensor, seed: int) -> None:
        """Let the network see some training samples before it is trained."""
        start = getattr(self.network, "start_from", None)
        if start is not None:
            start(x, seed)

    # Embeddings

    def _stages(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Features, and the activations that attribution needs."""
        if self.layers:
            return self.network.stages(x, self.layers)  # type: ignore[operator,no-any-return]
        return self.network(x), {}

    def _project(self, features: Tensor) -> Tensor:
        return unit_vectors(self.projection(features))

    def embed(self, x: Tensor) -> Tensor:
        """Unit vectors, (N, d)."""
        return self._project(self.network(x))

    @property
    def evidence_names(self) -> tuple[str, ...]:
        """Names that :meth:`evidence` can supply beside the embedding."""
        return ("features", "norm")

    def evidence(self, x: Tensor, names: Collection[str] | None = None) -> dict[str, Tensor]:
        """What the model knows of samples, by name, from one pass.

        Parameters
        ----------
        x : Tensor, shape (N, ...)
        names : collection of str, optional
            Some of :attr:`evidence_names`; all by default.

        Returns
        -------
        dict of str to Tensor
            "embedding" (N, d), unit vectors, always; "features" (N, F), what the projection is of; "norm" (N,), the
            length of the projection before it is brought to 1.
        """
        features = self.network(x)
        projected = at_least_float32(self.projection(features))
        found = {"embedding": unit_vectors(projected)}
        if names is None or "features" in names:
            found["features"] = at_least_float32(features)
        if names is None or "norm" in names:
            found["norm"] = projected.norm(dim=1)
        return found

    # Loss

    def loss(self, batch: Batch) -> Loss:
        """Equation 8 on two views of each sample.

        With several processes it is that of their joined batch. The mixed term is of training alone.

        Parameters
        ----------
        batch : Batch
            Samples of class -1 are unlabelled: negatives of all, positives of their own views alone.

        Returns
        -------
        Loss
            Terms "supcon", "simclr" and "mixed", unweighted, in nats, one number for each view.
        """
        view = self.views(batch.x)
        features, kept = self._stages(torch.cat([view, self.views(batch.x)]))
        z1, z2 = self._joined(self._project(features))
        total, terms = view.new_zeros(()), {}
        if self.supervised_weight:
            y = gather_with_gradients(batch.y)
            supcon = supcon_loss(torch.cat([z1, z2]), torch.cat([y, y]), self.temperature)
            total = total + self.supervised_weight * supcon.mean()
            terms["supcon"] = supcon.values[supcon.valid].detach() if supcon.valid.any() else supcon.values[:1].detach()
        if self.self_supervised_weight:
            simclr = simclr_loss(z1, z2, self.temperature)
            total = total + self.self_supervised_weight * simclr.mean()
            terms["simclr"] = simclr.detach()
            if self.mixing is not None and self.training:
                maps = self._maps(simclr, z1, z2, kept, len(view)) if kept else None
                mixed, weight = self._mixed_term(view, maps, z2)
                total = total + self.self_supervised_weight * weight * mixed.mean()
                terms["mixed"] = mixed.detach()
        return Loss(total, terms)

    def _joined(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Unit vectors of both views, of all processes."""
        both = gather_with_gradients(torch.stack(z.chunk(2), 1))
        return both[:, 0], both[:, 1]

    def _mixed_term(self, view: Tensor, maps: Tensor | None, z2: Tensor) -> tuple[Tensor, Tensor | float]:
        """The SimCLR loss with the first view mixed, and its weight."""
        assert self.mixing is not None
        mixed = self.mixing(view, maps)
        z = gather_with_gradients(self._project(self.network(mixed.x)))
        return mixed_loss(z, z2, self.temperature), mixed.weight if self.area_weight else 1.0

    def _maps(self, simclr: Tensor, z1: Tensor, z2: Tensor, kept: dict[str, Tensor], n: int) -> Tensor:
        """Attribution maps of the first ``n`` views, (n, h, w), from the graph of the loss itself."""
        source = simclr.mean() if self.attribution_of == "loss" else (z1 * z2).sum()
        gradients = torch.autograd.grad(source, list(kept.values()), retain_graph=True)
        of_layer = layercam if self.attribution == "layercam" else gradcam
        maps = [
            of_layer(activations[:n], gradient[:n], self.attribution_sign)
            for activations, gradient in zip(kept.values(), gradients, strict=True)
        ]
        if len(maps) == 1:
            return maps[0]
        largest = max((found.shape[1], found.shape[2]) for found in maps)
        return aggregate(maps, largest)

    def attribution_maps(self, x: Tensor) -> Tensor:
        """Where the network looks: the maps that mixing would take, of two views that are the samples themselves.

        Parameters
        ----------
        x : Tensor, shape (N, C, H, W)
            At least two samples: a sample alone has nothing to be told from.

        Returns
        -------
        Tensor, shape (N, h, w)
        """
        with torch.enable_grad():
            features, kept = self._stages(torch.cat([self.views(x), self.views(x)]))
            z1, z2 = self._project(features).chunk(2)
            return self._maps(simclr_loss(z1, z2, self.temperature), z1, z2, kept, len(x))


class MomentumContrast(Contrastive):
    """Contrast with the keys of a slowly moving encoder and of earlier batches: MoCo.

    L = L_moco + gamma^2 L_mixed; labels are not looked at. The first view is the query, the second the key.

    Parameters
    ----------
    network, views, projection_dim, projection_hidden, temperature, mixing
        As of :class:`Contrastive`.
    queue_size : int
        Keys of earlier batches, 8192 in the paper.
    momentum : float
        By which the encoder of the keys moves, in [0, 1].
    **attribution
        ``layers``, ``attribution``, ``attribution_of``, ``attribution_sign`` and ``area_weight`` of
        :class:`Contrastive`.

    References
    ----------
    He et al., "Momentum contrast for unsupervised visual representation learning", CVPR 2020.

    Examples
    --------
    >>> from knownot.networks import ResNet
    >>> from knownot.views import SimCLRViews
    >>> module = MomentumContrast(ResNet((3, 16, 16), width=4), SimCLRViews(), 8, queue_size=32)
    >>> loss = module.loss(Batch(torch.rand(6, 3, 16, 16), torch.full((6,), -1)))
    >>> module.after_step()
    >>> int(module.queue.filled)
    6
    """

    def __init__(
        self,
        network: nn.Module,
        views: Views,
        projection_dim: int = 128,
        projection_hidden: Sequence[int] = (),
        temperature: float = 0.1,
        mixing: Mixing | None = None,
        queue_size: int = 8192,
        momentum: float = 0.999,
        **attribution: Any,
    ) -> None:
        super().__init__(
            network, views, projection_dim, projection_hidden, temperature, 0.0, 1.0, mixing, **attribution
        )
        self.momentum = momentum
        self.queue = MomentumQueue(queue_size, projection_dim)
        self.key_network, self.key_projection = copy.deepcopy(self.network), copy.deepcopy(self.projection)
        for parameter in [*self.key_network.parameters(), *self.key_projection.parameters()]:
            parameter.requires_grad_(False)
        self._keys: Tensor | None = None

    def start_from(self, x: Tensor, seed: int) -> None:
        """Let both networks see some training samples before they are trained."""
        super().start_from(x, seed)
        self.key_network.load_state_dict(self.network.state_dict())

    def loss(self, batch: Batch) -> Loss:
        """InfoNCE of the queries, and of mixed ones.

        Parameters
        ----------
        batch : Batch

        Returns
        -------
        Loss
            Terms "moco" and "mixed", unweighted, in nats.
        """
        view = self.views(batch.x)
        with torch.no_grad():
            keys = unit_vectors(self.key_projection(self.key_network(self.views(batch.x))))
        features, kept = self._stages(view)
        queries = self._project(features)
        moco = self._contrast(queries, keys)
        total, terms = moco.mean(), {"moco": moco.detach()}
        if self.training:
            if self.mixing is not None:
                maps = self._maps(moco, queries, keys, kept, len(view)) if kept else None
                found = self.mixing(view, maps)
                mixed = self._contrast(self._project(self.network(found.x)), keys)
                total = total + (found.weight if self.area_weight else 1.0) * mixed.mean()
                terms["mixed"] = mixed.detach()
            self._keys = gather_with_gradients(keys)
        return Loss(total, terms)

    def _contrast(self, queries: Tensor, keys: Tensor) -> Tensor:
        return moco_loss(queries, keys, self.queue.vectors, self.temperature, self.queue.filled)

    def after_step(self) -> None:
        """Move the encoder of the keys, and put the last keys into the queue."""
        momentum_update(self.network, self.key_network, self.momentum)
        momentum_update(self.projection, self.key_projection, self.momentum)
        if self._keys is not None:
            self.queue.enqueue(self._keys)
            self._keys = None
