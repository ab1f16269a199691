"""Embed photos into a table, and be killed after some of them: started by test_embedding.py."""

import os
import signal
import sys

from knownot.embeddings import embed_to_file


def die(done: int, total: int) -> None:
    if done >= int(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    embed_to_file(sys.argv[1], sys.argv[2], sys.argv[3], batch_size=4, progress=die)
