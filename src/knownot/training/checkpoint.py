"""Checkpoints that appear whole or not at all, and are read without running code."""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from knownot.files import whole_file
from knownot.training.plan import TrainingPlan

FORMAT = 2
FILE_NAME = "checkpoint.pt"
# A file begins with this line and the SHA-256 of all that follows. (Format 1 began with torch's own archive.)
_MAGIC = b"knownot checkpoint\n"
_ARCHIVE = b"PK\x03\x04"
# These change where and how often, not what is computed ("precision" and the number of processes
# are compared as they came out).
_NOT_COMPARED = {"accelerator", "checkpoint_every", "devices", "max_time", "num_nodes", "precision", "seed"}
# What trainings did before there were settings for it: checkpoints of older versions do not name them.
_BEFORE = {"optimizer": "adam", "momentum": 0.9, "keep": "best"}

Weights = dict[str, Tensor]


def snapshot(module: nn.Module) -> Weights:
    """Copy of the weights and buffers that a state dict holds."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def prepare_folder(directory: str | os.PathLike[str]) -> None:
    """Make the folder of checkpoints, or refuse it before a training begins.

    Raises
    ------
    ValueError
        If it cannot be made or written to.
    """
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
        with whole_file(Path(directory) / ".writable"):
            pass
        (Path(directory) / ".writable").unlink(missing_ok=True)
    except OSError as error:
        raise ValueError(
            f"no checkpoints can be written to {os.fspath(directory)} ({error.strerror}): name another checkpoint_dir."
        ) from error


def write_checkpoint(directory: str | os.PathLike[str], content: Mapping[str, Any]) -> Path:
    """Write ``checkpoint.pt``; if the process is killed while writing, the previous one stays.

    Parameters
    ----------
    directory : path
    content : mapping
        Tensors, plain numbers, strings, lists and dicts.

    Returns
    -------
    Path
        The file.
    """
    folder = Path(directory)
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **content}, buffer)
    payload = buffer.getbuffer()
    with whole_file(folder / FILE_NAME) as file:
        file.write(_checksum_line(payload))
        file.write(payload)
    return folder / FILE_NAME


def read_checkpoint(directory: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Read what :func:`write_checkpoint` wrote; None where there is no checkpoint.

    Raises
    ------
    ValueError
        If the file is damaged, of another program or of a newer format.
    """
    path = Path(directory) / FILE_NAME
    if not path.exists():
        return None
    try:
        content = torch.load(io.BytesIO(_verified_payload(path.read_bytes())), map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load fails in many ways on files of other programs
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


def _checksum_line(payload: bytes | memoryview) -> bytes:
    """The head of a file with this content."""
    return _MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n"


def _verified_payload(stored: bytes) -> bytes:
    """What a file holds behind its checksum, which must be right."""
    if stored.startswith(_ARCHIVE):
        return stored
    head, payload = stored[: len(_MAGIC) + 65], stored[len(_MAGIC) + 65 :]
    if head != _checksum_line(payload):
        raise ValueError("the checksum is not that of the content")
    return payload


def fingerprint(plan: TrainingPlan, module: nn.Module, **facts: Any) -> dict[str, Any]:
    """What must be the same for a training to be resumed: plan, module, shapes of weights, and ``facts``."""
    free = _NOT_COMPARED | ({"max_epochs"} if plan.schedule == "constant" else set())
    kept = {name: value for name, value in asdict(plan).items() if name not in free}
    shapes = {name: list(value.shape) for name, value in module.state_dict().items()}
    return {"settings": kept | facts, "module": dict(getattr(module, "built_with", {})), "shapes": shapes}


def data_fingerprint(batches: Iterable[Any] | None) -> str | None:
    """A digest of samples and labels, as far as they can be read without disturbing anything.

    Parameters
    ----------
    batches : iterable of batches
        What has a ``fingerprint()``, such as `InMemoryBatches`, says it itself; lists of batches are read;
        of a DataLoader, whose samples may be drawn at random, the number of samples counts.
    """
    if batches is None:
        return None
    own = getattr(batches, "fingerprint", None)
    if callable(own):
        return str(own())
    if isinstance(batches, DataLoader):
        return f"{len(batches.dataset)} samples"  # type: ignore[arg-type]
    digest = hashlib.blake2b(digest_size=16)
    for batch in batches if isinstance(batches, list | tuple) else ():
        for value in batch:
            if isinstance(value, Tensor):
                digest.update(f"{value.dtype}{tuple(value.shape)}".encode())
                digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def refuse_mismatch(found: dict[str, Any], wanted: dict[str, Any], directory: str | os.PathLike[str]) -> None:
    """Raise a ValueError if the checkpoint's fingerprint is not that of this training."""
    where = f"The checkpoint in {os.fspath(directory)} does not belong to this training: it "
    remedy = "Use what it was begun with, name another checkpoint_dir, or start over with resume=False."
    if "module" not in found:
        warnings.warn(
            f"The checkpoint in {os.fspath(directory)} was written by an earlier version, which did not note the "
            "data it was begun with: make sure that they are the same.",
            stacklevel=2,
        )
    for kind, unit in (("settings", ""), ("module", "the module's "), ("shapes", "the weights ")):
        theirs, ours = found.get(kind), wanted[kind]
        if theirs is None:
            continue
        if kind == "settings":
            theirs = {**_BEFORE, **theirs}
        for name in [*ours, *(name for name in theirs if name not in ours)]:
            if name in ("training_data", "validation_data"):
                if "module" in found and theirs.get(name) != ours.get(name):
                    what = name.replace("_data", "")
                    raise ValueError(f"{where}was begun with other {what} samples or labels. {remedy}")
            elif theirs.get(name) != ours.get(name):
                raise ValueError(
                    f"{where}has {unit}{name} = {theirs.get(name)}, this training {ours.get(name)}. {remedy}"
                )
