"""`python -m knownot` is the command `knownot`."""

from __future__ import annotations

from knownot.cli import main

if __name__ == "__main__":
    main()
