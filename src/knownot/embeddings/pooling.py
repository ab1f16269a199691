"""From the outputs of a vision model to one row a picture.

=============  ==========================================================  =======================================
pooling        what is taken                                               chosen by "auto" for
=============  ==========================================================  =======================================
``features``   ``get_image_features``: the space in which pictures are     CLIP, SigLIP, ALIGN and the like, saved
               compared with texts                                         with their text encoder
``pooler``     ``pooler_output``: the model's own summary                  DINOv2, DINOv3, ConvNeXt, ResNet, Swin,
                                                                           BEiT, vision towers of CLIP and SigLIP
``cls``        the class token of the last layer                           ViT, DeiT
``mean``       the mean of the patch tokens, or of the feature map         models without class token and pooler
=============  ==========================================================  =======================================

The pooler of ViT and DeiT is a dense layer with tanh. It was made for pre-training, and most checkpoints lack its
weights, so that it would be random: the class token is what their classification heads read.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

POOLINGS = ("auto", "pooler", "cls", "mean")


def choose_pooling(model: nn.Module, outputs: Any, asked: str, absent: frozenset[str]) -> str:
    """Decide what is taken of a model's outputs.

    Parameters
    ----------
    model : nn.Module
        From ``transformers``.
    outputs : ModelOutput
        Of `vision_part` on some picture.
    asked : {"auto", "pooler", "cls", "mean"}
    absent : frozenset of str
        Weights that the checkpoint lacks.

    Returns
    -------
    {"features", "pooler", "cls", "mean"}

    Raises
    ------
    ValueError
        If the model does not have what is asked for.
    """
    if asked in ("auto", "pooler") and hasattr(model, "get_image_features"):
        return "features"
    last = getattr(outputs, "last_hidden_state", None)
    has_class_token = last is not None and last.ndim == 3 and n_special_tokens(model) > 0
    pooler = getattr(outputs, "pooler_output", None)
    untrained = any("pooler" in name for name in absent)
    if asked == "auto":
        made_for_training = hasattr(getattr(vision_part(model), "pooler", None), "dense")
        if pooler is not None and not untrained and not made_for_training:
            return "pooler"
        return "cls" if has_class_token else "mean"
    if asked == "pooler" and (pooler is None or untrained):
        why = (
            "has no pooler" if pooler is None else "was saved without the weights of its pooler, which would be random"
        )
        raise ValueError(f"pooling='pooler': {type(model).__name__} {why}. Choose 'cls', 'mean' or 'auto'.")
    if asked == "cls" and not has_class_token:
        raise ValueError(f"pooling='cls': {type(model).__name__} has no class token. Choose 'mean' or 'auto'.")
    return asked


def pool(model: nn.Module, inputs: dict[str, Tensor], pooling: str) -> Tensor:
    """Embed a batch.

    Parameters
    ----------
    model : nn.Module
    inputs : dict of str to Tensor
        What the image processor made of the pictures.
    pooling : {"features", "pooler", "cls", "mean"}

    Returns
    -------
    Tensor, shape (N, d)
    """
    if pooling == "features":
        found = model.get_image_features(**inputs)  # type: ignore[operator]
        return found if isinstance(found, Tensor) else found.pooler_output
    outputs = vision_part(model)(**inputs)
    if pooling == "pooler":
        return outputs.pooler_output.flatten(1)
    last = outputs.last_hidden_state
    if pooling == "cls":
        return last[:, 0]
    return last.mean((2, 3)) if last.ndim == 4 else last[:, n_special_tokens(model) :].mean(1)


def vision_part(model: nn.Module) -> nn.Module:
    """The part of a model that sees pictures: the model itself, or its vision tower."""
    tower = getattr(model, "vision_model", None)
    return tower if hasattr(model, "get_image_features") and isinstance(tower, nn.Module) else model


def n_special_tokens(model: nn.Module) -> int:
    """Tokens before those of the patches: class token, distillation token, registers."""
    part = vision_part(model)
    names = {name.rsplit(".", 1)[-1] for name, _ in part.named_parameters()}
    if not names & {"cls_token", "class_embedding"}:
        return 0
    registers = getattr(getattr(part, "config", None), "num_register_tokens", 0) or 0
    return 1 + ("distillation_token" in names) + registers
