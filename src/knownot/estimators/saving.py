"""One file a model: tensors and a JSON header in the safetensors format, never a pickle."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

FORMAT_VERSION = 1
_KEY = "knownot"


def save_model(path: str | os.PathLike[str], tensors: dict[str, Tensor], config: dict[str, Any]) -> Path:
    """Write a model file; an existing one survives whatever goes wrong.

    Parameters
    ----------
    path : path
        Usually ending in ``.safetensors``. Its folder must exist.
    tensors : dict of str to Tensor
    config : dict
        Anything that JSON can hold. The format's version is added.

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
    header = {_KEY: json.dumps({"format_version": FORMAT_VERSION, **config})}
    content = save({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, metadata=header)
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except PermissionError as error:
        raise ValueError(f"cannot save to {path}: {error.strerror}; choose a folder that you may write to.") from error
    except OSError as error:
        kept = " The file that was there is unchanged." if path.exists() else ""
        raise OSError(error.errno, f"could not save the model ({error.strerror}).{kept}", str(path)) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return path


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def read_config(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a model file says of itself; tensors are not read.

    Raises
    ------
    ValueError
        If the file is missing, truncated, no model of this package, or of a newer format.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no model file {path}.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(
            f"{path} is not a whole model file ({error}): it may be cut off, damaged or of another kind; "
            "copy or save it again."
        ) from error
    try:
        config = json.loads(metadata[_KEY])
        version = int(config["format_version"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is a safetensors file but not a knownot model: save one with .save(path).") from error
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{path} has format version {version}; this knownot reads up to {FORMAT_VERSION}: update knownot."
        )
    return dict(config)


def load_model(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and configuration of a model file.

    Raises
    ------
    ValueError
        As :func:`read_config`.
    """
    config = read_config(path)
    return load_file(path), config
