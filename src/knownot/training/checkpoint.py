"""Checkpoints that appear whole or not at all, and are read without running code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from knownot.training.settings import TrainingSettings

FORMAT = 1
FILE_NAME = "checkpoint.pt"
# These change where and how often, not what is computed ("precision" and the number of processes
# are compared as they came out).
_FREE = {"accelerator", "checkpoint_every", "devices", "max_time", "num_nodes", "precision", "seed"}

Weights = dict[str, Tensor]


def snapshot(module: nn.Module) -> Weights:
    """Copy of the weights and buffers that a state dict holds."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def write_checkpoint(directory: str | os.PathLike[str], content: Mapping[str, Any]) -> Path:
    """Write ``checkpoint.pt``; a process killed meanwhile leaves the one before it.

    Parameters
    ----------
    directory : path
        Made if it is not there.
    content : mapping
        Tensors, plain numbers, strings, lists and dicts.

    Returns
    -------
    Path
        The file.
    """
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    partial, final = folder / f"{FILE_NAME}.partial", folder / FILE_NAME
    with partial.open("wb") as file:
        torch.save({"format": FORMAT, **content}, file)
        file.flush()
        os.fsync(file.fileno())
    return partial.replace(final)


def read_checkpoint(directory: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Read what :func:`write_checkpoint` wrote; None where there is no checkpoint.

    Raises
    ------
    ValueError
        If the file is damaged, foreign or of a newer format.
    """
    path = Path(directory) / FILE_NAME
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load fails in many ways on a file that is none of its own
        raise ValueError(
            f"{path} cannot be read as a checkpoint ({type(error).__name__}): it is damaged or of another program. "
            "Remove it, or name another checkpoint_dir."
        ) from error
    found = content.get("format") if isinstance(content, dict) else None
    if not isinstance(found, int):
        raise ValueError(f"{path} is no checkpoint of a training: remove it, or name another checkpoint_dir.")
    if found > FORMAT:
        raise ValueError(
            f"{path} has format {found}, this version of knownot reads up to {FORMAT}: install a newer version."
        )
    return content


def fingerprint(settings: TrainingSettings, module: nn.Module, **facts: Any) -> dict[str, Any]:
    """What must be the same for a training to be resumed: settings, shapes of weights, and ``facts``."""
    free = _FREE | ({"max_epochs"} if settings.schedule == "constant" else set())
    kept = {name: value for name, value in asdict(settings).items() if name not in free}
    shapes = {name: list(value.shape) for name, value in module.state_dict().items()}
    return {"settings": kept | facts, "shapes": shapes}


def refuse_mismatch(found: dict[str, Any], wanted: dict[str, Any], directory: str | os.PathLike[str]) -> None:
    """Raise a ValueError if the checkpoint's fingerprint is not that of this training."""
    remedy = "Use what it was begun with, name another checkpoint_dir, or start anew with resume=False."
    for kind, unit in (("settings", ""), ("shapes", "the weights ")):
        theirs, ours = found[kind], wanted[kind]
        for name in [*ours, *(name for name in theirs if name not in ours)]:
            if theirs.get(name) != ours.get(name):
                raise ValueError(
                    f"The checkpoint in {os.fspath(directory)} does not belong to this training: it has "
                    f"{unit}{name} = {theirs.get(name)}, this training {ours.get(name)}. {remedy}"
                )
