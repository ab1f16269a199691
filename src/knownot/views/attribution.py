"""Which places of an image a loss hangs on, from activations of a layer and the gradients with respect to them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def layercam(activations: Tensor, gradients: Tensor, sign: int = 1) -> Tensor:
    r"""LayerCAM maps: each place of each channel is weighted by its own gradient.

    .. math:: M_{ij} = \mathrm{relu} \sum_k \mathrm{relu}(g^k_{ij})\, A^k_{ij}

    Parameters
    ----------
    activations : Tensor of shape (N, K, h, w)
        A, what a layer gives.
    gradients : Tensor of shape (N, K, h, w)
        g, the gradient of the loss with respect to A.
    sign : {1, -1}, default=1
        By what g is multiplied. With +1, as in the GradMix paper, a map shows what raises the loss; with -1 what
        lowers it, the evidence for the match.

    Returns
    -------
    Tensor of shape (N, h, w)
        In float32, not negative, without a graph; not normalised.

    Raises
    ------
    ValueError
        If shapes differ or are not (N, K, h, w), or the sign is neither 1 nor -1.

    References
    ----------
    Jiang et al., LayerCAM: Exploring Hierarchical Class Activation Maps for Localization, 2021.

    Examples
    --------
    >>> A, g = torch.ones(1, 2, 1, 2), torch.tensor([[[[1.0, -1.0]], [[2.0, -3.0]]]])
    >>> layercam(A, g)
    tensor([[[3., 0.]]])
    >>> layercam(A, g, sign=-1)
    tensor([[[0., 4.]]])
    """
    A, g = _checked(activations, gradients, sign)
    return (g.relu() * A).sum(1).relu()


def gradcam(activations: Tensor, gradients: Tensor, sign: int = 1) -> Tensor:
    r"""Grad-CAM maps: each channel is weighted by the mean of its gradient.

    .. math:: M = \mathrm{relu} \sum_k a_k A^k, \quad a_k = \mathrm{mean}_{ij}\, g^k_{ij}

    Parameters
    ----------
    activations : Tensor of shape (N, K, h, w)
        A, what a layer gives.
    gradients : Tensor of shape (N, K, h, w)
        g, the gradient of the loss with respect to A.
    sign : {1, -1}, default=1
        By what g is multiplied; see :func:`layercam`.

    Returns
    -------
    Tensor of shape (N, h, w)
        In float32, not negative, without a graph; not normalised.

    Raises
    ------
    ValueError
        If shapes differ or are not (N, K, h, w), or the sign is neither 1 nor -1.

    References
    ----------
    Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, 2017.

    Examples
    --------
    >>> A, g = torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([[[[3.0, 1.0]]]])
    >>> gradcam(A, g)
    tensor([[[2., 4.]]])
    """
    A, g = _checked(activations, gradients, sign)
    return (g.mean((2, 3), keepdim=True) * A).sum(1).relu()


def aggregate(maps: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """One map from those of several layers: each scaled up, normalised to a maximum of 1, then summed.

    Parameters
    ----------
    maps : sequence of Tensor of shape (N, h, w)
        Maps that are not negative; sizes may differ. A map that is zero everywhere adds nothing.
    size : (int, int)
        H and W of the result. Scaling is bilinear.

    Returns
    -------
    Tensor of shape (N, H, W)
        In float32, from 0 to the number of maps.

    Raises
    ------
    ValueError
        If there is no map, or they are of different numbers of images.

    Examples
    --------
    >>> aggregate([torch.tensor([[[0.0, 5.0]]]), torch.tensor([[[2.0]]])], (1, 2))
    tensor([[[1., 2.]]])
    """
    if not len(maps) or any(not isinstance(m, Tensor) or m.ndim != 3 or len(m) != len(maps[0]) for m in maps):
        shapes = [tuple(getattr(m, "shape", ())) for m in maps]
        raise ValueError(f"Maps of shapes {shapes} cannot be put together; give one (N, h, w) or more, all of one N.")
    total = torch.zeros(len(maps[0]), *size, device=maps[0].device)
    for found in maps:
        large = scaled_up(found, size)
        top = large.amax((1, 2), keepdim=True)
        total += torch.where(top > 0, large / top, 0.0)
    return total


def scaled_up(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear scaling of maps (N, h, w) to a size, in float32.

    It equals ``F.interpolate(mode="bilinear")``. A product with the matrix of each axis is ten times as fast for
    the few places that a map has.
    """
    with torch.autocast(maps.device.type, enabled=False):
        down, across = (
            F.interpolate(torch.eye(one, device=maps.device)[None], other, mode="linear")[0]
            for one, other in zip(maps.shape[1:], size, strict=True)
        )
        return down.mT @ (maps.float() @ across)


def _checked(activations: Tensor, gradients: Tensor, sign: int) -> tuple[Tensor, Tensor]:
    """Activations and signed gradients, in float32 and without a graph: a map says where, and learns nothing."""
    if sign not in (1, -1):
        raise ValueError(f"sign={sign!r}; give 1 or -1.")
    if activations.ndim != 4 or activations.shape != gradients.shape:
        raise ValueError(
            f"Activations of shape {tuple(activations.shape)} and gradients of shape {tuple(gradients.shape)}; "
            "both must have one shape, (N, K, h, w)."
        )
    return activations.detach().float(), sign * gradients.detach().float()
