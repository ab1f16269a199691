"""The file of a saved model: safetensors with a JSON configuration and a checksum in its header, never a pickle.

Reading and checking need neither torch nor scikit-learn, so that a command can show quickly what a file holds.
Tensors are built by the caller, from the bytes that were checked.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knownot.files import whole_file

FORMAT_VERSION = 2
_KEY = "knownot"
# The checksum is that of the whole file with zeros in the checksum's own place.
_CHECKSUM = "sha256"
_NONE = b"0" * 64
_FIELD = re.compile(rb'"sha256":"([0-9a-f]{64})"')
# Arguments of an estimator that format 1 had and that belong to its training settings since.
_MOVED = (
    "schedule",
    "weight_decay",
    "warmup_epochs",
    "patience",
    "max_time",
    "devices",
    "num_nodes",
    "precision",
    "checkpoint_dir",
    "checkpoint_every",
    "resume",
)


@dataclass(frozen=True)
class ModelFile:
    """A model file that was read once, as a whole, and checked.

    Attributes
    ----------
    config : dict
        The configuration, brought to the present format.
    shapes : dict of str to list of int
        Shape of each tensor.
    content : bytes
        The file itself, as ``safetensors.torch.load`` takes it.
    """

    config: dict[str, Any]
    shapes: dict[str, list[int]]
    content: bytes


def metadata(config: dict[str, Any]) -> dict[str, str]:
    """The header's fields for a configuration: what safetensors calls metadata.

    Parameters
    ----------
    config : dict
        Anything that JSON can hold. The format's version is added.
    """
    return {_KEY: json.dumps({"format_version": FORMAT_VERSION, **config}), _CHECKSUM: _NONE.decode()}


def write_model_file(path: str | os.PathLike[str], content: bytes) -> Path:
    """Write a model file; an existing one survives whatever goes wrong.

    Parameters
    ----------
    path : path
        Usually ending in ``.safetensors``. Its folder must exist.
    content : bytes
        As ``safetensors.torch.save`` gives them for some tensors and :func:`metadata`; the checksum is
        filled in here.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If the folder does not exist or cannot be written.
    OSError
        If the disk is full; the old file, if any, is unharmed.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise ValueError(f"cannot save to {path}: the folder {path.parent} does not exist; create it first.")
    start = _place_of_checksum(content)
    digest = hashlib.sha256(content).hexdigest().encode()
    try:
        with whole_file(path) as file:
            file.write(content[:start])
            file.write(digest)
            file.write(memoryview(content)[start + 64 :])
    except PermissionError as error:
        raise ValueError(f"cannot save to {path}: {error.strerror}; choose a folder that you may write to.") from error
    except OSError as error:
        kept = "; the file that was there is unchanged" if path.exists() else ""
        raise OSError(error.errno, f"could not save the model ({error.strerror}){kept}", str(path)) from error
    return path


def read_model_file(path: str | os.PathLike[str]) -> ModelFile:
    """Read a model file once, into memory, and check that it is whole.

    Raises
    ------
    ValueError
        If the file is missing, damaged, no model of this package, or of a newer format.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no model file {path}.")
    content = path.read_bytes()
    try:
        header = _header(content)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise _not_whole(path, f"{type(error).__name__}: {error}") from error
    fields = header.pop("__metadata__", {})
    try:
        config = json.loads(fields[_KEY])
        version = int(config["format_version"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is a safetensors file but not a knownot model: save one with .save(path).") from error
    if (version >= 2 or _CHECKSUM in fields) and not _is_sealed(content):
        raise _not_whole(path, "its checksum is not that of its content")
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{path} has format version {version}; this knownot reads up to {FORMAT_VERSION}: update knownot."
        )
    return ModelFile(_upgraded(config, version), {name: entry["shape"] for name, entry in header.items()}, content)


def _not_whole(path: Path, why: str) -> ValueError:
    return ValueError(
        f"{path} is not a whole model file ({why}): it may be cut off, damaged or of another kind; "
        "copy or save it again."
    )


def _header(content: bytes) -> dict[str, Any]:
    """The header of a safetensors file, whose tensors must fill the rest of it."""
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > len(content) - 8:
        raise ValueError("it is shorter than its header says")
    header = json.loads(content[8 : 8 + length])
    if not isinstance(header, dict):
        raise ValueError("it has no header")
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    if 8 + length + max(ends, default=0) != len(content):
        raise ValueError("its tensors do not fill it")
    return header


def _place_of_checksum(content: bytes) -> int:
    """Where the 64 digits of the checksum begin."""
    length = int.from_bytes(content[:8], "little")
    found = _FIELD.search(content, 8, 8 + length)
    if found is None:
        raise ValueError("it has no checksum")
    return found.start(1)


def _is_sealed(content: bytes) -> bool:
    """Whether the checksum is that of the content."""
    try:
        start = _place_of_checksum(content)
    except ValueError:
        return False
    digest = hashlib.sha256(content[:start])
    digest.update(_NONE)
    digest.update(memoryview(content)[start + 64 :])
    return digest.hexdigest().encode() == content[start : start + 64]


def _upgraded(config: dict[str, Any], version: int) -> dict[str, Any]:
    """A configuration in the present format."""
    if version == 1 and "parameters" in config:
        parameters = dict(config["parameters"])
        moved = [[name, parameters.pop(name)] for name in _MOVED if name in parameters]
        config = {**config, "parameters": {**parameters, "training": {"training": moved}}}
    return config
