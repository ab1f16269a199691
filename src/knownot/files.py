"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def whole_file(path: str | os.PathLike[str], mode: str = "wb", **options: Any) -> Iterator[IO[Any]]:
    """Open a file that takes its place only when the block ends well.

    Whatever is raised inside, a full disk or Ctrl-C included, an older file stays as it was and nothing is
    left beside it. Through a symbolic link the file it points to is written; an existing file keeps its
    permissions. What is no ordinary file (a pipe, ``/dev/stdout``) is written to directly.

    Parameters
    ----------
    path : path
        Its folder must exist.
    mode : {"wb", "w"}
    **options
        As of :func:`open`, such as ``encoding`` and ``newline``.

    Yields
    ------
    file object

    Raises
    ------
    OSError
        With the name of the file, if it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole_file(Path(folder, "a.txt"), "w") as file:
    ...         _ = file.write("whole")
    ...     Path(folder, "a.txt").read_text()
    'whole'
    """
    given = Path(path)
    if given.exists() and not given.is_file() and not given.is_dir():
        with given.open(mode, **options) as file:
            yield file
        return
    target = Path(os.path.realpath(given))
    part = target.with_name(f".{target.name[:100]}.{os.getpid()}.{os.urandom(4).hex()}.part")
    try:
        try:
            with part.open(mode.replace("w", "x"), **options) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if target.exists():
                part.chmod(target.stat().st_mode & 0o7777)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(part)):
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error
