"""Files read ahead in threads, and handed over in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


def read_ahead(read: Callable[[int], Result], n: int) -> Generator[Future[Result], None, None]:
    """Call ``read`` with 0 … n - 1 in threads, a few ahead, so that memory does not grow with n.

    Close it, as `contextlib.closing` does, where what is done with the results may fail.

    Parameters
    ----------
    read : callable
    n : int

    Yields
    ------
    Future
        Of each number, in order; ``result()`` raises what ``read`` raised.

    Examples
    --------
    >>> [future.result() for future in read_ahead(lambda i: i * i, 4)]
    [0, 1, 4, 9]
    """
    # Pillow decodes outside the interpreter's lock.
    workers = min(8, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(workers)
    try:
        running: deque[Future[Result]] = deque()
        for i in range(n):
            # Only a few wait in line, so that little is left to cancel.
            while len(running) < min(4 * workers, n - i):
                running.append(pool.submit(read, i + len(running)))
            yield running.popleft()
    finally:
        # Ctrl-C arrives above: reads that have not begun are cancelled.
        pool.shutdown(cancel_futures=True)
