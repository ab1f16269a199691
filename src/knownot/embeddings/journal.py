"""What an interrupted run has embedded so far: a file that grows by a batch at a time.

A line of JSON says by what the embeddings were made; records of one length follow: the key of a batch, which of its
photos could be read, their rows, a checksum. A record that was cut short, or damaged, is dropped with all behind it.
"""

from __future__ import annotations

import json
import os
import tempfile
import zlib
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

MAGIC = b"knownot embeddings 1 "
KEY_BYTES = 16


class Journal:
    """Batches of embeddings in a file, found by their keys.

    Parameters
    ----------
    path : path or None
        None: a temporary file.
    made_by : dict of str to str or int
        What decides the numbers. A journal made by something else is refused.
    batch_size, width : int
        Photos in a batch, numbers in an embedding.

    Raises
    ------
    ValueError
        If the file is something else, was made by something else, or is being written by another process.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None, made_by: dict[str, str | int], batch_size: int, width: int
    ) -> None:
        self.path = None if path is None else Path(path)
        self._layout = np.dtype(
            [
                ("key", f"V{KEY_BYTES}"),
                ("fine", "u1", (batch_size,)),
                ("rows", "<f4", (batch_size, width)),
            ]
        )
        self._header = MAGIC + json.dumps(made_by, sort_keys=True).encode() + b"\n"
        self._length = self._layout.itemsize + 4
        self._places: dict[bytes, int] = {}
        # Kept open: a file that another process removes is then still whole for this one.
        self._file: IO[bytes] = self._opened(self.path) if self.path else tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._read(made_by)
        except BaseException:
            self._file.close()
            raise
        #: Batches that were there from the beginning.
        self.found = len(self._places)

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, key: bytes, fine: np.ndarray, rows: np.ndarray) -> None:
        """Append a batch: once this returns, a killed process does not lose it."""
        record = np.zeros((), self._layout)
        record["key"], record["fine"], record["rows"] = np.void(key), fine, rows
        content = record.tobytes()
        self._file.write(content + zlib.crc32(content).to_bytes(4, "little"))
        self._file.flush()
        self._places[key] = self._end
        self._end += self._length

    def get(self, key: bytes) -> tuple[np.ndarray, np.ndarray]:
        """Read a batch: which photos were fine, (B,) bool, and their rows, (B, d) float32."""
        self._file.seek(self._places[key])
        record = np.frombuffer(self._file.read(self._layout.itemsize), self._layout)[0]
        self._file.seek(0, os.SEEK_END)
        return record["fine"].astype(bool), record["rows"]

    def forget(self, key: bytes) -> None:
        """Take a batch as not done."""
        self._places.pop(key, None)

    def remove(self) -> None:
        """Delete the file, when its content is elsewhere."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _opened(self, path: Path) -> IO[bytes]:
        file = path.open("r+b" if path.exists() else "x+b")
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.close()
                raise ValueError(f"{path} is being written by another run: wait until it is done.") from error
            except OSError:  # a file system without locks
                pass
        return file

    def _read(self, made_by: dict[str, str | int]) -> None:
        first = self._file.readline(1 << 16)
        if not first.endswith(b"\n"):
            # New, or killed before the first line was complete; anything else is not ours to overwrite.
            if not self._header.startswith(first):
                raise ValueError(self._no_journal())
            self._file.seek(0)
            self._file.truncate()
            self._file.write(self._header)
            self._file.flush()
        elif not first.startswith(MAGIC):
            raise ValueError(self._no_journal())
        elif first != self._header:
            raise ValueError(self._difference(first, made_by))
        self._end = len(self._header)
        while len(content := self._file.read(self._length)) == self._length:
            if zlib.crc32(content[:-4]) != int.from_bytes(content[-4:], "little"):
                break
            self._places[content[:KEY_BYTES]] = self._end
            self._end += self._length
        self._file.seek(self._end)
        self._file.truncate()

    def _no_journal(self) -> str:
        return f"{self.path} is in the way and no unfinished run of knownot embed: move it, or choose another output."

    def _difference(self, first: bytes, made_by: dict[str, str | int]) -> str:
        try:
            before = json.loads(first[len(MAGIC) :])
        except ValueError:
            return self._no_journal()
        differing = [name for name in {**before, **made_by} if before.get(name) != made_by.get(name)]
        told = ", ".join(f"{name} {before.get(name)} then, {made_by.get(name)} now" for name in differing)
        return (
            f"{self.path} holds the embeddings of an unfinished run, made otherwise ({told}): go on with what it was "
            "made by, or delete it to start anew, or choose another output."
        )
